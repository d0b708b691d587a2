//! How the loop goes about it.

use std::time::Duration;

use trimtab_engine::Policy;

/// How the loop goes about it. The default suits most.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The longest that each source, the target and the store may take; never more than two thirds of a workload's
    /// period. Default 10 s.
    pub deadline: Duration,
    /// A state is saved at once when the scale changes, else as often as this. Default: after every decision.
    ///
    /// What is lost by a crash is what a window learned since: with a minute, a load of the last minute that no
    /// decision has acted on.
    pub save_interval: Duration,
    /// How long ticks may go on when the loop is to end. Default 30 s.
    pub shutdown: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            save_interval: Duration::ZERO,
            shutdown: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// The deadline for a workload with such a policy.
    pub(crate) fn deadline(&self, policy: &Policy) -> Duration {
        let millis = u64::try_from(policy.period().as_millis()).unwrap_or(0);
        self.deadline.min(Duration::from_millis(millis / 3 * 2)).max(Duration::from_millis(10))
    }
}
