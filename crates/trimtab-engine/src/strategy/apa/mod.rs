//! AIBrix's APA: the count times the ratio of a metric to its target, within a rate per tick.
//!
//! Each metric is averaged over the replicas and then over a [`Window`]; [`propose`] makes a count
//! of it. The largest proposal counts, within the bounds, and goes through the [`Cooldown`].
//!
//! As of vllm-project/aibrix e3e10f9e (2026-08-22), `pkg/controller/podautoscaler`. The panic window
//! is KPA's alone: APA does not look at it. Absent are KPA, bounds by the time of day, and scaling by
//! role.

mod cooldown;
mod explain;
mod size;
mod window;

pub use cooldown::Cooldown;
pub use explain::ApaStep;
pub use size::ApaState;
pub use window::{Sample, Window};

pub(crate) use explain::words;
pub(crate) use size::size;

use crate::float::to_i32;
use libm::{ceil, floor};

/// How far off target is near enough, and how far one tick may go.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Rates {
    /// More than this above the target, as a share of it, asks for more.
    pub up_tolerance: f64,
    /// More than this below the target, as a share of it, asks for fewer.
    pub down_tolerance: f64,
    /// At most this many times the current count.
    pub max_up: f64,
    /// At least the current count divided by this.
    pub max_down: f64,
}

impl Default for Rates {
    /// A tenth both ways, twice and half.
    fn default() -> Self {
        Self { up_tolerance: 0.1, down_tolerance: 0.1, max_up: 2.0, max_down: 2.0 }
    }
}

/// What one metric asks for.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The metric over its target.
    pub ratio: f64,
    /// The count before [`Proposal::reach`].
    pub wanted: i32,
    /// How far one tick may go.
    pub reach: Reach,
}

/// How far one tick may go.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Near enough to the target: the count stays.
    Stays,
    /// Up to this many.
    AtMost(i32),
    /// Down to this many.
    AtLeast(i32),
}

impl Proposal {
    /// The count that is asked for.
    pub fn replicas(&self) -> i32 {
        match self.reach {
            Reach::Stays => self.wanted,
            Reach::AtMost(limit) => self.wanted.min(limit),
            Reach::AtLeast(limit) => self.wanted.max(limit),
        }
    }
}

/// What a metric's average asks for. A target that is not above 0 asks for no change.
///
/// The limit up is rounded up, the limit down is rounded down. A count of 0 stays 0 whatever the
/// metric is: APA can't wake a workload. A count that no `i32` holds is the least one, as in a
/// binary for amd64, and the bounds make the minimum of it.
///
/// ```
/// use trimtab_engine::strategy::apa::{Rates, propose};
///
/// let of = |value| propose(4, value, 10.0, Rates::default()).replicas();
/// assert_eq!(of(11.0), 4); // near enough
/// assert_eq!(of(13.0), 6); // 4 × 1.3, rounded up
/// assert_eq!(of(50.0), 8); // no more than twice as many
/// assert_eq!(of(1.0), 2); // no fewer than half
/// ```
pub fn propose(current: i32, value: f64, target: f64, rates: Rates) -> Proposal {
    if target <= 0.0 {
        return Proposal { ratio: 1.0, wanted: current, reach: Reach::Stays };
    }
    let ratio = value / target;
    let pods = f64::from(current);
    let wanted = to_i32(ceil(pods * ratio));
    if ratio > 1.0 + rates.up_tolerance {
        let reach = Reach::AtMost(to_i32(ceil(rates.max_up * pods)));
        Proposal { ratio, wanted, reach }
    } else if ratio < 1.0 - rates.down_tolerance {
        let reach = Reach::AtLeast(to_i32(floor(pods / rates.max_down)));
        Proposal { ratio, wanted, reach }
    } else {
        Proposal { ratio, wanted: current, reach: Reach::Stays }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates =
        Rates { up_tolerance: 0.1, down_tolerance: 0.1, max_up: 2.0, max_down: 2.0 };

    #[test]
    fn the_edges_of_the_tolerance_hold() {
        let of = |value| propose(10, value, 100.0, RATES).replicas();
        assert_eq!([of(90.0), of(100.0), of(110.0)], [10, 10, 10]);
        assert_eq!([of(89.9), of(110.1)], [9, 12]);
    }

    #[test]
    fn odd_counts_round_against_the_limit() {
        let rates = Rates { max_up: 1.5, ..RATES };
        assert_eq!(propose(3, 9.0, 1.0, rates).replicas(), 5);
        assert_eq!(propose(3, 0.0, 1.0, RATES).replicas(), 1);
        assert_eq!(propose(1, 0.0, 1.0, RATES).replicas(), 0);
    }

    #[test]
    fn nothing_wakes_from_zero() {
        assert_eq!(propose(0, 1e9, 1.0, RATES).replicas(), 0);
    }

    #[test]
    fn a_count_beyond_all_integers_is_the_least() {
        assert_eq!(propose(3, 1e9, 1.0, RATES).replicas(), i32::MIN);
    }

    #[test]
    fn a_target_of_nothing_asks_for_nothing() {
        assert_eq!(propose(4, 9.0, 0.0, RATES).replicas(), 4);
        assert_eq!(propose(4, 9.0, -1.0, RATES).replicas(), 4);
    }

    proptest! {
        #[test]
        fn within_the_tolerance_the_count_holds(
            current in 0_i32..1_000, target in 0.1..1e6_f64, off in -0.099..0.099_f64,
        ) {
            let proposal = propose(current, target * (1.0 + off), target, RATES);
            prop_assert_eq!(proposal.replicas(), current);
        }

        #[test]
        fn one_tick_goes_no_further_than_its_rates(
            current in 0_i32..1_000, value in 0.0..1e5_f64, target in 0.1..1e6_f64,
        ) {
            let wanted = propose(current, value, target, RATES).replicas();
            prop_assert!(wanted <= current * 2 && wanted >= current / 2);
        }

        #[test]
        fn more_load_never_asks_for_less(
            current in 0_i32..1_000, value in 0.0..1e5_f64, more in 0.0..1e5_f64,
            target in 0.1..1e6_f64,
        ) {
            let of = |value| propose(current, value, target, RATES).replicas();
            prop_assert!(of(value + more) >= of(value));
        }

        #[test]
        fn nothing_panics(current in any::<i32>(), value in any::<f64>(), target in any::<f64>()) {
            propose(current, value, target, RATES).replicas();
        }
    }
}
