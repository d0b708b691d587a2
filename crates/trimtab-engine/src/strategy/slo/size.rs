//! From the signals to the count that `slo` wants.

use alloc::boxed::Box;

use libm::{ceil, floor, fmax, fmin, sqrt};
use trimtab_metric::{Span, Timestamp};

use super::average::{Average, Noise};
use super::explain::SloStep;
use super::found::Found;
use super::latency::stretch;
use super::load::{InReplicas, Look};
use super::signal::{Known, UnknownRule, count};
use super::state::SloState;
use super::want::Want;
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::float::from_count;
use crate::observation::{MetricReading, Observation, Readiness, Scale, Startup};
use crate::policy::{Finite, Metric, Policy, SloRole, SloSettings, SloSignal, Tolerance};
use crate::state::State;
use crate::strategy::hpa::failure_reason;
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Recorder, Rule, Stage, Step};

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

/// The load of the demands in replicas.
#[derive(Copy, Clone, Default)]
struct Need {
    low: f64,
    high: f64,
    /// The low one without what only the last seconds say: what it grows from and to.
    settled: f64,
    /// Whose load is the largest.
    by: u32,
    /// Some demand is known.
    known: bool,
    /// Some demand that is not known lets nothing go, or asks for one more.
    hold: bool,
    one_more: bool,
}

