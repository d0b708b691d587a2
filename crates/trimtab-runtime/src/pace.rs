//! When the next tick is due: evenly, each workload at a moment of its own, and never twice for one moment.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::WorkloadId;

/// The rhythm of one workload.
///
/// Ticks are due at a fixed offset from multiples of the period since the loop began, however long each takes. One
/// that takes longer than the period leaves out those that it slept through.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Pace {
    period: Duration,
    next: Instant,
}

/// A tick that is due.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// How much later it is than it should be.
    pub(crate) late: Duration,
    /// How many were left out since the last.
    pub(crate) skipped: u64,
}

impl Pace {
    /// The first tick is due within a period of `start`, at a moment that the workload's name gives; so that many
    /// workloads don't all ask at once, and each asks at the same moment after a restart.
    pub(crate) fn new(workload: &WorkloadId, period: Duration, start: Instant) -> Self {
        let period = period.max(Duration::from_millis(1));
        let mut hasher = DefaultHasher::new();
        workload.hash(&mut hasher);
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let offset = Duration::from_millis(hasher.finish() % millis);
        Self { period, next: start + offset }
    }

    /// When it is.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Takes the tick that is due at `now`, and plans the next.
    pub(crate) fn take(&mut self, now: Instant) -> Due {
        let behind = now.saturating_duration_since(self.next);
        let whole = behind.as_nanos() / self.period.as_nanos().max(1);
        let skipped = u64::try_from(whole).unwrap_or(u64::MAX);
        let steps = u32::try_from(skipped).unwrap_or(u32::MAX);
        let late = behind.saturating_sub(self.period.saturating_mul(steps));
        self.next += self.period.saturating_mul(steps.saturating_add(1));
        Due { late, skipped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn id(name: &str) -> WorkloadId {
        name.parse().unwrap()
    }

    #[test]
    fn workloads_spread_over_the_period() {
        let start = Instant::now();
        let mut thirds = [0; 3];
        for number in 0..300 {
            let pace = Pace::new(&id(&format!("w{number}")), PERIOD, start);
            let third = (pace.next() - start).as_millis() / 5000;
            thirds[usize::try_from(third).unwrap()] += 1;
        }
        assert!(thirds.iter().all(|count| *count > 70), "{thirds:?}");
    }

    proptest! {
        #[test]
        fn ticks_neither_drift_nor_pile_up(waits in prop::collection::vec(0_u64..100_000, 1..50)) {
            let start = Instant::now();
            let mut pace = Pace::new(&id("w"), PERIOD, start);
            let first = pace.next();
            let (mut now, mut due) = (start, 0);
            for wait in waits {
                now = (now + Duration::from_millis(wait)).max(pace.next());
                let Due { late, skipped } = pace.take(now);
                due += 1 + skipped;
                prop_assert!(pace.next() > now, "the next one is never already due");
                prop_assert!(late < PERIOD);
                prop_assert_eq!((pace.next() - first).as_nanos(), PERIOD.as_nanos() * u128::from(due));
            }
        }
    }
}
