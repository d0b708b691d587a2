//! Conditions in the Kubernetes style: type, status, reason, numbers, and since when.

mod list;
mod message;

use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU8;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use trimtab_metric::Timestamp;

pub use list::Conditions;
pub use message::ConditionMessage;

pub(crate) use message::with_messages;

/// One condition of a workload's scaling: 16 bytes. Its text is made when it is asked for, by
/// [`message`](Self::message).
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "ConditionForm")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: ConditionReason,
    /// The metric that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<Place>,
    /// The numbers that its message is made of.
    #[serde(skip_serializing_if = "is_zero")]
    numbers: [u16; 2],
    /// Since when the status is what it is; the reason may be newer.
    pub last_transition_time: Timestamp,
}

/// What a condition is about: the HPA's four types, then trimtab's own, which come up only where they
/// first hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ConditionType {
    /// The scale can be read and written, and no window holds it back.
    AbleToScale,
    /// A count could be calculated.
    ScalingActive,
    /// The count that was calculated was cut by a limit.
    ScalingLimited,
    /// The autoscaler itself brought the count to 0, so it may bring it back.
    ScaledToZero,
    /// The nodes can't carry the count that is wanted.
    SupplyLimited,
    /// Nothing is known of some metric.
    MetricsUnknown,
    /// Replicas should have been ready by now.
    ColdStartOverdue,
    /// A window holds the count against what is wanted.
    Stabilized,
    /// A rate limit holds the count against what is wanted.
    RateLimited,
    /// The starts and stops of a period are used up.
    FlapBudgetSpent,
    /// A guard is at its limit.
    GuardActive,
    /// The forecast has no say.
    ForecastIgnored,
}

/// Whether a condition holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// It can't be said.
    Unknown,
}

/// Why a condition is as it is: the HPA's reasons, then trimtab's own.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ConditionReason {
    /// The scale was read.
    SucceededGetScale,
    /// The scale could not be read.
    FailedGetScale,
    /// No window changed the recommendation.
    ReadyForNewScale,
    /// A higher recommendation within the window holds the count up.
    ScaleDownStabilized,
    /// A lower recommendation within the window holds the count down.
    ScaleUpStabilized,
    /// The scale was written.
    SucceededRescale,
    /// The scale could not be written.
    FailedUpdateScale,
    /// At least one metric gave a count.
    ValidMetricFound,
    /// A Resource metric failed.
    FailedGetResourceMetric,
    /// A ContainerResource metric failed.
    FailedGetContainerResourceMetric,
    /// A Pods metric failed.
    FailedGetPodsMetric,
    /// An Object metric failed.
    FailedGetObjectMetric,
    /// An External metric failed.
    FailedGetExternalMetric,
    /// A metric has a type that is not known.
    InvalidMetricSourceType,
    /// The target has no usable pod selector.
    InvalidSelector,
    /// The target's pods are another autoscaler's too.
    AmbiguousSelector,
    /// The count is 0 and was not brought there by the autoscaler.
    ScalingDisabled,
    /// No limit changed the count.
    DesiredWithinRange,
    /// `minReplicas` raised the count.
    TooFewReplicas,
    /// `maxReplicas` lowered the count.
    TooManyReplicas,
    /// A rate limit lowered the count.
    ScaleUpLimit,
    /// A rate limit raised the count.
    ScaleDownLimit,
    /// The count was brought to 0.
    ScaledToZero,
    /// The count was not brought to 0.
    NotScaledToZero,
    /// No pool has room for another replica.
    NoRoom,
    /// A pool that brought no node is asked for none for a while.
    PoolBackingOff,
    /// As many replicas wait for a node as may.
    NodesPending,
    /// Nothing is known of the supply.
    SupplyUnknown,
    /// The nodes can carry what is wanted.
    NodesAvailable,
    /// A metric has no value.
    MetricMissing,
    /// A metric's value is too old.
    MetricStale,
    /// A metric's value can't be used.
    MetricInvalid,
    /// A metric's source could not be asked.
    MetricUnreadable,
    /// Too few replicas report a metric.
    TooFewReplicasReport,
    /// Every metric is known.
    MetricsKnown,
    /// Starts take longer than they may.
    ReplicasOverdue,
    /// No start takes longer than it may.
    NoneOverdue,
    /// No rate limit holds the count.
    WithinRateLimits,
    /// The starts and stops of the period are used up.
    NoChangesLeft,
    /// The period has starts and stops left.
    ChangesLeft,
    /// A guard is at its limit: nothing goes.
    GuardAtLimit,
    /// A guard is at its hard limit: one more, unless one is on its way.
    GuardAtHardLimit,
    /// Every guard is under its limit.
    GuardsUnderLimits,
    /// The forecast errs by more than the naive one.
    ForecastWorseThanNaive,
    /// Too little of the past is known for a forecast.
    TooLittleHistory,
    /// Nothing has been seen of the load for a lead time.
    LoadStale,
    /// The forecast has its say.
    ForecastUsed,
}