impl Sizing<'_> {
    fn run<R: Recorder>(&mut self, trace: &mut R) {
        self.parts(trace);
        let need = self.demands(trace);
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

    /// What is known of the signal at `place`.
    fn sense<R: Recorder>(&mut self, place: u32, signal: &SloSignal, trace: &mut R) -> Known {
        let Observation { now, ref pods, .. } = *self.observation;
        let known = signal.measure.of(self.observation.reading(place as usize), pods, now);
        self.sensed(place, signal, known, trace);
        known
    }

    /// What is known of the demand at `place`, and the share of it that is no matter of the last seconds.
    fn sense_demand<R: Recorder>(
        &mut self,
        place: u32,
        signal: &SloSignal,
        trace: &mut R,
    ) -> (Known, f64) {
        let Some((average, load)) = self.average(place, signal) else {
            return (self.sense(place, signal, trace), 1.0);
        };
        let known = Known::of_load(load);
        self.sensed(place, signal, known, trace);
        let step = SloStep::sampled(place, &average);
        trace.record(|| Step::unchanged(Stage::Sense, self.current, Rule::Slo(step)));
        (known, if load > 0.0 { average.mean / load } else { 1.0 })
    }

    /// Takes note of what is known of a signal.
    fn sensed<R: Recorder>(&mut self, place: u32, signal: &SloSignal, known: Known, trace: &mut R) {
        let metric = self.policy.metrics().get(place as usize);
        match known {
            Known::Value(_) => self.known = self.known.saturating_add(1),
            _ => self.failed = self.failed.or(metric.map(failure_reason)),
        }
        self.found.signal(place, signal.role, known);
        trace.record(|| {
            let name = metric.map(Metric::name).unwrap_or_default().into();
            let target = Finite::new(signal.measure.target).unwrap_or_default();
            let role = signal.role;
            let rule = Rule::Slo(SloStep::Signal { index: place, name, role, target, known });
            Step::unchanged(Stage::Sense, self.current, rule)
        });
    }

    /// What samples of a demand come to, if it was sampled: their average, and what counts of it. How
    /// noisy they are counts from the next decision on.
    fn average(&mut self, place: u32, signal: &SloSignal) -> Option<(Average, f64)> {
        let sampling = self.settings.sampling.as_ref()?;
        let reading = self.observation.reading(place as usize);
        let MetricReading::Series(sources) = reading else { return None };
        let (now, target) = (self.observation.now, signal.measure.target);
        let average = Average::of(sources, sampling, now)?;
        let memory = self.memory.sensing.get_or_insert_with(Box::default).of_mut(place);
        let noise = memory.as_ref().and_then(|memory| memory.noise);
        if let Some(memory) = memory {
            memory.noise = Noise::after(noise, &average, target, now);
        }
        let load = average.load(target, noise, sampling.noise);
        Some((average, load))
    }

    fn demands<R: Recorder>(&mut self, trace: &mut R) -> Need {
        let settings = self.settings;
        let mut need = Need::default();
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role != SloRole::Demand {
                continue;
            }
            let (known, settled) = self.sense_demand(place, signal, trace);
            match known {
                Known::Value(seen) if signal.measure.target > 0.0 => {
                    let (look, memory) = (self.look(), &mut self.memory.sensing);
                    let InReplicas { low, high, hold } =
                        look.in_replicas((place, signal), seen, memory, trace);
                    need.hold |= hold;
                    if !need.known || low > need.low {
                        need.by = place;
                    }
                    need.low = fmax(need.low, low);
                    need.settled = fmax(need.settled, low * settled);
                    need.high = fmax(need.high, high);
                    need.known = true;
                }
                Known::Value(_) => {}
                _ => {
                    need.hold |= signal.unknown_down == UnknownRule::Hold;
                    need.one_more |= signal.unknown_up == UnknownRule::AssumeLimit;
                }
            }
        }
        need
    }

    /// Which ways the triggers open: up at an activation, down under all releases.
    fn triggers<R: Recorder>(&mut self, trace: &mut R) -> Way {
        let settings = self.settings;
        let mut way = Way { up: false, down: true, floor: 0 };
        let mut any = false;
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role != SloRole::Trigger {
                continue;
            }
            any = true;
            let Known::Value(seen) = self.sense(place, signal, trace) else {
                way.up |= signal.unknown_up == UnknownRule::AssumeLimit;
                way.down &= signal.unknown_down == UnknownRule::Ignore;
                continue;
            };
            let sharers = if signal.is_shared { f64::from(self.ready.max(1)) } else { 1.0 };
            way.up |= seen.low.get() / sharers >= signal.measure.target;
            way.down &= seen.high.get() / sharers < signal.release;
            if signal.is_shared && signal.measure.target > 0.0 {
                // Fewer replicas than that would share it at the activation again.
                let fewest = floor(seen.high.get() / signal.measure.target) + 1.0;
                way.floor = way.floor.max(count(fewest));
            } else if settings.projection && signal.measure.target > 0.0 && self.is_per_pod(place) {
                // What each of them has, fewer would have to take on.
                let total = seen.high.get() * from_count(self.observation.pods.ready());
                let fewest = floor(total / signal.measure.target) + 1.0;
                way.floor = way.floor.max(count(fewest));
            }
        }
        if !any {
            return Way { up: true, down: true, floor: 0 };
        }
        way
    }

    fn is_per_pod(&self, place: u32) -> bool {
        matches!(self.observation.reading(place as usize), MetricReading::PerPod(_))
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
        let grown = self.grown(need.settled);
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

    /// The triggers decide whether: a way that is closed is not gone.
    fn gate<R: Recorder>(&mut self, way: Way, trace: &mut R) {
        let Want { at_least, at_most } = self.want;
        if !way.up && at_least > self.current {
            let want = Want { at_least: self.current, at_most: at_most.max(self.current) };
            self.step(want, None, SloStep::NotTriggered, trace);
        }
        let floor = if way.down { way.floor.min(self.current) } else { self.current };
        if floor > self.want.of(self.current) {
            let want = Want { at_most: self.want.at_most.max(floor), ..self.want };
            self.step(want, None, SloStep::NotReleased { floor }, trace);
        }
    }

    fn latencies<R: Recorder>(&mut self, need: &Need, way: Way, trace: &mut R) {
        let settings = self.settings;
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role != SloRole::Latency {
                continue;
            }
            let Known::Value(seen) = self.sense(place, signal, trace) else {
                self.unknown(place, signal, trace);
                continue;
            };
            let ratio = seen.low.get() / signal.measure.target;
            if ratio > 1.0 && way.up {
                self.stretch(place, ratio, need, trace);
            }
            if ratio > settings.hold_ratio && self.want.of(self.current) < self.current {
                let want = Want { at_most: self.current, ..self.want };
                self.step(want, None, SloStep::HeldByLatency { metric: place }, trace);
            }
        }
    }

    /// More by a latency: of the ready replicas, and no more than the load and its limit allow.
    fn stretch<R: Recorder>(&mut self, place: u32, ratio: f64, need: &Need, trace: &mut R) {
        let (settings, now) = (self.settings, self.observation.now);
        let settled = |at: Timestamp| at.saturating_add(settings.settle) <= now;
        if !self.memory.ready_rose_at.is_none_or(settled) || self.ready == 0 {
            return;
        }
        let stretched = f64::from(self.ready) * stretch(ratio, settings.latency);
        let most = if need.known {
            f64::from(self.want.at_least.max(1)) * (1.0 + settings.max_boost)
        } else {
            f64::INFINITY
        };
        let asked = count(ceil(fmin(stretched, most) - ROUNDING));
        let ratio = Finite::new(ratio).unwrap_or_default();
        let step = SloStep::Latency { metric: place, ratio, ready: self.ready };
        self.step(self.want.and(Want::exactly(asked)), Some(place), step, trace);
    }

    /// What a latency or a guard says while nothing is known of it.
    fn unknown<R: Recorder>(&mut self, place: u32, signal: &SloSignal, trace: &mut R) {
        let mut want = self.want;
        if signal.unknown_down == UnknownRule::Hold {
            want = want.and(Want::hold(self.current));
        }
        if signal.unknown_up == UnknownRule::AssumeLimit && self.current <= self.ready {
            want = want.and(Want::exactly(self.current.saturating_add(1)));
        }
        if want.of(self.current) != self.at {
            self.step(want, Some(place), SloStep::Unknown { metric: place }, trace);
        } else {
            self.want = want;
        }
    }

    /// Guards only raise: over its limit nothing goes, over its hard limit one more is asked for,
    /// unless one is on its way.
    fn guards<R: Recorder>(&mut self, trace: &mut R) {
        let settings = self.settings;
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role != SloRole::Guard {
                continue;
            }
            let Known::Value(seen) = self.sense(place, signal, trace) else {
                self.unknown(place, signal, trace);
                continue;
            };
            let is_hard = signal.hard_limit.is_some_and(|limit| seen.low.get() >= limit);
            let one_more = is_hard && self.current <= self.ready;
            let floor = if one_more {
                self.current.saturating_add(1)
            } else if seen.low.get() >= signal.measure.target {
                self.current
            } else {
                continue;
            };
            self.found.guard(place, is_hard, floor);
            if floor > self.want.of(self.current) {
                let at_least = if one_more { floor } else { 0 };
                let want = self.want.and(Want { at_least, at_most: floor });
                self.step(want, Some(place), SloStep::Guard { metric: place, one_more }, trace);
            }
        }
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
}

impl<'a> Sizing<'a> {
    /// What demands and the service model are made of: told, and nothing by itself.
    fn parts<R: Recorder>(&mut self, trace: &mut R) {
        let settings = self.settings;
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role == SloRole::Part {
                let known = self.known;
                self.sense(place, signal, trace);
                self.known = known;
            }
        }
    }

    /// What a demand is looked at with.
    fn look(&self) -> Look<'a> {
        let Self { settings, observation, current, ready, .. } = *self;
        let settled = |at: Timestamp| at.saturating_add(settings.settle) <= observation.now;
        let settled = self.memory.ready_rose_at.is_none_or(settled);
        let period = self.policy.period();
        Look { settings, observation, current, ready, settled, period }
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

/// Which ways the triggers open.
#[derive(Copy, Clone)]
struct Way {
    up: bool,
    down: bool,
    /// With fewer replicas a trigger would open the way up again.
    floor: i32,
}
