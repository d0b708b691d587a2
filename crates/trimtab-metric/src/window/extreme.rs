//! How high and how low: the maximum and the minimum over a sliding window.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::bounds::{Bounds, PushError};
use crate::{Span, Timestamp};

/// The samples that can still become the extreme: each later one is less extreme than those before it, so the first is the extreme
/// of all, and a new sample ends the prospects of every earlier one that it beats.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidates {
    bounds: Bounds,
    /// How many samples came in, ever.
    pushed: u64,
    candidates: VecDeque<Candidate>,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    at: Timestamp,
    milli: i64,
    /// Which sample it was, counted from one.
    ordinal: u64,
}

impl Candidates {
    fn new(span: Span, capacity: usize) -> Self {
        Candidates { bounds: Bounds::new(span, capacity), pushed: 0, candidates: VecDeque::new() }
    }

    /// `beats(new, old)` is whether `old` can no longer matter once `new` is in.
    fn push(
        &mut self,
        at: Timestamp,
        milli: i64,
        beats: impl Fn(i64, i64) -> bool,
    ) -> Result<(), PushError> {
        self.bounds.admit(at)?;
        self.pushed = self.pushed.saturating_add(1);
        while self.candidates.back().is_some_and(|old| beats(milli, old.milli)) {
            self.candidates.pop_back();
        }
        self.candidates.push_back(Candidate { at, milli, ordinal: self.pushed });
        self.expire();
        Ok(())
    }

    fn advance(&mut self, now: Timestamp) {
        self.bounds.advance(now);
        self.expire();
    }

    fn expire(&mut self) {
        let capacity = u64::try_from(self.bounds.capacity()).unwrap_or(u64::MAX);
        let first_kept = self.pushed.saturating_sub(capacity);
        while let Some(oldest) = self.candidates.front() {
            if oldest.ordinal > first_kept && self.bounds.contains(oldest.at) {
                break;
            }
            self.candidates.pop_front();
        }
    }

    fn extreme(&self) -> Option<i64> {
        self.candidates.front().map(|candidate| candidate.milli)
    }
}

/// The largest sample in a sliding window.
///
/// Keeps only samples that can still become the largest: amortized constant time per sample, constant per question, memory for
/// `capacity` samples at most and usually for far fewer.
///
/// The [rules all windows share](crate#windows) say what is inside, in which order samples come and what happens at capacity.
///
/// # Example
///
/// ```
/// use trimtab_metric::{MaxWindow, Span, Timestamp};
///
/// let mut window = MaxWindow::new(Span::from_secs(60), 100);
/// window.push(Timestamp::from_secs(0), 9000)?;
/// window.push(Timestamp::from_secs(30), 4000)?;
/// assert_eq!(window.max_milli(), Some(9000));
/// window.advance(Timestamp::from_secs(60));
/// assert_eq!(window.max_milli(), Some(4000));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaxWindow {
    candidates: Candidates,
}

impl MaxWindow {
    /// An empty window over `span`, of at most `capacity` samples.
    ///
    /// ```
    /// use trimtab_metric::{MaxWindow, Span};
    /// assert_eq!(MaxWindow::new(Span::from_secs(60), 10).max_milli(), None);
    /// ```
    pub fn new(span: Span, capacity: usize) -> Self {
        MaxWindow { candidates: Candidates::new(span, capacity) }
    }

    /// Adds a sample of `milli` thousandths.
    ///
    /// # Errors
    ///
    /// Refuses a sample that is not newer than the newest, or that the window has moved past.
    ///
    /// ```
    /// use trimtab_metric::{MaxWindow, PushError, Span, Timestamp};
    /// let mut window = MaxWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// assert_eq!(window.push(Timestamp::from_secs(1), 9), Err(PushError::Duplicate));
    /// assert_eq!(window.max_milli(), Some(5));
    /// # Ok::<(), PushError>(())
    /// ```
    pub fn push(&mut self, at: Timestamp, milli: i64) -> Result<(), PushError> {
        self.candidates.push(at, milli, |new, old| new >= old)
    }

    /// Moves the window to `now` and drops what has left it. An earlier time than before changes nothing.
    ///
    /// ```
    /// use trimtab_metric::{MaxWindow, Span, Timestamp};
    /// let mut window = MaxWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// window.advance(Timestamp::from_secs(61));
    /// assert_eq!(window.max_milli(), None);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn advance(&mut self, now: Timestamp) {
        self.candidates.advance(now);
    }

    /// The largest value in thousandths; `None` when empty.
    ///
    /// ```
    /// use trimtab_metric::{MaxWindow, Span};
    /// assert_eq!(MaxWindow::new(Span::from_secs(60), 10).max_milli(), None);
    /// ```
    pub fn max_milli(&self) -> Option<i64> {
        self.candidates.extreme()
    }
}

/// The smallest sample in a sliding window; otherwise as [`MaxWindow`].
///
/// # Example
///
/// ```
/// use trimtab_metric::{MinWindow, Span, Timestamp};
///
/// let mut window = MinWindow::new(Span::from_secs(60), 100);
/// window.push(Timestamp::from_secs(0), 4000)?;
/// window.push(Timestamp::from_secs(30), 9000)?;
/// assert_eq!(window.min_milli(), Some(4000));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MinWindow {
    candidates: Candidates,
}

impl MinWindow {
    /// An empty window over `span`, of at most `capacity` samples.
    ///
    /// ```
    /// use trimtab_metric::{MinWindow, Span};
    /// assert_eq!(MinWindow::new(Span::from_secs(60), 10).min_milli(), None);
    /// ```
    pub fn new(span: Span, capacity: usize) -> Self {
        MinWindow { candidates: Candidates::new(span, capacity) }
    }

    /// Adds a sample of `milli` thousandths.
    ///
    /// # Errors
    ///
    /// Refuses a sample that is not newer than the newest, or that the window has moved past.
    ///
    /// ```
    /// use trimtab_metric::{MinWindow, PushError, Span, Timestamp};
    /// let mut window = MinWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// assert_eq!(window.push(Timestamp::from_secs(0), 1), Err(PushError::OutOfOrder));
    /// # Ok::<(), PushError>(())
    /// ```
    pub fn push(&mut self, at: Timestamp, milli: i64) -> Result<(), PushError> {
        self.candidates.push(at, milli, |new, old| new <= old)
    }

    /// Moves the window to `now` and drops what has left it. An earlier time than before changes nothing.
    ///
    /// ```
    /// use trimtab_metric::{MinWindow, Span, Timestamp};
    /// let mut window = MinWindow::new(Span::from_secs(60), 10);
    /// window.push(Timestamp::from_secs(1), 5)?;
    /// window.advance(Timestamp::from_secs(61));
    /// assert_eq!(window.min_milli(), None);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn advance(&mut self, now: Timestamp) {
        self.candidates.advance(now);
    }

    /// The smallest value in thousandths; `None` when empty.
    ///
    /// ```
    /// use trimtab_metric::{MinWindow, Span};
    /// assert_eq!(MinWindow::new(Span::from_secs(60), 10).min_milli(), None);
    /// ```
    pub fn min_milli(&self) -> Option<i64> {
        self.candidates.extreme()
    }
}