impl Condition {
    /// The metric that it is about, by its place in the policy.
    pub fn metric(&self) -> Option<u32> {
        self.metric.map(|place| u32::from(place.get()))
    }

    /// The numbers that its message is made of; what they are depends on the type. A number that does
    /// not fit is 65535.
    pub const fn numbers(&self) -> [u16; 2] {
        self.numbers
    }

    pub(super) fn new(type_: ConditionType, finding: Finding, now: Timestamp) -> Self {
        let Finding { status, reason, metric, numbers } = finding;
        Self {
            type_,
            status,
            reason,
            metric: metric.and_then(Place::new),
            numbers: numbers.map(|number| u16::try_from(number.max(0)).unwrap_or(u16::MAX)),
            last_transition_time: now,
        }
    }
}

impl ConditionType {
    /// Whether the HPA has it.
    pub(crate) const fn is_hpas(self) -> bool {
        matches!(
            self,
            Self::AbleToScale | Self::ScalingActive | Self::ScalingLimited | Self::ScaledToZero
        )
    }
}

/// A place in the policy, one too many: so that none takes no byte more.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
struct Place(NonZeroU8);

impl Place {
    fn new(place: u32) -> Option<Self> {
        u8::try_from(place.saturating_add(1)).ok().and_then(NonZeroU8::new).map(Self)
    }

    const fn get(self) -> u8 {
        self.0.get() - 1
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// What was found of a condition.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    status: ConditionStatus,
    reason: ConditionReason,
    metric: Option<u32>,
    numbers: [i32; 2],
}

impl Finding {
    /// It holds; the numbers are for its message.
    pub(crate) const fn holds(reason: ConditionReason, numbers: [i32; 2]) -> Self {
        Self { status: ConditionStatus::True, reason, metric: None, numbers }
    }

    /// It does not.
    pub(crate) const fn fails(reason: ConditionReason) -> Self {
        Self { status: ConditionStatus::False, reason, metric: None, numbers: [0; 2] }
    }

    /// It can't be said.
    pub(crate) const fn unknown(reason: ConditionReason, numbers: [i32; 2]) -> Self {
        Self { status: ConditionStatus::Unknown, ..Self::holds(reason, numbers) }
    }

    /// It is about the metric at this place in the policy.
    pub(crate) const fn about(self, metric: u32) -> Self {
        Self { metric: Some(metric), ..self }
    }

    pub(super) const fn is_no(self) -> bool {
        matches!(self.status, ConditionStatus::False)
    }
}

/// What a later release added counts only where it is its own, so that the HPA's conditions keep
/// their digest.
impl Hash for Condition {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { type_, status, reason, metric, numbers, last_transition_time } = self;
        (type_, status, reason, last_transition_time).hash(hasher);
        if !type_.is_hpas() {
            (metric, numbers).hash(hasher);
        }
    }
}

/// A condition as it is written: perhaps with its message, which is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConditionForm {
    #[serde(rename = "type")]
    type_: ConditionType,
    status: ConditionStatus,
    reason: ConditionReason,
    #[serde(default)]
    metric: Option<u8>,
    #[serde(default)]
    numbers: [u16; 2],
    #[serde(default, rename = "message")]
    _message: Option<IgnoredAny>,
    last_transition_time: Timestamp,
}

impl From<ConditionForm> for Condition {
    fn from(form: ConditionForm) -> Self {
        let ConditionForm { type_, status, reason, last_transition_time, .. } = form;
        let finding = if type_.is_hpas() {
            Finding { status, ..Finding::fails(reason) } // the HPA's have no numbers
        } else {
            let numbers = form.numbers.map(i32::from);
            Finding { status, reason, metric: form.metric.map(u32::from), numbers }
        };
        Self::new(type_, finding, last_transition_time)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(numbers: &[u16; 2]) -> bool {
    *numbers == [0; 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There are twelve in every state.
    #[test]
    fn a_condition_is_small() {
        assert_eq!(size_of::<Option<Condition>>(), 16);
        assert_eq!(size_of::<Conditions>(), 12 * 16);
    }
}
