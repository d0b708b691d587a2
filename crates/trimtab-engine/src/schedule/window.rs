//! A window that opens and closes again and again.

use alloc::string::String;

use trimtab_metric::{Span, Timestamp};

use super::cron::Cron;
use super::zone::TimeZone;

/// When something opens and closes, on the clock of a zone.
///
/// It contains its begin and not its end.
///
/// ```
/// use trimtab_engine::schedule::{TimeZone, Window};
/// use trimtab_metric::{Span, Timestamp};
///
/// let office = Window::until("0 8 * * 1-5".parse()?, "0 18 * * 1-5".parse()?, TimeZone::UTC);
/// let friday: Timestamp = "2026-11-27T18:00:00Z".parse()?;
/// assert!(office.is_open(friday.saturating_sub(Span::from_secs(1))));
/// assert!(!office.is_open(friday));
/// assert_eq!(office.next_change(friday).map(|at| at.to_string()).as_deref(), Some("2026-11-30T08:00:00Z"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Window {
    start: Cron,
    close: Close,
    zone: TimeZone,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Close {
    /// By the clock.
    At(Cron),
    /// So long after each start.
    After(Span),
}

/// A window, and the bounds that hold while it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it is open.
    pub window: Window,
    /// Fewest replicas.
    pub min: Option<i32>,
    /// Most replicas.
    pub max: Option<i32>,
}

impl Window {
    /// Open from each occurrence of `start` to the next one of `end`. Where both come at once, it
    /// opens.
    pub fn until(start: Cron, end: Cron, zone: TimeZone) -> Self {
        Self { start, close: Close::At(end), zone }
    }

    /// Open for so long from each occurrence of `start` on.
    pub fn lasting(start: Cron, duration: Span, zone: TimeZone) -> Self {
        Self { start, close: Close::After(duration), zone }
    }

    /// Whether it is open: whether its last start is no older than its last end, or than its duration.
    ///
    /// KEDA's cron scaler looks ahead instead: there a window is open where its next end comes before its next
    /// start. The two differ where starts and ends do not take turns.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let Some(start) = self.start.previous(at, &self.zone) else { return false };
        match self.close {
            Close::At(end) => end.previous(at, &self.zone).is_none_or(|end| end <= start),
            Close::After(duration) => at.since(start) < duration,
        }
    }

    /// The next time after `at` at which it opens, if it is closed then.
    pub fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        self.start.next(at, &self.zone)
    }

    /// The first time after `at` at which it may open or close.
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let end = match self.close {
            Close::At(end) => end.next(at, &self.zone),
            Close::After(duration) => self
                .next_start(at.saturating_sub(duration))
                .map(|start| start.saturating_add(duration)),
        };
        [self.next_start(at), end].into_iter().flatten().min()
    }
}
