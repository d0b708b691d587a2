//! What can be read of the simulated cluster, by name.

use core::fmt;

/// Something that can be read of a replica or of the whole service. Times are seconds, unless a
/// metric's name says milliseconds.
///
/// ```
/// use trimtab_sim::metrics::{Signal, Statistic, Timing};
///
/// assert_eq!(Signal::RequestsWaiting.to_string(), "requests_waiting");
/// assert_eq!(Signal::Latency(Timing::Ttft, Statistic::P95).to_string(), "ttft_p95");
/// assert_eq!(Signal::all().count(), 36);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `requests_running`: requests being served.
    RequestsRunning,
    /// `requests_waiting`: requests that wait, at the replica; of the service, at the gateway too.
    RequestsWaiting,
    /// `requests_in_flight`: both.
    RequestsInFlight,
    /// `kv_cache_usage_ratio`: the used share of the KV cache, 0 to 1; of the service, the mean.
    KvCacheUsageRatio,
    /// `gpu_utilization_ratio`: the share of the window with any work on the GPUs, 0 to 1; of the
    /// service, the mean. One request decoding pegs it near 1, as in reality.
    GpuUtilizationRatio,
    /// `gpu_utilization_percent`: the same in percent.
    GpuUtilizationPercent,
    /// `requests_per_second`: arrivals, at the replica; of the service, at the gateway, those that
    /// it rejects included.
    RequestsPerSecond,
    /// `completions_per_second`: requests that ended.
    CompletionsPerSecond,
    /// `prompt_tokens_per_second`: tokens of prompts that were read.
    PromptTokensPerSecond,
    /// `generation_tokens_per_second`: tokens that were generated.
    GenerationTokensPerSecond,
    /// `tokens_per_second`: both.
    TokensPerSecond,
    /// `input_tokens_mean`: tokens of a prompt, at the mean over the window.
    InputTokensMean,
    /// `output_tokens_mean`: tokens of an answer, at the mean over the window.
    OutputTokensMean,
    /// `ttft_p95`, `tpot_mean` and so on: a latency over the window.
    Latency(Timing, Statistic),
    /// `gateway_queue_length`: requests in the gateway's queue. A replica has none.
    GatewayQueueLength,
    /// `rejected_per_second`: requests that the gateway turned away. A replica has none.
    RejectedPerSecond,
    /// `attained_ratio`: of the requests that ended in the window, rejected and cut ones included, the share that
    /// was within all objectives of the backtest, 0 to 1. A replica has none.
    AttainedRatio,
}

/// A time that requests take.
///
/// ```
/// assert_eq!(trimtab_sim::metrics::Timing::Itl.to_string(), "itl");
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Timing {
    /// `ttft`: from arrival to the first token, one per request; of the service, from the gateway.
    Ttft,
    /// `tpot`: time per output token after the first, one per request.
    Tpot,
    /// `itl`: from one token to the next, one per token.
    Itl,
    /// `e2e`: from arrival to the last token, one per request; of the service, from the gateway.
    E2e,
}

/// What of a latency's distribution. Quantiles are Prometheus' `histogram_quantile` over the rates
/// of the buckets.
///
/// ```
/// use trimtab_sim::metrics::Statistic;
///
/// assert_eq!(Statistic::P99.to_string(), "p99");
/// assert_eq!(Statistic::P99.quantile(), Some(0.99));
/// assert_eq!(Statistic::Mean.quantile(), None);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// `p50`: the median.
    P50,
    /// `p90`
    P90,
    /// `p95`
    P95,
    /// `p99`
    P99,
    /// `mean`
    Mean,
}

impl Signal {
    /// All signals.
    pub fn all() -> impl Iterator<Item = Self> {
        let latencies = Timing::ALL.into_iter().flat_map(|timing| {
            Statistic::ALL.into_iter().map(move |statistic| Self::Latency(timing, statistic))
        });
        Self::PLAIN.into_iter().chain(latencies)
    }

    /// Whether it is a share of one: what can stand for the utilization of a resource.
    pub const fn is_ratio(self) -> bool {
        matches!(self, Self::KvCacheUsageRatio | Self::GpuUtilizationRatio)
    }

    /// Whether it is a mean over requests, of which a name may say so.
    pub(super) const fn is_mean(self) -> bool {
        matches!(self, Self::InputTokensMean | Self::OutputTokensMean)
    }

    const PLAIN: [Self; 16] = [
        Self::RequestsRunning,
        Self::RequestsWaiting,
        Self::RequestsInFlight,
        Self::KvCacheUsageRatio,
        Self::GpuUtilizationRatio,
        Self::GpuUtilizationPercent,
        Self::RequestsPerSecond,
        Self::CompletionsPerSecond,
        Self::PromptTokensPerSecond,
        Self::GenerationTokensPerSecond,
        Self::TokensPerSecond,
        Self::InputTokensMean,
        Self::OutputTokensMean,
        Self::GatewayQueueLength,
        Self::RejectedPerSecond,
        Self::AttainedRatio,
    ];
}

impl Timing {
    pub(super) const ALL: [Self; 4] = [Self::Ttft, Self::Tpot, Self::Itl, Self::E2e];
}

impl Statistic {
    pub(super) const ALL: [Self; 5] = [Self::P50, Self::P90, Self::P95, Self::P99, Self::Mean];

    /// The quantile, from 0 to 1; the mean is none.
    pub const fn quantile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P90 => Some(0.9),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            Self::Mean => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latency(timing, statistic) => return write!(f, "{timing}_{statistic}"),
            Self::RequestsRunning => "requests_running",
            Self::RequestsWaiting => "requests_waiting",
            Self::RequestsInFlight => "requests_in_flight",
            Self::KvCacheUsageRatio => "kv_cache_usage_ratio",
            Self::GpuUtilizationRatio => "gpu_utilization_ratio",
            Self::GpuUtilizationPercent => "gpu_utilization_percent",
            Self::RequestsPerSecond => "requests_per_second",
            Self::CompletionsPerSecond => "completions_per_second",
            Self::PromptTokensPerSecond => "prompt_tokens_per_second",
            Self::GenerationTokensPerSecond => "generation_tokens_per_second",
            Self::TokensPerSecond => "tokens_per_second",
            Self::InputTokensMean => "input_tokens_mean",
            Self::OutputTokensMean => "output_tokens_mean",
            Self::GatewayQueueLength => "gateway_queue_length",
            Self::RejectedPerSecond => "rejected_per_second",
            Self::AttainedRatio => "attained_ratio",
        })
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Itl => "itl",
            Self::E2e => "e2e",
        })
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Mean => "mean",
        })
    }
}
