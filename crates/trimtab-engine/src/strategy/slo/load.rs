//! From what a demand reads to how many replicas that is: with what its reading leaves out, by what a
//! replica has been seen to take, or by the model of one.

use alloc::boxed::Box;

use trimtab_metric::{Span, Timestamp};

use super::explain::SloStep;
use super::model::{Mix, Staffing};
use super::offered::{Backlog, Load, Part, Reading, offered};
use super::sensing::SensingState;
use super::signal::{Known, Measure, Seen, UnknownRule};
use crate::float::from_i64;
use crate::observation::Observation;
use crate::policy::{Finite, SloModel, SloOffered, SloSettings, SloSignal, SloTokens};
use crate::trace::{Recorder, Rule, Stage, Step};

/// A replica that is so busy by its model tells nothing about it: more may come than it takes.
const BUSY: f64 = 0.9;

/// What a demand is looked at with.
pub(super) struct Look<'a> {
    pub(super) settings: &'a SloSettings,
    pub(super) observation: &'a Observation,
    pub(super) current: i32,
    pub(super) ready: i32,
    /// Since replicas became ready, long enough has passed for readings to be of the replicas there are.
    pub(super) settled: bool,
    /// How long it is from one look to the next, where that is not known.
    pub(super) period: Span,
}

/// A demand in replicas.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct InReplicas {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Not all of it is known, so nothing may go.
    pub(super) hold: bool,
}

/// A load between two values, and whether more than that is not known.
#[derive(Copy, Clone)]
struct Sum {
    low: f64,
    high: f64,
    hold: bool,
}

impl SloSettings {
    /// Whether anything is sensed that has to be remembered.
    pub(super) fn remembers(&self) -> bool {
        self.model.is_some()
            || self.sampling.is_some()
            || self.signals.iter().any(|own| own.offered.is_some() || own.learned.is_some())
    }
}

