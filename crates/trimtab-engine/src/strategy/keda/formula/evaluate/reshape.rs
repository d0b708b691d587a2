//! The functions without a predicate.

use alloc::vec::Vec;

use super::super::error::{EvaluationError, EvaluationProblem, Place};
use super::super::function::Function;
use super::super::tree::{Call, Node};
use super::super::value::{List, Value};
use super::{At, Evaluated, Run, Scope};
use crate::float::{from_i64, to_i64};

impl Run<'_> {
    pub(super) fn call(&mut self, call: &Call, place: Place, scope: &Scope<'_>) -> Evaluated {
        use Function as F;
        match (call.function, call.arguments.as_slice()) {
            (function, [list, ..]) if function.loop_arguments().is_some() => {
                self.pass(call, list, place, scope)
            }
            (F::Max | F::Min | F::Mean | F::Median | F::Concat, nodes) => {
                self.of_many(call.function, nodes, place, scope)
            }
            (F::Sort, [node]) => {
                let value = self.value(node, scope)?;
                let Value::List(list) = &value else { return Ok(Value::List(List::NIL)) };
                self.reserve(list.items().len(), place)?;
                self.sorted(list.items(), list.items(), call.descending, place)
            }
            (function, [node]) => {
                let value = self.value(node, scope)?;
                self.of_one(function, &value, place)
            }
            (function, [left, right]) => {
                let (left, right) = (self.value(left, scope)?, self.value(right, scope)?);
                self.of_two(function, &left, &right, place)
            }
            // The check lets no other number of arguments through.
            _ => Ok(Value::Nil),
        }
    }

    fn of_many(
        &mut self,
        function: Function,
        nodes: &[Node],
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        // One or two arguments need no list of them.
        let mut few = [Value::Nil, Value::Nil];
        let mut many = Vec::new();
        let arguments = if nodes.len() <= few.len() {
            for (value, node) in few.iter_mut().zip(nodes) {
                *value = self.value(node, scope)?;
            }
            few.get(..nodes.len()).unwrap_or_default()
        } else {
            for node in nodes {
                many.push(self.value(node, scope)?);
            }
            &many
        };
        match function {
            Function::Mean => self.mean(arguments, place),
            Function::Median => self.median(arguments, place),
            Function::Concat => self.concat(arguments, place),
            _ => self.extreme(function, arguments, place),
        }
    }

    fn of_one(&mut self, function: Function, value: &Value, place: Place) -> Evaluated {
        use Function as F;
        let name = function.name();
        match (function, value) {
            (F::Len, value) => {
                let length = value.as_list(name).at(place)?.items().len();
                Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
            }
            (F::Abs, Value::Int(value)) => Ok(Value::Int(value.wrapping_abs())),
            // Not the absolute value: of -0 it is -0.
            (F::Abs, Value::Float(value)) => {
                Ok(Value::Float(if *value < 0.0 { -value } else { *value }))
            }
            (F::Ceil | F::Floor | F::Round | F::Float, Value::Int(value)) => {
                Ok(Value::Float(from_i64(*value)))
            }
            (F::Ceil, Value::Float(value)) => Ok(Value::Float(libm::ceil(*value))),
            (F::Floor, Value::Float(value)) => Ok(Value::Float(libm::floor(*value))),
            (F::Round, Value::Float(value)) => Ok(Value::Float(libm::round(*value))),
            (F::Float, Value::Float(value)) => Ok(Value::Float(*value)),
            (F::Int, Value::Int(value)) => Ok(Value::Int(*value)),
            (F::Int, Value::Float(value)) => Ok(Value::Int(to_i64(*value))),
            (F::First, Value::List(list)) => {
                Ok(list.items().first().cloned().unwrap_or(Value::Nil))
            }
            (F::Last, Value::List(list)) => Ok(list.items().last().cloned().unwrap_or(Value::Nil)),
            (F::First | F::Last, _) => Ok(Value::Nil),
            (F::BitNot, value) => Ok(Value::Int(!value.as_int(name).at(place)?)),
            (F::Reverse | F::Uniq | F::Flatten, value) => {
                let items = value.as_list(name).at(place)?.items();
                self.of_list(function, items, place)
            }
            (_, other) => Err(other.undefined(name)).at(place),
        }
    }

    fn of_list(&mut self, function: Function, items: &[Value], place: Place) -> Evaluated {
        let mut made = Vec::new();
        match function {
            Function::Flatten => self.flatten(items, &mut made, place)?,
            Function::Uniq => {
                self.reserve(items.len(), place)?;
                for item in items {
                    if !self.is_among(item, &made, place)? {
                        made.push(item.clone());
                    }
                }
            }
            _ => {
                self.reserve(items.len(), place)?;
                made.extend(items.iter().rev().cloned());
            }
        }
        Self::made(made, place)
    }

    fn is_among(
        &mut self,
        value: &Value,
        items: &[Value],
        place: Place,
    ) -> Result<bool, EvaluationError> {
        for item in items {
            if self.equal(value, item, place)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn flatten(
        &mut self,
        items: &[Value],
        flat: &mut Vec<Value>,
        place: Place,
    ) -> Result<(), EvaluationError> {
        for item in items {
            self.step(place)?;
            match item {
                Value::List(list) => self.flatten(list.items(), flat, place)?,
                other => {
                    self.reserve(1, place)?;
                    flat.push(other.clone());
                }
            }
        }
        Ok(())
    }

    fn concat(&mut self, arguments: &[Value], place: Place) -> Evaluated {
        let mut made = Vec::new();
        for argument in arguments {
            let items = argument.as_list("concat").at(place)?.items();
            self.reserve(items.len(), place)?;
            made.extend_from_slice(items);
        }
        if made.is_empty() { Ok(Value::List(List::NIL)) } else { Self::made(made, place) }
    }

    fn of_two(
        &mut self,
        function: Function,
        left: &Value,
        right: &Value,
        place: Place,
    ) -> Evaluated {
        use Function as F;
        let name = function.name();
        match function {
            F::Get => get(left, right).at(place),
            F::Take => {
                let list = left.as_list(name).at(place)?;
                let count = right.as_int(name).at(place)?;
                if count < 0 {
                    let problem = EvaluationProblem::Negative { operation: name, count };
                    return Err(EvaluationError::new(place, problem));
                }
                let part = list.part(0, Some(count));
                self.reserve(part.items().len(), place)?;
                Ok(Value::List(part))
            }
            _ => {
                let (left, right) = (left.as_int(name).at(place)?, right.as_int(name).at(place)?);
                bits(function, left, right).map(Value::Int).at(place)
            }
        }
    }
}

fn get(list: &Value, index: &Value) -> Result<Value, EvaluationProblem> {
    let Value::List(list) = list else { return Ok(Value::Nil) };
    let position = list.position(index.to_int("get")?);
    Ok(position.and_then(|at| list.items().get(at)).cloned().unwrap_or(Value::Nil))
}

fn bits(function: Function, left: i64, right: i64) -> Result<i64, EvaluationProblem> {
    use Function as F;
    let places = || {
        let operation = function.name();
        u64::try_from(right).map_err(|_| EvaluationProblem::Negative { operation, count: right })
    };
    // Shifted by 64 or more nothing is left, or only the sign.
    let within = |places: u64| u32::try_from(places).ok().filter(|places| *places < 64);
    Ok(match function {
        F::BitOr => left | right,
        F::BitXor => left ^ right,
        F::BitNand => left & !right,
        F::BitShl => within(places()?).map_or(0, |places| left << places),
        F::BitShr => left >> within(places()?).unwrap_or(63),
        F::BitUshr => {
            within(places()?).map_or(0, |places| (left.cast_unsigned() >> places).cast_signed())
        }
        _ => left & right,
    })
}
