//! How much on average: the mean over a sliding window.

use serde::{Deserialize, Serialize};

use super::bounds::{PushError, Ring};
use crate::per_replica::nearest_quotient;
use crate::{Span, Timestamp};

/// The mean and sum of the samples in a sliding window.
///
/// The sum is exact, so samples that leave take with them exactly what they brought, and nothing drifts however long it runs. Each
/// sample weighs the same; for a mean over time, sample at even intervals. Constant time per sample and per question; memory for
/// `capacity` samples at most.
///
/// The [rules all windows share](crate#windows) say what is inside, in which order samples come and what happens at capacity.
///
/// # Example
///
/// ```
/// use trimtab_metric::{MeanWindow, Span, Timestamp};
///
/// let mut window = MeanWindow::new(Span::from_secs(60), 100);
/// window.push(Timestamp::from_secs(0), 1000)?;
/// window.push(Timestamp::from_secs(30), 2000)?;
/// assert_eq!(window.mean_milli(), Some(1500));
/// window.advance(Timestamp::from_secs(60));
/// assert_eq!(window.mean_milli(), Some(2000));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "Ring<i64>", into = "Ring<i64>")]
pub struct MeanWindow {
    ring: Ring<i64>,
    // INVARIANT: the sum of the samples in the ring.
    sum: i128,
}

impl From<Ring<i64>> for MeanWindow {
    fn from(ring: Ring<i64>) -> Self {
        let sum = ring.values().map(i128::from).fold(0, i128::saturating_add);
        MeanWindow { ring, sum }
    }
}

impl From<MeanWindow> for Ring<i64> {
    fn from(window: MeanWindow) -> Self {
        window.ring
    }
}

impl MeanWindow {
    /// An empty window over `span`, of at most `capacity` samples.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span};
    /// assert!(MeanWindow::new(Span::from_secs(60), 10).is_empty());
    /// ```
    pub fn new(span: Span, capacity: usize) -> Self {
        MeanWindow { ring: Ring::new(span, capacity), sum: 0 }
    }

    /// Adds a sample of `milli` thousandths.
    ///
    /// # Errors
    ///
    /// Refuses a sample that is not newer than the newest, or that the window has moved past.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, PushError, Span, Timestamp};
    /// let mut window = MeanWindow::new(Span::from_secs(60), 10);
    /// window.advance(Timestamp::from_secs(100));
    /// assert_eq!(window.push(Timestamp::from_secs(40), 1), Err(PushError::TooOld));
    /// assert_eq!(window.push(Timestamp::from_secs(41), 1), Ok(()));
    /// ```
    pub fn push(&mut self, at: Timestamp, milli: i64) -> Result<(), PushError> {
        let sum = &mut self.sum;
        self.ring.push(at, milli, |old| *sum = sum.saturating_sub(i128::from(old)))?;
        self.sum = self.sum.saturating_add(i128::from(milli));
        Ok(())
    }

    /// Moves the window to `now` and drops what has left it. An earlier time than before changes nothing.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span, Timestamp};
    /// let mut window = MeanWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(0), 1)?;
    /// window.advance(Timestamp::from_secs(59));
    /// assert_eq!(window.len(), 1);
    /// window.advance(Timestamp::from_secs(60));
    /// assert_eq!(window.len(), 0);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn advance(&mut self, now: Timestamp) {
        let sum = &mut self.sum;
        self.ring.advance(now, |old| *sum = sum.saturating_sub(i128::from(old)));
    }

    /// The mean in thousandths, to the nearest, halves away from zero; `None` when empty.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span};
    /// assert_eq!(MeanWindow::new(Span::from_secs(60), 10).mean_milli(), None);
    /// ```
    pub fn mean_milli(&self) -> Option<i64> {
        nearest_quotient(self.sum, self.ring.samples().len())
    }

    /// The exact sum in thousandths; zero when empty.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span, Timestamp};
    /// let mut window = MeanWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(0), i64::MAX)?;
    /// window.push(Timestamp::from_secs(1), i64::MAX)?;
    /// assert_eq!(window.sum_milli(), 2 * i128::from(i64::MAX));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn sum_milli(&self) -> i128 {
        self.sum
    }

    /// How many samples are inside.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span};
    /// assert_eq!(MeanWindow::new(Span::from_secs(60), 10).len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.samples().len()
    }

    /// Whether no sample is inside.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span};
    /// assert!(MeanWindow::new(Span::from_secs(60), 10).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.ring.samples().is_empty()
    }

    /// Whether the next sample pushes out the oldest: the window may already cover less than its span.
    ///
    /// ```
    /// use trimtab_metric::{MeanWindow, Span, Timestamp};
    /// let mut window = MeanWindow::new(Span::from_secs(60), 1);
    /// window.push(Timestamp::from_secs(0), 1)?;
    /// assert!(window.is_full());
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.ring.is_full()
    }
}
