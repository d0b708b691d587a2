//! Who is least: a tournament over one value per place.

/// One value per place, and the least of them at hand.
#[derive(Clone, Debug)]
pub(super) struct Tournament<T> {
    /// A complete binary tree in layers: the root at 1, the leaves in the upper half. Every node is the
    /// lesser of its two children.
    nodes: Vec<T>,
    /// The value of a place that was not set; none is greater.
    greatest: T,
}

impl<T: Copy + Ord> Tournament<T> {
    pub(super) fn new(greatest: T) -> Self {
        Self { nodes: vec![greatest; 2], greatest }
    }

    fn leaves(&self) -> usize {
        self.nodes.len() / 2
    }

    /// The least value; the greatest if no place has another.
    pub(super) fn least(&self) -> T {
        self.nodes.get(1).copied().unwrap_or(self.greatest)
    }

    /// The first place with the least value.
    pub(super) fn first(&self) -> usize {
        let least = self.least();
        let mut node = 1;
        while node < self.leaves() {
            node *= 2;
            if self.nodes.get(node) != Some(&least) {
                node += 1;
            }
        }
        node - self.leaves()
    }

    /// The value of a place.
    pub(super) fn get(&self, place: usize) -> T {
        let node = place.saturating_add(self.leaves());
        self.nodes.get(node).copied().unwrap_or(self.greatest)
    }

    /// Sets the value of a place.
    pub(super) fn set(&mut self, place: usize, value: T) {
        while place >= self.leaves() {
            self.grow();
        }
        let mut node = place + self.leaves();
        let mut value = value;
        while let Some(present) = self.nodes.get_mut(node) {
            if *present == value {
                return;
            }
            *present = value;
            if node <= 1 {
                return;
            }
            value = value.min(self.nodes.get(node ^ 1).copied().unwrap_or(self.greatest));
            node /= 2;
        }
    }

    /// Twice as many places.
    fn grow(&mut self) {
        let leaves = self.nodes.split_off(self.leaves());
        self.nodes = vec![self.greatest; leaves.len() * 4];
        for (place, value) in leaves.into_iter().enumerate() {
            self.set(place, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_least_is_first(
            sets in prop::collection::vec((0_usize..40, 1_u32..50), 1..200),
        ) {
            let mut tournament = Tournament::new(u32::MAX);
            let mut plain = [u32::MAX; 40];
            for (place, value) in sets {
                let value = if value == 1 { u32::MAX } else { value };
                tournament.set(place, value);
                plain[place] = value;
                let least = *plain.iter().min().unwrap();
                prop_assert_eq!(tournament.least(), least);
                if least < u32::MAX {
                    prop_assert_eq!(tournament.first(), plain.iter().position(|at| *at == least).unwrap());
                }
                for (place, value) in plain.iter().enumerate() {
                    prop_assert_eq!(tournament.get(place), *value);
                }
            }
        }
    }
}
