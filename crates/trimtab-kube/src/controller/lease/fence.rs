//! Whether something may be written: asked right before each write.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Duration, sleep};

use super::moment::{Moment, Stopwatch};
use super::shards::Shards;
use crate::target::Fence;

/// What the driver of the leases and the fences share.
pub(crate) struct Desk {
    pub(crate) shards: Mutex<Shards>,
    pub(crate) stopwatch: Stopwatch,
    /// The driver is to look now.
    pub(crate) look_now: Notify,
}

impl Desk {
    pub(crate) fn now(&self) -> Moment {
        self.stopwatch.now()
    }

    pub(crate) fn shards(&self) -> std::sync::MutexGuard<'_, Shards> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fence around the policies of one shard in one term. Once the term is over it stays shut.
#[derive(Clone)]
pub(crate) struct TermFence {
    desk: Arc<Desk>,
    shard: u32,
    term: i32,
}

impl TermFence {
    pub(crate) fn new(desk: Arc<Desk>, shard: u32, term: i32) -> Self {
        Self { desk, shard, term }
    }

    /// The number of the term; each is higher than those before, for as long as nobody removes the lease.
    pub(crate) fn term(&self) -> i32 {
        self.term
    }

    /// Somebody seems to have taken over. `true` if a renewal from now on shows that nobody has; until it does, nothing may be
    /// written.
    pub(crate) async fn confirm(&self, patience: Duration) -> bool {
        self.desk.shards().doubt(self.shard, self.term, self.desk.now());
        self.opens_within(patience).await
    }

    /// Waits while a renewal is late. `false` if it does not come in time, or the term is over.
    pub(crate) async fn opens_within(&self, patience: Duration) -> bool {
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        while !self.may_write() {
            if waited >= patience || !self.desk.shards().goes_on(self.shard, self.term) {
                return false;
            }
            self.desk.look_now.notify_one();
            sleep(step).await;
            waited += step;
        }
        true
    }
}

impl Fence for TermFence {
    fn may_write(&self) -> bool {
        let now = self.desk.now();
        self.desk.shards().is_valid(self.shard, self.term, now)
    }
}
