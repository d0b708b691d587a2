//! How many replicas the load keeps busy.

use libm::fmax;
use trimtab_metric::Timestamp;

use super::Sizing;
use crate::policy::SloRole;
use crate::strategy::slo::load::{InReplicas, Look};
use crate::strategy::slo::signal::{Known, UnknownRule};
use crate::trace::Recorder;

/// The load of the demands in replicas.
#[derive(Copy, Clone, Default)]
pub(super) struct Need {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The low one without what only the last seconds say: what it grows from and to.
    pub(super) settled: f64,
    /// Whose load is the largest.
    pub(super) by: u32,
    /// Some demand is known.
    pub(super) known: bool,
    /// Some demand that is not known lets nothing go, or asks for one more.
    pub(super) hold: bool,
    pub(super) one_more: bool,
}

impl<'a> Sizing<'a> {
    /// What the demands come to together.
    pub(super) fn demands<R: Recorder>(&mut self, trace: &mut R) -> Need {
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

    /// What a demand is looked at with.
    fn look(&self) -> Look<'a> {
        let Self { settings, observation, current, ready, .. } = *self;
        let settled = |at: Timestamp| at.saturating_add(settings.settle) <= observation.now;
        let settled = self.memory.ready_rose_at.is_none_or(settled);
        let period = self.policy.period();
        Look { settings, observation, current, ready, settled, period }
    }
}
