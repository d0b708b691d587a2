//! Stage 9, retire: who may leave without cutting a session?
//!
//! The strategy sees the count of those that do not drain, and what it then wants is compared with that
//! count. Replicas that are not wanted begin to drain, the count falls when they have, and demand that
//! returns takes them back.

mod explain;
mod flap;
mod order;
mod plan;
mod seen;
mod victims;

pub use explain::RetireStep;
pub use flap::{CountChange, RetireState};
pub use plan::RetirePlan;

pub(crate) use explain::{reason_to_go, reason_to_stay, words};
pub(crate) use flap::note_change;
pub(crate) use seen::without_draining;

use trimtab_metric::Timestamp;

use crate::condition::{ConditionReason, ConditionType, Finding};
use crate::course::Verdict;
use crate::decision::ScaleReason;
use crate::hold::active_override;
use crate::observation::{Observation, Scale, Standing};
use crate::policy::{Policy, RetireSettings};
use crate::state::State;
use crate::trace::{Recorder, Rule, Stage, Step};
use plan::Draining;

/// Makes a plan of what is wanted, and a count of what the plan leaves.
pub(crate) fn retire<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    verdict: Verdict,
    trace: &mut R,
) -> (Verdict, Option<RetirePlan>) {
    let Some(settings) = policy.retire() else { return (verdict, None) };
    let (now, current) = (observation.now, scale.spec_replicas);
    let mut draining = Draining::of(observation, current);
    let serving = current.saturating_sub(draining.counted);
    let seen = if draining.counted > 0 { serving.max(current.min(1)) } else { current };
    let Some(asked) = verdict.replicas.or_else(|| too_few(policy, serving, current)) else {
        let rule = Rule::Retire(RetireStep::Kept { replicas: draining.counted });
        if seen != current {
            trace.record(|| Step { stage: Stage::Retire, from: seen, to: current, rule });
        }
        return (verdict, None);
    };
    let at = verdict.replicas.unwrap_or(seen);
    let take_back = draining.take_back(asked.saturating_sub(serving));
    let excess = serving.saturating_sub(asked).max(0);
    let by_hand = active_override(policy, now).is_some();
    let forced = by_hand || verdict.reason == ScaleReason::AboveMax;
    let leaving = draining.counted;
    let allowed =
        if forced { excess } else { allowed(settings, state, excess, leaving, now, trace, at) };
    let wanted = asked.saturating_add(excess - allowed);
    let mut plan = RetirePlan { serving, wanted, take_back, ..RetirePlan::default() };
    let is_paused = !by_hand && policy.spec().pause.is_some_and(|pause| pause.scale_down);
    let may_go = verdict.replicas.is_some() && !is_paused;
    let unlisted = if order::is_kept(observation) {
        plan.choose_in_order(observation, settings, current, may_go);
        0
    } else {
        if may_go {
            plan.retire = draining.gone(observation, settings, current.saturating_sub(wanted));
        }
        plan.choose(observation, settings, scale, allowed)
    };
    plan.wanted = wanted.saturating_add(unlisted);
    let to = if wanted >= current { wanted } else { plan.leaves(current) };
    let from = if allowed < excess { wanted } else { at };
    if from != to || !plan.is_empty() {
        let rule = Rule::Retire(plan.step(leaving, unlisted));
        trace.record(|| Step { stage: Stage::Retire, from, to, rule });
    }
    let replicas = verdict.replicas.map(|_| to);
    let reason = match verdict.reason {
        ScaleReason::None if to < current => ScaleReason::AllMetricsBelow,
        reason => reason,
    };
    (Verdict { replicas, reason, ..verdict }, Some(plan))
}

/// Fewer than the least serve: those that drain are taken back, whatever is known.
fn too_few(policy: &Policy, serving: i32, current: i32) -> Option<i32> {
    let least = policy.bounds().min.min(current);
    (serving < least).then_some(least)
}

/// How many of those that are to go the flap budget lets go.
fn allowed<R: Recorder>(
    settings: &RetireSettings,
    state: &mut State,
    excess: i32,
    leaving: i32,
    now: Timestamp,
    trace: &mut R,
    at: i32,
) -> i32 {
    let Some(budget) = settings.flap_budget else { return excess };
    let past = state.envelope.as_ref().and_then(|envelope| envelope.retire.as_ref());
    let spent = past.map(|past| past.within(budget.period, now)).unwrap_or_default();
    let allowed = excess.min(spent.left(budget.changes, leaving));
    let holds = allowed < excess;
    let finding = if holds {
        let made = spent.starts.saturating_add(spent.stops).saturating_add(leaving);
        Finding::holds(ConditionReason::NoChangesLeft, [made, budget.changes])
    } else {
        Finding::fails(ConditionReason::ChangesLeft)
    };
    state.status.conditions.note(ConditionType::FlapBudgetSpent, finding, now);
    if holds {
        let to = at.saturating_add(excess - allowed);
        let rule = Rule::Retire(RetireStep::FlapBudget {
            changes: budget.changes,
            starts: spent.starts,
            stops: spent.stops.saturating_add(leaving),
            left: allowed,
        });
        trace.record(|| Step { stage: Stage::Retire, from: at, to, rule });
    }
    allowed
}

/// The first time after the observation at which a replica that drains has had its time, or a change
/// leaves the period of the flap budget.
pub(crate) fn next_deadline(
    policy: &Policy,
    state: &State,
    observation: &Observation,
) -> Option<Timestamp> {
    let settings = policy.retire()?;
    let ends =
        observation.pods.draining().map(|(_, since)| since.saturating_add(settings.max_session));
    let past = state.envelope.as_ref().and_then(|envelope| envelope.retire.as_ref());
    let leave = settings
        .flap_budget
        .zip(past)
        .and_then(|(budget, past)| past.next_deadline(budget.period, observation.now));
    ends.filter(|at| *at > observation.now).chain(leave).min()
}

/// How many pods of the target are there, and stay for all that is known.
fn listed(observation: &Observation) -> i32 {
    let standing = observation.pods.standing().iter();
    let listed = standing.filter(|standing| **standing != Standing::Ignored).count();
    i32::try_from(listed).unwrap_or(i32::MAX)
}
