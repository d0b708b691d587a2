//! The Kubernetes events that the HPA writes for a decision.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::condition::ConditionReason;
use crate::decision::{Decision, Outcome};
use crate::observation::Selector;
use crate::settle::ScaleUpdate;
use crate::trace::{MetricResult, Rule};

/// The reason of an event, in the HPA's words.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventReason {
    /// The scale could not be read.
    FailedGetScale,
    /// The target has no pod selector.
    SelectorRequired,
    /// The target's pod selector can't be parsed.
    InvalidSelector,
    /// The target's pods are another autoscaler's too.
    AmbiguousSelector,
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
    /// No count could be calculated.
    FailedComputeMetricsReplicas,
    /// The scale was changed.
    SuccessfulRescale,
    /// The scale could not be changed.
    FailedRescale,
}

impl Decision {
    /// The events that the HPA writes for this decision, in its order. `update` is what became of
    /// the change of scale, if there was one.
    ///
    /// Events about single metrics and the selector are in the trace, so the decision has to be a
    /// traced one.
    ///
    /// ```
    /// use trimtab_engine::{
    ///     EventReason, Observation, Policy, PolicySpec, Scale, ScaleUpdate, State, decide_traced,
    /// };
    /// use trimtab_metric::Timestamp;
    ///
    /// let policy = Policy::from_stored(PolicySpec { max_replicas: 3, ..PolicySpec::default() });
    /// let observation = Observation::new(Timestamp::from_secs(0), Scale::steady(5));
    /// let (decision, _) = decide_traced(&policy, State::default(), &observation);
    /// assert_eq!(decision.events(Some(ScaleUpdate::Applied)), [EventReason::SuccessfulRescale]);
    /// ```
    pub fn events(&self, update: Option<ScaleUpdate>) -> Vec<EventReason> {
        let mut events: Vec<EventReason> =
            self.trace.iter().flatten().filter_map(|step| event_of(&step.rule)).collect();
        match self.outcome {
            Outcome::ScaleUnavailable => events.push(EventReason::FailedGetScale),
            Outcome::MetricsUnknown | Outcome::SelectorUnusable => {
                events.push(EventReason::FailedComputeMetricsReplicas);
            }
            Outcome::Decided
            | Outcome::PartiallyDecided
            | Outcome::Enforced
            | Outcome::Disabled
            | Outcome::Paused
            | Outcome::NotDue => {}
        }
        match update.filter(|_| self.scale_to.is_some()) {
            Some(ScaleUpdate::Applied) => events.push(EventReason::SuccessfulRescale),
            Some(ScaleUpdate::Rejected) => events.push(EventReason::FailedRescale),
            None => {}
        }
        events
    }
}

fn event_of(rule: &Rule) -> Option<EventReason> {
    match rule {
        Rule::SelectorUnusable { selector } => match selector {
            Selector::Ok => None,
            Selector::Empty => Some(EventReason::SelectorRequired),
            Selector::Invalid => Some(EventReason::InvalidSelector),
            Selector::Ambiguous => Some(EventReason::AmbiguousSelector),
        },
        Rule::Metric(metric) => match metric.result {
            MetricResult::Measured(_) => None,
            MetricResult::Failed { reason, .. } => Some(match reason {
                ConditionReason::FailedGetResourceMetric => EventReason::FailedGetResourceMetric,
                ConditionReason::FailedGetContainerResourceMetric => {
                    EventReason::FailedGetContainerResourceMetric
                }
                ConditionReason::FailedGetPodsMetric => EventReason::FailedGetPodsMetric,
                ConditionReason::FailedGetObjectMetric => EventReason::FailedGetObjectMetric,
                ConditionReason::FailedGetExternalMetric => EventReason::FailedGetExternalMetric,
                _ => EventReason::InvalidMetricSourceType,
            }),
        },
        _ => None,
    }
}
