//! What one replica can take, learned while its queue shows that it can take no more.

use alloc::vec::Vec;

use libm::{fmax, fmin};
use serde::{Deserialize, Serialize};

use crate::policy::Finite;

/// Observations that count: the last so many.
const MOST: usize = 9;
/// Fewer say nothing yet.
const FEWEST: usize = 3;
/// An observation farther from the present capacity than this factor is odd.
const ODD: f64 = 2.0;
/// The target stays within this factor of the one that the policy has.
const FARTHEST: f64 = 4.0;

/// The load of one replica, as it was seen while the queue was full: the last nine such loads.
///
/// Their median is the capacity, from the third on. A load that is more than twice or less than half of it is odd, and
/// does not count unless three in a row are: then the server has changed, and they are where it begins
/// anew.
///
/// ```
/// use trimtab_engine::strategy::slo::Learned;
///
/// let mut learned = Learned::default();
/// for load in [8.0, 8.4, 7.9] {
///     assert_eq!(learned.capacity(), None);
///     learned.note(load);
/// }
/// assert_eq!(learned.capacity(), Some(8.0));
/// assert!(!learned.note(40.0));
/// assert_eq!(learned.capacity(), Some(8.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Learned {
    /// Loads of one replica, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    loads: Vec<Finite>,
    /// Odd ones, since the last one that was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    odd: Vec<Finite>,
}

impl Learned {
    /// The median; nothing before the third.
    pub fn capacity(&self) -> Option<f64> {
        let loads = self.loads.get(self.loads.len().saturating_sub(MOST)..).unwrap_or_default();
        if loads.len() < FEWEST {
            return None;
        }
        let mut room = [Finite::default(); MOST];
        let sorted = room.get_mut(..loads.len())?;
        sorted.copy_from_slice(loads);
        sorted.sort_unstable();
        sorted.get((sorted.len() - 1) / 2).map(|median| median.get())
    }

    /// How many loads it is made of.
    pub fn observations(&self) -> u32 {
        u32::try_from(self.loads.len().min(MOST)).unwrap_or(u32::MAX)
    }

    /// Takes note of a load at a full queue. Returns whether it counts.
    pub fn note(&mut self, load: f64) -> bool {
        let Some(load) = Finite::new(load).filter(|load| load.get() > 0.0) else { return false };
        let is_odd = self
            .capacity()
            .is_some_and(|capacity| load.get() > capacity * ODD || load.get() < capacity / ODD);
        if is_odd {
            push(&mut self.odd, load, FEWEST);
            if self.odd.len() < FEWEST {
                return false;
            }
            self.loads = core::mem::take(&mut self.odd);
            return true;
        }
        self.odd.clear();
        push(&mut self.loads, load, MOST);
        true
    }

    /// What a replica should have, where the policy says `target`: this share of the capacity, within
    /// four times the policy's.
    pub fn target(&self, target: f64, share: f64) -> f64 {
        let Some(capacity) = self.capacity() else { return target };
        fmin(fmax(capacity * share, target / FARTHEST), target * FARTHEST)
    }

    pub(super) fn list_bytes(&self) -> usize {
        (self.loads.capacity() + self.odd.capacity()) * size_of::<Finite>()
    }
}

/// Adds at the end, in place of the first where there are as many as there may be.
fn push(loads: &mut Vec<Finite>, load: Finite, most: usize) {
    if loads.len() >= most {
        loads.drain(..=loads.len() - most);
    }
    crate::state::push_tight(loads, load);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(loads: &[f64]) -> Learned {
        let mut learned = Learned::default();
        loads.iter().for_each(|load| {
            learned.note(*load);
        });
        learned
    }

    #[test]
    fn three_odd_ones_in_a_row_are_a_change() {
        let mut learned = after(&[10.0; 5]);
        assert_eq!([learned.note(30.0), learned.note(30.0)], [false; 2]);
        assert!(learned.note(10.0)); // and they are forgotten
        assert_eq!([30.0, 31.0, 32.0].map(|load| learned.note(load)), [false, false, true]);
        assert_eq!((learned.capacity(), learned.observations()), (Some(31.0), 3));
    }

    #[test]
    fn what_is_no_load_says_nothing() {
        let mut learned = Learned::default();
        assert!(![0.0, -1.0, f64::NAN, f64::INFINITY].iter().any(|load| learned.note(*load)));
        assert_eq!(learned, Learned::default());
    }

    proptest! {
        /// It is within what was seen and within four times the target, and takes no more room than
        /// its twelve numbers.
        #[test]
        fn it_is_bounded(
            loads in prop::collection::vec(0.001..1e6_f64, 0..100), target in 0.1..1e3_f64,
        ) {
            let learned = after(&loads);
            if let Some(capacity) = learned.capacity() {
                prop_assert!(loads.contains(&capacity));
            }
            let learned_target = learned.target(target, 0.85);
            prop_assert!(target / FARTHEST <= learned_target && learned_target <= target * FARTHEST);
            prop_assert!(learned.list_bytes() <= 160, "{}", learned.list_bytes());
        }

        /// What nine servers out of ten say counts.
        #[test]
        fn it_is_what_most_say(
            noise in prop::collection::vec((0.9..1.1_f64, prop::bool::weighted(0.1)), 12..60),
        ) {
            let mut learned = after(&[100.0; 3]);
            let mut in_a_row = 0;
            for (near, wild) in noise {
                in_a_row = if wild { in_a_row + 1 } else { 0 };
                prop_assume!(in_a_row < 3);
                learned.note(if wild { 900.0 } else { 100.0 * near });
            }
            let capacity = learned.capacity().unwrap();
            prop_assert!((90.0..=110.0).contains(&capacity));
        }
    }
}
