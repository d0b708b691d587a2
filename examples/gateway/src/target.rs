//! The fleet as a scale target: what a decision sees of it, and what a decision changes.

use async_trait::async_trait;
use tokio::time::Instant;
use tracing::info;
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};

use crate::fleet::{Fleet, State};
use crate::replica::Replica;

#[async_trait]
impl ScaleTarget for Fleet {
    fn name(&self) -> &str {
        "replicas"
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let state = self.lock();
        Ok(TargetStatus {
            replicas: state.desired,
            status_replicas: state.staying(),
            pods: Some(state.replicas.iter().map(Replica::record).collect()),
            version: Some(state.version.to_string()),
            ..TargetStatus::default()
        })
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        let (now, time) = (Instant::now(), self.clock.now());
        let mut state = self.lock();
        if change.version.as_ref().is_some_and(|version| *version != state.version.to_string()) {
            return Err(TargetError::Conflict);
        }
        for one in &mut state.replicas {
            if change.take_back.contains(&one.name) {
                one.draining_since = None;
                info!(replica = one.name, "taken back");
            }
            if change.drain.contains(&one.name) {
                one.draining_since = one.draining_since.or(Some(time));
                info!(replica = one.name, in_flight = one.in_flight, "draining");
            }
            // It is idle, or has had its time: what it still serves ends with it.
            if change.retire.contains(&one.name) {
                info!(replica = one.name, in_flight = one.in_flight, "retiring");
                one.stop.cancel();
            }
        }
        state.desired = change.replicas.max(0);
        state.version += 1;
        state.keep();
        state.let_go(now + self.settings.drain);
        // Who was taken back has room.
        state.dispatch(&self.settings, now);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }
}

impl State {
    /// Fewer stay than were asked for: those that leave stay after all, the busiest first, before any is started.
    fn keep(&mut self) {
        let missing = usize::try_from(self.desired.saturating_sub(self.staying())).unwrap_or(0);
        let mut leaving: Vec<&mut Replica> = self
            .replicas
            .iter_mut()
            .filter(|one| one.leaves_by.is_some() && !one.stop.is_cancelled())
            .collect();
        leaving.sort_by_key(|one| std::cmp::Reverse(one.in_flight));
        for one in leaving.into_iter().take(missing) {
            info!(replica = one.name, "staying");
            one.leaves_by = None;
        }
    }

    /// More are there than were asked for, and nobody said who goes: those with the least to do leave when they are
    /// idle, or by then.
    fn let_go(&mut self, by: Instant) {
        let excess = usize::try_from(self.staying().saturating_sub(self.desired)).unwrap_or(0);
        let mut staying: Vec<&mut Replica> =
            self.replicas.iter_mut().filter(|one| one.stays()).collect();
        // Those that drain already, then those that are not ready, then the idle ones, and of those the newest.
        staying.sort_by_key(|one| {
            (one.draining_since.is_none(), one.ready, one.in_flight, std::cmp::Reverse(one.asked))
        });
        for one in staying.into_iter().take(excess) {
            info!(replica = one.name, in_flight = one.in_flight, "leaving");
            one.leaves_by = Some(by);
        }
    }
}
