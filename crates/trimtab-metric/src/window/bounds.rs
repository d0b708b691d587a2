//! What is inside: the span, capacity and order that all windows keep to.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Span, Timestamp};

/// Why a window refused a sample. The window is unchanged.
///
/// ```
/// use trimtab_metric::{MeanWindow, PushError, Span, Timestamp};
/// let mut window = MeanWindow::new(Span::from_secs(60), 10);
/// window.push(Timestamp::from_secs(5), 1)?;
/// assert_eq!(window.push(Timestamp::from_secs(5), 2), Err(PushError::Duplicate));
/// assert_eq!(window.push(Timestamp::from_secs(4), 2), Err(PushError::OutOfOrder));
/// # Ok::<(), PushError>(())
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum PushError {
    /// There already is a sample of that time; the first one stands. Usual when a source is polled faster than it updates.
    #[error("a sample of that time is already there")]
    Duplicate,
    /// A newer sample is already there.
    #[error("a newer sample is already there")]
    OutOfOrder,
    /// The window has moved past that time.
    #[error("the window has already moved past that time")]
    TooOld,
    /// The value is NaN or infinite.
    #[error("the value is not a finite number")]
    NotFinite,
    /// The value of a counter is negative.
    #[error("the value of a counter is negative")]
    NegativeCounter,
}

/// The limits of a window and how far it has moved.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bounds {
    span: Span,
    capacity: usize,
    now: Option<Timestamp>,
    newest: Option<Timestamp>,
}

impl Bounds {
    pub(crate) fn new(span: Span, capacity: usize) -> Self {
        Bounds { span, capacity, now: None, newest: None }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.max(Span::from_millis(1))
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity.max(1)
    }

    pub(crate) fn now(&self) -> Option<Timestamp> {
        self.now
    }

    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(Some(now));
    }

    /// Moves to a sample of `at`, if it may come in.
    pub(crate) fn admit(&mut self, at: Timestamp) -> Result<(), PushError> {
        if self.newest == Some(at) {
            return Err(PushError::Duplicate);
        }
        if self.newest > Some(at) {
            return Err(PushError::OutOfOrder);
        }
        if !self.contains(at) {
            return Err(PushError::TooOld);
        }
        self.newest = Some(at);
        self.advance(at);
        Ok(())
    }

    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        self.now.is_none_or(|now| now.since(at) < self.span())
    }
}

/// The samples inside the bounds, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ring<V> {
    bounds: Bounds,
    samples: VecDeque<(Timestamp, V)>,
}

impl<V: Copy> Ring<V> {
    pub(crate) fn new(span: Span, capacity: usize) -> Self {
        Ring { bounds: Bounds::new(span, capacity), samples: VecDeque::new() }
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub(crate) fn samples(&self) -> &VecDeque<(Timestamp, V)> {
        &self.samples
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = V> {
        self.samples.iter().map(|(_, value)| *value)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.samples.len() >= self.bounds.capacity()
    }

    /// Adds a sample and calls `evicted` for each one that falls out.
    pub(crate) fn push(
        &mut self,
        at: Timestamp,
        value: V,
        mut evicted: impl FnMut(V),
    ) -> Result<(), PushError> {
        self.bounds.admit(at)?;
        self.expire(&mut evicted);
        while self.is_full() {
            let Some((_, old)) = self.samples.pop_front() else { break };
            evicted(old);
        }
        self.samples.push_back((at, value));
        Ok(())
    }

    pub(crate) fn advance(&mut self, now: Timestamp, evicted: impl FnMut(V)) {
        self.bounds.advance(now);
        self.expire(evicted);
    }

    fn expire(&mut self, mut evicted: impl FnMut(V)) {
        while let Some((at, old)) = self.samples.front().copied() {
            if self.bounds.contains(at) {
                break;
            }
            self.samples.pop_front();
            evicted(old);
        }
    }
}
