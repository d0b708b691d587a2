//! What time it is: the system's clock, made to go forward only.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use trimtab_metric::{Span, Timestamp};

/// What time it is for decisions. The rhythm of the loop goes by tokio's time instead.
pub trait Clock: Send + Sync {
    /// Now. It never goes back.
    fn now(&self) -> Timestamp;

    /// Takes note of a time that has been: from now on it is later than that.
    fn not_before(&self, _time: Timestamp) {}

    /// How far it is ahead of the system's clock, where the two differ.
    fn ahead(&self) -> Span {
        Span::ZERO
    }
}

/// The system's clock, which may be set back without windows noticing.
///
/// Time goes on by the monotonic clock. If the system's clock turns out to be ahead, this one follows at
/// once: the machine slept, or was late. If it turns out to be behind, because somebody set it back, this one goes
/// at half speed until they agree. So a window is never cut short and no time comes twice; while that lasts,
/// windows and rate limits last up to twice as long, and schedules are early by what is left of the difference.
///
/// ```
/// use trimtab_runtime::{Clock, SystemClock};
///
/// let clock = SystemClock::new();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Debug)]
pub struct SystemClock {
    last: Mutex<Last>,
}

#[derive(Copy, Clone, Debug)]
struct Last {
    at: Instant,
    told: Timestamp,
    ahead: Span,
}

impl SystemClock {
    /// Starts at the system's time.
    pub fn new() -> Self {
        let told = system_time();
        Self { last: Mutex::new(Last { at: Instant::now(), told, ahead: Span::ZERO }) }
    }

    fn tell(&self, system: Timestamp) -> Last {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.go_on(Instant::now(), system);
        *last
    }
}

impl Last {
    /// What is told at `at`, when the system says `system`.
    fn go_on(self, at: Instant, system: Timestamp) -> Self {
        let passed = at.saturating_duration_since(self.at).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let steady = self.told.saturating_add(Span::from_millis(passed));
        let told = if system >= steady {
            system
        } else {
            let slow = self.told.saturating_add(Span::from_millis(passed / 2));
            slow.max(system)
        };
        // Half a millisecond that was left over is not lost: it is still to come.
        let at = if told == self.told && passed < 2 { self.at } else { at };
        Self { at, told, ahead: told.since(system) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.tell(system_time()).told
    }

    fn not_before(&self, time: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.told = last.told.max(time);
    }

    fn ahead(&self) -> Span {
        self.tell(system_time()).ahead
    }
}

/// A clock before 1970 is one that was never set; it says 1970.
fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn go_on(last: Last, seconds: u64, system: i64) -> Last {
        last.go_on(last.at + Duration::from_secs(seconds), at(system))
    }

    fn start(seconds: i64) -> Last {
        Last { at: Instant::now(), told: at(seconds), ahead: Span::ZERO }
    }

    #[test]
    fn a_clock_that_is_set_back_an_hour_is_met_after_two() {
        let mut last = start(10_000);
        for step in 1..=480 {
            let before = last.told;
            last = go_on(last, 15, 10_000 - 3600 + step * 15);
            assert_eq!(last.told.since(before), Span::from_millis(7500));
        }
        assert_eq!(last.ahead, Span::ZERO);
        assert_eq!(go_on(last, 15, 10_000 + 3600 + 15).told, at(10_000 + 3600 + 15));
    }

    #[test]
    fn a_clock_that_was_late_is_followed_at_once() {
        let last = go_on(start(10_000), 15, 20_000);
        assert_eq!((last.told, last.ahead), (at(20_000), Span::ZERO));
    }

    #[test]
    fn asked_every_millisecond_it_still_goes_at_half_speed() {
        let mut last = start(10_000);
        let from = last.at;
        for milli in 1..=10_000 {
            last = last.go_on(from + Duration::from_millis(milli), at(0));
        }
        assert_eq!(last.told, at(10_005));
    }

    #[test]
    fn it_is_never_before_what_has_been() {
        let clock = SystemClock::new();
        let later = clock.now().saturating_add(Span::from_secs(600));
        clock.not_before(later);
        assert!(clock.now() >= later);
        assert!(clock.ahead() > Span::from_secs(590));
    }
}
