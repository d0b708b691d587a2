//! What is to come, apart from arrivals, servers and nodes: in order of time, then of entry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Moment;

/// Something that happens at a time that was set before. A replica is named by slot and number: the
/// slot may have gone to another one since.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A start or a promotion ends.
    Started { slot: usize, replica: u64 },
    /// A draining replica has to be gone.
    DrainEnds { slot: usize, replica: u64 },
    /// The counts that were asked for take effect.
    Apply { replicas: u32 },
    /// The oldest plan that waits takes effect.
    CarryOut,
    /// The metrics are scraped.
    Scrape,
    /// The strategy takes a sample.
    Sample,
    /// The policy decides.
    Decide,
}

/// The events to come.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BinaryHeap<Reverse<(Moment, u64, Event)>>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Moment, event: Event) {
        self.entered += 1;
        self.events.push(Reverse((at, self.entered, event)));
    }

    /// Enters an event that goes before the others of its moment.
    pub(super) fn enter_first(&mut self, at: Moment, event: Event) {
        self.events.push(Reverse((at, 0, event)));
    }

    pub(super) fn next(&self) -> Moment {
        self.events.peek().map_or(Moment::NEVER, |Reverse((at, ..))| *at)
    }

    pub(super) fn take(&mut self) -> Option<Event> {
        self.events.pop().map(|Reverse((.., event))| event)
    }
}
