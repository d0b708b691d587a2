//! Where it tends: an average that forgets.

use serde::{Deserialize, Serialize};

use super::bounds::PushError;
use crate::exact_float::ExactFloat;
use crate::{Span, Timestamp};

/// An exponentially weighted moving average over time.
///
/// What was known loses half its weight per half-life, however many samples come in between; a sample after `t` has the weight
/// `1 - 2^(-t / half_life)`. The first sample is taken whole. The average always lies within the values seen. Constant time and memory.
/// The same bits on every platform.
///
/// Samples come in order of time; one at the time of the newest, or before it, is refused. A half-life below a millisecond counts as a
/// millisecond.
///
/// # Example
///
/// ```
/// use trimtab_metric::{Ewma, Span, Timestamp};
///
/// let mut average = Ewma::new(Span::from_secs(10));
/// average.push(Timestamp::from_secs(0), 100.0)?;
/// average.push(Timestamp::from_secs(10), 200.0)?;
/// assert_eq!(average.value(), Some(150.0));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ewma {
    half_life: Span,
    state: Option<(Timestamp, ExactFloat)>,
}

impl Ewma {
    /// An average of nothing yet.
    ///
    /// ```
    /// use trimtab_metric::{Ewma, Span};
    /// assert_eq!(Ewma::new(Span::from_secs(60)).value(), None);
    /// ```
    pub fn new(half_life: Span) -> Self {
        Ewma { half_life, state: None }
    }

    /// Takes in a sample.
    ///
    /// # Errors
    ///
    /// Refuses NaN, an infinity, and a sample that is not newer than the newest.
    ///
    /// ```
    /// use trimtab_metric::{Ewma, PushError, Span, Timestamp};
    /// let mut average = Ewma::new(Span::from_secs(60));
    /// assert_eq!(average.push(Timestamp::from_secs(0), f64::NAN), Err(PushError::NotFinite));
    /// assert_eq!(average.push(Timestamp::from_secs(0), 1.0), Ok(()));
    /// assert_eq!(average.push(Timestamp::from_secs(0), 2.0), Err(PushError::Duplicate));
    /// ```
    pub fn push(&mut self, at: Timestamp, value: f64) -> Result<(), PushError> {
        if !value.is_finite() {
            return Err(PushError::NotFinite);
        }
        let Some((newest, ExactFloat(average))) = self.state else {
            self.state = Some((at, ExactFloat(value)));
            return Ok(());
        };
        if at == newest {
            return Err(PushError::Duplicate);
        }
        if at < newest {
            return Err(PushError::OutOfOrder);
        }
        let half_lives =
            at.since(newest).as_millis() as f64 / self.half_life.as_millis().max(1) as f64;
        let kept = libm::exp2(-half_lives);
        let mixed = kept * average + (1.0 - kept) * value;
        // Rounding must not carry it out of the range of what it mixes.
        let (low, high) = if average < value { (average, value) } else { (value, average) };
        let inside = libm::fmin(libm::fmax(mixed, low), high);
        self.state = Some((at, ExactFloat(inside)));
        Ok(())
    }

    /// The average as of the newest sample; `None` before the first.
    ///
    /// ```
    /// use trimtab_metric::{Ewma, Span, Timestamp};
    /// let mut average = Ewma::new(Span::from_secs(60));
    /// average.push(Timestamp::from_secs(0), 7.0)?;
    /// assert_eq!(average.value(), Some(7.0));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn value(&self) -> Option<f64> {
        self.state.map(|(_, average)| average.0)
    }

    /// The time of the newest sample; `None` before the first.
    ///
    /// ```
    /// use trimtab_metric::{Ewma, Span};
    /// assert_eq!(Ewma::new(Span::from_secs(60)).at(), None);
    /// ```
    pub fn at(&self) -> Option<Timestamp> {
        self.state.map(|(at, _)| at)
    }
}
