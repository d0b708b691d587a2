//! A pool: how many nodes may be had of it, and what they have been used for.

use crate::Moment;
use crate::cluster::Pool;

/// What a pool has been used for.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolUse {
    /// The pool's name.
    pub pool: String,
    /// GPUs of its nodes times the seconds that they existed, used or not. As clouds bill, a node
    /// counts from the moment when its launch begins to its release or loss.
    pub gpu_seconds: f64,
    /// The price of a GPU for an hour.
    pub gpu_hour_price: Option<f64>,
}

#[derive(Clone, Debug)]
pub(super) struct PoolState {
    pool: Pool,
    /// Replicas that a node has GPUs for.
    pub(super) slots: u32,
    /// Nodes that exist, those under notice included.
    pub(super) nodes: u32,
    /// When its availability may change next.
    pub(super) next_step: Moment,
    /// Nanoseconds of the nodes that are gone.
    closed_nanos: i128,
}

impl PoolState {
    pub(super) fn new(pool: &Pool, gpus_per_replica: u32) -> Self {
        let spot = pool.spot.as_ref();
        Self {
            slots: pool.gpus_per_node / gpus_per_replica,
            nodes: 0,
            next_step: spot
                .map_or(Moment::NEVER, |spot| spot.availability.next_step(Moment::START)),
            closed_nanos: 0,
            pool: pool.clone(),
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn idle_seconds(&self) -> f64 {
        self.pool.idle_seconds
    }

    pub(super) fn losses_per_node_hour(&self) -> f64 {
        self.pool.losses_per_node_hour
    }

    /// Whether one more node can be launched. Nodes under notice still take up their place.
    pub(super) fn has_capacity(&self, now: Moment) -> bool {
        let available = self.pool.spot.as_ref().map(|spot| spot.availability.nodes_at(now));
        let limits = [self.pool.max_nodes, available];
        limits.into_iter().flatten().all(|limit| self.nodes < limit)
    }

    /// The availability may change: how many nodes can be had now, and when those are lost that are
    /// told now.
    pub(super) fn step(&mut self, now: Moment) -> Option<(usize, Moment)> {
        let spot = self.pool.spot.as_ref()?;
        self.next_step = spot.availability.next_step(now);
        let available = usize::try_from(spot.availability.nodes_at(now)).unwrap_or(usize::MAX);
        Some((available, now.after_seconds(spot.notice_seconds)))
    }

    /// A node is gone after so many nanoseconds.
    pub(super) fn close(&mut self, nanos: i64) {
        self.nodes = self.nodes.saturating_sub(1);
        self.closed_nanos += i128::from(nanos);
    }

    /// What it has been used for, with so many nanoseconds of the nodes that exist.
    #[expect(clippy::cast_precision_loss, reason = "to a relative 1e-16, which no bill resolves")]
    pub(super) fn usage(&self, alive_nanos: i128) -> PoolUse {
        let node_seconds = (self.closed_nanos + alive_nanos) as f64 / 1e9;
        PoolUse {
            pool: self.pool.name.clone(),
            gpu_seconds: node_seconds * f64::from(self.pool.gpus_per_node),
            gpu_hour_price: self.pool.gpu_hour_price,
        }
    }
}
