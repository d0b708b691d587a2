//! Latencies of millions of requests, in the memory of one histogram each.

use hdrhistogram::Histogram;

use crate::Quantiles;

/// A latency as it is recorded: microseconds to three digits, up to an hour.
#[derive(Clone, Debug)]
pub(super) struct LatencyRecorder {
    histogram: Histogram<u64>,
    seconds: f64,
}

const LONGEST_MICROS: u64 = 3_600_000_000;
const MICROS_PER_SECOND: f64 = 1e6;

impl LatencyRecorder {
    /// With so many digits of precision.
    pub(super) fn new(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, digits);
        // The bounds are constants that the library accepts; without them it would grow as needed.
        let histogram = histogram.unwrap_or_else(|_| unbounded());
        Self { histogram, seconds: 0.0 }
    }

    /// Takes a latency, `count` times.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "saturates; counts are below 2^53"
    )]
    pub(super) fn record(&mut self, seconds: f64, count: u64) {
        let micros = (seconds * MICROS_PER_SECOND + 0.5) as u64;
        self.histogram.saturating_record_n(micros, count);
        self.seconds += seconds * count as f64;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    #[expect(clippy::cast_precision_loss, reason = "an hour in microseconds is below 2^53")]
    pub(super) fn quantile(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / MICROS_PER_SECOND
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.histogram.reset();
        self.seconds = 0.0;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub(super) fn quantiles(&self) -> Quantiles {
        if self.is_empty() {
            return Quantiles::default();
        }
        Quantiles {
            mean: self.seconds / self.histogram.len() as f64,
            p50: self.quantile(0.5),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
        }
    }
}

#[expect(clippy::expect_used, reason = "three digits are a valid precision")]
fn unbounded() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are a valid precision")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_three_digits() {
        let mut recorder = LatencyRecorder::new(3);
        assert_eq!(recorder.quantiles(), Quantiles::default());
        for millis in 1..=1000 {
            recorder.record(f64::from(millis) / 1e3, 1);
        }
        recorder.record(9e3, 0);
        let Quantiles { mean, p50, p95, p99 } = recorder.quantiles();
        for (value, expected) in [(mean, 0.5005), (p50, 0.5), (p95, 0.95), (p99, 0.99)] {
            assert!((value - expected).abs() < 0.001, "{value} {expected}");
        }
        recorder.clear();
        assert!(recorder.is_empty());
    }
}
