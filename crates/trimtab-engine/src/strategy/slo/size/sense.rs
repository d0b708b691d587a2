//! What is known of each signal.

use alloc::boxed::Box;

use super::Sizing;
use crate::observation::{MetricReading, Observation};
use crate::policy::{Finite, Metric, SloRole, SloSignal};
use crate::strategy::hpa::failure_reason;
use crate::strategy::slo::average::{Average, Noise};
use crate::strategy::slo::explain::SloStep;
use crate::strategy::slo::signal::Known;
use crate::trace::{Recorder, Rule, Stage, Step};

impl Sizing<'_> {
    /// What demands and the service model are made of: told, and nothing by itself.
    pub(super) fn parts<R: Recorder>(&mut self, trace: &mut R) {
        let settings = self.settings;
        for (place, signal) in (0..).zip(&settings.signals) {
            if signal.role == SloRole::Part {
                let known = self.known;
                self.sense(place, signal, trace);
                self.known = known;
            }
        }
    }

    /// What is known of the signal at `place`.
    pub(super) fn sense<R: Recorder>(
        &mut self,
        place: u32,
        signal: &SloSignal,
        trace: &mut R,
    ) -> Known {
        let Observation { now, ref pods, .. } = *self.observation;
        let known = signal.measure.of(self.observation.reading(place as usize), pods, now);
        self.sensed(place, signal, known, trace);
        known
    }

    /// What is known of the demand at `place`, and the share of it that is no matter of the last seconds.
    pub(super) fn sense_demand<R: Recorder>(
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
        let borne = f64::from(self.ready) * sampling.burst_threshold;
        let load = average.load(target, noise, sampling.noise, borne);
        Some((average, load))
    }
}
