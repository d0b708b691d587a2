//! A node: what it has room for, what is on it already, and when it goes.

use super::NodeId;
use crate::Moment;

/// A node that exists: launching, ready or under notice.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    /// The pool's place among the pools.
    pub(super) pool: usize,
    pub(super) launched: Moment,
    pub(super) ready: Moment,
    /// Replicas that it has GPUs for, and those that have them.
    pub(super) slots: u32,
    pub(super) replicas: u32,
    pub(super) image: Fetch,
    pub(super) weights: Fetch,
    /// When it is released for being empty; never while it has replicas.
    pub(super) idle_until: Moment,
    /// When it is lost, be it by a failure that is to come or at the end of a notice.
    pub(super) lost_at: Moment,
    /// It has been told that it will be taken back, and takes nothing new.
    pub(super) noticed: bool,
}

/// What a node fetches once, for all its replicas: from when on, and until when.
#[derive(Copy, Clone, Debug)]
pub(super) struct Fetch {
    pub(super) from: Moment,
    pub(super) until: Moment,
}

impl Fetch {
    pub(super) const NONE: Self = Self { from: Moment::NEVER, until: Moment::NEVER };

    /// Forgets what has not begun at `now`.
    fn cancel(&mut self, now: Moment) {
        if self.from > now {
            *self = Self::NONE;
        }
    }
}

impl Node {
    pub(super) fn has_room(&self) -> bool {
        !self.noticed && self.replicas < self.slots
    }

    /// How well a replica would do here: nodes that are ready come first, then those that have the
    /// weights, or the image, soonest, then pools in their order, then the fullest, then the oldest.
    pub(super) fn rank(&self, now: Moment) -> impl Ord + use<> {
        (
            self.ready.max(now),
            self.weights.until.max(now),
            self.image.until.max(now),
            self.pool,
            u32::MAX - self.replicas,
            self.id,
        )
    }

    pub(super) fn take(&mut self) {
        self.replicas += 1;
        self.idle_until = Moment::NEVER;
    }

    /// A replica goes. Pulls and loads that have begun go on without it.
    pub(super) fn give_back(&mut self, now: Moment, idle_seconds: f64) {
        self.replicas = self.replicas.saturating_sub(1);
        if self.replicas == 0 {
            self.image.cancel(now);
            self.weights.cancel(now);
            self.idle_until = self.ready.max(now).after_seconds(idle_seconds);
        }
    }
}
