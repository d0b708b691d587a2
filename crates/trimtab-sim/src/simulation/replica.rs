//! One replica in the fleet: where it is in its life.

use crate::metrics::Exporter;
use crate::supply::NodeId;
use crate::{Moment, Server};

/// Where a replica is in its life.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has no node yet.
    Pending,
    /// It is on its way to being ready, or warm.
    Starting,
    /// It leaves the warm pool and will be ready soon.
    Waking,
    /// It is in the warm pool.
    Warm,
    /// It serves.
    Ready,
    /// It finishes what it has and gets nothing new.
    Draining,
}

/// How many states there are.
pub(super) const STATES: usize = 6;

/// One replica.
#[derive(Debug)]
pub(super) struct Replica {
    /// Its number, in the order of creation; never used again.
    pub(super) number: u64,
    pub(super) state: State,
    /// It is meant for the warm pool.
    pub(super) for_warm_pool: bool,
    /// When it was asked for.
    pub(super) created: Moment,
    /// When a node took it on.
    pub(super) placed: Option<Moment>,
    pub(super) node: Option<NodeId>,
    /// Since when it takes no new work by a plan of the policy, which says when it goes, too.
    pub(super) draining_since: Option<Moment>,
    /// Since when it is ready, or is not.
    pub(super) ready_since: Moment,
    pub(super) server: Server,
    pub(super) exporter: Exporter,
    /// What the server's busy time was when the exporter last heard of it.
    pub(super) exported_busy_nanos: i64,
    /// What it was when the books of a time before were closed.
    pub(super) booked_busy_nanos: i64,
}

impl Replica {
    /// Whether it counts towards what the workload asked for.
    pub(super) fn serves_workload(&self) -> bool {
        !self.for_warm_pool && (self.state != State::Draining || self.draining_since.is_some())
    }

    /// Tells the exporter how long the server was busy.
    pub(super) fn export_busy(&mut self, now: Moment) {
        let busy = self.server.busy_nanos(now);
        let more = Moment::from_nanos(busy - self.exported_busy_nanos);
        self.exporter.add_busy(more.seconds());
        self.exported_busy_nanos = busy;
    }
}
