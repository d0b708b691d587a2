//! The gateway: where requests wait, and which replica they go to.

use std::collections::VecDeque;

use super::tournament::Tournament;
use crate::cluster::{self, Routing};
use crate::{Moment, Request};

/// The queue in front of the replicas.
#[derive(Debug)]
pub(super) struct Gateway {
    settings: cluster::Gateway,
    queue: VecDeque<Request>,
    endpoints: Endpoints,
}

/// What the gateway does with a request that arrives.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It goes to the replica in this slot.
    To(usize),
    /// It waits.
    Waits,
    /// The queue is full.
    Rejected,
}

/// The ready replicas, in the order in which they became ready.
#[derive(Debug)]
struct Endpoints {
    slots: Vec<usize>,
    /// Requests in flight, by place.
    loads: Tournament<u32>,
    /// The place of each slot; `usize::MAX` for those that get nothing.
    places: Vec<usize>,
    turn: usize,
}

impl Gateway {
    pub(super) fn new(settings: cluster::Gateway) -> Self {
        Self { settings, queue: VecDeque::new(), endpoints: Endpoints::new() }
    }

    /// Takes a request that arrives.
    pub(super) fn admit(&mut self, request: Request) -> Admission {
        if self.queue.is_empty()
            && let Some(slot) = self.endpoints.choose(&self.settings)
        {
            return Admission::To(slot);
        }
        if self.waiting() >= self.settings.queue_capacity {
            return Admission::Rejected;
        }
        self.queue.push_back(request);
        Admission::Waits
    }

    /// The request that has waited longest and the replica that has room for it.
    pub(super) fn dispatch(&mut self) -> Option<(usize, Request)> {
        if self.queue.is_empty() {
            return None;
        }
        let slot = self.endpoints.choose(&self.settings)?;
        self.queue.pop_front().map(|request| (slot, request))
    }

    /// How many requests have waited too long by `now`; they leave the queue.
    pub(super) fn expire(&mut self, now: Moment) -> u64 {
        let Some(timeout) = self.settings.queue_timeout_seconds else { return 0 };
        let before = self.queue.len();
        while self.queue.front().is_some_and(|first| now.seconds_since(first.arrival) > timeout) {
            self.queue.pop_front();
        }
        (before - self.queue.len()) as u64
    }

    /// Everyone leaves the queue; returns how many that were.
    pub(super) fn clear(&mut self) -> u64 {
        let waiting = self.queue.len() as u64;
        self.queue.clear();
        waiting
    }

    /// Requests that wait here.
    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.queue.len()).unwrap_or(u32::MAX)
    }

    /// The replica in `slot` may get requests from now on.
    pub(super) fn add(&mut self, slot: usize) {
        self.endpoints.add(slot);
    }

    /// The replica in `slot`, which has `load` requests, may get more from now on.
    pub(super) fn add_again(&mut self, slot: usize, load: u32) {
        self.endpoints.add(slot);
        self.endpoints.change(slot, |_| load);
    }

    /// The replica in `slot` gets nothing new from now on.
    pub(super) fn remove(&mut self, slot: usize) {
        self.endpoints.remove(slot);
    }

    /// `count` requests of the replica in `slot` are done.
    pub(super) fn done(&mut self, slot: usize, count: u32) {
        self.endpoints.change(slot, |load| load.saturating_sub(count));
    }
}

impl Endpoints {
    fn new() -> Self {
        Self { slots: Vec::new(), loads: Tournament::new(u32::MAX), places: Vec::new(), turn: 0 }
    }

    /// The replica that gets the next request, if one has room; counts the request to it.
    fn choose(&mut self, settings: &cluster::Gateway) -> Option<usize> {
        let most = settings.max_requests_per_replica;
        if self.loads.least() >= most {
            return None;
        }
        let place = match settings.routing {
            Routing::LeastLoaded => self.loads.first(),
            Routing::RoundRobin => {
                let count = self.slots.len();
                let mut turns = (0..count).map(|step| (self.turn + step) % count);
                let place = turns.find(|place| self.loads.get(*place) < most)?;
                self.turn = (place + 1) % count;
                place
            }
        };
        self.loads.set(place, self.loads.get(place) + 1);
        self.slots.get(place).copied()
    }

    fn add(&mut self, slot: usize) {
        if self.places.len() <= slot {
            self.places.resize(slot + 1, usize::MAX);
        }
        if let Some(place) = self.places.get_mut(slot) {
            *place = self.slots.len();
            self.loads.set(self.slots.len(), 0);
            self.slots.push(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        let Some(place) = self.place(slot) else { return };
        self.slots.remove(place);
        if let Some(gone) = self.places.get_mut(slot) {
            *gone = usize::MAX;
        }
        for (place, slot) in self.slots.iter().enumerate().skip(place) {
            self.loads.set(place, self.loads.get(place + 1));
            if let Some(moved) = self.places.get_mut(*slot) {
                *moved = place;
            }
        }
        self.loads.set(self.slots.len(), u32::MAX);
        if self.turn > place {
            self.turn -= 1;
        }
    }

    fn place(&self, slot: usize) -> Option<usize> {
        self.places.get(slot).copied().filter(|place| *place < self.slots.len())
    }

    /// The requests in flight of the replica in `slot` change.
    fn change(&mut self, slot: usize, change: impl FnOnce(u32) -> u32) {
        if let Some(place) = self.place(slot) {
            self.loads.set(place, change(self.loads.get(place)));
        }
    }
}
