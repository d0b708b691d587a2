//! The decision, read top to bottom.

use alloc::vec::Vec;

use trimtab_metric::Timestamp;

use crate::bound::{bound, enforce, wake};
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::{Decision, Outcome, ScaleReason};
use crate::limit::limit;
use crate::observation::{Observation, Scale};
use crate::policy::{
    ApaSettings, Bounds, KedaSettings, KnativeSettings, Policy, RayServeSettings, SloSettings,
    Strategy, WvaSettings,
};
use crate::stabilize::stabilize;
use crate::state::State;
use crate::strategy::hpa::{Generated, Sight};
use crate::strategy::keda::Execution;
use crate::strategy::{Sized, apa, hpa, keda, knative, ray_serve, slo, wva};
use crate::trace::{Recorder, Rule, Stage, Step, Untraced};

/// Decides how many replicas there should be.
///
/// Pure: the same policy, state and observation give the same decision and state, bit for bit, on
/// every platform. It reads no clock and does no I/O, and once the windows of `state` have filled it
/// allocates nothing, unless it adds up series for `rayServe` or makes answers for the HPA of `keda`.
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
        return conclude(state, observation, Verdict::nothing(Outcome::ScaleUnavailable));
    };
    let verdict = match policy.strategy() {
        Strategy::Hpa => by_hpa(policy, &mut state, Sight::new(observation), scale, trace),
        Strategy::Keda(settings) => {
            by_keda(policy, settings, &mut state, observation, scale, trace)
        }
        Strategy::Knative(settings) => {
            by_knative(policy, settings, &mut state, observation, scale, trace)
        }
        Strategy::RayServe(settings) => {
            by_ray_serve(policy, settings, &mut state, observation, scale, trace)
        }
        Strategy::Slo(settings) => by_slo(policy, settings, &mut state, observation, scale, trace),
        Strategy::Wva(settings) => by_wva(policy, settings, &mut state, observation, scale, trace),
        Strategy::Apa(settings) => by_apa(policy, settings, &mut state, observation, scale, trace),
    };
    conclude(state, observation, verdict)
}

/// The HPA: the bounds first, then its sizing and the stages behind it.
fn by_hpa<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    seen: Sight<'_>,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let current = scale.spec_replicas;
    let verdict = if let Some((replicas, reason)) = enforce(policy, current, trace) {
        Verdict::enforced(replicas, reason)
    } else {
        match hpa::size(policy, state, seen, scale, trace) {
            Sized::Nothing(outcome) => Verdict::nothing(outcome),
            Sized::Wanted { replicas: desired, winner, outcome } => {
                let replicas = envelope(policy, state, current, desired, seen.now, trace);
                let woken = wake(policy, current, replicas, trace);
                Verdict {
                    replicas: Some(woken.unwrap_or(replicas)),
                    reason: reason_to_scale(desired, current, woken.is_some()),
                    outcome,
                    metric: Some(winner),
                }
            }
        }
    };
    if verdict.outcome == Outcome::Disabled && !policy.hpa().scale_to_zero {
        state.status.conditions.remove(ConditionType::ScaledToZero);
    }
    verdict
}

/// KEDA: its executor first. Where that leaves the count alone, the HPA that KEDA generates, on what
/// KEDA tells it.
fn by_keda<R: Recorder>(
    policy: &Policy,
    settings: &KedaSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let current = scale.spec_replicas;
    let mut tick = keda::Tick::new(policy, settings, state, observation, scale);
    let verdict = match tick.execute(trace) {
        Execution::Paused => {
            state.forget_course(); // KEDA removes its HPA
            let reason = ScaleReason::None;
            let replicas = settings.pause.replicas;
            Verdict { replicas, reason, outcome: Outcome::Paused, metric: None }
        }
        Execution::Writes { replicas, metric, outcome } => {
            tick.wait_for_next_sync();
            let reason = reason_to_scale(replicas, current, false);
            Verdict { replicas: Some(replicas), reason, outcome, metric }
        }
        execution @ (Execution::NotDue | Execution::Leaves(_)) => match tick.metrics(trace) {
            None => Verdict::left(execution, current),
            Some(answers) => {
                state.seed(&settings.generated, current, observation.now);
                let generated = Generated { places: &settings.places, answers: &answers };
                let seen = Sight::generated(observation, generated);
                let verdict = by_hpa(&settings.generated, state, seen, scale, trace);
                match verdict.outcome {
                    Outcome::Disabled => Verdict::left(execution, current), // KEDA's own zero
                    _ => verdict,
                }
            }
        },
    };
    tick.remember(state);
    verdict
}

