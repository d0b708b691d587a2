//! The queue: first come, first served. How long it may be is not its business.

use std::collections::VecDeque;
use std::net::SocketAddr;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a request that waited is given: a slot of a replica.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The replica's name.
    pub replica: String,
    /// Where it is.
    pub address: SocketAddr,
}

/// A request that waits.
#[derive(Debug)]
struct Waiter {
    id: u64,
    since: Instant,
    slot: oneshot::Sender<Slot>,
}

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Queue {
    waiters: VecDeque<Waiter>,
    next: u64,
}

impl Queue {
    /// How many wait.
    pub fn len(&self) -> u32 {
        u32::try_from(self.waiters.len()).unwrap_or(u32::MAX)
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// One more waits, behind the others.
    pub fn push(&mut self, since: Instant) -> (u64, oneshot::Receiver<Slot>) {
        let (id, waiter, receiver) = self.waiter(since);
        self.waiters.push_back(waiter);
        (id, receiver)
    }

    /// One waits again, since its replica was not there: before the others.
    pub fn push_front(&mut self, since: Instant) -> (u64, oneshot::Receiver<Slot>) {
        let (id, waiter, receiver) = self.waiter(since);
        self.waiters.push_front(waiter);
        (id, receiver)
    }

    fn waiter(&mut self, since: Instant) -> (u64, Waiter, oneshot::Receiver<Slot>) {
        let (slot, receiver) = oneshot::channel();
        self.next += 1;
        (self.next, Waiter { id: self.next, since, slot }, receiver)
    }

    /// Gives a slot to the first that still waits, and says since when it did; `None` if nobody is there.
    pub fn give(&mut self, slot: &Slot) -> Option<Instant> {
        while let Some(waiter) = self.waiters.pop_front() {
            if waiter.slot.send(slot.clone()).is_ok() {
                return Some(waiter.since);
            }
        }
        None
    }

    /// One no longer waits. `false` if it has been given a slot.
    pub fn leave(&mut self, id: u64) -> bool {
        let before = self.waiters.len();
        self.waiters.retain(|waiter| waiter.id != id);
        self.waiters.len() < before
    }

    /// Sends everyone away.
    pub fn clear(&mut self) {
        self.waiters.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot { replica: String::from("a"), address: ([127, 0, 0, 1], 1).into() }
    }

    #[test]
    fn first_come_first_served_and_who_left_gets_nothing() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let (first, mut is_first) = queue.push(now);
        let (_, is_second) = queue.push(now);
        let (_, mut is_third) = queue.push(now);
        let (_, mut is_back) = queue.push_front(now);
        drop(is_second);
        assert_eq!(queue.len(), 4);
        for waits in [&mut is_back, &mut is_first, &mut is_third] {
            assert!(waits.try_recv().is_err());
            assert!(queue.give(&slot()).is_some());
            assert!(waits.try_recv().is_ok());
        }
        assert!(queue.give(&slot()).is_none());
        assert!(!queue.leave(first), "it has its slot");
    }

    #[test]
    fn who_waits_may_leave() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let (id, _waits) = queue.push(now);
        assert!(queue.leave(id) && queue.is_empty());
    }
}
