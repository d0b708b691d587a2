//! What the gateway has seen of its requests: counts that only grow, and the latencies of the recent past.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The latencies that are kept of each kind, at most: the latest.
const MOST_SAMPLES: usize = 10_000;
/// The moments that are kept to tell rates from, at most.
const MOST_MOMENTS: usize = 4_000;

/// Counts since the gateway began.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that came, whatever became of them.
    pub arrived: u64,
    /// Those that were turned away.
    pub rejected: u64,
    /// Those that were answered to the end.
    pub completed: u64,
}

/// The times of one kind in the recent past.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    samples: VecDeque<(Instant, f64)>,
}

/// What one look at the signals sees.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rates {
    /// Requests per second that came, rejected ones included.
    pub arrived: f64,
    /// Requests per second that were turned away.
    pub rejected: f64,
    /// Requests per second that were answered to the end.
    pub completed: f64,
    /// How many were turned away since the last look.
    pub rejected_since: u64,
}

/// What the gateway has seen.
#[derive(Clone, Debug)]
pub struct Signals {
    window: Duration,
    totals: Totals,
    /// Totals at the moments at which somebody looked, the first one at least a window old if there is one.
    moments: VecDeque<(Instant, Totals)>,
    /// From a request's arrival to its first token.
    pub ttft: Latencies,
    /// From a request's arrival to its slot.
    pub wait: Latencies,
    /// From a request's arrival to its end.
    pub e2e: Latencies,
}

impl Signals {
    /// Nothing was seen yet.
    pub fn new(window: Duration, now: Instant) -> Self {
        let none = Latencies::default();
        Self {
            window,
            totals: Totals::default(),
            moments: VecDeque::from([(now, Totals::default())]),
            ttft: none.clone(),
            wait: none.clone(),
            e2e: none,
        }
    }

    /// One came.
    pub fn arrive(&mut self) {
        self.totals.arrived += 1;
    }

    /// One was turned away.
    pub fn reject(&mut self) {
        self.totals.rejected += 1;
    }

    /// One was answered to the end.
    pub fn complete(&mut self) {
        self.totals.completed += 1;
    }

    /// The counts.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Looks: what came per second over the window, and since the last look.
    pub fn look(&mut self, now: Instant) -> Rates {
        let last = self.moments.back().map_or(Totals::default(), |(_, totals)| *totals);
        let old = |at: Instant| now.saturating_duration_since(at) >= self.window;
        while self.moments.get(1).is_some_and(|(at, _)| old(*at))
            || self.moments.len() >= MOST_MOMENTS
        {
            self.moments.pop_front();
        }
        let (since, then) = self.moments.front().copied().unwrap_or((now, Totals::default()));
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { number(count) / seconds } else { 0.0 };
        let rates = Rates {
            arrived: per_second(self.totals.arrived - then.arrived),
            rejected: per_second(self.totals.rejected - then.rejected),
            completed: per_second(self.totals.completed - then.completed),
            rejected_since: self.totals.rejected - last.rejected,
        };
        self.moments.push_back((now, self.totals));
        for latencies in [&mut self.ttft, &mut self.wait, &mut self.e2e] {
            latencies.forget(now, self.window);
        }
        rates
    }
}

impl Latencies {
    /// One took so long.
    pub fn push(&mut self, now: Instant, took: Duration) {
        if self.samples.len() >= MOST_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((now, took.as_secs_f64()));
    }

    fn forget(&mut self, now: Instant, window: Duration) {
        let old = |at: Instant| now.saturating_duration_since(at) > window;
        while self.samples.front().is_some_and(|(at, _)| old(*at)) {
            self.samples.pop_front();
        }
    }

    /// The mean in seconds; `None` of none.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.samples.iter().map(|(_, seconds)| seconds).sum();
        (!self.samples.is_empty()).then(|| sum / count(self.samples.len()))
    }

    /// The least that so large a share of them does not exceed, in seconds; `None` of none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted: Vec<f64> = self.samples.iter().map(|(_, seconds)| *seconds).collect();
        sorted.sort_by(f64::total_cmp);
        let rank = libm::ceil(count(sorted.len()) * share);
        let place = (0..sorted.len()).find(|place| count(place + 1) >= rank)?;
        sorted.get(place).copied()
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "no list is so long")]
fn count(length: usize) -> f64 {
    length as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_window_and_rejections_those_since_the_last_look() {
        let start = Instant::now();
        let mut signals = Signals::new(Duration::from_secs(10), start);
        for second in 1..=30 {
            for _ in 0..(if second > 20 { 6 } else { 2 }) {
                signals.arrive();
            }
            signals.reject();
            let rates = signals.look(start + Duration::from_secs(second));
            assert_eq!(rates.rejected_since, 1);
            match second {
                20 => assert!((rates.arrived - 2.0).abs() < 1e-9, "{rates:?}"),
                30 => assert!((rates.arrived - 6.0).abs() < 1e-9, "{rates:?}"),
                _ => {}
            }
        }
        assert_eq!(signals.totals().rejected, 30);
    }

    #[test]
    fn quantiles_are_samples() {
        let (now, mut latencies) = (Instant::now(), Latencies::default());
        assert_eq!((latencies.quantile(0.95), latencies.mean()), (None, None));
        for tenth in 1..=100 {
            latencies.push(now, Duration::from_millis(100 * tenth));
        }
        assert_eq!(latencies.quantile(0.95), Some(9.5));
        assert_eq!(latencies.quantile(0.5), Some(5.0));
        assert!((latencies.mean().unwrap() - 5.05).abs() < 1e-9);
    }
}
