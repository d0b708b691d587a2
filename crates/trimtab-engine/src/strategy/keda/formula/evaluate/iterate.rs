//! The functions that go through a list with a predicate.

use alloc::vec::Vec;

use super::super::error::{EvaluationError, EvaluationProblem, Place};
use super::super::function::Function;
use super::super::tree::{BinaryOperator, Call, Node};
use super::super::value::{Value, calculate};
use super::{At, Evaluated, Run, Scope};

/// One pass over a list.
struct Pass<'p> {
    call: &'p Call,
    items: &'p [Value],
    place: Place,
    scope: &'p Scope<'p>,
}

impl Run<'_> {
    /// A call of a function that has a predicate or may have one.
    pub(super) fn pass(
        &mut self,
        call: &Call,
        list: &Node,
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        let value = self.value(list, scope)?;
        let items = value.as_list(call.function.name()).at(list.place)?.items();
        let pass = Pass { call, items, place, scope };
        match call.function {
            Function::All => Ok(Value::Bool(self.find(&pass, false, false)?.is_none())),
            Function::None => Ok(Value::Bool(self.find(&pass, true, false)?.is_none())),
            Function::Any => Ok(Value::Bool(self.find(&pass, true, false)?.is_some())),
            Function::One => Ok(Value::Bool(self.count(&pass)? == 1)),
            Function::Count => Ok(Value::Int(self.count(&pass)?)),
            Function::Find => self.found(&pass, false),
            Function::FindLast => self.found(&pass, true),
            Function::FindIndex => Ok(index(self.find(&pass, true, false)?)),
            Function::FindLastIndex => Ok(index(self.find(&pass, true, true)?)),
            Function::Filter => self.filter(&pass),
            Function::Map => self.map(&pass),
            Function::Sum => self.sum(&pass),
            Function::SortBy => self.sort_by(&pass),
            _ => self.reduce(&pass),
        }
    }

    /// What `node` is for the item at `index`; the item itself if there is no node.
    fn of_item(&mut self, pass: &Pass<'_>, node: Option<&Node>, index: usize) -> Evaluated {
        let item = pass.items.get(index);
        self.step(pass.place)?;
        match node {
            Some(node) => {
                let scope =
                    Scope::Loop { item, index, accumulator: &Value::Nil, outer: pass.scope };
                self.value(node, &scope)
            }
            None => Ok(item.cloned().unwrap_or(Value::Nil)),
        }
    }

    fn passes(&mut self, pass: &Pass<'_>, index: usize) -> Result<bool, EvaluationError> {
        let predicate = pass.call.arguments.get(1);
        let value = self.of_item(pass, predicate, index)?;
        let place = predicate.map_or(pass.place, |predicate| predicate.place);
        value.as_bool(pass.call.function.name()).at(place)
    }

    /// The first index, or the last, whose item passes or does not.
    fn find(
        &mut self,
        pass: &Pass<'_>,
        wanted: bool,
        backwards: bool,
    ) -> Result<Option<usize>, EvaluationError> {
        let length = pass.items.len();
        for step in 0..length {
            let index = if backwards { length - 1 - step } else { step };
            if self.passes(pass, index)? == wanted {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn found(&mut self, pass: &Pass<'_>, backwards: bool) -> Evaluated {
        match self.find(pass, true, backwards)? {
            Some(index) => self.of_item(pass, pass.call.map.as_ref(), index),
            None if pass.call.must_find => {
                Err(EvaluationError::new(pass.place, EvaluationProblem::NothingFound))
            }
            None => Ok(Value::Nil),
        }
    }

    fn count(&mut self, pass: &Pass<'_>) -> Result<i64, EvaluationError> {
        let mut count = 0;
        for index in 0..pass.items.len() {
            if self.passes(pass, index)? {
                count += 1;
                if pass.call.enough.is_some_and(|enough| count >= enough) {
                    break;
                }
            }
        }
        Ok(count)
    }

    fn filter(&mut self, pass: &Pass<'_>) -> Evaluated {
        let mut kept = Vec::new();
        for index in 0..pass.items.len() {
            if self.passes(pass, index)? {
                self.reserve(1, pass.place)?;
                kept.push(self.of_item(pass, pass.call.map.as_ref(), index)?);
            }
        }
        Self::made(kept, pass.place)
    }

    fn map(&mut self, pass: &Pass<'_>) -> Evaluated {
        self.reserve(pass.items.len(), pass.place)?;
        let mut mapped = Vec::with_capacity(pass.items.len());
        for index in 0..pass.items.len() {
            mapped.push(self.of_item(pass, pass.call.arguments.get(1), index)?);
        }
        Self::made(mapped, pass.place)
    }

    fn sum(&mut self, pass: &Pass<'_>) -> Evaluated {
        let mut sum = Value::Int(0);
        for index in 0..pass.items.len() {
            let value = self.of_item(pass, pass.call.arguments.get(1), index)?;
            sum = calculate(BinaryOperator::Add, &value, &sum).at(pass.place)?;
        }
        Ok(sum)
    }

    fn sort_by(&mut self, pass: &Pass<'_>) -> Evaluated {
        self.reserve(pass.items.len(), pass.place)?;
        let mut keys = Vec::with_capacity(pass.items.len());
        for index in 0..pass.items.len() {
            keys.push(self.of_item(pass, pass.call.arguments.get(1), index)?);
        }
        self.sorted(pass.items, &keys, pass.call.descending, pass.place)
    }

    fn reduce(&mut self, pass: &Pass<'_>) -> Evaluated {
        let (mut accumulator, first) = match pass.call.arguments.get(2) {
            // `#` in the start value is already this list's first item.
            Some(start) => (self.of_item(pass, Some(start), 0)?, 0),
            None => {
                let Some(first) = pass.items.first() else {
                    let problem = EvaluationProblem::NothingToReduce;
                    return Err(EvaluationError::new(pass.place, problem));
                };
                (first.clone(), 1)
            }
        };
        let Some(predicate) = pass.call.arguments.get(1) else { return Ok(accumulator) };
        for index in first..pass.items.len() {
            self.step(pass.place)?;
            let item = pass.items.get(index);
            let scope = Scope::Loop { item, index, accumulator: &accumulator, outer: pass.scope };
            accumulator = self.value(predicate, &scope)?;
        }
        Ok(accumulator)
    }
}

fn index(found: Option<usize>) -> Value {
    let index = found.and_then(|index| i64::try_from(index).ok());
    index.map_or(Value::Nil, Value::Int)
}
