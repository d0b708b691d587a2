//! After the decision: what became of the change of scale.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use crate::condition::{ConditionReason, ConditionType};
use crate::decision::{Decision, Outcome};
use crate::policy::Policy;
use crate::retire;
use crate::state::{ScaleEvent, State, push_tight};
use crate::strategy::StrategyState;

/// What became of a change of scale.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleUpdate {
    /// It was written.
    Applied,
    /// It could not be written.
    Rejected,
}

/// Takes note of what became of [`Decision::scale_to`], and with `retire` of the plan beside it.
///
/// Rate limits count the changes noted here. Without a change there is nothing to note, and the
/// state comes back as it was. Nothing else is remembered of a change, so one that is made by hand
/// is invisible to the rate limits, as it is to the HPA's.
///
/// ```
/// use trimtab_engine::{
///     MetricReading, Observation, Policy, PolicySpec, Scale, ScaleUpdate, State, decide, settle,
/// };
/// use trimtab_metric::Timestamp;
///
/// # let spec: PolicySpec = serde_json::from_str(
/// #     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
/// #         "maxReplicas": 10, "behavior": {},
/// #         "metrics": [{"type": "External", "external": {
/// #             "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// # )?;
/// # let policy = Policy::new(spec)?;
/// # let observation = Observation {
/// #     readings: vec![MetricReading::Totals(vec![25_000])],
/// #     ..Observation::new(Timestamp::from_secs(0), Scale::steady(2))
/// # };
/// let (decision, state) = decide(&policy, State::for_policy(&policy), &observation);
/// // … write decision.scale_to to the target …
/// let state = settle(&policy, state, &decision, ScaleUpdate::Applied);
/// assert_eq!(state.scale_ups[0].change, 2);
/// assert_eq!(state.status.last_scale_time, Some(Timestamp::from_secs(0)));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub fn settle(
    policy: &Policy,
    mut state: State,
    decision: &Decision,
    update: ScaleUpdate,
) -> State {
    let Some(replicas) = decision.scale_to else {
        if update == ScaleUpdate::Applied {
            let moved = moved(decision, decision.current_replicas);
            note_change(policy.hpa_policy(), &mut state, moved, decision.at);
        }
        return state;
    };
    let (current, now) = (decision.current_replicas, decision.at);
    let flap_budget = policy.retire().and_then(|retire| retire.flap_budget);
    let policy = policy.hpa_policy();
    let by_executor = match &mut state.strategy {
        Some(StrategyState::Keda(keda)) => keda.settle(now, update == ScaleUpdate::Applied),
        _ => false,
    };
    let conditions = &mut state.status.conditions;
    if update == ScaleUpdate::Rejected {
        conditions.set(ConditionType::AbleToScale, false, ConditionReason::FailedUpdateScale, now);
        return state;
    }
    conditions.set(ConditionType::AbleToScale, true, ConditionReason::SucceededRescale, now);
    retire::note_change(flap_budget, &mut state.envelope, (current, replicas), now);
    let conditions = &mut state.status.conditions;
    if by_executor || decision.outcome == Outcome::Paused {
        state.status.desired_replicas = replicas;
        return state; // the HPA knows nothing of it
    }
    if policy.hpa().scale_to_zero {
        let asleep =
            current > 0 && replicas == 0 && policy.bounds().min == 0 && policy.can_wake_from_zero();
        let reason =
            if asleep { ConditionReason::ScaledToZero } else { ConditionReason::NotScaledToZero };
        conditions.set(ConditionType::ScaledToZero, asleep, reason, now);
    } else {
        conditions.remove(ConditionType::ScaledToZero);
    }
    state.status.desired_replicas = replicas;
    state.status.last_scale_time = Some(now);
    note_change(policy, &mut state, moved(decision, replicas), now);
    state
}

/// Between which counts it moved: with `retire`, of those that take new work.
fn moved(decision: &Decision, replicas: i32) -> (i32, i32) {
    let plan = decision.retire.as_ref();
    plan.map_or((decision.current_replicas, replicas), |plan| (plan.serving, plan.wanted))
}

/// What rate limits count.
fn note_change(
    policy: &Policy,
    state: &mut State,
    (current, replicas): (i32, i32),
    now: Timestamp,
) {
    if let Some(rules) = policy.behavior().filter(|_| current != replicas) {
        let (events, period) = if replicas > current {
            (&mut state.scale_ups, rules.scale_up.longest_period)
        } else {
            (&mut state.scale_downs, rules.scale_down.longest_period)
        };
        let edge = now.saturating_sub(period);
        for event in events.iter_mut() {
            event.outdated |= event.at < edge;
        }
        let change = replicas.wrapping_sub(current).wrapping_abs();
        remember(events, ScaleEvent { change, at: now, outdated: false });
    }
}

/// Stores an event in the place of the last outdated one, or at the end.
fn remember(events: &mut Vec<ScaleEvent>, new: ScaleEvent) {
    if let Some(old) = events.iter_mut().rev().find(|event| event.outdated) {
        *old = new;
        return;
    }
    if events.len() >= State::MOST_ENTRIES {
        join_oldest(events);
    }
    push_tight(events, new);
}

/// Makes one event of the two oldest, with the later time: the rate limits of this direction are then
/// never looser than they would be with both.
fn join_oldest(events: &mut Vec<ScaleEvent>) {
    events.sort_by_key(|event| event.at);
    let oldest = events.remove(0);
    if let Some(next) = events.first_mut() {
        next.change = next.change.saturating_add(oldest.change);
    }
}
