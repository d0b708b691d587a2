//! How long a thread has worked, whoever else wants the core: what grows without bound is found on a busy machine, too,
//! and what does not is not blamed for it.

use std::time::Duration;

/// The work of this thread from a moment on.
pub(crate) struct Work {
    begun: Duration,
}

impl Work {
    pub(crate) fn begin() -> Self {
        Self { begun: worked() }
    }

    /// Fails where more was done than these seconds hold.
    #[track_caller]
    pub(crate) fn takes_less_than(&self, seconds: f64) {
        let taken = worked().saturating_sub(self.begun).as_secs_f64();
        assert!(taken < seconds, "took {taken} s of a core, and not less than {seconds} s");
    }
}

#[cfg(target_os = "linux")]
fn worked() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// Elsewhere it is not known, and such a test shows only that there is an end.
#[cfg(not(target_os = "linux"))]
fn worked() -> Duration {
    Duration::ZERO
}
