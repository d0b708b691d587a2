//! What the node pools have: GPUs that are there, free, and coming.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{ObservationError, PodDetails, PodRecord};
use crate::policy::{Policy, SupplySettings};

/// What a node pool has, as it is written down. Without `freeGpus`, nothing is known of the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSupplyRecord {
    /// The pool, by its name in the policy's `supply.pools`.
    pub pool: String,
    /// GPUs of all nodes that it has, whoever uses them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocatable_gpus: Option<u32>,
    /// Those that a replica could use: free on nodes that are ready and take new pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_gpus: Option<u32>,
    /// GPUs of nodes that were asked for and are not ready yet, without those of pods that have such a
    /// node already. Default: as `comingNodes` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming_gpus: Option<u32>,
    /// The nodes that were asked for and are not ready yet, where the policy says how many GPUs a node
    /// has. Default: none is known to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming_nodes: Option<u32>,
    /// GPUs that it may have in all, as whoever makes its nodes has it; the policy's `maxGpus` is another
    /// limit, and the lower of the two counts. Default: no limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gpus: Option<u32>,
}

/// What the node pools of a policy have, one entry per pool, in the policy's order.
///
/// ```
/// use trimtab_engine::{NodeSupply, Observation, PoolSupply, Scale};
/// use trimtab_metric::Timestamp;
///
/// let eight_free = PoolSupply { free_gpus: 8, ..PoolSupply::default() };
/// let supply = NodeSupply { pools: vec![Some(eight_free), None] }; // of the second, nothing is known
/// let observation = Observation {
///     supply: Some(Box::new(supply)),
///     ..Observation::new(Timestamp::from_secs(0), Scale::steady(3))
/// };
/// assert!(observation.supply.is_some());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSupply {
    /// One per pool. `None`, and a pool that is not there: nothing is known of it.
    pub pools: Vec<Option<PoolSupply>>,
}

/// What a node pool has.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PoolSupply {
    /// GPUs of all its nodes; `None` if nobody says.
    pub allocatable_gpus: Option<u32>,
    /// Those that a replica could use.
    pub free_gpus: u32,
    /// Those of nodes that are on their way.
    pub coming_gpus: u32,
    /// GPUs that it may have in all, besides what the policy says of that.
    pub max_gpus: Option<u32>,
}

/// The number of a pod's pool, by its place in the policy.
pub(super) fn pool_of(pod: &PodRecord, policy: &Policy) -> Option<u32> {
    let name = pod.pool.as_deref()?;
    let place = policy.supply()?.place_of(name);
    Some(place.and_then(|place| u32::try_from(place).ok()).unwrap_or(PodDetails::ELSEWHERE))
}

/// Puts the pools into the policy's order. A policy that has none does not look at them.
pub(super) fn resolve(
    records: &[PoolSupplyRecord],
    policy: &Policy,
) -> Result<Option<NodeSupply>, ObservationError> {
    let Some(settings) = policy.supply() else { return Ok(None) };
    let mut pools = vec![None; settings.pools.len()];
    let mut named = vec![false; settings.pools.len()];
    for record in records {
        let place = settings.place_of(&record.pool);
        let found = place.and_then(|place| Some((pools.get_mut(place)?, named.get_mut(place)?)));
        let Some((pool, named)) = found else {
            let known = settings.pools.iter().map(|pool| pool.name.clone()).collect();
            return Err(ObservationError::UnknownPool { pool: record.pool.clone(), known });
        };
        if core::mem::replace(named, true) {
            return Err(ObservationError::DuplicatePool { pool: record.pool.clone() });
        }
        let coming_gpus = coming(record, settings)?;
        *pool = record.free_gpus.map(|free_gpus| PoolSupply {
            allocatable_gpus: record.allocatable_gpus,
            free_gpus,
            coming_gpus,
            max_gpus: record.max_gpus,
        });
    }
    Ok(Some(NodeSupply { pools }))
}

fn coming(record: &PoolSupplyRecord, settings: &SupplySettings) -> Result<u32, ObservationError> {
    if let Some(gpus) = record.coming_gpus {
        return Ok(gpus);
    }
    let nodes = record.coming_nodes.unwrap_or(0);
    let pool = settings.pools.iter().find(|pool| pool.name == record.pool);
    match pool.and_then(|pool| pool.gpus_per_node) {
        Some(gpus) => Ok(nodes.saturating_mul(gpus)),
        None if nodes == 0 => Ok(0),
        None => Err(ObservationError::UnknownNodeSize { pool: record.pool.to_string() }),
    }
}
