//! What is: everything seen at one instant, compact, for the decision to read.
//!
//! [`Observation`] has no names: replicas are rows, metrics are positions in the policy's list. A
//! host that has names (a document, a log, a Kubernetes watch) fills an [`ObservationRecord`] and
//! resolves it against the policy; a host in a hurry fills an [`Observation`] directly.

mod details;
mod pods;
mod readings;
mod record;
mod requests;
mod resolve;
mod sample;
mod supply;
mod warm;

pub use details::{CapacityType, PodDetails};
pub use pods::{PodPhase, PodRow, PodTable, Readiness};
pub use readings::{MetricReading, PodReadings, Point, Requests, Unavailable};
pub use record::{
    ContainerKind, ContainerMetrics, ContainerRecord, ObservationRecord, PodMetrics, PodRecord,
    ReadingRecord, ResourceList,
};
pub use resolve::ObservationError;
pub use sample::{PodSample, ReadyCondition};
pub use supply::{NodeSupply, PoolSupply, PoolSupplyRecord};
pub use warm::WarmCounts;

pub(crate) use pods::{Standing, Startup};
pub(crate) use readings::Taken;

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

/// Everything seen at one instant.
///
/// ```
/// use trimtab_engine::{MetricReading, Observation, Scale};
/// use trimtab_metric::Timestamp;
///
/// let observation = Observation {
///     readings: vec![MetricReading::Totals(vec![42_000])], // one External metric at 42
///     ..Observation::new(Timestamp::from_secs(0), Scale::steady(3))
/// };
/// assert_eq!(observation.scale.map(|scale| scale.spec_replicas), Some(3));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// When. The engine has no other clock.
    pub now: Timestamp,
    /// The counts; `None` when they could not be read, and then nothing is decided.
    pub scale: Option<Scale>,
    /// Whether the target says which pods are its own.
    pub selector: Selector,
    /// The pods of the target, terminating and finished ones included.
    pub pods: PodTable,
    /// One per metric of the policy, in its order. One that is not there is missing.
    pub readings: Vec<MetricReading>,
    /// The warm pool; `None` when nothing is known of it.
    pub warm: Option<WarmCounts>,
    /// What the node pools have; `None` if nothing is known of them.
    pub supply: Option<Box<NodeSupply>>,
}

/// The counts that the `scale` subresource holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// `spec.replicas`: how many were last asked for. The decision calls it the current count.
    pub spec_replicas: i32,
    /// `status.replicas`: how many there are. Metrics that average over the replicas divide by it.
    pub status_replicas: i32,
}

/// Whether the target's pod selector can be used.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selector {
    /// It can.
    #[default]
    Ok,
    /// There is none.
    Empty,
    /// It can't be parsed.
    Invalid,
    /// It also selects pods that another autoscaler manages.
    Ambiguous,
}

impl Observation {
    /// An observation of the counts alone, without pods and readings.
    pub fn new(now: Timestamp, scale: Scale) -> Self {
        Self {
            now,
            scale: Some(scale),
            selector: Selector::Ok,
            pods: PodTable::default(),
            readings: Vec::new(),
            warm: None,
            supply: None,
        }
    }

    /// How many replicas are ready and stay: of the pods, or, where none are listed, as the scale
    /// says.
    pub(crate) fn ready_replicas(&self, scale: Scale) -> i32 {
        if self.pods.is_empty() {
            return scale.status_replicas;
        }
        i32::try_from(self.pods.ready()).unwrap_or(i32::MAX)
    }

    /// The reading of the policy's metric number `index`.
    pub(crate) fn reading(&self, index: usize) -> &MetricReading {
        const MISSING: &MetricReading = &MetricReading::Unavailable(Unavailable::Missing);
        self.readings.get(index).unwrap_or(MISSING)
    }
}

impl Scale {
    /// As many replicas as were asked for.
    pub const fn steady(replicas: i32) -> Self {
        Self { spec_replicas: replicas, status_replicas: replicas }
    }
}
