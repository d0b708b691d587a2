//! From a tick to what stands in the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use trimtab_engine::{ConditionStatus, ConditionType};
use trimtab_metric::Timestamp;
use trimtab_runtime::{Mode, ReplicaCounts, TargetError, Tick};

use crate::crd::{
    HostMode, LastDecision, ScaleTargetStatus, ScalingPolicyStatus, condition, condition_of,
};

/// Whether somebody else scales the same target; it is there only while that is so, and for a while after the count was
/// taken over from somebody.
pub(crate) const CONTESTED: &str = "Contested";
/// Its reasons, which events have, too.
pub(crate) const SCALED_BY_OTHER: &str = "ScaledByOther";
pub(crate) const TOOK_OVER: &str = "TookOver";
/// Whether pods do not do as they are told; it is there only while that is so.
pub(crate) const REFUSED: &str = "ReplicasRefuse";
/// The longest list of what could not be read, in a message.
const MOST_PROBLEMS: usize = 3;

/// What of a status is worth a write as soon as it changes. Texts and times are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visible {
    generation: Option<i64>,
    mode: Mode,
    counts: [Option<i32>; 4],
    conditions: Vec<(String, String, String)>,
}

/// What is known of a policy besides its ticks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) generation: Option<i64>,
    /// Those of the resource itself: `Accepted`, `Adopted`.
    pub(crate) conditions: Vec<Condition>,
    /// From whom the count was taken over lately, in a sentence.
    pub(crate) taken_over: Option<String>,
}

/// The status after a tick, without the state, and with the times of `before` where nothing changed.
pub(crate) fn status(
    known: &Known,
    tick: Option<&Tick>,
    before: &ScalingPolicyStatus,
) -> ScalingPolicyStatus {
    let mut status = ScalingPolicyStatus {
        observed_generation: known.generation,
        state: before.state.clone(),
        ..ScalingPolicyStatus::default()
    };
    // Times of transitions stay where a condition does not change.
    let own = known.conditions.iter().map(|condition| condition.type_.as_str());
    let kept: Vec<&str> = own.chain([CONTESTED, REFUSED]).collect();
    status.conditions = before
        .conditions
        .iter()
        .filter(|condition| kept.contains(&condition.type_.as_str()))
        .cloned()
        .collect();
    known.conditions.iter().for_each(|condition| status.set_condition(condition.clone()));
    match tick {
        Some(tick) => decided(&mut status, known, tick, before),
        None => {
            let ScalingPolicyStatus { mode, scale_target, current_replicas, .. } = before.clone();
            status = ScalingPolicyStatus { mode, scale_target, current_replicas, ..status };
            status.wanted_replicas = before.wanted_replicas;
            status.ready_replicas = before.ready_replicas;
            status.warm_replicas = before.warm_replicas;
            status.last_decision.clone_from(&before.last_decision);
            let of_decisions = before
                .conditions
                .iter()
                .filter(|condition| !kept.contains(&condition.type_.as_str()));
            status.conditions.extend(of_decisions.cloned());
        }
    }
    status
}

fn decided(
    status: &mut ScalingPolicyStatus,
    known: &Known,
    tick: &Tick,
    before: &ScalingPolicyStatus,
) {
    let decision = &tick.record.decision;
    let [current, wanted, ready, warm] = counts(tick);
    status.mode = Some(match tick.mode {
        Mode::Active => HostMode::Active,
        Mode::Shadow => HostMode::Shadow,
    });
    status.scale_target = Some(ScaleTargetStatus::from(&tick.policy.spec().scale_target_ref));
    status.current_replicas = current;
    status.wanted_replicas = wanted;
    status.ready_replicas = ready;
    status.warm_replicas = warm;
    let last = LastDecision {
        time: tick.record.observation.time,
        from: decision.current_replicas,
        to: decision.desired_replicas,
        reason: format!("{:?}", decision.reason),
        explanation: String::new(),
    };
    status.last_decision = Some(last.with_explanation(&decision.explain().to_string()));
    contested(status, known, tick);
    refused(status, known, tick);
    for (of_decision, message) in decision.messages() {
        let mut message = message.to_string();
        let is_of_metrics = match of_decision.type_ {
            ConditionType::ScalingActive => of_decision.status == ConditionStatus::False,
            ConditionType::MetricsUnknown => of_decision.status == ConditionStatus::True,
            _ => false,
        };
        if is_of_metrics {
            with_problems(&mut message, tick);
        }
        let mut told = condition_of(of_decision, &message, known.generation);
        if told.type_ == "AbleToScale" {
            unable(&mut told, tick, before.condition("AbleToScale"));
        }
        status.conditions.push(told);
    }
}

