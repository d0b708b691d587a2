//! How many replicas the load keeps busy.

use libm::fmax;
use trimtab_metric::Timestamp;

use super::Sizing;
use crate::policy::SloRole;
use crate::strategy::slo::explain::SloStep;
use crate::strategy::slo::load::{InReplicas, Look, finite};
use crate::strategy::slo::signal::{Known, UnknownRule};
use crate::trace::{Recorder, Rule, Stage, Step};

/// The load of the demands in replicas.
#[derive(Copy, Clone, Default)]
pub(super) struct Need {
    pub(super) low: f64,
    pub(super) high: f64,
    /// The low one without what only the last seconds say: what it grows from and to.
    pub(super) settled: f64,
    /// What a load counts as, by the error budget: how many times. What it grows from and to is as it is.
    pub(super) counts: f64,
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
        let mut need = Need { counts: 1.0, ..Need::default() };
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

    /// Makes of the load what the error budget says. What was missed now counts from the next decision on.
    pub(super) fn balance<R: Recorder>(&mut self, need: &mut Need, trace: &mut R) {
        let Some(rules) = &self.settings.error_budget else {
            self.memory.error_budget = None;
            return;
        };
        let look = self.look();
        let attained = rules.attained.map(|place| look.part(place, false));
        let (attained, unknown) = attained.unwrap_or((None, false));
        need.hold |= unknown;
        let budget = self.memory.error_budget.get_or_insert_default();
        let (factor, overspent) = (budget.factor(), budget.overspent());
        if need.known {
            budget.note(self.observation.now, attained.map(|share| share.low), need.settled, rules);
        }
        need.low *= factor;
        need.high *= factor;
        need.counts = factor;
        let (factor, overspent) = (finite(factor), finite(overspent));
        let step = SloStep::ErrorBudget { metric: rules.attained.unwrap_or(0), overspent, factor };
        trace.record(|| Step::unchanged(Stage::Sense, self.current, Rule::Slo(step)));
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
