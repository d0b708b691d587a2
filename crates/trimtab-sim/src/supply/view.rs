//! The nodes as those see them who watch them: what a pool has, and which pool a node is of.

use super::{NodeId, Supply};
use crate::Moment;
use crate::cluster::Pool;

/// What a pool has at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// GPUs of its nodes that are ready.
    pub allocatable_gpus: u32,
    /// Those that a replica could use now: of nodes that are ready and not under notice.
    pub free_gpus: u32,
    /// Those that a replica could use soon: of nodes that are launching, but for what has been promised.
    pub coming_gpus: u32,
}

impl Supply {
    /// What each pool has, in their order.
    ///
    /// ```
    /// use trimtab_sim::supply::Supply;
    /// use trimtab_sim::{ClusterSpec, Moment, ServiceProfile};
    ///
    /// let profile = ServiceProfile::named("llama-3.1-70b-a100x4").unwrap();
    /// let mut spec = ClusterSpec::default();
    /// spec.pools[0].gpus_per_node = Some(8); // room for two replicas
    /// let mut supply = Supply::new(&spec.check(&profile)?, &profile, 1);
    ///
    /// let placement = supply.place(Moment::START).unwrap();
    /// let pool = |now| supply.pool_views(now).remove(0);
    /// assert_eq!(pool(Moment::START).coming_gpus, 4); // a node is launched, half of it is promised
    /// assert_eq!(pool(placement.node_ready).free_gpus, 4);
    /// # Ok::<(), trimtab_sim::InvalidCluster>(())
    /// ```
    pub fn pool_views(&self, now: Moment) -> Vec<PoolView<'_>> {
        let pools = self.pools.iter().enumerate();
        pools
            .map(|(index, state)| {
                let (pool, gpus) = (state.pool(), self.gpus_per_replica);
                let mut view = PoolView { pool, allocatable_gpus: 0, free_gpus: 0, coming_gpus: 0 };
                for node in self.nodes.iter().filter(|node| node.pool == index) {
                    let unused = if node.has_room() { node.slots - node.replicas } else { 0 };
                    if node.ready <= now {
                        view.allocatable_gpus += pool.gpus_per_node;
                        view.free_gpus += unused * gpus;
                    } else {
                        view.coming_gpus += unused * gpus;
                    }
                }
                view
            })
            .collect()
    }

    /// The place among the pools of the one that a node is of; `None` if the node is gone.
    pub fn pool_of(&self, node: NodeId) -> Option<usize> {
        let index = self.nodes.binary_search_by_key(&node, |node| node.id).ok()?;
        self.nodes.get(index).map(|node| node.pool)
    }
}

impl NodeId {
    /// Its number, in the order of the launches.
    pub fn number(self) -> u64 {
        self.0
    }
}