/// What the decision can't know: the change was not carried out.
fn unable(told: &mut Condition, tick: &Tick, before: Option<&Condition>) {
    let Some(error) = &tick.target_error else { return };
    let observation = &tick.record.observation;
    if matches!(error, TargetError::Contested(_)) && tick.record.decision.scale_to.is_none() {
        return;
    }
    if matches!(error, TargetError::Replicas(_)) {
        return;
    }
    told.message = format!("the target: {error}");
    if told.status == "True" {
        let was_read = observation.replicas.is_some();
        let reason = if was_read { "FailedUpdateScale" } else { "FailedGetScale" };
        told.reason = String::from(reason);
        told.status = String::from("False");
        let since = before.filter(|before| before.status == told.status);
        let fresh = condition("", false, "", "", None, observation.time).last_transition_time;
        told.last_transition_time = since.map_or(fresh, |since| since.last_transition_time.clone());
    }
}

fn contested(status: &mut ScalingPolicyStatus, known: &Known, tick: &Tick) {
    let Some((holds, reason)) = contest(known, tick) else {
        status.conditions.retain(|condition| condition.type_ != CONTESTED);
        return;
    };
    let message = match (&tick.target_error, &known.taken_over) {
        (Some(error), _) if holds => error.to_string(),
        (_, told) => told.clone().unwrap_or_default(),
    };
    let at = tick.record.observation.time;
    status.set_condition(condition(CONTESTED, holds, reason, &message, known.generation, at));
}

/// Whether others scale the same, or did until the count was taken over from them.
fn contest(known: &Known, tick: &Tick) -> Option<(bool, &'static str)> {
    match &tick.target_error {
        Some(TargetError::Contested(_)) => Some((true, SCALED_BY_OTHER)),
        _ => known.taken_over.is_some().then_some((false, TOOK_OVER)),
    }
}

/// Single pods that do not do as they are told keep nothing from being decided and carried out.
fn refused(status: &mut ScalingPolicyStatus, known: &Known, tick: &Tick) {
    match &tick.target_error {
        Some(error @ TargetError::Replicas(_)) => {
            let (at, message) = (tick.record.observation.time, error.to_string());
            let refused = condition(REFUSED, true, "NotAsTold", &message, known.generation, at);
            status.set_condition(refused);
        }
        _ => status.conditions.retain(|condition| condition.type_ != REFUSED),
    }
}

/// Why readings are missing: what sources said, the first few.
fn with_problems(message: &mut String, tick: &Tick) {
    for missing in tick.missing.iter().take(MOST_PROBLEMS) {
        let metric = missing.metric.as_deref().unwrap_or("all of its metrics");
        message.push_str(&format!("; {}: {metric}: {}", missing.source, missing.error));
    }
    if tick.missing.len() > MOST_PROBLEMS {
        message.push_str(&format!("; and {} more", tick.missing.len() - MOST_PROBLEMS));
    }
}

/// Current, wanted, ready, warm.
fn counts(tick: &Tick) -> [Option<i32>; 4] {
    let observation = &tick.record.observation;
    let decision = &tick.record.decision;
    let ready = ReplicaCounts::of(&observation.pods).map(|counts| counts.ready);
    let warm = observation.warm.map(|warm| warm.ready);
    let small = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let current = observation.replicas.unwrap_or(decision.current_replicas);
    [Some(current), Some(decision.desired_replicas), ready.map(small), warm.map(small)]
}

/// What of it is worth a write at once.
pub(crate) fn visible(known: &Known, tick: &Tick) -> Visible {
    let of_decision = tick.record.decision.conditions.iter().map(|condition| {
        let words = [
            format!("{:?}", condition.type_),
            format!("{:?}", condition.status),
            format!("{:?}", condition.reason),
        ];
        let [type_, status, reason] = words;
        (type_, status, reason)
    });
    let own = known.conditions.iter().map(|condition| {
        (condition.type_.clone(), condition.status.clone(), condition.reason.clone())
    });
    let error = tick
        .target_error
        .iter()
        .map(|error| (String::from("target"), String::from("error"), String::from(error.cause())));
    let contest = contest(known, tick)
        .map(|(holds, reason)| (String::from(CONTESTED), holds.to_string(), String::from(reason)));
    Visible {
        generation: known.generation,
        mode: tick.mode,
        counts: counts(tick),
        conditions: own.chain(of_decision).chain(error).chain(contest).collect(),
    }
}

/// Now, for conditions that no tick has.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
