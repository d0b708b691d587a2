//! The gateway's own signals as the readings that a policy asks for: no scraping, nothing in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;
use trimtab::metric::Quantity;
use trimtab::{Metric, MetricSource as Kind, PodSample, Policy, ReadingRecord};
use trimtab_runtime::{Ask, MetricSource, Observed, Provides, SourceError};

use crate::fleet::{Fleet, State};
use crate::signals::{Latencies, Rates};

/// What the gateway has seen, as a source of metrics.
pub struct GatewaySource {
    fleet: Arc<Fleet>,
}

/// The signals, under the names that the simulator has for them; latencies besides.
pub const SIGNALS: [&str; 8] = [
    "requests_in_flight",
    "requests_running",
    "requests_waiting",
    "gateway_queue_length",
    "requests_per_second",
    "completions_per_second",
    "rejected_per_second",
    "requests_rejected",
];

impl GatewaySource {
    /// Of that fleet.
    pub fn new(fleet: Arc<Fleet>) -> Self {
        Self { fleet }
    }
}

#[async_trait]
impl MetricSource for GatewaySource {
    fn name(&self) -> &str {
        "gateway"
    }

    fn provides(&self, policy: &Policy) -> Provides {
        let known = policy.metrics().iter().filter(|metric| is_known(metric));
        Provides::metrics(known.map(|metric| metric.name().to_owned()))
    }

    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError> {
        let mut state = self.fleet.lock();
        let rates = state.signals.look(Instant::now());
        let known = ask.policy.metrics().iter().filter(|metric| is_known(metric));
        let readings = known.filter_map(|metric| reading(metric, &state, &rates)).collect();
        Ok(Observed { readings, ..Observed::default() })
    }
}

/// Whether a metric is one that the gateway has, in a form that it has.
fn is_known(metric: &Metric) -> bool {
    match metric.source() {
        Kind::External | Kind::Object => {
            SIGNALS.contains(&metric.name()) || latency(metric.name()).is_some()
        }
        Kind::Pods => matches!(metric.name(), "requests_in_flight" | "requests_running"),
        _ => false,
    }
}

/// What a metric reads; `None` if there is nothing to be read, such as a latency of no requests.
fn reading(metric: &Metric, state: &State, rates: &Rates) -> Option<ReadingRecord> {
    let absent = ReadingRecord { metric: metric.name().to_owned(), ..ReadingRecord::default() };
    if matches!(metric.source(), Kind::Pods) {
        let sample = |in_flight: u32| PodSample {
            value: Quantity::from_units(in_flight.into()),
            timestamp: None,
            window: None,
        };
        let there = state.replicas.iter().filter(|one| one.ready && one.stays());
        let pods: BTreeMap<String, PodSample> =
            there.map(|one| (one.name.clone(), sample(one.in_flight))).collect();
        return Some(ReadingRecord { pods: Some(pods), ..absent });
    }
    let (running, waiting) = (state.in_flight(), state.queue.len());
    let units = |count: u32| Some(Quantity::from_units(count.into()));
    let value = match metric.name() {
        "requests_in_flight" => units(running.saturating_add(waiting)),
        "requests_running" => units(running),
        "requests_waiting" | "gateway_queue_length" => units(waiting),
        "requests_per_second" => quantity(rates.arrived),
        "completions_per_second" => quantity(rates.completed),
        "rejected_per_second" => quantity(rates.rejected),
        "requests_rejected" => {
            Some(Quantity::from_units(i64::try_from(rates.rejected_since).unwrap_or(i64::MAX)))
        }
        name => {
            let (kind, statistic) = latency(name)?;
            quantity(statistic.of(kind.of(state))?)
        }
    };
    Some(ReadingRecord { value: Some(value?), ..absent })
}

/// In thousandths, the nearest.
fn quantity(value: f64) -> Option<Quantity> {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let milli = libm::round(value * 1000.0) as i64;
    value.is_finite().then(|| Quantity::from_milli(milli))
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum Latency {
    Ttft,
    Wait,
    EndToEnd,
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum Statistic {
    Mean,
    Quantile(f64),
}

impl Latency {
    fn of(self, state: &State) -> &Latencies {
        match self {
            Self::Ttft => &state.signals.ttft,
            Self::Wait => &state.signals.wait,
            Self::EndToEnd => &state.signals.e2e,
        }
    }
}

impl Statistic {
    fn of(self, latencies: &Latencies) -> Option<f64> {
        match self {
            Self::Mean => latencies.mean(),
            Self::Quantile(share) => latencies.quantile(share),
        }
    }
}

/// `ttft_p95` and the like, in seconds.
fn latency(name: &str) -> Option<(Latency, Statistic)> {
    let (kind, statistic) = name.split_once('_')?;
    let kind = match kind {
        "ttft" => Latency::Ttft,
        "wait" => Latency::Wait,
        "e2e" => Latency::EndToEnd,
        _ => return None,
    };
    let statistic = match statistic {
        "mean" => Statistic::Mean,
        "p50" => Statistic::Quantile(0.5),
        "p90" => Statistic::Quantile(0.9),
        "p95" => Statistic::Quantile(0.95),
        "p99" => Statistic::Quantile(0.99),
        _ => return None,
    };
    Some((kind, statistic))
}
