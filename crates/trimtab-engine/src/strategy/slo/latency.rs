//! How many replicas a latency asks for, without a model of the server.

use libm::{fmax, fmin, pow};

/// How far one look at a latency may go.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct LatencyRules {
    /// The exponent of the ratio of the latency to its objective, above 0 to 1. Less is calmer.
    pub damping: f64,
    /// At most this many times the ready replicas; at least 1.
    pub max_stretch: f64,
}

impl Default for LatencyRules {
    /// The square root of the ratio, at most half as many again.
    fn default() -> Self {
        Self { damping: 0.5, max_stretch: 1.5 }
    }
}

/// By how much the ready replicas are to be multiplied: 1 at or under the objective, above it the
/// damped ratio within its limit.
///
/// The latency of a queue grows faster than its load, so the ratio itself would overshoot; a look a
/// little later sees what is still missing.
///
/// ```
/// use trimtab_engine::strategy::slo::{LatencyRules, stretch};
///
/// let of = |ratio| stretch(ratio, LatencyRules::default());
/// assert_eq!([of(0.5), of(1.0), of(9.0)], [1.0, 1.0, 1.5]);
/// assert!((of(1.21) - 1.1).abs() < 1e-12);
/// ```
pub fn stretch(ratio: f64, rules: LatencyRules) -> f64 {
    if ratio.is_nan() {
        return 1.0;
    }
    fmin(pow(fmax(ratio, 1.0), rules.damping), fmax(rules.max_stretch, 1.0))
}
