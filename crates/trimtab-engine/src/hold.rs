//! After all stages: does somebody hold the count by hand?

use trimtab_metric::Timestamp;

use crate::course::Verdict;
use crate::decision::ScaleReason;
use crate::policy::{OverrideSpec, Policy};
use crate::state::State;
use crate::strategy::StrategyState;
use crate::trace::{Direction, Recorder, Rule, Stage, Step};

/// An override gives the count until it expires; a pause keeps the count from moving one way. Whatever
/// the strategy is, it went through its decision before, so that it knows of this time.
pub(crate) fn hold<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    now: Timestamp,
    verdict: Verdict,
    trace: &mut R,
) -> Verdict {
    let current = state.status.current_replicas;
    let wanted = verdict.replicas.unwrap_or(current);
    let (to, reason, rule) = if let Some(given) = active_override(policy, now) {
        let rule = Rule::Override { until: given.until };
        (given.replicas, ScaleReason::Override, rule)
    } else {
        let pause = policy.spec().pause.unwrap_or_default();
        let direction = match wanted.cmp(&current) {
            core::cmp::Ordering::Greater if pause.scale_up => Direction::Up,
            core::cmp::Ordering::Less if pause.scale_down => Direction::Down,
            _ => return verdict,
        };
        (current, ScaleReason::None, Rule::DirectionPaused { direction })
    };
    trace.record(|| Step { stage: Stage::Bound, from: wanted, to, rule });
    if to == wanted {
        return verdict;
    }
    if let Some(StrategyState::Keda(keda)) = &mut state.strategy {
        keda.change = None; // what its executor wanted is not written
    }
    let reason = if to == current { ScaleReason::None } else { reason };
    Verdict { replicas: Some(to), reason, metric: None, ..verdict }
}

/// When the override that is at work expires.
pub(crate) fn next_deadline(policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    active_override(policy, now).map(|given| given.until)
}

pub(crate) fn active_override(policy: &Policy, now: Timestamp) -> Option<OverrideSpec> {
    policy.spec().manual_override.filter(|given| now < given.until)
}
