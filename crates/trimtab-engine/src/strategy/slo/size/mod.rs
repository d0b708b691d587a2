//! From the signals to the count that `slo` wants.

mod demands;
mod last;
mod limits;
mod sense;
mod triggers;

use alloc::boxed::Box;

use libm::{ceil, fmax, fmin, sqrt};
use trimtab_metric::Span;

pub(crate) use last::keep_the_last;

use super::explain::SloStep;
use super::found::Found;
use super::signal::count;
use super::state::SloState;
use super::want::Want;
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::observation::{Observation, Readiness, Scale, Startup};
use crate::policy::{Finite, Policy, SloRole, SloSettings, Tolerance};
use crate::state::State;
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Recorder, Rule, Stage, Step};
use demands::Need;
use triggers::Way;

/// What is subtracted before rounding up, in replicas: a load that is the target to the last bit but
/// one needs no other replica.
const ROUNDING: f64 = 1e-9;

/// Senses every signal, and lets each say what its role allows.
pub(crate) fn size<R: Recorder>(
    policy: &Policy,
    settings: &SloSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Sized {
    let (now, current) = (observation.now, scale.spec_replicas);
    if current == 0 && policy.bounds().min > 0 {
        let reason = ConditionReason::ScalingDisabled;
        state.status.conditions.set(ConditionType::ScalingActive, false, reason, now);
        trace.record(|| Step::unchanged(Stage::Size, 0, Rule::ScalingDisabled));
        return Sized::Nothing(Outcome::Disabled);
    }
    let (lead_time, overdue_after) = lead_time(policy, settings, state);
    let mut memory = match state.strategy.take() {
        Some(StrategyState::Slo(memory)) => memory,
        _ => Box::default(),
    };
    let ready = observation.ready_replicas(scale);
    memory.note_ready(now, ready);
    let mut sizing = Sizing {
        policy,
        settings,
        lead_time,
        overdue_after,
        memory: &mut memory,
        observation,
        current,
        ready,
        at: current,
        want: Want { at_least: 0, at_most: 0 },
        winner: None,
        failed: None,
        known: 0,
        found: Found::default(),
    };
    sizing.run(trace);
    let Sizing { at, winner, failed, known, found, .. } = sizing;
    state.strategy = Some(StrategyState::Slo(memory));
    let conditions = &mut state.status.conditions;
    found.tell(conditions, now);
    if known == 0 {
        let reason = failed.unwrap_or(ConditionReason::InvalidMetricSourceType);
        conditions.set(ConditionType::ScalingActive, false, reason, now);
        let rule = Rule::TooLittleKnown;
        trace.record(|| Step { stage: Stage::Size, from: at, to: current, rule });
        return Sized::Nothing(Outcome::MetricsUnknown);
    }
    conditions.set(ConditionType::ScalingActive, true, ConditionReason::ValidMetricFound, now);
    let outcome = if failed.is_some() { Outcome::PartiallyDecided } else { Outcome::Decided };
    Sized::Wanted { replicas: at, winner: winner.unwrap_or(0), outcome }
}

/// How long a start takes, and how long before it is overdue: learned, if the policy learns it.
fn lead_time(policy: &Policy, settings: &SloSettings, state: &State) -> (Span, Span) {
    let Some((learned, _)) = crate::anticipate::learned(policy, state) else {
        return (settings.lead_time, settings.overdue_after);
    };
    let slo = policy.spec().slo.as_ref();
    let half_as_long_again = learned.as_millis().saturating_mul(3).div_euclid(2);
    match slo.and_then(|slo| slo.overdue_after_seconds) {
        Some(_) => (learned, settings.overdue_after),
        None => (learned, Span::from_millis(half_as_long_again)),
    }
}

/// What has been found so far.
struct Sizing<'a> {
    policy: &'a Policy,
    settings: &'a SloSettings,
    lead_time: Span,
    overdue_after: Span,
    memory: &'a mut SloState,
    observation: &'a Observation,
    current: i32,
    ready: i32,
    /// What `want` makes of the current count.
    at: i32,
    want: Want,
    /// The signal that asks for the most.
    winner: Option<u32>,
    /// Why a signal is not known.
    failed: Option<ConditionReason>,
    /// How many signals are.
    known: u32,
    /// What the conditions say.
    found: Found,
}

