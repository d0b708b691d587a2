//! What to make of a trace: how fast, how much, and what it does not say itself.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::WorkloadError;

use super::TokenLengths;

/// Coefficients of variation that gaps between arrivals may have.
pub(crate) const CV_RANGE: RangeInclusive<f64> = 0.0..=100.0;

/// Factors for rates.
pub(crate) const RATE_SCALE_RANGE: RangeInclusive<f64> = 1e-6..=10_000.0;

const TIME_SCALE_RANGE: RangeInclusive<f64> = 1e-6..=1e6;

/// What to make of a trace. By default, what it says.
///
/// ```
/// use trimtab_sim::TraceOptions;
///
/// let twice_as_many = TraceOptions { rate_scale: 2.0, ..TraceOptions::default() };
/// assert_eq!(twice_as_many.time_scale, 1.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// How many times as many requests, 0.000001 to 10 000; 1 by default. Rates are multiplied. Of
    /// a request, so many copies arrive, the fraction by chance: the first when it did, the others
    /// at random within the second after it.
    pub rate_scale: f64,
    /// Times are multiplied by this, 0.000001 to 1 000 000; 1 by default. With 2, the same requests
    /// take twice as long to arrive.
    pub time_scale: f64,
    /// What all chance comes from; 1 by default.
    pub seed: u64,
    /// For rates: the coefficient of variation of the gaps between arrivals, 0 (even spacing) to
    /// 100; 1 is a Poisson process. By default what the column `iat_cv_rate_weighted` says, but at
    /// most 10; without it 1. (That column is a mean over clients, in which the few requests of a
    /// rare client can show a variation of hundreds.)
    pub interarrival_cv: Option<f64>,
    /// For rates: the lengths of the requests. By default [`TokenLengths::default`], with the means
    /// of the columns `mean_input_tokens` (or `mean_text_tokens`) and `mean_output_tokens` where the
    /// trace has them.
    pub tokens: Option<TokenLengths>,
    /// Leave out requests with 0 input or output tokens, such as the failures that BurstGPT records.
    /// By default they are an error. [`Trace::skipped_requests`](crate::Trace::skipped_requests)
    /// counts them.
    pub skip_zero_tokens: bool,
    /// Spread requests with one timestamp evenly up to the next timestamp; those with the last one
    /// as far as those before them. For traces whose clock ticks slowly; one tick is held in memory.
    /// By default only Mooncake's JSON lines are spread.
    pub spread: Option<bool>,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            rate_scale: 1.0,
            time_scale: 1.0,
            seed: 1,
            interarrival_cv: None,
            tokens: None,
            skip_zero_tokens: false,
            spread: None,
        }
    }
}

impl TraceOptions {
    /// Whether every number is in its range.
    pub(super) fn check(&self, source: &Arc<str>) -> Result<(), WorkloadError> {
        in_range(source, "rate scale", self.rate_scale, &RATE_SCALE_RANGE)?;
        in_range(source, "time scale", self.time_scale, &TIME_SCALE_RANGE)?;
        let cv = self.interarrival_cv.unwrap_or(1.0);
        in_range(source, "coefficient of variation", cv, &CV_RANGE)
    }
}

/// Whether a setting is in its range.
pub(crate) fn in_range(
    source: &Arc<str>,
    what: &str,
    value: f64,
    range: &RangeInclusive<f64>,
) -> Result<(), WorkloadError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(WorkloadError::new(Arc::clone(source), format!("a {what} of `{value}` is out of range"))
        .with_help(format!("from {} to {}", range.start(), range.end())))
}
