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
    /// Its client left, or its replica ended.
    Broken,
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
        Self { fleet: Arc::clone(fleet), slot, since: Instant::now(), outcome: Outcome::Broken }
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
