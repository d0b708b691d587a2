//! When time alone could change the answer.

use trimtab_metric::Timestamp;

use crate::observation::{Observation, Startup};
use crate::policy::{MetricSource, Policy, Strategy};
use crate::state::State;
use crate::{anticipate, hold, limit, retire, stabilize, supply, warm};

/// The first moment after the observation at which the same observation could be answered
/// differently, only because time has passed; `None` if there is none.
///
/// Until then, decide again when, and only when, something else changes: a count, a pod, a reading
/// or the policy. What can happen by time alone: a recommendation leaves a stabilization window, a
/// scale event leaves the period of a rate limit, a pod leaves its CPU initialization period, a draining
/// pod has had its time, a node pool fails or is asked again. Other strategies than `hpa` average over time or count it, and are asked again a period later.
///
/// `state` is the one that the decision on `observation` returned. Calling early does no harm.
///
/// ```
/// use trimtab_engine::{
///     MetricReading, Observation, Policy, PolicySpec, Scale, State, decide, next_deadline,
/// };
/// use trimtab_metric::Timestamp;
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
///         "metrics": [{"type": "External", "external": {
///             "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// )?;
/// let policy = Policy::new(spec)?;
/// let observation = Observation {
///     readings: vec![MetricReading::Totals(vec![8_000])], // one replica would do
///     ..Observation::new(Timestamp::from_secs(0), Scale::steady(5))
/// };
/// let (held, state) = decide(&policy, State::for_policy(&policy), &observation);
/// assert_eq!(held.scale_to, None); // the five that were there count as recommended
/// let deadline = next_deadline(&policy, &state, &observation);
/// assert_eq!(deadline, Some(Timestamp::from_secs(600)));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn next_deadline(
    policy: &Policy,
    state: &State,
    observation: &Observation,
) -> Option<Timestamp> {
    let now = observation.now;
    [
        stabilize::next_deadline(policy.hpa_policy(), state, now),
        limit::next_deadline(policy.hpa_policy(), state, now),
        pods_grow_up(policy, observation),
        next_tick(policy, now),
        hold::next_deadline(policy, now),
        retire::next_deadline(policy, state, observation),
        warm::next_deadline(policy, now),
        supply::next_deadline(policy, state, now),
        anticipate::next_deadline(policy, state, now),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// When a strategy that goes by time itself is to be asked again.
fn next_tick(policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let next = now.saturating_add(policy.period());
    (*policy.strategy() != Strategy::Hpa && next > now).then_some(next)
}

/// The first time at which a pod is no longer young, where a metric asks for it.
fn pods_grow_up(policy: &Policy, observation: &Observation) -> Option<Timestamp> {
    let asks = policy.metrics().iter().any(|metric| {
        metric.resource() == Some("cpu") && *metric.source() != MetricSource::Unknown
    });
    if !asks {
        return None;
    }
    observation
        .pods
        .startup()
        .map(|pod| pod.start_time)
        .filter(|start| *start != Startup::NOT_STARTED)
        .map(|start| start.saturating_add(policy.hpa().cpu_initialization_period))
        .filter(|at| *at > observation.now)
        .min()
}
