//! What only some stages ask of a pod: where it runs, what it is doing, and whether it drains.

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

/// Where a pod runs, what it is doing, and whether it drains. All of it may be unknown.
///
/// ```
/// use trimtab_engine::{PodDetails, PodRow, PodTable};
///
/// let mut pods = PodTable::default();
/// pods.push(PodRow::default());
/// let details = PodDetails { in_flight: Some(3), ..PodDetails::default() };
/// pods.push(PodRow { details, ..PodRow::default() });
/// assert_eq!(pods.details(0).in_flight, None);
/// assert_eq!(pods.details(1).in_flight, Some(3));
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDetails {
    /// When it was asked for (`metadata.creationTimestamp`); its start comes when it has a node.
    pub created_at: Option<Timestamp>,
    /// Its node, as a number that no other node of the observation has.
    pub node: Option<u32>,
    /// Its zone, as a number that no other zone of the observation has.
    pub zone: Option<u32>,
    /// Its node pool, by its place in the policy's `supply.pools`, or [`PodDetails::ELSEWHERE`].
    pub pool: Option<u32>,
    /// What its node was bought as.
    pub capacity_type: CapacityType,
    /// Requests, streams or sessions that it is serving.
    pub in_flight: Option<u32>,
    /// Since when it takes no new work, because it is to go.
    pub draining_since: Option<Timestamp>,
    /// Its place, where replicas can leave in one order only, the highest first.
    pub ordinal: Option<u32>,
}

impl PodDetails {
    /// The `pool` of a pod in a pool that the policy does not have.
    pub const ELSEWHERE: u32 = u32::MAX;
}

/// What a node was bought as: the values of Karpenter's `karpenter.sh/capacity-type`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CapacityType {
    /// It can't be said.
    #[default]
    Unknown,
    /// It stays until it is given back.
    OnDemand,
    /// It was paid for ahead.
    Reserved,
    /// It may be taken back at any time.
    Spot,
}
