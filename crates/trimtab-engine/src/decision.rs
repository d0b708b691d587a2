//! What was decided.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use crate::condition::{Conditions, with_messages};
use crate::retire::RetirePlan;
use crate::supply::SupplyPlan;
use crate::trace::{MetricStep, Rule, Step};
use crate::warm::WarmPlan;

/// What was decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The time of the observation.
    pub at: Timestamp,
    /// The count that was read; the last known one if it could not be read.
    pub current_replicas: i32,
    /// The count that is wanted. Equal to the current one unless the scale is to be changed.
    pub desired_replicas: i32,
    /// What to write to the target's scale, if it is to be changed. It lies within the bounds, unless
    /// there are millions of replicas: there the HPA's arithmetic overflows, and is reproduced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to: Option<i32>,
    /// How far the decision came.
    pub outcome: Outcome,
    /// Why the scale is to be changed.
    pub reason: ScaleReason,
    /// The metric that proposed the largest count, by its place in the policy. The composite metric of
    /// `keda` has the place after the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// What comes from the warm pool and goes to it, if the policy has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmPlan>,
    /// Who leaves, if the policy has `retire`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<RetirePlan>,
    /// The conditions, before the change was carried out. They are written with their messages.
    #[serde(serialize_with = "with_messages")]
    pub conditions: Conditions,
    /// The count over the node pools, and which nodes are missing, where the policy has `supply`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply: Option<Box<SupplyPlan>>,
    /// The steps, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<Step>>,
}

/// How far a decision came.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Outcome {
    /// To the end, with all metrics.
    Decided,
    /// To the end, though some metric failed: it can't have asked for fewer replicas.
    PartiallyDecided,
    /// The current count is outside the bounds, which needs no metrics.
    Enforced,
    /// All metrics failed, or some did and the others would scale down. Nothing is changed.
    MetricsUnknown,
    /// The target's pod selector can't be used. Nothing is changed.
    SelectorUnusable,
    /// The counts could not be read. Nothing is changed.
    ScaleUnavailable,
    /// The workload was switched off by scaling it to 0. Nothing is changed.
    Disabled,
    /// Scaling is paused. At most the count that goes with the pause is set.
    Paused,
    /// It is not yet time to look. Nothing is changed.
    NotDue,
}

/// Why the scale is to be changed: the HPA's wording of its `SuccessfulRescale` event.
///
/// It compares what the metrics want with the current count, before windows and limits; a window
/// may turn the direction, and then the reason still says what the metrics wanted.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleReason {
    /// The current count is above `maxReplicas`.
    AboveMax,
    /// The current count is below `minReplicas`.
    BelowMin,
    /// The metric that the decision names is above its target.
    MetricAbove,
    /// All metrics are below their targets.
    AllMetricsBelow,
    /// The policy sets it by hand.
    Override,
    /// The metrics want no change.
    None,
    /// The count to begin with: `initialReplicas` of `rayServe`.
    Initial,
    /// A window of the policy is open, or opens within the lead time.
    Schedule,
    /// A load is forecast.
    Forecast,
}

impl Decision {
    /// What each metric was and proposed, if the decision was traced.
    pub fn metrics(&self) -> impl Iterator<Item = &MetricStep> + '_ {
        self.trace.iter().flatten().filter_map(|step| match &step.rule {
            Rule::Metric(metric) => Some(metric),
            _ => None,
        })
    }
}