/// Knative: its sizing keeps to the bounds, and to scale to zero.
fn by_knative<R: Recorder>(
    policy: &Policy,
    settings: &KnativeSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let sized = knative::size(policy, settings, state, observation, scale, trace);
    by_peer(policy, state, observation.now, scale.spec_replicas, sized, trace)
}

/// Ray Serve: a new deployment begins with its initial count; then its sizing, which keeps to the bounds.
fn by_ray_serve<R: Recorder>(
    policy: &Policy,
    settings: &RayServeSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let current = scale.spec_replicas;
    if let Some((replicas, reason)) = ray_serve::register(settings, state, current, trace) {
        return Verdict::enforced(replicas, reason);
    }
    let sized = ray_serve::size(policy, settings, state, observation, scale, trace);
    by_peer(policy, state, observation.now, current, sized, trace)
}

/// trimtab's own strategy: the bounds first, then its sizing and the stages behind it.
fn by_slo<R: Recorder>(
    policy: &Policy,
    settings: &SloSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let (now, current) = (observation.now, scale.spec_replicas);
    if let Some((replicas, reason)) = enforce(policy, current, trace) {
        return Verdict::enforced(replicas, reason);
    }
    match slo::size(policy, settings, state, observation, scale, trace) {
        Sized::Nothing(outcome) => Verdict::nothing(outcome),
        Sized::Wanted { replicas: desired, winner, outcome } => {
            let replicas = envelope(policy, state, current, desired, now, trace);
            let replicas = slo::keep_the_last(settings, state, now, (current, replicas), trace);
            let reason = reason_to_scale(desired, current, false);
            Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
        }
    }
}

/// WVA and the HPA that follows what it publishes. A workload at 0 is woken past the HPA.
fn by_wva<R: Recorder>(
    policy: &Policy,
    settings: &WvaSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let (now, current) = (observation.now, scale.spec_replicas);
    if let Some((replicas, reason)) = enforce(policy, current, trace) {
        return Verdict::enforced(replicas, reason);
    }
    let min = policy.bounds().min;
    let (published, winner, outcome) =
        match wva::size(settings, state, observation, scale, min, trace) {
            Sized::Nothing(outcome) => return Verdict::nothing(outcome),
            Sized::Wanted { replicas, winner, outcome } => (replicas, winner, outcome),
        };
    let replicas = if current == 0 {
        wake(policy, current, published, trace).unwrap_or(published)
    } else {
        let desired = wva::follow(policy, published, observation, scale, trace);
        envelope(policy, state, current, desired, now, trace)
    };
    let reason = reason_to_scale(published, current, false);
    Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
}

/// AIBrix's APA: the bounds first, then its sizing, which keeps to them.
fn by_apa<R: Recorder>(
    policy: &Policy,
    settings: &ApaSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Verdict {
    let current = scale.spec_replicas;
    if let Some((replicas, reason)) = enforce(policy, current, trace) {
        return Verdict::enforced(replicas, reason);
    }
    let sized = apa::size(policy, settings, state, observation, current, trace);
    by_peer(policy, state, observation.now, current, sized, trace)
}

/// A strategy that bounds its count itself. The stages behind the sizing are only those that the
/// policy asks for by `behavior`.
fn by_peer<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    now: Timestamp,
    current: i32,
    sized: Sized,
    trace: &mut R,
) -> Verdict {
    let (desired, winner, outcome) = match sized {
        Sized::Nothing(outcome) => return Verdict::nothing(outcome),
        Sized::Wanted { replicas, winner, outcome } => (replicas, winner, outcome),
    };
    let replicas = match policy.behavior() {
        Some(_) => envelope(policy, state, current, desired, now, trace),
        None => desired,
    };
    let Bounds { min, max } = policy.bounds();
    let reason = if current > max && desired == max {
        ScaleReason::AboveMax
    } else if current < min && desired == min {
        ScaleReason::BelowMin
    } else {
        reason_to_scale(desired, current, false)
    };
    Verdict { replicas: Some(replicas), reason, outcome, metric: Some(winner) }
}

