//! All that was seen, in one piece.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use trimtab_engine::PodRecord;

use super::budget::Budgets;
use super::karpenter::Karpenter;
use super::node::Node;
use super::pod::{Pod, Shared};
use super::pods::Pods;
use super::wire::WireNode;

/// What was seen of a cluster.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) pods: Pods,
    pub(super) nodes: HashMap<Arc<str>, Kept<Node>>,
    /// Pools that had a node once. Of one that has none now, it is known that it has none.
    pub(super) pools: HashSet<Arc<str>>,
    pub(super) karpenter: Karpenter,
    pub(super) budgets: Budgets,
    pub(super) shared: Shared,
}

/// Something, and the listing in which it was seen last.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) it: T,
    pub(super) listing: u32,
}

impl Picture {
    /// What an observation says of a pod's node.
    pub(super) fn with_node(&self, pod: &Pod, mut record: PodRecord) -> PodRecord {
        if let Some(node) = pod.node().and_then(|node| self.nodes.get(node)) {
            record.zone = node.it.zone().map(String::from);
            record.capacity_type = node.it.capacity_type();
            record.pool = node.it.pool().map(String::from).or(record.pool);
        }
        record
    }

    pub(super) fn set_node(&mut self, wire: WireNode, pool_labels: &[String], listing: u32) {
        let node = Node::keep(wire, pool_labels, &mut self.shared.strings);
        if let Some(pool) = &node.pool
            && !self.pools.contains(pool)
        {
            self.pools.insert(Arc::clone(pool));
        }
        self.nodes.insert(Arc::clone(&node.name), Kept { it: node, listing });
    }
}

/// Forgets what was not in a listing.
pub(super) fn sweep<T>(kept: &mut HashMap<Arc<str>, Kept<T>>, listing: u32) {
    kept.retain(|_, one| one.listing == listing);
}
