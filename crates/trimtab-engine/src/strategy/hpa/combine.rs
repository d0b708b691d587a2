//! From the metrics' proposals to one wanted count: the largest, unless too little is known.

use super::{Circumstances, Proposal, Sight, propose};
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::observation::{Scale, Selector};
use crate::policy::{Metric, MetricSource, Policy};
use crate::state::State;
use crate::strategy::Sized;
use crate::trace::{MetricResult, MetricStep, Recorder, Rule, Stage, Step};

/// Asks every metric for a proposal and takes the largest.
///
/// If some metric failed, the largest of the others only counts when it is not below the current
/// count: what is not known never scales down.
pub(crate) fn size<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    seen: Sight<'_>,
    scale: Scale,
    trace: &mut R,
) -> Sized {
    let current = scale.spec_replicas;
    if current == 0 && !may_wake(policy, state) {
        return disabled(state, seen, trace);
    }
    if let Some(reason) = unusable(seen.selector) {
        state.status.conditions.set(ConditionType::ScalingActive, false, reason, seen.now);
        let rule = Rule::SelectorUnusable { selector: seen.selector };
        trace.record(|| Step::unchanged(Stage::Sense, current, rule));
        return Sized::Nothing(Outcome::SelectorUnusable);
    }
    let at = Circumstances {
        now: seen.now,
        spec_replicas: current,
        status_replicas: scale.status_replicas,
        tolerance: policy.tolerance(),
        pods: seen.pods,
        settings: policy.hpa(),
    };
    let mut best: Option<(i32, u32)> = None;
    let mut first_failed: Option<&Metric> = None;
    for (index, metric) in (0_u32..).zip(policy.metrics()) {
        let place = seen.place(index);
        let proposed = propose(metric.source(), metric.target(), seen.reading(index), &at);
        trace.record(|| metric_step(place, metric, &at, &proposed));
        match proposed {
            Ok(Proposal { replicas, .. }) => {
                if best.is_none_or(|(largest, _)| largest == 0 || replicas > largest) {
                    best = Some((replicas, place));
                }
            }
            Err(_) => first_failed = first_failed.or(Some(metric)),
        }
    }
    let conditions = &mut state.status.conditions;
    match (best, first_failed) {
        (Some((largest, winner)), failed) if failed.is_none() || largest >= current => {
            let reason = ConditionReason::ValidMetricFound;
            conditions.set(ConditionType::ScalingActive, true, reason, seen.now);
            let replicas = largest.max(0);
            let rule = Rule::LargestProposal { metric: winner };
            trace.record(|| Step { stage: Stage::Size, from: current, to: replicas, rule });
            let outcome =
                if failed.is_none() { Outcome::Decided } else { Outcome::PartiallyDecided };
            Sized::Wanted { replicas, winner, outcome }
        }
        (_, failed) => {
            let reason = failed.map_or(ConditionReason::InvalidMetricSourceType, failure_reason);
            conditions.set(ConditionType::ScalingActive, false, reason, seen.now);
            let rule = Rule::TooLittleKnown;
            trace.record(|| Step::unchanged(Stage::Size, current, rule));
            Sized::Nothing(Outcome::MetricsUnknown)
        }
    }
}

/// Whether a workload at 0 may come back: it was the autoscaler that brought it there.
pub(crate) fn may_wake(policy: &Policy, state: &State) -> bool {
    policy.hpa().scale_to_zero
        && state.status.conditions.is_true(ConditionType::ScaledToZero)
        && (policy.bounds().min != 0 || policy.can_wake_from_zero())
}

fn disabled<R: Recorder>(state: &mut State, seen: Sight<'_>, trace: &mut R) -> Sized {
    let reason = ConditionReason::ScalingDisabled;
    state.status.conditions.set(ConditionType::ScalingActive, false, reason, seen.now);
    trace.record(|| Step::unchanged(Stage::Size, 0, Rule::ScalingDisabled));
    Sized::Nothing(Outcome::Disabled)
}

fn unusable(selector: Selector) -> Option<ConditionReason> {
    match selector {
        Selector::Ok => None,
        Selector::Empty | Selector::Invalid => Some(ConditionReason::InvalidSelector),
        Selector::Ambiguous => Some(ConditionReason::AmbiguousSelector),
    }
}

/// The word for a failed metric in conditions and events.
pub(crate) fn failure_reason(metric: &Metric) -> ConditionReason {
    match metric.source() {
        MetricSource::Resource { .. } => ConditionReason::FailedGetResourceMetric,
        MetricSource::ContainerResource { .. } => ConditionReason::FailedGetContainerResourceMetric,
        MetricSource::Pods => ConditionReason::FailedGetPodsMetric,
        MetricSource::Object => ConditionReason::FailedGetObjectMetric,
        MetricSource::External => ConditionReason::FailedGetExternalMetric,
        MetricSource::Unknown => ConditionReason::InvalidMetricSourceType,
    }
}

fn metric_step(
    index: u32,
    metric: &Metric,
    at: &Circumstances<'_>,
    proposed: &Result<Proposal, super::MetricError>,
) -> Step {
    let (to, result) = match proposed {
        Ok(proposal) => (proposal.replicas, MetricResult::Measured(proposal.into())),
        Err(error) => {
            let reason = failure_reason(metric);
            (at.spec_replicas, MetricResult::Failed { error: *error, reason })
        }
    };
    let (name, target) = (metric.name().into(), metric.target());
    let rule = Rule::Metric(MetricStep { index, name, target, result });
    Step { stage: Stage::Size, from: at.spec_replicas, to, rule }
}
