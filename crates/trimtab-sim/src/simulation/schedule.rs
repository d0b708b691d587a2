//! Which server is next: a tournament over the times of their next events.

use crate::Moment;

/// One time per slot, and the earliest of them at hand.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// A complete binary tree in layers: the root at 1, the leaves in the upper half. Every node is the
    /// earlier of its two children.
    nodes: Vec<Moment>,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Moment::NEVER; 2] }
    }

    fn leaves(&self) -> usize {
        self.nodes.len() / 2
    }

    /// The earliest time; [`Moment::NEVER`] if nothing is to come.
    pub(super) fn next(&self) -> Moment {
        self.nodes.get(1).copied().unwrap_or(Moment::NEVER)
    }

    /// The first slot with the earliest time.
    pub(super) fn first(&self) -> usize {
        let next = self.next();
        let mut node = 1;
        while node < self.leaves() {
            node *= 2;
            if self.nodes.get(node) != Some(&next) {
                node += 1;
            }
        }
        node - self.leaves()
    }

    /// Sets the time of a slot.
    pub(super) fn set(&mut self, slot: usize, at: Moment) {
        while slot >= self.leaves() {
            self.grow();
        }
        let mut node = slot + self.leaves();
        let mut value = at;
        while let Some(present) = self.nodes.get_mut(node) {
            if node > 0 && *present == value {
                return;
            }
            *present = value;
            if node <= 1 {
                return;
            }
            value = value.min(self.nodes.get(node ^ 1).copied().unwrap_or(Moment::NEVER));
            node /= 2;
        }
    }

    /// Twice as many slots.
    fn grow(&mut self) {
        let leaves = self.nodes.split_off(self.leaves());
        self.nodes = vec![Moment::NEVER; leaves.len() * 4];
        for (slot, at) in leaves.into_iter().enumerate() {
            self.set(slot, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_earliest_is_next(
            sets in prop::collection::vec((0_usize..40, 0_i64..50), 1..200),
        ) {
            let mut schedule = Schedule::new();
            let mut plain = [Moment::NEVER; 40];
            for (slot, nanos) in sets {
                let at = if nanos == 0 { Moment::NEVER } else { Moment::from_nanos(nanos) };
                schedule.set(slot, at);
                plain[slot] = at;
                let next = *plain.iter().min().unwrap();
                prop_assert_eq!(schedule.next(), next);
                if next < Moment::NEVER {
                    prop_assert_eq!(schedule.first(), plain.iter().position(|at| *at == next).unwrap());
                }
            }
        }
    }
}
