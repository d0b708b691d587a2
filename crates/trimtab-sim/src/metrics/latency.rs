//! How long things took: classic histograms with the bounds that vLLM has.

/// Bounds of `vllm:time_to_first_token_seconds`, as in vLLM's `vllm/v1/metrics/loggers.py`.
pub(super) const TTFT_BOUNDS: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];

/// Bounds of `vllm:inter_token_latency_seconds` and `vllm:request_time_per_output_token_seconds`.
pub(super) const TOKEN_BOUNDS: [f64; 19] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];

/// Bounds of `vllm:e2e_request_latency_seconds`.
pub(super) const REQUEST_BOUNDS: [f64; 21] = [
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];

/// A histogram with `N` finite bounds. Its buckets are not cumulative, so that observing touches
/// one of them.
#[derive(Clone, Debug)]
pub(super) struct Latencies<const N: usize> {
    bounds: &'static [f64; N],
    counts: [u64; N],
    beyond: u64,
    sum: f64,
}

/// A histogram of whatever size, to read.
#[derive(Copy, Clone, Debug)]
pub(super) struct Buckets<'a> {
    bounds: &'static [f64],
    counts: &'a [u64],
    beyond: u64,
    /// The sum of the observations in seconds: the series `_sum`.
    pub(super) sum: f64,
}

impl<const N: usize> Latencies<N> {
    pub(super) const fn new(bounds: &'static [f64; N]) -> Self {
        Self { bounds, counts: [0; N], beyond: 0, sum: 0.0 }
    }

    /// Counts `times` observations of `seconds`; what is negative or NaN counts as zero.
    pub(super) fn observe(&mut self, seconds: f64, times: u64) {
        let seconds = seconds.max(0.0);
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        *self.counts.get_mut(bucket).unwrap_or(&mut self.beyond) += times;
        self.sum += seconds * times as f64;
    }

    pub(super) fn buckets(&self) -> Buckets<'_> {
        let Self { bounds, counts, beyond, sum } = self;
        Buckets { bounds: *bounds, counts, beyond: *beyond, sum: *sum }
    }
}

impl Buckets<'_> {
    /// The bounds with how many observations are at or below each, up to `+Inf`: the series
    /// `_bucket`.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().copied().chain([self.beyond]);
        bounds.zip(counts).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below as f64))
        })
    }

    /// How many observations there are: the series `_count`.
    pub(super) fn count(&self) -> f64 {
        (self.counts.iter().sum::<u64>() + self.beyond) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_inside_its_bucket() {
        let mut latencies = Latencies::new(&TOKEN_BOUNDS);
        latencies.observe(0.01, 2);
        latencies.observe(0.010_000_1, 1);
        latencies.observe(1e6, 1);
        latencies.observe(f64::NAN, 1);
        let buckets = latencies.buckets();
        let cumulative: Vec<_> = buckets.cumulative().collect();
        assert_eq!(cumulative[..2], [(0.01, 3.0), (0.025, 4.0)]);
        assert_eq!(cumulative[18..], [(80.0, 4.0), (f64::INFINITY, 5.0)]);
        assert_eq!(buckets.count(), 5.0);
        assert!((buckets.sum - 1_000_000.030_000_1).abs() < 1e-6);
    }

    #[test]
    fn bounds_rise() {
        assert!(TTFT_BOUNDS.is_sorted() && TOKEN_BOUNDS.is_sorted() && REQUEST_BOUNDS.is_sorted());
    }
}