impl Look<'_> {
    /// The demand at `place`, in replicas; its target is above 0.
    pub(super) fn in_replicas<R: Recorder>(
        &self,
        (place, signal): (u32, &SloSignal),
        seen: Seen,
        memory: &mut Option<Box<SensingState>>,
        trace: &mut R,
    ) -> InReplicas {
        let own = Sum { low: seen.low.get(), high: seen.high.get(), hold: false };
        if !self.settings.remembers() {
            return own.over(signal.measure.target);
        }
        let memory = memory.get_or_insert_with(Box::default);
        let load = match &signal.offered {
            Some(spec) => self.offered(place, spec, seen, memory, trace),
            None => own,
        };
        match &self.settings.model {
            Some(model) if model.rate == Some(place) => {
                let by_model = self.by_model(place, model, load, memory, trace);
                self.refit(model, seen, memory);
                by_model.unwrap_or_else(|hold| {
                    Sum { hold: load.hold | hold, ..load }.over(signal.measure.target)
                })
            }
            _ => self.over_target((place, signal), seen, load, memory, trace),
        }
    }

    /// What one of the metrics that a policy names beside a demand says; and whether nothing may go
    /// because it says nothing.
    pub(super) fn part(&self, place: u32, is_load: bool) -> (Option<Part>, bool) {
        let Some(signal) = self.settings.signals.get(place as usize) else { return (None, false) };
        let Observation { now, ref pods, .. } = *self.observation;
        let measure = Measure { is_load, ..signal.measure };
        match measure.of(self.observation.reading(place as usize), pods, now) {
            Known::Value(Seen { low, high, .. }) => {
                (Some(Part { low: low.get(), high: high.get() }), false)
            }
            _ => (None, signal.unknown_down == UnknownRule::Hold),
        }
    }

    /// The load that is offered, and more than that if the reading is cut off.
    fn offered<R: Recorder>(
        &self,
        place: u32,
        spec: &SloOffered,
        seen: Seen,
        memory: &mut SensingState,
        trace: &mut R,
    ) -> Sum {
        let now = self.observation.now;
        let mut hold = false;
        let mut part = |place: Option<u32>| {
            let (part, unknown) = place.map_or((None, false), |place| self.part(place, true));
            hold |= unknown;
            part
        };
        let own = Part { low: seen.low.get(), high: seen.high.get() };
        let (waiting, backlog) = (part(spec.waiting), part(spec.backlog));
        let read = Reading {
            own,
            waiting: waiting.unwrap_or_default(),
            rejected: part(spec.rejected).unwrap_or_default(),
            rejected_per_second: part(spec.rejected_per_second).unwrap_or_default(),
            backlog,
        };
        let nothing = Backlog::default();
        let before = memory.of(place).map_or(&nothing, |demand| &demand.backlog);
        let load = offered(spec, &read, before, now, self.seconds_since_last(memory));
        if let Some(backlog) = backlog
            && let Some(demand) = memory.of_mut(place)
        {
            demand.backlog.note(now, backlog.low);
        }
        self.note(|| SloStep::offered(place, own.low, load), trace);
        let queue = waiting.or(backlog).unwrap_or_default();
        let (is_cut, may_be_cut) = self.is_cut_off(spec, own, queue);
        let factor = if is_cut && self.settled { spec.censored_factor } else { 1.0 };
        if is_cut || may_be_cut {
            let factor = finite(factor);
            self.note(|| SloStep::Censored { metric: place, factor }, trace);
        }
        let Load { low, high, .. } = load;
        Sum { low: low * factor, high: high * factor, hold: hold | is_cut | may_be_cut }
    }

    /// Whether the reading is as much as there can be, by what is known and by what may be.
    fn is_cut_off(&self, spec: &SloOffered, own: Part, queue: Part) -> (bool, bool) {
        let ready = f64::from(self.ready);
        let at_most = |own: f64, queue: f64| {
            self.ready > 0 && spec.censored_at.is_some_and(|most| own >= most * ready)
                || spec.queue_censored_at.is_some_and(|most| queue >= most)
        };
        (at_most(own.low, queue.low), at_most(own.high, queue.high))
    }

    fn seconds_since_last(&self, memory: &SensingState) -> f64 {
        let now = self.observation.now;
        let since = |at: Timestamp| now.since(at);
        let span = memory.looked_at.map(since).filter(|span| *span > Span::ZERO);
        from_i64(span.unwrap_or(self.period).as_millis()) / 1000.0
    }

    /// Load over target, or over what a replica has been seen to take.
    fn over_target<R: Recorder>(
        &self,
        (place, signal): (u32, &SloSignal),
        seen: Seen,
        load: Sum,
        memory: &mut SensingState,
        trace: &mut R,
    ) -> InReplicas {
        let Some(spec) = &signal.learned else { return load.over(signal.measure.target) };
        let Some(demand) = memory.of_mut(place) else { return load.over(signal.measure.target) };
        let learned = &mut demand.learned;
        let target = learned.target(signal.measure.target, spec.share);
        if let Some(capacity) = learned.capacity() {
            let observations = learned.observations();
            let (capacity, target) = (finite(capacity), finite(target));
            let metric = place;
            self.note(|| SloStep::Capacity { metric, capacity, target, observations }, trace);
        }
        let queue = spec.queue.and_then(|place| self.part(place, true).0);
        let ready = f64::from(self.ready);
        let is_full = queue.is_some_and(|queue| queue.low >= spec.queue_at * ready);
        if is_full && self.settled && self.ready > 0 && seen.silent == 0 {
            learned.note(seen.low.get() / ready);
        }
        load.over(target)
    }

    /// By the model of a replica; whether nothing may go, if the mix of requests is not known.
    fn by_model<R: Recorder>(
        &self,
        place: u32,
        spec: &SloModel,
        load: Sum,
        memory: &SensingState,
        trace: &mut R,
    ) -> Result<InReplicas, bool> {
        let ((mix, dearest), unknown) = self.mix(spec)?;
        let slowness = memory.refit.as_ref().map_or(1.0, super::refit::Refit::factor);
        let model = spec.model.slower(slowness);
        let low = model.staff(mix, &spec.objectives, load.low);
        let same = load.low == load.high && mix == dearest;
        let high = if same { low } else { model.staff(dearest, &spec.objectives, load.high) };
        self.note(
            || {
                let Staffing { replicas, sustained, ttft, out_of_reach } = low;
                SloStep::Model {
                    metric: place,
                    rate: finite(load.low),
                    input_tokens: finite(mix.input),
                    output_tokens: finite(mix.output),
                    sustained: finite(sustained),
                    replicas: finite(replicas),
                    ttft: finite(ttft),
                    out_of_reach,
                    slowness: spec.refit.map(|_| finite(slowness)),
                }
            },
            trace,
        );
        let high = libm::fmax(low.replicas, high.replicas);
        Ok(InReplicas { low: low.replicas, high, hold: load.hold | unknown })
    }

    /// The mean tokens of requests, least and most; and whether they stand for what is not known.
    fn mix(&self, spec: &SloModel) -> Result<((Mix, Mix), bool), bool> {
        let tokens = |tokens: SloTokens| {
            let (part, hold) = tokens.metric.map_or((None, false), |place| self.part(place, false));
            match part.filter(|part| part.low > 0.0) {
                Some(part) => Ok((part, false)),
                None => match tokens.constant {
                    Some(constant) => Ok((Part { low: constant, high: constant }, hold)),
                    None => Err(hold),
                },
            }
        };
        let (input, output) = (tokens(spec.input), tokens(spec.output));
        let unknown = |tokens: Result<(Part, bool), bool>| tokens.map_or_else(|it| it, |it| it.1);
        let hold = unknown(input) | unknown(output);
        let (Ok((input, _)), Ok((output, _))) = (input, output) else { return Err(hold) };
        let least = Mix { input: input.low, output: output.low };
        Ok(((least, Mix { input: input.high, output: output.high }), hold))
    }

    /// Learns how much slower than told the replicas are, from one that is not too busy to show it.
    fn refit(&self, spec: &SloModel, seen: Seen, memory: &mut SensingState) {
        let Some(place) = spec.refit else { return };
        let (Some(tpot), Ok(((mix, _), _))) = (self.part(place, false).0, self.mix(spec)) else {
            return;
        };
        if !self.settled || self.ready <= 0 || tpot.low <= 0.0 {
            return;
        }
        let each = seen.low.get() / f64::from(self.ready);
        let refit = memory.refit.get_or_insert_default();
        let busy = spec.model.slower(refit.factor()).busy(mix, each);
        if busy < BUSY {
            refit.note(spec.model.slowness(mix, each, tpot.low / 1000.0));
        }
    }

    fn note<R: Recorder>(&self, step: impl FnOnce() -> SloStep, trace: &mut R) {
        trace.record(|| Step::unchanged(Stage::Sense, self.current, Rule::Slo(step())));
    }
}

impl Sum {
    fn over(self, target: f64) -> InReplicas {
        InReplicas { low: self.low / target, high: self.high / target, hold: self.hold }
    }
}

/// What no finite number is, an infinite time, counts as the largest.
pub(super) fn finite(value: f64) -> Finite {
    Finite::new(libm::fmin(value, f64::MAX)).unwrap_or_default()
}
