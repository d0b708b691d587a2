//! The decision, read top to bottom.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::anticipate;
use crate::condition::{ConditionReason, ConditionType};
use crate::course::{Course, Verdict};
use crate::decision::{Decision, Outcome};
use crate::hold::hold;
use crate::observation::{Observation, Scale};
use crate::policy::{Policy, Strategy};
use crate::retire::{RetirePlan, retire, without_draining};
use crate::state::State;
use crate::supply::{Nodes, SupplyPlan};
use crate::trace::{Recorder, Rule, Stage, Step, Untraced};
use crate::warm::{WarmPlan, warm};

/// Decides how many replicas there should be.
///
/// Pure: the same policy, state and observation give the same decision and state, bit for bit, on
/// every platform. It reads no clock and does no I/O, and once the windows of `state` have filled it
/// allocates nothing, unless it adds up series for `rayServe`, makes answers for the HPA of `keda`, or
/// asks where nodes come from and replicas are.
///
/// Carry out [`Decision::scale_to`], then tell [`settle`](crate::settle) what became of it: the rate
/// limits count changes that were carried out, not wishes.
///
/// ```
/// use trimtab_engine::{MetricReading, Observation, Policy, PolicySpec, Scale, State, decide};
/// use trimtab_metric::Timestamp;
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10,
///         "metrics": [{"type": "External", "external": {
///             "metric": {"name": "requests_in_flight"},
///             "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// )?;
/// let policy = Policy::new(spec)?;
/// let observation = Observation {
///     readings: vec![MetricReading::Totals(vec![25_000])], // 25 requests in flight
///     ..Observation::new(Timestamp::from_secs(0), Scale::steady(2))
/// };
/// let (decision, _state) = decide(&policy, State::for_policy(&policy), &observation);
/// assert_eq!(decision.scale_to, Some(4)); // ceil(25 / 8)
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn decide(policy: &Policy, state: State, observation: &Observation) -> (Decision, State) {
    run(policy, state, observation, &mut Untraced)
}

/// [`decide`], with [`Decision::trace`].
pub fn decide_traced(
    policy: &Policy,
    state: State,
    observation: &Observation,
) -> (Decision, State) {
    let mut steps: Vec<Step> = Vec::new();
    let (decision, state) = run(policy, state, observation, &mut steps);
    (Decision { trace: Some(steps), ..decision }, state)
}

fn run<R: Recorder>(
    policy: &Policy,
    mut state: State,
    observation: &Observation,
    trace: &mut R,
) -> (Decision, State) {
    let Some(scale) = sense(policy, &mut state, observation, trace) else {
        let verdict = Verdict::nothing(Outcome::ScaleUnavailable);
        return conclude(state, observation, verdict, Plans::default());
    };
    let serving = without_draining(policy, observation, scale, trace);
    let (seen, counts) = match &serving {
        Some((seen, counts)) => (seen, *counts),
        None => (observation, scale),
    };
    state.status.current_replicas = counts.spec_replicas;
    anticipate::note(policy, &mut state, observation);
    let nodes = Nodes::look(policy, &mut state, observation, scale);
    let mut course = Course {
        policy,
        state: &mut state,
        observation: seen,
        scale: counts,
        nodes,
        trace,
        anticipated: None,
    };
    let verdict = course.run();
    let (nodes, decided) = (course.nodes, verdict.replicas);
    let verdict = anticipate::bound(policy, &mut state, observation.now, verdict, trace);
    let verdict = hold(policy, &mut state, observation.now, verdict, trace);
    let by_hand = verdict.replicas != decided;
    state.status.current_replicas = scale.spec_replicas;
    let (verdict, retire) = retire(policy, &mut state, observation, scale, verdict, trace);
    let warm = warm(policy, &mut state, observation, &verdict, retire.as_ref(), trace);
    let supply = nodes.map(|nodes| {
        let replicas = verdict.replicas.unwrap_or(scale.spec_replicas);
        Box::new(nodes.conclude(&mut state, replicas, by_hand, observation))
    });
    conclude(state, observation, verdict, Plans { supply, warm, retire })
}

/// Stage 1 for the workload as a whole: what are the counts? Stage 2 senses metric by metric.
fn sense<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    observation: &Observation,
    trace: &mut R,
) -> Option<Scale> {
    let now = observation.now;
    let able = ConditionType::AbleToScale;
    let Some(scale) = observation.scale else {
        state.status.conditions.set(able, false, ConditionReason::FailedGetScale, now);
        let current = state.status.current_replicas;
        trace.record(|| Step::unchanged(Stage::Sense, current, Rule::ScaleUnavailable));
        return None;
    };
    state.status.conditions.set(able, true, ConditionReason::SucceededGetScale, now);
    state.status.current_replicas = scale.spec_replicas;
    let stabilizes = match policy.strategy() {
        Strategy::Keda(_) => false, // its HPA begins when it first looks
        Strategy::Knative(_) | Strategy::RayServe(_) | Strategy::Apa(_) => {
            policy.behavior().is_some()
        }
        Strategy::Hpa | Strategy::Slo(_) | Strategy::Wva(_) => true,
    };
    if stabilizes {
        state.seed(policy, scale.spec_replicas, now);
    }
    Some(scale)
}

/// What the decision says beside the count.
#[derive(Default)]
struct Plans {
    supply: Option<Box<SupplyPlan>>,
    warm: Option<WarmPlan>,
    retire: Option<RetirePlan>,
}

fn conclude(
    mut state: State,
    observation: &Observation,
    verdict: Verdict,
    plans: Plans,
) -> (Decision, State) {
    let current = state.status.current_replicas;
    let scale_to = verdict.replicas.filter(|replicas| *replicas != current);
    if scale_to.is_none() && (verdict.replicas.is_some() || verdict.outcome == Outcome::Disabled) {
        state.status.desired_replicas = current;
    }
    let decision = Decision {
        at: observation.now,
        current_replicas: current,
        desired_replicas: scale_to.unwrap_or(current),
        scale_to,
        outcome: verdict.outcome,
        reason: verdict.reason,
        metric: verdict.metric,
        warm: plans.warm,
        retire: plans.retire,
        conditions: state.status.conditions,
        supply: plans.supply,
        trace: None,
    };
    (decision, state)
}
