//! Least, greatest, mean and median: of numbers, of lists of them, and of both mixed.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::super::error::{EvaluationError, Place};
use super::super::function::Function;
use super::super::value::Value;
use super::{At, Run};
use crate::float::from_count;

/// What a mean is made of.
struct Total {
    count: usize,
    sum: f64,
}

impl Total {
    fn add(&mut self, count: usize, sum: f64) {
        self.count = self.count.saturating_add(count);
        self.sum += sum;
    }
}

impl Run<'_> {
    /// The number that `max` or `min` takes; `None` of nothing. The first of equal ones.
    pub(super) fn extreme(
        &mut self,
        function: Function,
        arguments: &[Value],
        place: Place,
    ) -> Result<Value, EvaluationError> {
        let mut best = None;
        for argument in arguments {
            match argument {
                Value::List(list) => self.extreme_item(function, list.items(), &mut best, place)?,
                Value::Int(_) | Value::Float(_) => {
                    better(function, &mut best, Some(argument.clone()), place)?;
                }
                other if arguments.len() == 1 => return Ok(other.clone()),
                other => return Err(other.undefined(function.name())).at(place),
            }
        }
        Ok(best.unwrap_or(Value::Nil))
    }

    /// Goes on with the best so far; a list in the list has its own best first.
    fn extreme_item(
        &mut self,
        function: Function,
        items: &[Value],
        best: &mut Option<Value>,
        place: Place,
    ) -> Result<(), EvaluationError> {
        for item in items {
            self.step(place)?;
            let candidate = match item {
                Value::List(list) => {
                    let mut inner = None;
                    self.extreme_item(function, list.items(), &mut inner, place)?;
                    inner
                }
                Value::Int(_) | Value::Float(_) => Some(item.clone()),
                other => return Err(other.undefined(function.name())).at(place),
            };
            better(function, best, candidate, place)?;
        }
        Ok(())
    }

    pub(super) fn mean(
        &mut self,
        arguments: &[Value],
        place: Place,
    ) -> Result<Value, EvaluationError> {
        let mut total = Total { count: 0, sum: 0.0 };
        for argument in arguments {
            match argument {
                Value::List(list) => self.add_up(list.items(), &mut total, place)?,
                other => total.add(1, other.to_float("mean").at(place)?),
            }
        }
        let Total { count, sum } = total;
        Ok(Value::Float(if count == 0 { 0.0 } else { sum / from_count(count) }))
    }

    /// Adds to the total so far; a list in the list has its own sum first.
    fn add_up(
        &mut self,
        items: &[Value],
        total: &mut Total,
        place: Place,
    ) -> Result<(), EvaluationError> {
        for item in items {
            self.step(place)?;
            match item {
                Value::List(list) => {
                    let mut inner = Total { count: 0, sum: 0.0 };
                    self.add_up(list.items(), &mut inner, place)?;
                    total.add(inner.count, inner.sum);
                }
                other => total.add(1, other.to_float("mean").at(place)?),
            }
        }
        Ok(())
    }

    pub(super) fn median(
        &mut self,
        arguments: &[Value],
        place: Place,
    ) -> Result<Value, EvaluationError> {
        let mut numbers = Vec::new();
        self.numbers(arguments, &mut numbers, place)?;
        // NaNs stand first.
        numbers.sort_by(|left: &f64, right| match (left.is_nan(), right.is_nan()) {
            (false, false) => left.partial_cmp(right).unwrap_or(Ordering::Equal),
            (left, right) => right.cmp(&left),
        });
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0.0);
        let half = numbers.len() / 2;
        Ok(Value::Float(match numbers.len() {
            0 => 0.0,
            length if length % 2 == 1 => at(half),
            _ => (at(half - 1) + at(half)) / 2.0,
        }))
    }

    fn numbers(
        &mut self,
        values: &[Value],
        numbers: &mut Vec<f64>,
        place: Place,
    ) -> Result<(), EvaluationError> {
        for value in values {
            self.step(place)?;
            match value {
                Value::List(list) => self.numbers(list.items(), numbers, place)?,
                other => {
                    self.reserve(1, place)?;
                    numbers.push(other.to_float("median").at(place)?);
                }
            }
        }
        Ok(())
    }
}

/// Takes the candidate if it beats the best so far.
fn better(
    function: Function,
    best: &mut Option<Value>,
    candidate: Option<Value>,
    place: Place,
) -> Result<(), EvaluationError> {
    let Some(candidate) = candidate else { return Ok(()) };
    let beats = match best {
        None => true,
        Some(best) => {
            let wanted = if function == Function::Max { Ordering::Less } else { Ordering::Greater };
            best.compared(&candidate, function.name()).at(place)? == Some(wanted)
        }
    };
    if beats {
        *best = Some(candidate);
    }
    Ok(())
}
