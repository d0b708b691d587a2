//! One copy of what many objects say alike: names, labels, the containers of a template.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Keeps one copy of each value for as long as anybody else has it.
#[derive(Debug)]
pub(super) struct Interner<T: ?Sized> {
    known: HashSet<Arc<T>>,
    /// So many values make it look for those that nobody has any more.
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 1024;

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { known: HashSet::new(), sweep_at: FIRST_SWEEP }
    }
}

impl<T: ?Sized + Hash + Eq> Interner<T> {
    /// The one copy of a value.
    pub(super) fn get<V: Borrow<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.known.get(value.borrow()) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at {
            self.sweep();
        }
        let value = value.into();
        self.known.insert(Arc::clone(&value));
        value
    }

    /// Forgets what nobody has any more.
    pub(super) fn sweep(&mut self) {
        self.known.retain(|value| Arc::strong_count(value) > 1);
        if self.known.capacity() > 4 * self.known.len() {
            self.known.shrink_to_fit();
        }
        self.sweep_at = (2 * self.known.len()).max(FIRST_SWEEP);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_are_forgotten() {
        let mut names = Interner::<str>::default();
        let kept = names.get("kept");
        assert!(Arc::ptr_eq(&kept, &names.get("kept")));
        for number in 0..10 * FIRST_SWEEP {
            names.get(number.to_string().as_str());
        }
        assert!(names.len() <= 2 * FIRST_SWEEP, "{}", names.len());
        names.sweep();
        assert_eq!(names.len(), 1);
        assert!(Arc::ptr_eq(&kept, &names.get("kept")));
    }
}
