//! What servers and the gateway export: counters since their start, and gauges of the moment.

use super::latency::{Buckets, Latencies, REQUEST_BOUNDS, TOKEN_BOUNDS, TTFT_BOUNDS};

/// What one replica's server has counted since its start.
///
/// Counters never fall, and each update takes a few nanoseconds. The histograms have vLLM's
/// bounds, so a quantile is as coarse as it is in production.
///
/// ```
/// use trimtab_sim::metrics::Exporter;
///
/// let mut server = Exporter::new();
/// server.on_arrival();
/// server.on_first_token(0.31, 1_200); // 310 ms after its arrival, of 1200 prompt tokens
/// server.on_tokens(99, 0.021); // 99 more tokens, one every 21 ms
/// server.on_finish(2.389, Some(0.021));
/// server.on_answer(100);
/// server.add_busy(2.389);
/// ```
#[derive(Clone, Debug)]
pub struct Exporter {
    pub(super) arrived: u64,
    pub(super) finished: u64,
    pub(super) prompt_tokens: u64,
    pub(super) generation_tokens: u64,
    /// Tokens of the answers that ended.
    pub(super) answer_tokens: u64,
    pub(super) busy_seconds: f64,
    ttft: Latencies<22>,
    tpot: Latencies<19>,
    itl: Latencies<19>,
    e2e: Latencies<21>,
}

/// What a replica is at the moment of a scrape.
///
/// ```
/// use trimtab_sim::metrics::Gauges;
///
/// let gauges = Gauges { running: 12, waiting: 3, kv_used: 0.4 };
/// assert_eq!(gauges.running + gauges.waiting, 15);
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests that are being served.
    pub running: u32,
    /// Requests that wait at the replica.
    pub waiting: u32,
    /// The share of the KV cache that is used, from 0 to 1.
    pub kv_used: f64,
}

/// What the gateway has counted since the start: the service as its users see it.
///
/// Its latencies start when the request arrives at the gateway; those of an [`Exporter`] start when
/// the request arrives at the replica.
///
/// ```
/// use trimtab_sim::metrics::GatewayExporter;
///
/// let mut gateway = GatewayExporter::new();
/// gateway.on_arrival();
/// gateway.on_first_token(0.8);
/// gateway.on_finish(2.9);
/// gateway.on_attained();
/// gateway.on_arrival();
/// gateway.on_rejection();
/// ```
#[derive(Clone, Debug)]
pub struct GatewayExporter {
    pub(super) arrived: u64,
    pub(super) rejected: u64,
    pub(super) finished: u64,
    pub(super) attained: u64,
    pub(super) cut: u64,
    ttft: Latencies<22>,
    e2e: Latencies<21>,
}

impl Exporter {
    /// A server that has just started.
    pub const fn new() -> Self {
        Self {
            arrived: 0,
            finished: 0,
            prompt_tokens: 0,
            generation_tokens: 0,
            answer_tokens: 0,
            busy_seconds: 0.0,
            ttft: Latencies::new(&TTFT_BOUNDS),
            tpot: Latencies::new(&TOKEN_BOUNDS),
            itl: Latencies::new(&TOKEN_BOUNDS),
            e2e: Latencies::new(&REQUEST_BOUNDS),
        }
    }

    /// A request arrived at the replica.
    pub fn on_arrival(&mut self) {
        self.arrived += 1;
    }

    /// A request got its first token, `ttft_seconds` after its arrival at the replica; its prompt
    /// had `prompt_tokens`. Counts that token.
    pub fn on_first_token(&mut self, ttft_seconds: f64, prompt_tokens: u32) {
        self.prompt_tokens += u64::from(prompt_tokens);
        self.generation_tokens += 1;
        self.ttft.observe(ttft_seconds, 1);
    }

    /// `count` tokens that are not the first of their requests came, each `interval_seconds` after
    /// the one before it: the tokens of one or of several like decode steps.
    pub fn on_tokens(&mut self, count: u64, interval_seconds: f64) {
        self.generation_tokens += count;
        self.itl.observe(interval_seconds, count);
    }

    /// A request ended, `e2e_seconds` after its arrival at the replica; `tpot_seconds` is its time
    /// per output token, which a request with one token has not.
    pub fn on_finish(&mut self, e2e_seconds: f64, tpot_seconds: Option<f64>) {
        self.finished += 1;
        self.e2e.observe(e2e_seconds, 1);
        if let Some(tpot_seconds) = tpot_seconds {
            self.tpot.observe(tpot_seconds, 1);
        }
    }

    /// The request that ended had `tokens` tokens in its answer.
    pub fn on_answer(&mut self, tokens: u32) {
        self.answer_tokens += u64::from(tokens);
    }

    /// The GPUs had work for `seconds` more; what is negative or NaN counts as zero.
    pub fn add_busy(&mut self, seconds: f64) {
        self.busy_seconds += seconds.max(0.0);
    }

    pub(super) fn ttft(&self) -> Buckets<'_> {
        self.ttft.buckets()
    }

    pub(super) fn tpot(&self) -> Buckets<'_> {
        self.tpot.buckets()
    }

    pub(super) fn itl(&self) -> Buckets<'_> {
        self.itl.buckets()
    }

    pub(super) fn e2e(&self) -> Buckets<'_> {
        self.e2e.buckets()
    }
}

impl Default for Exporter {
    fn default() -> Self {
        Self::new()
    }
}

impl GatewayExporter {
    /// A gateway that has just started.
    pub const fn new() -> Self {
        Self {
            arrived: 0,
            rejected: 0,
            finished: 0,
            attained: 0,
            cut: 0,
            ttft: Latencies::new(&TTFT_BOUNDS),
            e2e: Latencies::new(&REQUEST_BOUNDS),
        }
    }

    /// A request arrived, whatever becomes of it.
    pub fn on_arrival(&mut self) {
        self.arrived += 1;
    }

    /// A request was turned away.
    pub fn on_rejection(&mut self) {
        self.rejected += 1;
    }

    /// A request got its first token, `ttft_seconds` after its arrival at the gateway.
    pub fn on_first_token(&mut self, ttft_seconds: f64) {
        self.ttft.observe(ttft_seconds, 1);
    }

    /// A request ended, `e2e_seconds` after its arrival at the gateway.
    pub fn on_finish(&mut self, e2e_seconds: f64) {
        self.finished += 1;
        self.e2e.observe(e2e_seconds, 1);
    }

    /// A request that ended was within all objectives.
    pub fn on_attained(&mut self) {
        self.attained += 1;
    }

    /// So many requests were cut with their replica.
    pub fn on_cut(&mut self, requests: u64) {
        self.cut += requests;
    }

    /// How many requests have arrived, those that were turned away included.
    pub const fn arrived(&self) -> u64 {
        self.arrived
    }

    pub(super) fn ttft(&self) -> Buckets<'_> {
        self.ttft.buckets()
    }

    pub(super) fn e2e(&self) -> Buckets<'_> {
        self.e2e.buckets()
    }
}

impl Default for GatewayExporter {
    fn default() -> Self {
        Self::new()
    }
}
