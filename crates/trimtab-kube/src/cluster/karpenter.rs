//! Karpenter's node pools and the nodes that it asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use trimtab_metric::Quantity;

use super::intern::Interner;
use super::node::amount;
use super::picture::Kept;
use super::pod::Amounts;
use super::wire::{Amount, WireNodeClaim, WireNodePool};

/// What Karpenter says, where it is.
#[derive(Debug, Default)]
pub(super) struct Karpenter {
    pub(super) pools: HashMap<Arc<str>, Kept<NodePool>>,
    pub(super) claims: HashMap<Arc<str>, Kept<NodeClaim>>,
}

/// A NodePool as it was last seen.
#[derive(Clone, Debug)]
pub struct NodePool {
    pub(super) name: Arc<str>,
    limits: Amounts,
    resources: Amounts,
}

/// A NodeClaim as it was last seen: a node that was asked for.
#[derive(Clone, Debug)]
pub(super) struct NodeClaim {
    pub(super) name: Arc<str>,
    pub(super) pool: Option<Arc<str>>,
    pub(super) node: Option<Arc<str>>,
    initialized: bool,
    leaving: bool,
    /// What the node has, or, while nobody knows which it will be, what it has at least.
    capacity: Amounts,
    known: bool,
}

impl NodePool {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its limit of a resource, in thousandths, if it has one.
    pub fn limit_milli(&self, resource: &str) -> Option<i64> {
        amount(&self.limits, resource)
    }

    /// What its nodes have of a resource, in thousandths, as Karpenter counts.
    pub fn has_milli(&self, resource: &str) -> Option<i64> {
        amount(&self.resources, resource)
    }

    pub(super) fn keep(wire: WireNodePool, strings: &mut Interner<str>) -> Self {
        Self {
            name: strings.get(wire.metadata.name.unwrap_or_default().as_str()),
            limits: amounts(wire.spec.limits, strings),
            resources: amounts(wire.status.resources, strings),
        }
    }
}

impl NodeClaim {
    /// Whether its node is still on its way.
    pub(super) fn is_coming(&self) -> bool {
        !self.initialized && !self.leaving
    }

    /// What its node will offer of a resource, where it can be said.
    pub(super) fn promised(&self, resource: &str) -> Option<i64> {
        amount(&self.capacity, resource).or(self.known.then_some(0))
    }

    pub(super) fn keep(wire: WireNodeClaim, strings: &mut Interner<str>) -> Self {
        let WireNodeClaim { metadata, spec, status } = wire;
        let labels = metadata.labels.unwrap_or_default();
        let conditions = status.conditions.unwrap_or_default();
        let capacity = status.capacity.filter(|capacity| !capacity.is_empty());
        let known = capacity.is_some();
        let asked = spec.resources.and_then(|resources| resources.requests);
        let node = status.node_name.filter(|node| !node.is_empty());
        Self {
            name: strings.get(metadata.name.unwrap_or_default().as_str()),
            pool: labels.get("karpenter.sh/nodepool").map(|pool| strings.get(pool.as_str())),
            node: node.map(|node| strings.get(node.as_str())),
            initialized: conditions
                .iter()
                .any(|one| one.type_ == "Initialized" && one.status == "True"),
            leaving: metadata.deletion_timestamp.is_some(),
            capacity: amounts(capacity.or(asked), strings),
            known,
        }
    }
}

fn amounts(map: Option<BTreeMap<String, Amount>>, strings: &mut Interner<str>) -> Amounts {
    let parsed = map.unwrap_or_default().into_iter().filter_map(|(name, Amount(text))| {
        let milli = text.parse::<Quantity>().ok()?.checked_milli()?;
        Some((strings.get(name.as_str()), milli))
    });
    parsed.collect()
}
