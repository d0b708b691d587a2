//! Whether there may be more, or fewer.

use libm::floor;

use super::Sizing;
use crate::float::from_count;
use crate::observation::MetricReading;
use crate::policy::SloRole;
use crate::strategy::slo::explain::SloStep;
use crate::strategy::slo::signal::{Known, UnknownRule, count};
use crate::strategy::slo::want::Want;
use crate::trace::Recorder;

/// Which ways the triggers open.
#[derive(Copy, Clone)]
pub(super) struct Way {
    pub(super) up: bool,
    pub(super) down: bool,
    /// With fewer replicas a trigger would open the way up again.
    pub(super) floor: i32,
}

impl Sizing<'_> {
    /// Which ways the triggers open: up at an activation, down under all releases.
    pub(super) fn triggers<R: Recorder>(&mut self, trace: &mut R) -> Way {
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

    /// The triggers decide whether: a way that is closed is not gone.
    pub(super) fn gate<R: Recorder>(&mut self, way: Way, trace: &mut R) {
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
}
