//! How much slower or faster the replicas are than their model says, learned from what they show.

use libm::{exp, fmax, fmin, log, sqrt};
use serde::{Deserialize, Serialize};

use crate::policy::Finite;

/// The variance of what is not known in the beginning: half as long again or so is no surprise.
const AT_FIRST: f64 = 0.16;
/// The variance of one reading: a tenth off.
const OF_A_READING: f64 = 0.01;
/// By how much the variance grows from look to look: servers change.
const BETWEEN_LOOKS: f64 = 1e-4;
/// A reading whose squared distance over its variance is larger is an outlier: one in a hundred of
/// those that are none.
const GATE: f64 = 6.63;
/// After so many outliers in a row it is the replicas that changed.
const PERSUADED: u32 = 8;
/// The model holds within this factor, either way.
const FARTHEST: f64 = 3.0;

/// How many times as long as its model says a replica takes: a Kalman filter over the logarithm of
/// what single readings say, with a gate in front.
///
/// A reading counts by how sure it is beside what is known. One whose normalized innovation is in the
/// last hundredth is left out; eight of them in a row are no outliers. What comes out stays within a
/// factor of three.
///
/// ```
/// use trimtab_engine::strategy::slo::Refit;
///
/// let mut refit = Refit::default();
/// assert_eq!(refit.factor(), 1.0);
/// assert!((0..40).all(|_| refit.note(1.3)));
/// assert!((refit.factor() - 1.3).abs() < 0.01);
/// assert!(!refit.note(9.0));
/// assert!((refit.factor() - 1.3).abs() < 0.01);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refit {
    /// The logarithm of the factor.
    log: Finite,
    /// Its variance.
    variance: Finite,
    /// Outliers since the last reading that was none.
    #[serde(default)]
    outliers: u32,
}

impl Default for Refit {
    fn default() -> Self {
        let variance = Finite::new(AT_FIRST).unwrap_or_default();
        Self { log: Finite::default(), variance, outliers: 0 }
    }
}

impl Refit {
    /// How many times as long as told everything takes, from a third to three.
    pub fn factor(&self) -> f64 {
        let farthest = log(FARTHEST);
        exp(fmin(fmax(self.log.get(), -farthest), farthest))
    }

    /// The standard deviation of the factor's logarithm.
    pub fn deviation(&self) -> f64 {
        sqrt(fmax(self.variance.get(), 0.0))
    }

    /// Takes note of what a reading says. Returns whether it counts.
    pub fn note(&mut self, factor: f64) -> bool {
        let said = log(factor);
        if !said.is_finite() {
            return false;
        }
        let farthest = log(FARTHEST);
        let before = fmin(fmax(self.log.get(), -farthest), farthest);
        let known = fmin(fmax(self.variance.get(), 0.0) + BETWEEN_LOOKS, AT_FIRST);
        let off = said - before;
        if off * off > GATE * (known + OF_A_READING) {
            self.outliers = self.outliers.saturating_add(1);
            if self.outliers < PERSUADED {
                return false;
            }
            // They all say that what was known is over: begin where they are.
            *self = Self::default();
            self.log = Finite::new(fmin(fmax(said, -farthest), farthest)).unwrap_or_default();
            return true;
        }
        let gain = known / (known + OF_A_READING);
        let after = fmin(fmax(before + gain * off, -farthest), farthest);
        self.log = Finite::new(after).unwrap_or_default();
        self.variance = Finite::new((1.0 - gain) * known).unwrap_or_default();
        self.outliers = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_outlier_is_none_and_eight_are_a_change() {
        let mut refit = Refit::default();
        (0..30).for_each(|_| assert!(refit.note(1.0)));
        for _ in 0..7 {
            assert!(!refit.note(2.5));
            assert!((refit.factor() - 1.0).abs() < 1e-9);
        }
        assert!(refit.note(2.5));
        assert!((refit.factor() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_factor_says_nothing() {
        let mut refit = Refit::default();
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(!refit.note(nonsense));
        }
        assert_eq!(refit, Refit::default());
    }

    proptest! {
        /// It comes to what is true, through noise and now and then an outlier.
        #[test]
        fn it_finds_what_is_true(
            truth in 0.5..2.0_f64,
            noise in prop::collection::vec((-0.15..0.15_f64, prop::bool::weighted(0.05)), 120..200),
        ) {
            let mut refit = Refit::default();
            for (off, outlier) in noise {
                refit.note(if outlier { truth * 20.0 } else { truth * (1.0 + off) });
            }
            prop_assert!((refit.factor() / truth - 1.0).abs() < 0.1, "{refit:?}");
        }

        #[test]
        fn it_stays_within_its_bounds(readings in prop::collection::vec(0.0..1e6_f64, 0..200)) {
            let mut refit = Refit::default();
            for reading in readings {
                refit.note(reading);
                let factor = refit.factor();
                prop_assert!((1.0 / FARTHEST - 1e-9..=FARTHEST + 1e-9).contains(&factor));
                prop_assert!(refit.deviation() <= sqrt(AT_FIRST));
            }
        }
    }
}
