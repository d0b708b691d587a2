//! A place in the queue, and a slot of a replica: each gives back what it holds when it is dropped, however a
//! request ends.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::queue::Slot;

/// What became of a request that had a slot.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered to the end.
    Completed,
    /// Its client left in the middle of the answer, or its replica ended there.
    Broken,
    /// It ended before it was answered: that says nothing of how long an answer takes.
    Unanswered,
    /// Its replica could not be connected to: nothing was sent.
    Unreached,
}

/// A place in the queue. Dropping it leaves the queue.
pub struct Ticket {
    fleet: Arc<Fleet>,
    id: u64,
    slot: oneshot::Receiver<Slot>,
    /// It has got its slot.
    is_done: bool,
}

impl Ticket {
    pub(crate) fn new(fleet: &Arc<Fleet>, id: u64, slot: oneshot::Receiver<Slot>) -> Self {
        Self { fleet: Arc::clone(fleet), id, slot, is_done: false }
    }

    /// Waits for a slot; `None` if the gateway ends before there is one.
    pub async fn slot(mut self) -> Option<Lease> {
        let slot = (&mut self.slot).await;
        self.is_done = true;
        let slot = slot.ok()?;
        Some(Lease::of(&self.fleet, slot))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.slot.close();
        // What was given in the meantime goes back, by being dropped outside of the lock.
        if let Ok(slot) = self.slot.try_recv() {
            drop(Lease::of(&self.fleet, slot));
        } else {
            self.fleet.lock().queue.leave(self.id);
        }
    }
}

/// A slot of a replica. Dropping it gives the slot back.
pub struct Lease {
    fleet: Arc<Fleet>,
    slot: Slot,
    since: Instant,
    outcome: Outcome,
}

impl Lease {
    fn of(fleet: &Arc<Fleet>, slot: Slot) -> Self {
        Self { fleet: Arc::clone(fleet), slot, since: Instant::now(), outcome: Outcome::Unanswered }
    }

    /// The replica's name.
    pub fn replica(&self) -> &str {
        &self.slot.replica
    }

    /// Where the replica is.
    pub fn address(&self) -> SocketAddr {
        self.slot.address
    }

    /// Gives it back.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.fleet.release(&self.slot.replica, self.since, self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trimtab::admission::Limits;
    use trimtab_runtime::{Clock, SystemClock};

    use super::*;
    use crate::fleet::{FleetSettings, Rejected};

    /// One replica with one slot, and room for one that waits.
    fn fleet() -> Arc<Fleet> {
        let minute = Duration::from_secs(60);
        let settings = FleetSettings {
            slots: 1,
            limits: Limits { unknown: 1, ..Limits::default() },
            lead_time: minute,
            pace: minute,
            window: minute,
            drain: minute,
        };
        let fleet = Arc::new(Fleet::new(settings, Arc::new(SystemClock::new()), 1));
        let (name, _) = fleet.lock().add(&fleet.settings, SystemClock::new().now());
        fleet.note_address(&name, ([127, 0, 0, 1], 1).into());
        fleet.note_health(&name, true, 1);
        fleet
    }

    fn held(fleet: &Fleet) -> (u32, u32) {
        let state = fleet.lock();
        (state.in_flight(), state.queue.len())
    }

    #[tokio::test]
    async fn whoever_leaves_gives_back_what_it_holds() {
        let fleet = fleet();
        // It has its slot, and leaves before it looks.
        let unseen = fleet.enter().ok().unwrap();
        assert_eq!(held(&fleet), (1, 0));
        drop(unseen);
        assert_eq!(held(&fleet), (0, 0));
        // It waits, and leaves.
        let lease = fleet.enter().ok().unwrap().slot().await.unwrap();
        let waits = fleet.enter().ok().unwrap();
        assert_eq!(held(&fleet), (1, 1));
        assert!(matches!(fleet.enter(), Err(Rejected { retry_after: 1.. })));
        drop(waits);
        assert_eq!(held(&fleet), (1, 0));
        // It waits, and the slot that comes free is its.
        let waits = fleet.enter().ok().unwrap();
        lease.end(Outcome::Completed);
        assert_eq!(held(&fleet), (1, 0));
        drop(waits.slot().await.unwrap());
        assert_eq!(held(&fleet), (0, 0));
    }

    #[tokio::test]
    async fn one_that_could_not_be_reached_gets_nothing_and_its_request_is_first() {
        let fleet = fleet();
        let since = Instant::now();
        let lease = fleet.enter().ok().unwrap().slot().await.unwrap();
        let behind = fleet.enter().ok().unwrap();
        lease.end(Outcome::Unreached);
        let again = fleet.enter_again(since);
        assert_eq!(held(&fleet), (0, 2));
        fleet.note_health("replica-1", true, 1);
        assert_eq!(held(&fleet), (1, 1));
        let lease = again.slot().await.unwrap();
        assert_eq!(fleet.lock().signals.totals().arrived, 2, "it came once");
        drop(lease);
        assert!(behind.slot().await.is_some());
        // All that wait are sent away at the end.
        let last = fleet.enter().ok().unwrap();
        let waits = fleet.enter().ok().unwrap();
        fleet.close();
        assert!(waits.slot().await.is_none());
        drop(last);
        assert!(fleet.enter().is_err());
    }
}
