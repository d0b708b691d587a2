//! How bad for how many: quantiles over a sliding window.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::bounds::{PushError, Ring};
use crate::{Span, Timestamp};

/// Quantiles of the samples in a sliding window, exact.
///
/// A sample costs amortized constant time. A question costs time and scratch memory in proportion to the samples inside: policies
/// ask once per tick and a sketch would trade its error for nothing. Memory for `capacity` samples at most.
///
/// The [rules all windows share](crate#windows) say what is inside, in which order samples come and what happens at capacity.
///
/// # Example
///
/// ```
/// use trimtab_metric::{QuantileWindow, Span, Timestamp};
///
/// let mut window = QuantileWindow::new(Span::from_secs(60), 100);
/// for (second, milli) in [(0, 100), (1, 400), (2, 200), (3, 300), (4, 500)] {
///     window.push(Timestamp::from_secs(second), milli)?;
/// }
/// assert_eq!(window.quantile_milli(0.5), Some(300));
/// assert_eq!(window.quantile_milli(0.95), Some(480));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuantileWindow {
    ring: Ring<i64>,
}

impl QuantileWindow {
    /// An empty window over `span`, of at most `capacity` samples.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span};
    /// assert!(QuantileWindow::new(Span::from_secs(60), 10).is_empty());
    /// ```
    pub fn new(span: Span, capacity: usize) -> Self {
        QuantileWindow { ring: Ring::new(span, capacity) }
    }

    /// Adds a sample of `milli` thousandths.
    ///
    /// # Errors
    ///
    /// Refuses a sample that is not newer than the newest, or that the window has moved past.
    ///
    /// ```
    /// use trimtab_metric::{PushError, QuantileWindow, Span, Timestamp};
    /// let mut window = QuantileWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// assert_eq!(window.push(Timestamp::from_secs(1), 5), Err(PushError::Duplicate));
    /// # Ok::<(), PushError>(())
    /// ```
    pub fn push(&mut self, at: Timestamp, milli: i64) -> Result<(), PushError> {
        self.ring.push(at, milli, |_| ())
    }

    /// Moves the window to `now` and drops what has left it. An earlier time than before changes nothing.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span, Timestamp};
    /// let mut window = QuantileWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// window.advance(Timestamp::from_secs(61));
    /// assert!(window.is_empty());
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn advance(&mut self, now: Timestamp) {
        self.ring.advance(now, |_| ());
    }

    /// The `quantile` (0 to 1) in thousandths, as Prometheus' `quantile_over_time`: where it lies between two samples, interpolated
    /// in a straight line, here to the nearest thousandth. `None` when empty, or when `quantile` is NaN or outside 0 to 1.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span, Timestamp};
    /// let mut window = QuantileWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 100)?;
    /// window.push(Timestamp::from_secs(2), 200)?;
    /// assert_eq!(window.quantile_milli(0.25), Some(125));
    /// assert_eq!(window.quantile_milli(1.5), None);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn quantile_milli(&self, quantile: f64) -> Option<i64> {
        if !(0.0..=1.0).contains(&quantile) || self.is_empty() {
            return None;
        }
        let mut values: Vec<i64> = self.ring.values().collect();
        let last = values.len().saturating_sub(1);
        let rank = quantile * last as f64;
        let below = libm::floor(rank);
        let index = (below as usize).min(last);
        let (_, lower, above) = values.select_nth_unstable(index);
        let lower = *lower;
        let upper = above.iter().copied().min().unwrap_or(lower);
        let step = libm::round((i128::from(upper) - i128::from(lower)) as f64 * (rank - below));
        let between = i128::from(lower).saturating_add(step as i128);
        Some(i64::try_from(between).unwrap_or(upper).clamp(lower, upper))
    }

    /// How many samples are inside.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span};
    /// assert_eq!(QuantileWindow::new(Span::from_secs(60), 10).len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.samples().len()
    }

    /// Whether no sample is inside.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span};
    /// assert!(QuantileWindow::new(Span::from_secs(60), 10).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.ring.samples().is_empty()
    }

    /// Whether the next sample pushes out the oldest: the window may already cover less than its span.
    ///
    /// ```
    /// use trimtab_metric::{QuantileWindow, Span};
    /// assert!(!QuantileWindow::new(Span::from_secs(60), 10).is_full());
    /// ```
    pub fn is_full(&self) -> bool {
        self.ring.is_full()
    }
}
