//! What the windows of the policy ask for, before they open and while they are open.

use trimtab_metric::{Span, Timestamp};

use super::explain::AnticipateStep;
use super::{lead_time, record};
use crate::course::Verdict;
use crate::decision::{Outcome, ScaleReason};
use crate::policy::{Anticipation, Bounds, Policy};
use crate::schedule::Schedule;
use crate::state::State;
use crate::strategy::StrategyState;
use crate::trace::{Recorder, Rule, Stage, Step};

/// A bound with the window that it is of.
#[derive(Copy, Clone)]
struct Limit<'a> {
    replicas: i32,
    schedule: &'a Schedule,
    /// When the window opens, if it is not open.
    opens: Option<Timestamp>,
}

/// Raises the count to what a window asks for that is open, or opens within the lead time.
pub(super) fn raise<R: Recorder>(
    policy: &Policy,
    rules: &Anticipation,
    (now, lead_time): (Timestamp, Span),
    wanted: i32,
    trace: &mut R,
) -> i32 {
    let Some(floor) = floor(policy.bounds(), rules, now, lead_time) else { return wanted };
    let raised = wanted.max(floor.replicas);
    record(trace, wanted, raised, || floor.step());
    raised
}

/// Stage 7 for the windows: whatever was known, the count is at least what they ask for and at most what
/// they allow; where both can't be, at least. A workload that was switched off or paused stays so.
pub(crate) fn bound<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    now: Timestamp,
    verdict: Verdict,
    trace: &mut R,
) -> Verdict {
    let Some(rules) = policy.anticipation().filter(|rules| !rules.schedules.is_empty()) else {
        return verdict;
    };
    if matches!(verdict.outcome, Outcome::Disabled | Outcome::Paused | Outcome::ScaleUnavailable) {
        return verdict;
    }
    let current = state.status.current_replicas;
    let wanted = verdict.replicas.unwrap_or(current);
    let floor = floor(policy.bounds(), rules, now, lead_time(policy, state));
    let ceiling = ceiling(policy.bounds(), rules, now);
    let mut to = wanted;
    if let Some(ceiling) = ceiling.filter(|ceiling| ceiling.replicas < to) {
        let least = floor.map_or(0, |floor| floor.replicas);
        let lowered = ceiling.replicas.max(least).min(to);
        if lowered < to {
            let (window, max) = (&ceiling.schedule.name, ceiling.replicas);
            trace.record(|| {
                let at_least = Some(least).filter(|least| *least > max);
                let rule = AnticipateStep::Ceiling { window: window.clone(), max, at_least };
                Step { stage: Stage::Bound, from: to, to: lowered, rule: Rule::Anticipate(rule) }
            });
            to = lowered;
        }
    }
    if let Some(floor) = floor.filter(|floor| floor.replicas > to) {
        trace.record(|| {
            let rule = Rule::Anticipate(floor.step());
            Step { stage: Stage::Bound, from: to, to: floor.replicas, rule }
        });
        to = floor.replicas;
    }
    if to == wanted {
        return verdict;
    }
    if let Some(StrategyState::Keda(keda)) = &mut state.strategy {
        keda.change = None; // what its executor wanted is not written
    }
    let reason = if to == current { ScaleReason::None } else { ScaleReason::Schedule };
    Verdict { replicas: Some(to), reason, metric: None, ..verdict }
}

/// The first time after `now` at which a window opens or closes, or is one lead time from opening.
pub(super) fn next_change(
    rules: &Anticipation,
    now: Timestamp,
    lead_time: Span,
) -> Option<Timestamp> {
    let after = now.saturating_add(lead_time);
    let times = rules.schedules.iter().flat_map(|schedule| {
        let ahead = schedule.min.and_then(|_| schedule.window.next_start(after));
        [schedule.window.next_change(now), ahead.map(|start| start.saturating_sub(lead_time))]
    });
    times.flatten().filter(|at| *at > now).min()
}

/// The largest of what the windows ask for that are open or open within the lead time; one that is
/// open comes first among equals.
fn floor(
    bounds: Bounds,
    rules: &Anticipation,
    now: Timestamp,
    lead_time: Span,
) -> Option<Limit<'_>> {
    let ready_by = now.saturating_add(lead_time);
    let asks = rules.schedules.iter().filter_map(|schedule| {
        let replicas = schedule.min?.min(bounds.max).max(0);
        let opens = if schedule.window.is_open(now) {
            None
        } else {
            Some(schedule.window.next_start(now).filter(|start| *start <= ready_by)?)
        };
        Some(Limit { replicas, schedule, opens })
    });
    asks.reduce(|most, next| {
        let is_open_at_last = next.replicas == most.replicas && next.opens < most.opens;
        if next.replicas > most.replicas || is_open_at_last { next } else { most }
    })
}

/// The smallest of what the open windows allow.
fn ceiling(bounds: Bounds, rules: &Anticipation, now: Timestamp) -> Option<Limit<'_>> {
    let allows = rules.schedules.iter().filter_map(|schedule| {
        let replicas = schedule.max?.max(bounds.min);
        schedule.window.is_open(now).then_some(Limit { replicas, schedule, opens: None })
    });
    allows.min_by_key(|limit| limit.replicas)
}

impl Limit<'_> {
    fn step(&self) -> AnticipateStep {
        let window = self.schedule.name.clone();
        AnticipateStep::Floor { window, min: self.replicas, opens: self.opens }
    }
}
