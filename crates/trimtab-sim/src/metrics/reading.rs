//! What a query of the scrapes says: a signal of one replica, or of the service.

use trimtab_metric::{Bucket, histogram_quantile};

use super::exporter::{Exporter, GatewayExporter};
use super::latency::Buckets;
use super::names::Whole;
use super::scraper::{GatewayScrape, ReplicaScrape, Scraper};
use super::series::{Growth, Series};
use super::signal::{Signal, Statistic, Timing};
use crate::Moment;

/// What was read. NaN is a quantile or a mean of nothing.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) value: f64,
    /// The latest scrape in it.
    pub(super) at: Moment,
}

/// Where a signal is in the scrapes of a target.
enum Source<T> {
    Gauge(fn(&T) -> f64),
    /// The growth per second of a counter.
    Rate(fn(&T) -> f64),
    /// The share that a counter of seconds grows by, times the second number.
    Share(fn(&T) -> f64, f64),
    /// The growth of one counter over that of another.
    Mean(fn(&T) -> f64, fn(&T) -> f64),
    Latency(fn(&T) -> Buckets<'_>, Statistic),
}

/// A sum over targets.
#[derive(Copy, Clone)]
struct Sum {
    value: f64,
    targets: u32,
    at: Moment,
}

/// Whether replicas have this signal; the gateway's own they have not.
pub(super) fn is_per_replica(signal: Signal) -> bool {
    of_replicas(signal).is_some()
}

/// Whether a signal is over the window, rather than of the moment of the scrape.
pub(super) fn is_windowed(signal: Signal) -> bool {
    !matches!(of_replicas(signal), Some(Source::Gauge(_)))
}

/// The signal of one replica as it can be read at `now`; nothing if it has no scrapes to tell.
pub(super) fn of_replica(
    scraper: &Scraper,
    signal: Signal,
    replica: u64,
    now: Moment,
) -> Option<Value> {
    let series = scraper.replica(replica)?;
    let sum = total(scraper, &of_replicas(signal)?, core::iter::once(series), now)?;
    Some(Value { value: sum.value, at: sum.at })
}

/// The signal of the whole service as it can be read at `now`.
pub(super) fn of_service(
    scraper: &Scraper,
    signal: Signal,
    whole: Whole,
    now: Moment,
) -> Option<f64> {
    let servers = || total(scraper, &of_replicas(signal)?, scraper.replicas(), now);
    let gateway = || {
        let source = of_gateway(signal)?;
        total(scraper, &source, core::iter::once(&scraper.gateway), now)
    };
    let mean = |sum: Sum| sum.value / f64::from(sum.targets);
    match (whole, signal) {
        (Whole::Servers, _) => servers().map(|sum| sum.value),
        (Whole::Mean, _)
        | (_, Signal::KvCacheUsageRatio)
        | (_, Signal::GpuUtilizationRatio | Signal::GpuUtilizationPercent) => servers().map(mean),
        // The gateway's queue and what no server has said is none.
        (Whole::Service, Signal::RequestsWaiting | Signal::RequestsInFlight) => {
            Some(gateway()?.value + servers().map_or(0.0, |sum| sum.value))
        }
        (Whole::Service, _) if of_gateway(signal).is_some() => gateway().map(|sum| sum.value),
        (Whole::Service, _) => servers().map(|sum| sum.value),
    }
}

fn of_replicas(signal: Signal) -> Option<Source<ReplicaScrape>> {
    fn busy(scrape: &ReplicaScrape) -> f64 {
        scrape.counted.busy_seconds
    }
    Some(match signal {
        Signal::RequestsRunning => Source::Gauge(|scrape| f64::from(scrape.gauges.running)),
        Signal::RequestsWaiting => Source::Gauge(|scrape| f64::from(scrape.gauges.waiting)),
        Signal::RequestsInFlight => Source::Gauge(|scrape| {
            f64::from(scrape.gauges.running) + f64::from(scrape.gauges.waiting)
        }),
        Signal::KvCacheUsageRatio => Source::Gauge(|scrape| scrape.gauges.kv_used),
        Signal::GpuUtilizationRatio => Source::Share(busy, 1.0),
        Signal::GpuUtilizationPercent => Source::Share(busy, 100.0),
        Signal::RequestsPerSecond => Source::Rate(|scrape| scrape.counted.arrived as f64),
        Signal::CompletionsPerSecond => Source::Rate(|scrape| scrape.counted.finished as f64),
        Signal::PromptTokensPerSecond => Source::Rate(|scrape| scrape.counted.prompt_tokens as f64),
        Signal::GenerationTokensPerSecond => {
            Source::Rate(|scrape| scrape.counted.generation_tokens as f64)
        }
        Signal::TokensPerSecond => Source::Rate(|scrape| {
            let Exporter { prompt_tokens, generation_tokens, .. } = &scrape.counted;
            (prompt_tokens + generation_tokens) as f64
        }),
        Signal::InputTokensMean => Source::Mean(
            |scrape| scrape.counted.prompt_tokens as f64,
            |scrape| scrape.counted.ttft().count(),
        ),
        Signal::OutputTokensMean => Source::Mean(
            |scrape| scrape.counted.answer_tokens as f64,
            |scrape| scrape.counted.finished as f64,
        ),
        Signal::Latency(timing, statistic) => Source::Latency(
            match timing {
                Timing::Ttft => |scrape| scrape.counted.ttft(),
                Timing::Tpot => |scrape| scrape.counted.tpot(),
                Timing::Itl => |scrape| scrape.counted.itl(),
                Timing::E2e => |scrape| scrape.counted.e2e(),
            },
            statistic,
        ),
        Signal::GatewayQueueLength | Signal::RejectedPerSecond | Signal::AttainedRatio => {
            return None;
        }
    })
}

/// What the gateway knows by itself.
fn of_gateway(signal: Signal) -> Option<Source<GatewayScrape>> {
    Some(match signal {
        Signal::GatewayQueueLength | Signal::RequestsWaiting | Signal::RequestsInFlight => {
            Source::Gauge(|scrape| f64::from(scrape.waiting))
        }
        Signal::RequestsPerSecond => Source::Rate(|scrape| scrape.counted.arrived as f64),
        Signal::RejectedPerSecond => Source::Rate(|scrape| scrape.counted.rejected as f64),
        Signal::AttainedRatio => Source::Mean(
            |scrape| scrape.counted.attained as f64,
            |scrape| {
                let GatewayExporter { finished, rejected, cut, .. } = &scrape.counted;
                (finished + rejected + cut) as f64
            },
        ),
        Signal::CompletionsPerSecond => Source::Rate(|scrape| scrape.counted.finished as f64),
        Signal::Latency(Timing::Ttft, statistic) => {
            Source::Latency(|scrape| GatewayExporter::ttft(&scrape.counted), statistic)
        }
        Signal::Latency(Timing::E2e, statistic) => {
            Source::Latency(|scrape| GatewayExporter::e2e(&scrape.counted), statistic)
        }
        _ => return None,
    })
}

/// `sum` over the targets; of a latency, the statistic of their buckets together.
fn total<'a, T: 'a>(
    scraper: &Scraper,
    source: &Source<T>,
    targets: impl Iterator<Item = &'a Series<T>>,
    now: Moment,
) -> Option<Sum> {
    let at = scraper.visible(now);
    let growths = |series: &'a Series<T>| series.growth(at, scraper.window_nanos);
    match source {
        Source::Gauge(gauge) => sum(targets
            .filter_map(|series| series.latest(at))
            .map(|(taken, scrape)| (gauge(scrape), taken))),
        Source::Rate(counter) => {
            sum(targets.filter_map(growths).map(|growth| (growth.rate(counter), growth.last_at)))
        }
        Source::Share(counter, of) => sum(targets
            .filter(|series| series.is_live(at))
            .filter_map(growths)
            .map(|growth| (growth.rate(counter).min(1.0) * of, growth.last_at))),
        Source::Mean(of, over) => mean(targets.filter_map(growths), of, over),
        Source::Latency(buckets, statistic) => {
            let growths = targets.filter_map(growths);
            match statistic.quantile() {
                Some(quantile) => {
                    let mut rates: Vec<Bucket> = Vec::new();
                    let seen = sum(growths.map(|growth| {
                        let (first, last) = (buckets(growth.first), buckets(growth.last));
                        let pairs = first.cumulative().zip(last.cumulative());
                        add(
                            &mut rates,
                            pairs.map(|((upper_bound, first), (_, last))| Bucket {
                                upper_bound,
                                count: growth.rate_between(first, last),
                            }),
                        );
                        (0.0, growth.last_at)
                    }))?;
                    Some(Sum { value: histogram_quantile(quantile, &rates), ..seen })
                }
                None => {
                    mean(growths, |scrape| buckets(scrape).sum, |scrape| buckets(scrape).count())
                }
            }
        }
    }
}

/// What one counter grew by over what another one did, of all targets together.
fn mean<'a, T: 'a>(
    growths: impl Iterator<Item = Growth<'a, T>>,
    of: impl Fn(&T) -> f64,
    over: impl Fn(&T) -> f64,
) -> Option<Sum> {
    let mut count = 0.0;
    let whole = sum(growths.map(|growth| {
        count += growth.rate(&over);
        (growth.rate(&of), growth.last_at)
    }))?;
    Some(Sum { value: whole.value / count, ..whole })
}

fn sum(values: impl Iterator<Item = (f64, Moment)>) -> Option<Sum> {
    values.fold(None, |sum: Option<Sum>, (value, at)| {
        Some(match sum {
            None => Sum { value, targets: 1, at },
            Some(sum) => {
                Sum { value: sum.value + value, targets: sum.targets + 1, at: sum.at.max(at) }
            }
        })
    })
}

/// Adds the buckets of one more target.
fn add(rates: &mut Vec<Bucket>, more: impl Iterator<Item = Bucket>) {
    if rates.is_empty() {
        rates.extend(more);
    } else {
        for (rate, more) in rates.iter_mut().zip(more) {
            rate.count += more.count;
        }
    }
}
