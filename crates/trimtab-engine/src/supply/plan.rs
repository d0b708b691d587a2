//! Which pool is to carry what, and which nodes are missing.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::rooms::Rooms;
use crate::float::saturated;
use crate::policy::{SupplyPool, SupplySettings};

/// The decided count over the node pools, and what is missing for the count that was wanted.
///
/// Pools are filled in the policy's order; what one has no room for, or is not asked for because it
/// failed, spills over to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupplyPlan {
    /// The count that nodes are to be there for: that before the nodes cut it.
    pub wanted: i32,
    /// One per pool, in the policy's order.
    pub pools: Vec<PoolPlan>,
    /// Of the wanted replicas, those that no pool may take.
    pub unplaced: i32,
}

/// One pool's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolPlan {
    /// The pool.
    pub pool: String,
    /// Replicas that run on its nodes.
    pub placed: i32,
    /// Replicas of the decided count that are to start there, those included that wait already.
    pub starts: i32,
    /// GPUs to be brought for the wanted count, beyond those that are free or coming: what an autoscaler
    /// of nodes has to bring, or a CapacityBuffer has to ask for. Absent where nothing is known of the
    /// pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall_gpus: Option<u32>,
    /// The same in nodes, where the policy says how many GPUs those have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shortfall_nodes: Option<u32>,
    /// It failed, and is asked for nothing more until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing_off_until: Option<Timestamp>,
}

/// `wanted` is at least `decided`.
pub(super) fn plan(
    settings: &SupplySettings,
    rooms: &Rooms,
    decided: i64,
    wanted: i64,
) -> SupplyPlan {
    let (starts, _) = rooms.assign(decided.saturating_sub(rooms.placed));
    let (all, unplaced) = rooms.assign(wanted.saturating_sub(rooms.placed));
    let gpus = settings.gpus_per_replica.max(1);
    let pools = settings.pools.iter().zip(&rooms.pools).zip(starts).zip(all);
    SupplyPlan {
        wanted: saturated(wanted),
        pools: pools
            .map(|(((pool, room), starts), all)| {
                let missing = room.known.then(|| all.saturating_sub(room.ready()).max(0));
                PoolPlan {
                    pool: pool.name.clone(),
                    placed: saturated(room.placed),
                    starts: saturated(starts),
                    shortfall_gpus: missing.map(|missing| unsigned(missing, gpus)),
                    shortfall_nodes: missing.and_then(|missing| nodes(pool, gpus, missing)),
                    backing_off_until: room.backing_off_until,
                }
            })
            .collect(),
        unplaced: saturated(unplaced),
    }
}

fn unsigned(replicas: i64, gpus: u32) -> u32 {
    u32::try_from(replicas.saturating_mul(i64::from(gpus))).unwrap_or(u32::MAX)
}

/// A replica is on one node.
fn nodes(pool: &SupplyPool, gpus: u32, replicas: i64) -> Option<u32> {
    let per_node = i64::from(pool.gpus_per_node? / gpus).max(1);
    let nodes = replicas.saturating_add(per_node - 1).div_euclid(per_node);
    Some(u32::try_from(nodes).unwrap_or(u32::MAX))
}
