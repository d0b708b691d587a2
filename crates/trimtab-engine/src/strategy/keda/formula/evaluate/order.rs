//! Sorting, as far as Go's order is defined.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::error::{EvaluationError, EvaluationProblem, Place};
use super::super::value::Value;
use super::{At, Evaluated, Run};

/// Up to so many items Go sorts by insertion, which keeps the order of equal ones.
const INSERTED: usize = 12;

impl Run<'_> {
    /// The items in the order of their keys.
    pub(super) fn sorted(
        &mut self,
        items: &[Value],
        keys: &[Value],
        descending: bool,
        place: Place,
    ) -> Evaluated {
        let order = if items.len() <= INSERTED {
            self.inserted(keys, descending, place)?
        } else {
            ordered(items, keys, descending).at(place)?
        };
        let sorted = order.into_iter().filter_map(|index| items.get(index).cloned());
        Self::made(sorted.collect(), place)
    }

    fn inserted(
        &mut self,
        keys: &[Value],
        descending: bool,
        place: Place,
    ) -> Result<Vec<usize>, EvaluationError> {
        let mut order: Vec<_> = (0..keys.len()).collect();
        for unsorted in 1..keys.len() {
            for at in (1..=unsorted).rev() {
                self.step(place)?;
                let key = |at: usize| order.get(at).and_then(|index| keys.get(*index));
                let (Some(before), Some(after)) = (key(at - 1), key(at)) else { break };
                let (first, second) = if descending { (before, after) } else { (after, before) };
                if first.compared(second, "sort").at(place)? != Some(Ordering::Less) {
                    break;
                }
                order.swap(at - 1, at);
            }
        }
        Ok(order)
    }
}

/// The order of a longer list, if it does not hang on what Go leaves open.
fn ordered(
    items: &[Value],
    keys: &[Value],
    descending: bool,
) -> Result<Vec<usize>, EvaluationProblem> {
    let mut numbered = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let key = key.to_float("sort")?;
        if key.is_nan() {
            return Err(EvaluationProblem::UnclearOrder);
        }
        numbered.push((key, index));
    }
    numbered.sort_by(
        |(left, _), (right, _)| {
            if descending { right.total_cmp(left) } else { left.total_cmp(right) }
        },
    );
    for pair in numbered.windows(2) {
        let [(left, first), (right, second)] = pair else { continue };
        let tied = left.partial_cmp(right) == Some(Ordering::Equal);
        let same = match (items.get(*first), items.get(*second)) {
            (Some(Value::Int(left)), Some(Value::Int(right))) => left == right,
            (Some(Value::Float(left)), Some(Value::Float(right))) => {
                left.to_bits() == right.to_bits()
            }
            _ => false,
        };
        if tied && !same {
            return Err(EvaluationProblem::UnclearOrder);
        }
    }
    Ok(numbered.into_iter().map(|(_, index)| index).collect())
}
