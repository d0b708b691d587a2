//! Where nodes come from: the pools that a replica may run on, and how many replicas may wait for one.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

/// As many as the HPA adds at once by default.
const MAX_PENDING: i32 = 4;
/// What the cluster autoscaler waits at first before it asks a failed node group again.
const BACKOFF_SECONDS: i32 = 300;
/// And at most.
const MAX_BACKOFF_SECONDS: i32 = 1800;

/// Where nodes come from. With it, replicas without a node are no capacity: the count exceeds what the
/// nodes carry by no more than `maxPending`. Without, nobody asks for nodes.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20,
///         "supply": {"gpusPerReplica": 4, "maxPending": 2, "pools": [
///           {"name": "reserved", "maxReplicas": 6, "gpusPerNode": 8},
///           {"name": "on-demand", "gpusPerNode": 4}]}}"#,
/// )?)?;
/// let supply = policy.supply().ok_or("it has one")?;
/// assert_eq!((supply.pools.len(), supply.max_pending), (2, 2));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SupplySpec {
    /// GPUs of one replica, at least 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_per_replica: Option<i32>,
    /// The node pools that replicas may run on, the one to fill first in front. At least one.
    #[serde(default)]
    pub pools: Vec<SupplyPoolSpec>,
    /// Replicas that may wait for a node at once, beyond what is free or coming; at least 0. Default 4.
    /// With 0, only a plan asks for nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pending: Option<i32>,
    /// A pool fails when a replica has waited this long for one of its nodes and none is coming, in
    /// seconds, at least 1. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_after_seconds: Option<i32>,
    /// How long a pool that failed is asked for nothing more, in seconds, at least 1; each time in a row
    /// twice as long. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<i32>,
    /// And at most, in seconds, at least `backoffSeconds`. Default 1800, or `backoffSeconds` where that
    /// is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff_seconds: Option<i32>,
}

/// One node pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SupplyPoolSpec {
    /// Its name, by which observations speak of it.
    #[serde(default)]
    pub name: String,
    /// Replicas of this workload that it may have, at least 1. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<i32>,
    /// GPUs that the pool may have in all, whoever uses them, as in the `limits` of a Karpenter
    /// NodePool; at least those of one replica. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gpus: Option<i32>,
    /// GPUs of one of its nodes, at least those of a replica. Default: not known, and then a shortfall
    /// is told in GPUs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_per_node: Option<i32>,
}

/// [`SupplySpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplySettings {
    /// GPUs of one replica, at least 1.
    pub gpus_per_replica: u32,
    /// In the order in which they are filled.
    pub pools: Vec<SupplyPool>,
    /// Replicas that may wait for a node at once.
    pub max_pending: u32,
    /// A pool fails when a replica has waited this long.
    pub pending_after: Span,
    /// How long a pool that failed is asked for nothing more.
    pub backoff: Span,
    /// And at most.
    pub max_backoff: Span,
}

/// One node pool as it is decided with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyPool {
    /// Its name.
    pub name: String,
    /// Replicas of this workload that it may have.
    pub max_replicas: Option<u32>,
    /// GPUs that it may have in all.
    pub max_gpus: Option<u32>,
    /// GPUs of one of its nodes.
    pub gpus_per_node: Option<u32>,
}

impl SupplySettings {
    pub(super) fn from_spec(spec: &SupplySpec) -> Self {
        let seconds = |value: i32| Span::from_secs(i64::from(value.max(1)));
        let backoff = spec.backoff_seconds.unwrap_or(BACKOFF_SECONDS);
        let most = spec.max_backoff_seconds.unwrap_or(MAX_BACKOFF_SECONDS).max(backoff);
        Self {
            gpus_per_replica: count(spec.gpus_per_replica.unwrap_or(1)).max(1),
            pools: spec.pools.iter().map(SupplyPool::from_spec).collect(),
            max_pending: count(spec.max_pending.unwrap_or(MAX_PENDING)),
            pending_after: seconds(spec.pending_after_seconds.unwrap_or(300)),
            backoff: seconds(backoff),
            max_backoff: seconds(most),
        }
    }

    /// The place of a pool by its name.
    pub(crate) fn place_of(&self, name: &str) -> Option<usize> {
        self.pools.iter().position(|pool| pool.name == name)
    }
}

impl SupplyPool {
    fn from_spec(spec: &SupplyPoolSpec) -> Self {
        Self {
            name: spec.name.clone(),
            max_replicas: spec.max_replicas.map(count),
            max_gpus: spec.max_gpus.map(count),
            gpus_per_node: spec.gpus_per_node.map(count),
        }
    }
}

/// A spec that nobody checked may say anything.
fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
