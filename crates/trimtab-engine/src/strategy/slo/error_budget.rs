//! How much a load counts as, learned from how many requests miss what was promised.

use libm::{exp, fmax, fmin};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::policy::{Finite, SloErrorBudget};

/// A reading speaks for so long at most: where nobody looked, nothing is known.
const LONGEST: Span = Span::from_secs(60);
/// What a whole budget too much or too little makes a load count as, as the logarithm of the factor. Halving the
/// requests that miss takes about an eighth more capacity, so the share that misses is about the sixth power of
/// it; with a sixth the budget comes out within about a window.
const PER_BUDGET: f64 = 1.0 / 6.0;

/// What is left of an error budget, and what a load counts as by it.
///
/// What misses is added up, each share by the load at its time, less what may miss; and the more that is, the more a
/// load counts as. It comes to rest where just so many miss as may, as long as what a load counts as stays
/// within its bounds. With targets that are right it counts as itself.
///
/// ```
/// use trimtab_engine::strategy::slo::ErrorBudget;
///
/// let budget = ErrorBudget::default();
/// assert_eq!((budget.factor(), budget.overspent()), (1.0, 0.0));
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorBudget {
    /// What was missed beyond what may be, in budgets of a window; below 0 what is to spare.
    overspent: Finite,
    /// The load in the mean over about a window, in replicas.
    mean: Finite,
    /// When it was last looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    looked_at: Option<Timestamp>,
}

impl ErrorBudget {
    /// What a load is multiplied by.
    pub fn factor(&self) -> f64 {
        exp(self.overspent.get() * PER_BUDGET)
    }

    /// What was missed beyond what may be, in budgets of a window; below 0 what is to spare.
    pub fn overspent(&self) -> f64 {
        self.overspent.get()
    }

    /// Takes note of the share of requests that kept the promise, if it is known, at a load in replicas.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        attained: Option<f64>,
        load: f64,
        rules: &SloErrorBudget,
    ) {
        let Some(before) = self.looked_at.replace(now) else {
            self.mean = Finite::new(load).unwrap_or_default();
            return;
        };
        let Some(attained) = attained else { return };
        let passed = fmax(now.since(before).min(LONGEST).as_secs_f64(), 0.0);
        let part = passed / fmax(rules.window.as_secs_f64(), 1.0);
        let mean = self.mean.get() + (load - self.mean.get()) * (1.0 - exp(-part));
        let weight = if mean > 0.0 { load / mean } else { 0.0 };
        let missed = fmin(fmax(1.0 - attained, 0.0), 1.0);
        let budgets = missed / fmax(rules.may_miss, f64::EPSILON) - 1.0;
        let (least, most) = rules.logs;
        let overspent = self.overspent.get() + part * weight * budgets;
        let overspent = fmin(fmax(overspent, least / PER_BUDGET), most / PER_BUDGET);
        self.overspent = Finite::new(overspent).unwrap_or_default();
        self.mean = Finite::new(mean).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use libm::log;
    use proptest::prelude::*;

    use super::*;

    fn rules(window: i64, bounds: (f64, f64)) -> SloErrorBudget {
        SloErrorBudget {
            attained: Some(0),
            may_miss: 0.01,
            window: Span::from_secs(window),
            logs: (log(bounds.0), log(bounds.1)),
        }
    }

    /// So many seconds later, what it is after this share was seen at this load.
    fn after(
        budget: &mut ErrorBudget,
        second: i64,
        attained: f64,
        load: f64,
        rules: &SloErrorBudget,
    ) {
        budget.note(Timestamp::from_secs(second), Some(attained), load, rules);
    }

    #[test]
    fn just_as_many_as_may_miss_leave_it_as_it_is() {
        let rules = rules(3600, (0.6, 1.6));
        let mut budget = ErrorBudget::default();
        (0..2000).for_each(|look| after(&mut budget, look * 15, 0.99, 8.0, &rules));
        assert!(budget.overspent().abs() < 1e-9, "{budget:?}");
    }

    #[test]
    fn a_window_without_a_miss_spares_a_budget() {
        let rules = rules(3600, (0.6, 1.6));
        let mut budget = ErrorBudget::default();
        (0..=240).for_each(|look| after(&mut budget, look * 15, 1.0, 8.0, &rules));
        assert!((budget.overspent() + 1.0).abs() < 1e-9, "{budget:?}");
        assert!((budget.factor() - exp(-1.0 / 6.0)).abs() < 1e-9);
        // A hundredth of the window in which all miss costs as much.
        for look in 0..36 {
            after(&mut budget, 3600 + 1 + look, 0.0, 8.0, &rules);
        }
        assert!((budget.overspent() + 0.01).abs() < 0.02, "{budget:?}");
    }

    #[test]
    fn where_nothing_is_known_nothing_is_learned() {
        let rules = rules(3600, (0.6, 1.6));
        let mut budget = ErrorBudget::default();
        after(&mut budget, 0, 1.0, 8.0, &rules);
        for look in 1..1000 {
            budget.note(Timestamp::from_secs(look * 15), None, 8.0, &rules);
        }
        assert_eq!(budget.overspent(), 0.0);
        // Nor from the time for which nobody looked, but for a minute.
        after(&mut budget, 1_000_000, 1.0, 8.0, &rules);
        assert!((budget.overspent() + 60.0 / 3600.0).abs() < 1e-9);
    }

    proptest! {
        /// Of a service whose misses are some power of what there is beyond its load, just so many come to miss,
        /// whatever the targets were.
        #[test]
        fn as_many_come_to_miss_as_may(
            right in 0.7..1.4_f64,
            power in 2.0..8.0_f64,
            loads in prop::collection::vec(1.0..20.0_f64, 24),
        ) {
            let rules = rules(86_400, (0.5, 2.0));
            let mut budget = ErrorBudget::default();
            let (mut missed, mut all) = (0.0, 0.0);
            for look in 0_i64..40 * 24 * 60 {
                let hour = usize::try_from(look / 60 % 24).unwrap();
                let load = loads[hour];
                let share = fmin(0.01 * libm::pow(right / budget.factor(), power), 1.0);
                after(&mut budget, look * 60, 1.0 - share, load, &rules);
                if look > 20 * 24 * 60 {
                    missed += share * load;
                    all += load;
                }
            }
            prop_assert!((missed / all / 0.01 - 1.0).abs() < 0.05, "{} {budget:?}", missed / all);
        }

        /// What a load counts as stays within its bounds, whatever is read.
        #[test]
        fn it_stays_within_its_bounds(
            looks in prop::collection::vec((0_i64..100_000, -1.0..3.0_f64, 0.0..1e9_f64), 0..100),
        ) {
            let rules = rules(60, (0.6, 1.6));
            let mut budget = ErrorBudget::default();
            let mut now = 0;
            for (pause, attained, load) in looks {
                now += pause;
                after(&mut budget, now, attained, load, &rules);
                prop_assert!((0.6 - 1e-9..=1.6 + 1e-9).contains(&budget.factor()), "{budget:?}");
            }
        }
    }
}