impl Sizing<'_> {
    fn run<R: Recorder>(&mut self, trace: &mut R) {
        self.parts(trace);
        let mut need = self.demands(trace);
        self.balance(&mut need, trace);
        self.remember();
        let way = self.triggers(trace);
        self.size(&need, way, trace);
        self.latencies(&need, way, trace);
        self.guards(trace);
        self.replace_overdue(way, trace);
        let idle = need.known && need.high == 0.0;
        self.memory.note_idle(self.observation.now, idle);
    }

    /// Lets a step of the sizing speak: with what was said before, or instead of it.
    fn step<R: Recorder>(&mut self, want: Want, by: Option<u32>, step: SloStep, trace: &mut R) {
        if want.at_least > self.want.at_least {
            self.winner = by.or(self.winner);
        }
        self.want = want;
        let (from, to) = (self.at, want.of(self.current));
        self.at = to;
        trace.record(|| Step { stage: Stage::Size, from, to, rule: Rule::Slo(step) });
    }

    /// How many the load needs, and what may grow until a replica asked for now serves.
    fn size<R: Recorder>(&mut self, need: &Need, way: Way, trace: &mut R) {
        let settings = self.settings;
        let hold = if need.hold { self.current } else { 0 };
        if !need.known {
            let one_more = need.one_more && self.current <= self.ready; // none is on its way
            let at_least = if one_more { self.current.saturating_add(1) } else { 0 };
            let want = Want { at_least, at_most: self.current.max(at_least) };
            let any = settings.signals.iter().any(|signal| signal.role == SloRole::Demand);
            if any {
                self.step(want, None, SloStep::NoLoad, trace);
            } else {
                self.want = Want { at_least: 0, at_most: 0 };
            }
            return;
        }
        let staffed = |load: f64| load + settings.headroom * sqrt(load);
        let grown = self.grown(need.settled) * need.counts;
        let (up, down) = (fmax(staffed(need.low), grown), fmax(staffed(need.high), grown));
        let Tolerance { up: above, down: below } = self.policy.tolerance();
        let (current, now) = (self.current, f64::from(self.current));
        let whole = |replicas: f64| count(ceil(replicas - ROUNDING));
        // A replica is worth its start when more than the tolerance is missing, and its going when more is idle.
        let at_least = if up > now * (1.0 + above) { whole(up) } else { whole(up).min(current) };
        let at_most =
            if down < now * (1.0 - below) { whole(down) } else { whole(down).max(current) };
        let asked = Want { at_least, at_most: at_most.max(at_least).max(hold) };
        let step = SloStep::Need {
            metric: need.by,
            need: Finite::new(need.low).unwrap_or_default(),
            headroom: Finite::new(staffed(need.low) - need.low).unwrap_or_default(),
            grown: Finite::new(grown).filter(|grown| grown.get() > staffed(need.low)),
            within_tolerance: asked.of(current) == current && whole(up) > current,
        };
        self.step(asked, Some(need.by), step, trace);
        self.gate(way, trace);
    }

    /// The largest need of the last lead time, and what such a need grew by within a lead time; 0 where
    /// nothing is to be kept for growth.
    fn grown(&mut self, need: f64) -> f64 {
        let (settings, memory) = (self.settings, &mut self.memory.surge);
        let recent = memory.recent(need);
        let spare =
            fmin(memory.spare(recent, settings.surge_quantile), settings.max_surge * recent);
        memory.note(self.observation.now, need, self.lead_time);
        if settings.surge_quantile > 0.0 { recent + spare } else { 0.0 }
    }

    /// A replica whose start takes too long is no capacity on its way: another one is asked for, if the
    /// way up is open. Not for one that has no node yet, which another one would wait behind.
    fn replace_overdue<R: Recorder>(&mut self, way: Way, trace: &mut R) {
        let overdue_before = self.observation.now.saturating_sub(self.overdue_after);
        let is_overdue =
            |pod: &Startup| pod.readiness != Readiness::True && pod.start_time <= overdue_before;
        let late = self.observation.pods.live_startup().filter(is_overdue).count();
        let late = i32::try_from(late).unwrap_or(i32::MAX);
        let overdue = late.min(self.want.at_least);
        self.found.overdue = (late, overdue);
        if overdue == 0 {
            return;
        }
        let at_least = match way.up {
            true => self.want.at_least,
            false => self.want.at_least.min(self.current.saturating_sub(overdue)),
        };
        let want = Want {
            at_least: at_least.saturating_add(overdue),
            at_most: self.want.at_most.saturating_add(overdue),
        };
        self.step(want, None, SloStep::Overdue { replicas: overdue }, trace);
    }
    /// Takes note of the time, where it is asked for.
    fn remember(&mut self) {
        if !self.settings.remembers() {
            self.memory.sensing = None;
        } else if let Some(sensing) = &mut self.memory.sensing {
            sensing.looked_at = Some(self.observation.now);
        }
    }
}