/// Applies the stages behind the sizing to a count that the caller wants for reasons of its own:
/// stabilization windows, rate limits and bounds, as the policy has them.
///
/// `current` is the present count, within the bounds or 0; `desired` is 0 or more. Returns the count
/// that comes out, and the state with the recommendation and the conditions.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec, State, normalize};
/// use trimtab_metric::Timestamp;
///
/// let policy = Policy::from_stored(PolicySpec { max_replicas: 100, ..PolicySpec::default() });
/// let (replicas, _) =
///     normalize(&policy, State::for_policy(&policy), 3, 50, Timestamp::from_secs(0));
/// assert_eq!(replicas, 6); // without `behavior`, at most twice as many at once
/// ```
pub fn normalize(
    policy: &Policy,
    mut state: State,
    current: i32,
    desired: i32,
    now: Timestamp,
) -> (i32, State) {
    state.seed(policy, current, now);
    let replicas = envelope(policy, &mut state, current, desired, now, &mut Untraced);
    (replicas, state)
}

/// Stages 4, 5 and 7, and the condition that says whether one of them cut the count.
fn envelope<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    current: i32,
    desired: i32,
    now: Timestamp,
    trace: &mut R,
) -> i32 {
    let stabilized = stabilize(policy, state, current, desired, now, trace);
    let limited = limit(policy, state, current, stabilized, now, trace);
    let bounded = bound(policy, current, limited, trace);
    let limited = bounded.replicas != stabilized;
    let reason = bounded.cut.unwrap_or(ConditionReason::DesiredWithinRange);
    state.status.conditions.set(ConditionType::ScalingLimited, limited, reason, now);
    bounded.replicas
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

fn reason_to_scale(desired: i32, current: i32, woken: bool) -> ScaleReason {
    match desired.cmp(&current) {
        core::cmp::Ordering::Greater => ScaleReason::MetricAbove,
        core::cmp::Ordering::Less => ScaleReason::AllMetricsBelow,
        core::cmp::Ordering::Equal if woken => ScaleReason::BelowMin,
        core::cmp::Ordering::Equal => ScaleReason::None,
    }
}

/// What the stages came to.
struct Verdict {
    /// The count, unless nothing could be said.
    replicas: Option<i32>,
    reason: ScaleReason,
    outcome: Outcome,
    metric: Option<u32>,
}

impl Verdict {
    fn enforced(replicas: i32, reason: ScaleReason) -> Self {
        Self { replicas: Some(replicas), reason, outcome: Outcome::Enforced, metric: None }
    }

    /// Of KEDA's executor, where the HPA has nothing to say.
    fn left(execution: Execution, current: i32) -> Self {
        let outcome = match execution {
            Execution::Leaves(outcome) => outcome,
            _ => Outcome::NotDue,
        };
        let known = matches!(outcome, Outcome::Decided | Outcome::PartiallyDecided);
        Self { replicas: Some(current).filter(|_| known), ..Self::nothing(outcome) }
    }

    fn nothing(outcome: Outcome) -> Self {
        Self { replicas: None, reason: ScaleReason::None, outcome, metric: None }
    }
}

fn conclude(mut state: State, observation: &Observation, verdict: Verdict) -> (Decision, State) {
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
        conditions: state.status.conditions,
        trace: None,
    };
    (decision, state)
}
