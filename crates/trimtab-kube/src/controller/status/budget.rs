//! How many statuses may be written, so that many policies don't overload the API server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many writes a second, and twice as many at once after a while without any.
#[derive(Debug)]
pub(crate) struct Budget {
    per_second: f64,
    left: Mutex<(f64, Instant)>,
}

impl Budget {
    pub(crate) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, left: Mutex::new((per_second * 2.0, Instant::now())) }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed: Duration = now.saturating_duration_since(left.1);
        let filled = left.0 + passed.as_secs_f64() * self.per_second;
        *left = (filled.min(self.per_second * 2.0), now);
        let is_there = left.0 >= 1.0;
        if is_there {
            left.0 -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_a_second_in_the_long_run() {
        let budget = Budget::new(20);
        let mut written = 0;
        for _ in 0..6000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            written += u32::from(budget.take());
        }
        assert!((1200..=1240).contains(&written), "{written}");
    }
}
