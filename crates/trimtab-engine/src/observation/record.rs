//! An observation as it is written down: with names, containers and quantities as text.
//!
//! This is the form of observation files, decision logs and bindings. It holds everything that a
//! decision depends on, so that a logged decision can be made again.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Timestamp};

use super::{
    CapacityType, PodPhase, PodSample, PoolSupplyRecord, ReadyCondition, Selector, Unavailable,
    WarmCounts,
};

/// Amounts by resource name, such as `cpu: 500m`.
pub type ResourceList = BTreeMap<String, Quantity>;

/// Everything seen at one instant, with names.
///
/// ```
/// use trimtab_engine::ObservationRecord;
///
/// let record: ObservationRecord = serde_json::from_str(
///     r#"{
///         "time": "2026-11-24T10:00:00Z",
///         "replicas": 2,
///         "pods": [{"name": "a", "ready": true}, {"name": "b", "ready": true}],
///         "readings": [{"metric": "requests_waiting", "pods": {"a": "6", "b": 7}}]
///     }"#,
/// )?;
/// assert_eq!(record.pods.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservationRecord {
    /// When.
    pub time: Timestamp,
    /// `spec.replicas` of the target. Absent: it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// `status.replicas` of the target. Default: as `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_replicas: Option<i32>,
    /// Whether the target's pod selector can be used. Default: `ok`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub selector: Selector,
    /// The pods that the selector finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodRecord>,
    /// What the resource metrics API says of them. Resource metrics without a reading of their own
    /// take theirs from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_metrics: Option<Vec<PodMetrics>>,
    /// The readings by metric name. Of several metrics with one name, the first takes the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<ReadingRecord>,
    /// The warm pool. Absent: nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmCounts>,
    /// What the node pools have, by their names in the policy's `supply.pools`. Absent: nothing is
    /// known, which is not that there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply: Option<Vec<PoolSupplyRecord>>,
}

/// One pod of the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodRecord {
    /// Its name.
    pub name: String,
    /// Its phase. Default: `Running`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub phase: PodPhase,
    /// It has a deletion timestamp.
    #[serde(default, skip_serializing_if = "is_default")]
    pub terminating: bool,
    /// `metadata.creationTimestamp`: when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// `status.startTime`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// Its `Ready` condition; `true` and `false` stand for one that never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyCondition>,
    /// Its containers, in the pod's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerRecord>,
    /// What the pod requests as a whole (`spec.resources.requests`).
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub requests: ResourceList,
    /// What its runtime class adds.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub overhead: ResourceList,
    /// Where it is reached: its `status.podIP`, or a host with a port. No decision looks at it; sources
    /// and targets do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `spec.nodeName`: the node that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
    /// Its node's `topology.kubernetes.io/zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its node pool, by its name in the policy's `supply.pools`; or that in which it has to wait for a
    /// node. A name that the policy does not have is a pool that it does not plan with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What its node was bought as. Default: it can't be said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capacity_type: CapacityType,
    /// Requests, streams or sessions that it is serving. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Since when it takes no new work, because a decision said that it is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining_since: Option<Timestamp>,
    /// Its place, counted from 0, where replicas can leave in one order only, the highest first:
    /// those of a StatefulSet. Absent: any may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
}

/// One container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerRecord {
    /// Its name.
    pub name: String,
    /// What it is for. Default: `container`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: ContainerKind,
    /// What it requests.
    #[serde(default, skip_serializing_if = "ResourceList::is_empty")]
    pub requests: ResourceList,
}

/// What a container is for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContainerKind {
    /// An ordinary container.
    #[default]
    Container,
    /// An init container that goes on running (`restartPolicy: Always`).
    Sidecar,
    /// An init container that ends before the others start.
    Init,
}

/// What the resource metrics API says of one pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodMetrics {
    /// The pod's name.
    pub pod: String,
    /// The end of the sample's window. Default: the observation's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The window's length in seconds. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<trimtab_metric::Span>,
    /// What its containers use.
    #[serde(default)]
    pub containers: Vec<ContainerMetrics>,
}

/// What one container uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerMetrics {
    /// Its name.
    pub name: String,
    /// What it uses.
    #[serde(default)]
    pub usage: ResourceList,
}

/// What was read for one metric of the policy. Amounts are exact; what is finer than a thousandth is
/// rounded away from zero, and what no `i64` of thousandths holds is invalid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadingRecord {
    /// The metric's name in the policy: its `metric.name`, or the resource's.
    pub metric: String,
    /// The container, where the policy has that resource for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// By pod: Pods, Resource and ContainerResource metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<BTreeMap<String, PodSample>>,
    /// One value: Object metrics, and External ones with one series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// The values of all series: External metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Quantity>>,
    /// What each source counted, by its name, as pairs of a time and a value in order of time:
    /// External metrics of a strategy that averages over a window by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<BTreeMap<String, Vec<(Timestamp, Quantity)>>>,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<Unavailable>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
