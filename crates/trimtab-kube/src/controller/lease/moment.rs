//! How much time has passed, for leases: by two clocks, since each of them may stand still or jump.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment by two clocks.
///
/// The steady one is never set, yet stands still while a virtual machine is paused. The wall clock is set right after
/// that, and may be set wrong at any time. So neither alone says how long ago something was; both say how long at most.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What the steady clock says.
    pub steady: Duration,
    /// What the wall clock says.
    pub wall: Duration,
}

impl Moment {
    /// The least that has passed since: who waits for somebody else's lease to end waits for that.
    pub(crate) fn at_least_since(self, earlier: Self) -> Duration {
        self.steady.saturating_sub(earlier.steady)
    }

    /// The most that may have passed since: who holds a lease goes by that.
    pub(crate) fn at_most_since(self, earlier: Self) -> Duration {
        self.at_least_since(earlier).max(self.wall.saturating_sub(earlier.wall))
    }
}

/// Tells moments.
pub trait Moments: Send + Sync {
    /// Now.
    fn now(&self) -> Moment;
}

/// Tells moments whose wall clock never goes back: that it was set back hides no time in which the machine stood still.
pub(crate) struct Stopwatch {
    moments: Arc<dyn Moments>,
    /// What was told last, and what the wall clock said then.
    last: Mutex<(Moment, Duration)>,
}

impl Stopwatch {
    pub(crate) fn new(moments: Arc<dyn Moments>) -> Self {
        let now = moments.now();
        Self { moments, last: Mutex::new((now, now.wall)) }
    }

    pub(crate) fn now(&self) -> Moment {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Moment { steady, wall } = self.moments.now();
        let passed = wall.saturating_sub(last.1);
        let now = Moment { steady, wall: last.0.wall.saturating_add(passed) };
        *last = (now, wall);
        now
    }
}

/// The clocks of this machine.
#[derive(Copy, Clone, Debug, Default)]
pub struct SystemMoments;

impl Moments for SystemMoments {
    fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { steady: steady(), wall }
    }
}

/// The time since the machine started, with the time in which it was asleep.
#[cfg(target_os = "linux")]
fn steady() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time since the first call.
#[cfg(not(target_os = "linux"))]
fn steady() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_goes_by_the_clock_that_is_safe_for_it() {
        let moment = |steady, wall| Moment {
            steady: Duration::from_secs(steady),
            wall: Duration::from_secs(wall),
        };
        let start = moment(10, 1000);
        let paused = moment(11, 1100);
        assert_eq!(paused.at_least_since(start), Duration::from_secs(1));
        assert_eq!(paused.at_most_since(start), Duration::from_secs(100));
        let set_back = moment(30, 400);
        assert_eq!(set_back.at_least_since(start), Duration::from_secs(20));
        assert_eq!(set_back.at_most_since(start), Duration::from_secs(20));
    }

    #[test]
    fn the_machine_s_clocks_go_forward() {
        let before = SystemMoments.now();
        std::thread::sleep(Duration::from_millis(5));
        let after = SystemMoments.now();
        assert!(after.at_least_since(before) >= Duration::from_millis(5));
        assert!(after.at_most_since(before) < Duration::from_secs(60));
    }
}
