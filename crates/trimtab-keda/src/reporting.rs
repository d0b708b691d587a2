//! Which value has KEDA's HPA arrive at the count that is wanted?

use serde::{Deserialize, Serialize};
use trimtab_engine::Tolerance;

/// What the metric is called; KEDA puts the trigger's place before it.
pub const METRIC: &str = "trimtab-replicas";

/// What there is to be of the metric per replica.
pub(crate) const TARGET: f64 = 1.0;

/// The least above a whole number that is above it for every KEDA: up to 2.19 it cuts values off after three decimals,
/// since then it rounds. A power of 2, so that adding it to a count is exact.
const A_LITTLE: f64 = 1.0 / 512.0;

/// How counts become values of a metric.
///
/// The HPA asks for `ceil(value / target)` replicas of an External metric with an `AverageValue`, unless
/// `value / (target × replicas)` is within its tolerance of 1: then for as many as there are. The target is 1, so
/// without tolerance the value is the count. That is the default, and what the recommended `ScaledObject` asks for by
/// `tolerance: "0"` in both directions (KEDA 2.18 and Kubernetes 1.35, or 1.33 with `HPAConfigurableTolerance`).
///
/// Where the HPA has a tolerance, it has to be said here.
///
/// - Down, `wanted` is what the HPA makes of everything above `wanted - 1`, so the least of that is reported where
///   `wanted` would be tolerated.
/// - Up, nothing above `wanted` may be reported, so what is within the tolerance **can't be had**: see [`Within`].
///
/// ```
/// use trimtab_keda::{Reporting, Within};
///
/// let plain = Reporting::default();
/// assert_eq!(plain.of(21, 20).becomes, 21);
///
/// let tolerated = Reporting { tolerance: 0.1, within: Within::Wait };
/// assert_eq!(tolerated.of(9, 10).becomes, 9); // by a little more than 8
/// assert_eq!(tolerated.of(21, 20).becomes, 20); // 5 % above
/// assert_eq!(tolerated.of(23, 20).becomes, 23); // 15 % above
///
/// let exceeding = Reporting { tolerance: 0.1, within: Within::Exceed };
/// assert_eq!(exceeding.of(21, 20).becomes, 23);
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reporting {
    /// What the HPA tolerates, in both directions; its default is 0.1.
    pub tolerance: f64,
    /// What becomes of steps up that are tolerated.
    pub within: Within,
}

/// What becomes of a step up that the HPA's tolerance swallows.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Within {
    /// Nothing, until more is wanted: up to a tenth too few.
    #[default]
    Wait,
    /// The least step that gets through: up to a tenth too many, as long as they are tolerated.
    Exceed,
}

/// What is reported, and what becomes of it.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Report {
    /// The metric's value.
    pub value: f64,
    /// The count that the HPA then asks for, before its bounds, windows and limits.
    pub becomes: i32,
}

impl Reporting {
    /// What to report where `wanted` replicas are wanted and the HPA counts `counted` (the scale's
    /// `status.replicas`).
    pub fn of(&self, wanted: i32, counted: i32) -> Report {
        let plain = f64::from(wanted.max(0));
        let is_tolerated = self.is_tolerated(plain, counted);
        if !is_tolerated || wanted == counted {
            return Report { value: plain, becomes: wanted.max(0) };
        }
        match self.within {
            Within::Exceed if wanted > counted => {
                let more = self.first_above(wanted, counted);
                Report { value: f64::from(more), becomes: more }
            }
            Within::Wait if wanted < counted => {
                let least = plain - 1.0 + A_LITTLE;
                // Reported as up to a thousandth more.
                match self.is_tolerated(least + 0.001, counted) {
                    false => Report { value: least, becomes: wanted },
                    true => Report { value: plain, becomes: counted },
                }
            }
            _ => Report { value: plain, becomes: counted },
        }
    }

    fn is_tolerated(&self, value: f64, counted: i32) -> bool {
        let tolerance = Tolerance { down: self.tolerance, up: self.tolerance };
        tolerance.accepts(value * 1000.0 / (TARGET * 1000.0 * f64::from(counted)))
    }

    /// The least count from `wanted` on that is not tolerated.
    fn first_above(&self, wanted: i32, counted: i32) -> i32 {
        let bound = f64::from(counted) * (1.0 + self.tolerance);
        // Near enough, then exactly; the bound itself may be on either side for rounding.
        let near = if bound < f64::from(i32::MAX - 2) { bound as i32 - 1 } else { i32::MAX - 3 };
        let from = near.max(wanted);
        let mut beyond = (from..=i32::MAX).take(4);
        beyond.find(|count| !self.is_tolerated(f64::from(*count), counted)).unwrap_or(i32::MAX)
    }
}
