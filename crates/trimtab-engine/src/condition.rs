//! Conditions in the Kubernetes style: type, status, reason, and since when.

use core::fmt;
use core::hash::{Hash, Hasher};

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_metric::Timestamp;

/// One condition of a workload's scaling.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: ConditionReason,
    /// Since when the status is what it is; the reason may be newer.
    pub last_transition_time: Timestamp,
}

/// What a condition is about: the HPA's types.
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
    /// The `flapBudget` holds back replicas that were to go.
    FlapBudgetSpent,
    /// The nodes can't carry the count that is wanted. trimtab's own, for policies with `supply`.
    SupplyLimited,
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

/// Why a condition is as it is: the HPA's reasons.
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
    /// There were as many starts and stops as the `flapBudget` allows.
    FlapBudgetSpent,
    /// The `flapBudget` holds nothing back.
    WithinFlapBudget,
    /// As many replicas wait for nodes as may.
    NodesPending,
    /// A node pool that brought no node is asked for none for some time.
    PoolBackingOff,
    /// The node pools are at their limits.
    NoRoom,
    /// The nodes carry the count.
    NodesAvailable,
    /// Nothing is known of the nodes.
    SupplyUnknown,
}

/// At most one condition of each type, in the order in which they first came up.
///
/// ```
/// use trimtab_engine::{ConditionReason, ConditionType, State};
///
/// let state = State::default();
/// assert!(state.status.conditions.get(ConditionType::AbleToScale).is_none());
/// ```
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct Conditions([Option<Condition>; 12]);

impl Conditions {
    /// The conditions in order.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> + '_ {
        self.0.iter().flatten()
    }

    /// The condition of a type, if it has come up.
    pub fn get(&self, type_: ConditionType) -> Option<&Condition> {
        self.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether the condition of a type has come up and is `True`.
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.get(type_).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Sets a condition. It keeps its place, and its time too unless the status changes.
    pub(crate) fn set(
        &mut self,
        type_: ConditionType,
        holds: bool,
        reason: ConditionReason,
        now: Timestamp,
    ) {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        self.set_status(type_, status, reason, now);
    }

    /// Sets a condition of which it may not be known whether it holds.
    pub(crate) fn set_status(
        &mut self,
        type_: ConditionType,
        status: ConditionStatus,
        reason: ConditionReason,
        now: Timestamp,
    ) {
        for slot in &mut self.0 {
            match slot {
                Some(condition) if condition.type_ == type_ => {
                    if condition.status != status {
                        condition.status = status;
                        condition.last_transition_time = now;
                    }
                    condition.reason = reason;
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some(Condition { type_, status, reason, last_transition_time: now });
                    return;
                }
            }
        }
    }

    /// Takes a condition away; those behind it move up.
    pub(crate) fn remove(&mut self, type_: ConditionType) {
        let mut kept = Self::default();
        let rest = self.iter().filter(|condition| condition.type_ != type_);
        for (slot, condition) in kept.0.iter_mut().zip(rest) {
            *slot = Some(*condition);
        }
        *self = kept;
    }
}

/// Of the four that there once were at most, unless there are more: a state keeps its digest.
impl Hash for Conditions {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let used = self.iter().count().max(4);
        self.0.get(..used).unwrap_or_default().hash(hasher);
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.iter().count()))?;
        for condition in self.iter() {
            list.serialize_element(condition)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = Conditions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of conditions, at most one of each type")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Conditions, A::Error> {
                let mut conditions = Conditions::default();
                while let Some(condition) = list.next_element::<Condition>()? {
                    let free = conditions.0.iter_mut().find(|slot| {
                        slot.as_ref().is_none_or(|known| known.type_ == condition.type_)
                    });
                    match free {
                        Some(slot @ None) => *slot = Some(condition),
                        _ => {
                            return Err(serde::de::Error::custom(format_args!(
                                "condition `{:?}` is listed twice",
                                condition.type_
                            )));
                        }
                    }
                }
                Ok(conditions)
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn a_state_keeps_its_digest() {
        let now = Timestamp::from_secs(0);
        let mut conditions = Conditions::default();
        assert_eq!(Digest::of(&conditions), Digest::of(&[None::<Condition>; 4]));
        conditions.set(ConditionType::AbleToScale, true, ConditionReason::SucceededGetScale, now);
        let four = [conditions.get(ConditionType::AbleToScale).copied(), None, None, None];
        assert_eq!(Digest::of(&conditions), Digest::of(&four));
    }
}
