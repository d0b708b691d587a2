//! When the last replica goes.

use trimtab_metric::Timestamp;

use crate::policy::SloSettings;
use crate::state::State;
use crate::strategy::StrategyState;
use crate::strategy::slo::explain::SloStep;
use crate::trace::{Recorder, Rule, Stage, Step};

/// Stage 7 for a count of 0: the last replica goes when nothing has been to be done for long enough,
/// and only then.
pub(crate) fn keep_the_last<R: Recorder>(
    settings: &SloSettings,
    state: &State,
    now: Timestamp,
    (current, replicas): (i32, i32),
    trace: &mut R,
) -> i32 {
    if current == 0 || replicas != 0 {
        return replicas;
    }
    let since = match &state.strategy {
        Some(StrategyState::Slo(memory)) => memory.idle_since,
        _ => None,
    };
    let until = since.map(|since| since.saturating_add(settings.idle_after));
    let to = i32::from(until.is_none_or(|until| until > now));
    let rule = Rule::Slo(SloStep::LastReplica { until });
    trace.record(|| Step { stage: Stage::Bound, from: 0, to, rule });
    to
}
