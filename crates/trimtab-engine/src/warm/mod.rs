//! Stage 8, warm: which come from the warm pool, and how many should be in it?
//!
//! It comes behind [`retire`](crate::retire), which says who leaves: only those can go back to the
//! pool. It changes no count.

mod explain;

pub use explain::WarmStep;

pub(crate) use explain::words;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use crate::course::Verdict;
use crate::observation::Observation;
use crate::policy::{Policy, WarmPoolSettings, WarmSize};
use crate::retire::RetirePlan;
use crate::state::State;
use crate::strategy::slo::Surge;
use crate::trace::{Recorder, Rule, Stage, Step};

/// What comes from the warm pool and goes to it. The count of replicas is that of the decision.
///
/// `promote` and `start` together are the replicas that come; replicas that leave and are not in
/// `demote` are stopped.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmPlan {
    /// How many should stand by once all this is done.
    pub size: i32,
    /// So many come from the pool: those that are ready first, then those on their way into it, which
    /// come sooner than one that is started now.
    pub promote: i32,
    /// So many are started, since the pool has no more.
    pub start: i32,
    /// So many of those that leave go back to the pool; with `retire`, the first ones in its list.
    pub demote: i32,
    /// So many are started for the pool.
    pub refill: i32,
    /// So many of the pool are too many and are stopped.
    pub release: i32,
}

/// What a warm pool remembers whose size is a `surge`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmState {
    /// How what was wanted grew within lead times.
    #[serde(default)]
    pub surge: Surge,
}

impl WarmState {
    pub(crate) fn list_bytes(&self) -> usize {
        self.surge.list_bytes()
    }
}

/// Divides what comes and what leaves between the pool and the rest. Nothing where nothing was decided.
pub(crate) fn warm<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    observation: &Observation,
    verdict: &Verdict,
    retire: Option<&RetirePlan>,
    trace: &mut R,
) -> Option<WarmPlan> {
    let settings = policy.warm_pool()?;
    let (current, replicas) = (state.status.current_replicas, verdict.replicas?);
    let wanted = retire.map_or(replicas, |plan| plan.wanted);
    let size = size(settings, state, wanted, observation.now);
    let comes = replicas.saturating_sub(current).max(0);
    let Some(pool) = observation.warm else {
        let rule = Rule::Warm(WarmStep::Unknown { start: comes });
        trace.record(|| Step::unchanged(Stage::Warm, replicas, rule));
        return Some(WarmPlan { size, start: comes, ..WarmPlan::default() });
    };
    let there = i32::try_from(pool.ready.saturating_add(pool.starting)).unwrap_or(i32::MAX);
    let promote = comes.min(there);
    let rest = there.saturating_sub(promote);
    let room = size.saturating_sub(rest).max(0);
    let leaves = if settings.return_on_scale_in {
        idle(observation, retire).unwrap_or(current.saturating_sub(replicas))
    } else {
        0
    };
    let demote = leaves.min(room).max(0);
    let plan = WarmPlan {
        size,
        promote,
        start: comes.saturating_sub(promote),
        demote,
        refill: room.saturating_sub(demote),
        release: rest.saturating_sub(size).max(0),
    };
    let ready = i32::try_from(pool.ready).unwrap_or(i32::MAX);
    let from_ready = promote.min(ready);
    let rule = Rule::Warm(WarmStep::Plan {
        plan,
        there,
        promoted_in: Some(settings.promote).filter(|_| from_ready > 0),
        started_in: Some(settings.lead_time).filter(|_| plan.start > 0),
    });
    trace.record(|| Step::unchanged(Stage::Warm, replicas, rule));
    Some(plan)
}

/// How many of those that `retire` lets go are known to be idle.
fn idle(observation: &Observation, retire: Option<&RetirePlan>) -> Option<i32> {
    let is_idle = |row: &&u32| {
        let row = usize::try_from(**row).unwrap_or(usize::MAX);
        observation.pods.details(row).in_flight == Some(0)
    };
    let idle = retire?.retire.iter().take_while(is_idle).count();
    Some(i32::try_from(idle).unwrap_or(i32::MAX))
}

/// How many should stand by. What was asked for in addition is reckoned as `slo` reckons the growth of
/// its load: from the largest of the last lead time, and beyond what was ever wanted only by what was
/// added from near there.
fn size(settings: &WarmPoolSettings, state: &mut State, wanted: i32, now: Timestamp) -> i32 {
    match settings.size {
        WarmSize::Fixed(replicas) => settings.clamp(f64::from(replicas)),
        WarmSize::Share(share) => settings.clamp(share * f64::from(wanted)),
        WarmSize::Surge(quantile) => {
            let memory = state.envelope.get_or_insert_default().warm.get_or_insert_default();
            let wanted = f64::from(wanted);
            let spare = memory.surge.spare(memory.surge.recent(wanted), quantile);
            memory.surge.note(now, wanted, settings.lead_time);
            settings.clamp(spare)
        }
    }
}

/// A pool whose size goes by time is asked for again a period later.
pub(crate) fn next_deadline(policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let settings = policy.warm_pool()?;
    let next = now.saturating_add(policy.period());
    (matches!(settings.size, WarmSize::Surge(_)) && next > now).then_some(next)
}
