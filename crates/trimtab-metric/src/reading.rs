//! What is known: one reading of a metric, which may be a number or a stated reason for there being none.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Span, Timestamp};

/// One measured amount.
///
/// # Example
///
/// ```
/// use trimtab_metric::{Sample, Span, Timestamp};
///
/// let sample = Sample { milli: 1500, at: Timestamp::from_secs(60), window: Span::from_secs(30) };
/// assert_eq!(sample.as_f64(), 1.5);
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The amount, in thousandths of the metric's unit.
    pub milli: i64,
    /// When: the end of the time it was measured over.
    pub at: Timestamp,
    /// How long it was measured over; zero for an instant.
    #[serde(default)]
    pub window: Span,
}

impl Sample {
    /// The amount in whole units, to the nearest `f64`.
    ///
    /// ```
    /// use trimtab_metric::{Sample, Span, Timestamp};
    /// let sample = Sample { milli: -250, at: Timestamp::UNIX_EPOCH, window: Span::ZERO };
    /// assert_eq!(sample.as_f64(), -0.25);
    /// ```
    pub fn as_f64(&self) -> f64 {
        self.milli as f64 / 1000.0
    }
}

/// One reading of a metric: a number, or why there is none.
///
/// What is not known is never a number: a NaN is not zero, and a metric that stopped reporting has not gone quiet. Zero is a value.
///
/// # Serde
///
/// `{"value": {"milli": 1500, "at": "2026-11-24T10:00:00Z", "window": 30}}`, `"missing"`, `{"stale": {…}}` or `{"invalid": "notANumber"}`.
///
/// # Example
///
/// ```
/// use trimtab_metric::{InvalidReason, Reading, Span, Timestamp};
///
/// let at = Timestamp::from_secs(0);
/// let reading = Reading::from_f64(0.75, at, Span::ZERO);
/// assert_eq!(reading.value().map(|sample| sample.milli), Some(750));
///
/// let late = reading.aged(Timestamp::from_secs(61), Span::from_secs(60));
/// assert!(matches!(late, Reading::Stale(_)));
///
/// assert_eq!(Reading::from_f64(f64::NAN, at, Span::ZERO), Reading::Invalid(InvalidReason::NotANumber));
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading {
    /// A number that can be used.
    Value(Sample),
    /// Nothing was reported.
    Missing,
    /// A number that is too old to be used.
    Stale(Sample),
    /// Something was reported that is not an amount.
    Invalid(InvalidReason),
}

/// Why what was reported is not an amount.
///
/// ```
/// use trimtab_metric::InvalidReason;
/// assert_eq!(InvalidReason::Negative.to_string(), "negative where it cannot be");
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum InvalidReason {
    /// NaN, such as a ratio of nothing to nothing.
    #[error("not a number")]
    NotANumber,
    /// An infinity, such as a quantile beyond every bucket.
    #[error("infinite")]
    Infinite,
    /// A negative amount of something that has none; see [`Reading::non_negative`].
    #[error("negative where it cannot be")]
    Negative,
    /// More than 2^63 thousandths, about ±9.2e15 units.
    #[error("outside the range of ±9.2e15")]
    OutOfRange,
}

impl Reading {
    /// A reading of `value` units, measured over the `window` that ended `at`.
    ///
    /// Rounds to the nearest thousandth, halves away from zero. NaN, an infinity, and what does not fit 2^63 thousandths become
    /// [`Reading::Invalid`], never a number.
    ///
    /// ```
    /// use trimtab_metric::{InvalidReason, Reading, Span, Timestamp};
    /// let read = |value| Reading::from_f64(value, Timestamp::UNIX_EPOCH, Span::ZERO);
    /// assert_eq!(read(-0.0005).value().map(|sample| sample.milli), Some(-1));
    /// assert_eq!(read(1e16), Reading::Invalid(InvalidReason::OutOfRange));
    /// assert_eq!(read(f64::INFINITY), Reading::Invalid(InvalidReason::Infinite));
    /// ```
    pub fn from_f64(value: f64, at: Timestamp, window: Span) -> Reading {
        // 2^63 is exact as a float; the largest number below it fits.
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        if value.is_nan() {
            return Reading::Invalid(InvalidReason::NotANumber);
        }
        if value.is_infinite() {
            return Reading::Invalid(InvalidReason::Infinite);
        }
        let milli = libm::round(value * 1000.0);
        if !(-BEYOND..BEYOND).contains(&milli) {
            return Reading::Invalid(InvalidReason::OutOfRange);
        }
        Reading::Value(Sample { milli: milli as i64, at, window })
    }

    /// A reading of `milli` thousandths at an instant.
    ///
    /// ```
    /// use trimtab_metric::{Reading, Timestamp};
    /// let reading = Reading::from_milli(250, Timestamp::UNIX_EPOCH);
    /// assert_eq!(reading.value().map(|sample| sample.as_f64()), Some(0.25));
    /// ```
    pub const fn from_milli(milli: i64, at: Timestamp) -> Reading {
        Reading::Value(Sample { milli, at, window: Span::ZERO })
    }

    /// The reading as seen at `now`: a value older than `max_age` is stale. A value from the future stays a value.
    ///
    /// ```
    /// use trimtab_metric::{Reading, Span, Timestamp};
    /// let reading = Reading::from_milli(1, Timestamp::from_secs(100));
    /// let max_age = Span::from_secs(60);
    /// assert_eq!(reading.aged(Timestamp::from_secs(160), max_age), reading);
    /// assert!(matches!(reading.aged(Timestamp::from_secs(161), max_age), Reading::Stale(_)));
    /// assert_eq!(reading.aged(Timestamp::from_secs(0), max_age), reading);
    /// ```
    pub fn aged(self, now: Timestamp, max_age: Span) -> Reading {
        match self {
            Reading::Value(sample) if now.since(sample.at) > max_age => Reading::Stale(sample),
            other => other,
        }
    }

    /// The reading of a metric that cannot be negative: a negative amount is invalid.
    ///
    /// ```
    /// use trimtab_metric::{InvalidReason, Reading, Timestamp};
    /// let at = Timestamp::UNIX_EPOCH;
    /// assert_eq!(Reading::from_milli(-1, at).non_negative(), Reading::Invalid(InvalidReason::Negative));
    /// assert_eq!(Reading::from_milli(0, at).non_negative(), Reading::from_milli(0, at));
    /// ```
    pub fn non_negative(self) -> Reading {
        match self {
            Reading::Value(sample) | Reading::Stale(sample) if sample.milli < 0 => {
                Reading::Invalid(InvalidReason::Negative)
            }
            other => other,
        }
    }

    /// The sample, if it can be used: only [`Reading::Value`] has one.
    ///
    /// ```
    /// use trimtab_metric::Reading;
    /// assert_eq!(Reading::Missing.value(), None);
    /// ```
    pub fn value(&self) -> Option<Sample> {
        match self {
            Reading::Value(sample) => Some(*sample),
            Reading::Missing | Reading::Stale(_) | Reading::Invalid(_) => None,
        }
    }
}
