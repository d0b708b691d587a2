//! Samples that a strategy takes by itself: the load as it is, far more often than metrics are scraped.

use std::collections::VecDeque;

use trimtab_engine::Sampling;
use trimtab_metric::{Quantity, Reading, Span, Timestamp};

use super::{NANOS_PER_MILLI, Signal, timestamp};
use crate::Moment;

/// The load of the service at one moment.
///
/// ```
/// use trimtab_sim::metrics::ServiceLoad;
///
/// let load = ServiceLoad { running: 8, waiting: 3, arrived: 120 };
/// assert_eq!(load.running + load.waiting, 11);
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceLoad {
    /// Requests being served.
    pub running: u32,
    /// Requests that wait, at the gateway or at a replica.
    pub waiting: u32,
    /// Requests that have arrived at the gateway so far, those that it turned away included.
    pub arrived: u64,
}

/// Samples of one signal, taken and told in the rhythm of a strategy.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec, StrategyName};
/// use trimtab_sim::Moment;
/// use trimtab_sim::metrics::{ServiceLoad, Sampler, Signal};
///
/// let knative = PolicySpec { strategy: StrategyName::Knative, ..PolicySpec::default() };
/// let sampling = Policy::from_stored(knative).sampling().ok_or("it samples")?;
/// let mut sampler = Sampler::new(sampling, Signal::RequestsInFlight);
/// for second in 1..=4 {
///     let load = ServiceLoad { running: second, ..ServiceLoad::default() };
///     sampler.sample(Moment::from_seconds(f64::from(second)), load);
/// }
/// // Knative decides every 2 s, on the samples since.
/// let values: Vec<String> = sampler
///     .report(Moment::from_seconds(4.0))
///     .iter()
///     .map(|(_, value)| value.to_string())
///     .collect();
/// assert_eq!(values, ["3", "4"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    signal: Signal,
    samples: VecDeque<(Moment, Quantity)>,
    /// Requests that had arrived by the last sample.
    arrived: u64,
}

impl Sampler {
    /// A sampler without samples. What is no load is sampled as 0; see [`Sampler::takes`].
    pub fn new(sampling: Sampling, signal: Signal) -> Self {
        Self { sampling, signal, samples: VecDeque::new(), arrived: 0 }
    }

    /// Whether a signal can be sampled: requests that run, wait, or both, and their rate.
    pub const fn takes(signal: Signal) -> bool {
        matches!(
            signal,
            Signal::RequestsRunning
                | Signal::RequestsWaiting
                | Signal::RequestsInFlight
                | Signal::RequestsPerSecond
        )
    }

    /// Time between two samples, in nanoseconds.
    pub fn interval_nanos(&self) -> i64 {
        nanos(self.sampling.interval).max(1)
    }

    /// Takes a sample. Moments never go back.
    pub fn sample(&mut self, now: Moment, load: ServiceLoad) {
        let value = match self.signal {
            Signal::RequestsRunning => f64::from(load.running),
            Signal::RequestsWaiting => f64::from(load.waiting),
            Signal::RequestsInFlight => f64::from(load.running) + f64::from(load.waiting),
            Signal::RequestsPerSecond => {
                let arrived = load.arrived.saturating_sub(self.arrived);
                arrived as f64 / self.sampling.interval.as_secs_f64()
            }
            _ => 0.0,
        };
        self.arrived = load.arrived;
        let reading = Reading::from_f64(value, timestamp(now), Span::ZERO);
        let milli = reading.value().map_or(0, |sample| sample.milli);
        let kept = nanos(self.sampling.look_back).max(nanos(self.sampling.report_interval));
        let oldest = now.after_nanos(-kept.saturating_mul(2));
        while self.samples.front().is_some_and(|(at, _)| *at <= oldest) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, Quantity::from_milli(milli)));
    }

    /// What the last report before `now`, or at it, told: the samples of the look-back period up to
    /// that report.
    pub fn report(&self, now: Moment) -> Vec<(Timestamp, Quantity)> {
        let interval = nanos(self.sampling.report_interval).max(1);
        let reported = Moment::from_nanos(now.nanos().div_euclid(interval) * interval);
        let start = reported.after_nanos(-nanos(self.sampling.look_back));
        let told = self.samples.iter().filter(|(at, _)| start < *at && *at <= reported);
        told.map(|(at, value)| (timestamp(*at), value.clone())).collect()
    }
}

fn nanos(span: Span) -> i64 {
    span.as_millis().saturating_mul(NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: i64 = 1_000_000;

    fn sampler(interval: i64, report_interval: i64, look_back: i64, signal: Signal) -> Sampler {
        let sampling = Sampling {
            interval: Span::from_millis(interval),
            report_interval: Span::from_millis(report_interval),
            look_back: Span::from_millis(look_back),
        };
        Sampler::new(sampling, signal)
    }

    #[test]
    fn between_reports_nothing_new_is_told() {
        let mut ray = sampler(500, 10_000, 30_000, Signal::RequestsInFlight);
        let mut told = Vec::new();
        for tick in 1..=100 {
            let now = Moment::from_nanos(tick * 500 * MILLI);
            ray.sample(
                now,
                ServiceLoad { running: u32::try_from(tick).unwrap(), ..ServiceLoad::default() },
            );
            told.push(ray.report(now).len());
        }
        assert_eq!(told[18..20], [0, 20]);
        assert_eq!(told[38..40], [20, 40]);
        assert_eq!(told[79..99], [60; 20]);
    }

    #[test]
    fn a_rate_is_of_the_arrivals_since_the_last_sample() {
        let mut knative = sampler(1000, 1000, 2000, Signal::RequestsPerSecond);
        for (second, arrived) in [(1, 10), (2, 10), (3, 25)] {
            let now = Moment::from_nanos(second * 1000 * MILLI);
            knative.sample(now, ServiceLoad { arrived, ..ServiceLoad::default() });
        }
        let now = Moment::from_nanos(3000 * MILLI);
        let values: Vec<i64> = knative.report(now).iter().map(|(_, value)| value.milli()).collect();
        assert_eq!(values, [0, 15_000]);
    }

    proptest! {
        /// Whoever asks once per look-back period, and is told at once, hears of every sample once.
        #[test]
        fn no_sample_is_lost_or_told_twice(per_tick in 1_i64..5, ticks in 1_i64..40) {
            let mut knative = sampler(1000, 1000, per_tick * 1000, Signal::RequestsRunning);
            let mut told = Vec::new();
            for second in 1..=ticks * per_tick {
                let now = Moment::from_nanos(second * 1000 * MILLI);
                let running = u32::try_from(second).unwrap();
                knative.sample(now, ServiceLoad { running, ..ServiceLoad::default() });
                if second % per_tick == 0 {
                    told.extend(knative.report(now).iter().map(|(_, value)| value.milli() / 1000));
                }
            }
            prop_assert_eq!(told, (1..=ticks * per_tick).collect::<Vec<_>>());
        }
    }
}
