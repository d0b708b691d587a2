//! What latencies and guards say beside the load.

use libm::{ceil, fmin};
use trimtab_metric::Timestamp;

use super::demands::Need;
use super::triggers::Way;
use super::{ROUNDING, Sizing};
use crate::policy::{Finite, SloRole, SloSignal};
use crate::strategy::slo::explain::SloStep;
use crate::strategy::slo::latency::stretch;
use crate::strategy::slo::signal::{Known, UnknownRule, count};
use crate::strategy::slo::want::Want;
use crate::trace::Recorder;

impl Sizing<'_> {
    /// Over an objective more than the load needs, and near it nothing goes.
    pub(super) fn latencies<R: Recorder>(&mut self, need: &Need, way: Way, trace: &mut R) {
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
    pub(super) fn guards<R: Recorder>(&mut self, trace: &mut R) {
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
}
