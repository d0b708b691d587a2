//! A tree's value for given values of the triggers.
//!
//! Recursion goes as deep as the tree, which parsing bounds; what lists may cost is counted here.
//! A formula without lists allocates nothing.

mod aggregate;
mod iterate;
mod order;
mod reshape;

use alloc::vec::Vec;

use super::error::{EvaluationError, EvaluationProblem, Place};
use super::nature::Nature;
use super::tree::{BinaryOperator, Expr, Node, Pointer, UnaryOperator};
use super::value::{List, Value, calculate};
use super::{MOST_ITEMS, MOST_NESTED_LISTS, MOST_STEPS};

/// Evaluates a checked, simplified tree. A trigger without a value is nil.
pub(super) fn evaluate(root: &Node, values: &[Option<f64>]) -> Evaluated {
    let mut run = Run { values, steps: 0, items: 0 };
    run.value(root, &Scope::Outermost)
}

type Evaluated = Result<Value, EvaluationError>;

struct Run<'r> {
    values: &'r [Option<f64>],
    steps: u32,
    items: u32,
}

/// What names mean where a node stands.
enum Scope<'s> {
    Outermost,
    Variable { index: usize, value: Value, outer: &'s Self },
    Loop { item: Option<&'s Value>, index: usize, accumulator: &'s Value, outer: &'s Self },
}

impl<'s> Scope<'s> {
    fn outer(&self) -> Option<&Self> {
        match self {
            Self::Outermost => None,
            Self::Variable { outer, .. } | Self::Loop { outer, .. } => Some(outer),
        }
    }

    fn outwards(&self) -> impl Iterator<Item = &Self> {
        core::iter::successors(Some(self), |scope| scope.outer())
    }

    fn variables(&self) -> usize {
        self.outwards().filter(|scope| matches!(scope, Self::Variable { .. })).count()
    }
}

/// Puts a place to a problem.
trait At<T> {
    fn at(self, place: Place) -> Result<T, EvaluationError>;
}

impl<T> At<T> for Result<T, EvaluationProblem> {
    fn at(self, place: Place) -> Result<T, EvaluationError> {
        self.map_err(|problem| EvaluationError::new(place, problem))
    }
}

impl Run<'_> {
    fn value(&mut self, node: &Node, scope: &Scope<'_>) -> Evaluated {
        let place = node.place;
        self.step(place)?;
        match &node.expr {
            Expr::Bool(value) => Ok(Value::Bool(*value)),
            Expr::Int(value) => Ok(Value::Int(*value)),
            Expr::Float(value) => Ok(Value::Float(*value)),
            // No string or name is left after the check.
            Expr::Nil | Expr::Text(_) | Expr::Name(_) => Ok(Value::Nil),
            Expr::Known(list) => Ok(Value::List(list.clone())),
            Expr::Trigger(index) => {
                let value = self.values.get(*index).copied().flatten();
                Ok(value.map_or(Value::Nil, Value::Float))
            }
            Expr::Variable(index) => Ok(variable(*index, scope)),
            Expr::Pointer(pointer) => pointed_at(*pointer, scope).at(place),
            Expr::Unary(operator, operand) => self.unary(*operator, operand, scope),
            Expr::Binary(operator, operands) => self.binary(*operator, operands, place, scope),
            Expr::Conditional(parts) => self.conditional(parts, scope),
            Expr::List(items) => self.list(items, place, scope),
            Expr::Item { of, optional } => self.item(of, *optional, place, scope),
            Expr::Part { list, from, to } => {
                self.part(list, from.as_deref(), to.as_deref(), place, scope)
            }
            Expr::Call(call) => self.call(call, place, scope),
            Expr::Let { value, body, .. } => self.declared(value, body, scope),
            Expr::Sequence(nodes) => self.sequence(nodes, scope),
            Expr::SumFromRight(items) => self.sum_from_right(items, place, scope),
            Expr::AmongIntegers(operand, integers) => {
                match self.value(operand, scope)? {
                    Value::Int(value) => Ok(Value::Bool(integers.contains(&value))),
                    // Go looks up the zero value.
                    Value::Nil => Ok(Value::Bool(integers.contains(&0))),
                    other => Err(other.undefined("in")).at(place),
                }
            }
            Expr::Between(operand, bounds) => self.between(operand, *bounds, place, scope),
        }
    }

    /// Counts one step.
    fn step(&mut self, place: Place) -> Result<(), EvaluationError> {
        self.steps += 1;
        if self.steps <= MOST_STEPS {
            return Ok(());
        }
        Err(EvaluationError::new(place, EvaluationProblem::TooManySteps { most: MOST_STEPS }))
    }

    /// Counts the items of a list that is about to be made.
    fn reserve(&mut self, items: usize, place: Place) -> Result<(), EvaluationError> {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        self.items = self.items.saturating_add(items);
        if self.items <= MOST_ITEMS {
            return Ok(());
        }
        Err(EvaluationError::new(place, EvaluationProblem::TooManyItems { most: MOST_ITEMS }))
    }

    /// The items, whose number is counted, as a list.
    fn made(items: Vec<Value>, place: Place) -> Evaluated {
        let list = List::new(items);
        if list.depth() <= MOST_NESTED_LISTS {
            return Ok(Value::List(list));
        }
        let most = MOST_NESTED_LISTS;
        Err(EvaluationError::new(place, EvaluationProblem::TooDeep { most }))
    }

    fn unary(&mut self, operator: UnaryOperator, operand: &Node, scope: &Scope<'_>) -> Evaluated {
        let value = self.value(operand, scope)?;
        match operator {
            UnaryOperator::Plus => Ok(value),
            UnaryOperator::Minus => value.negated().at(operand.place),
            UnaryOperator::Not => Ok(Value::Bool(!value.as_bool("not").at(operand.place)?)),
        }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        operands: &[Node; 2],
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        use BinaryOperator as Op;
        let [left_node, right_node] = operands;
        let left = self.value(left_node, scope)?;
        match operator {
            Op::Or | Op::And => {
                let decided = left.as_bool(operator.symbol()).at(left_node.place)?;
                if decided == (operator == Op::Or) {
                    return Ok(left);
                }
                return self.value(right_node, scope);
            }
            Op::Coalesce if !left.is_nil() => return Ok(left),
            Op::Coalesce => return self.value(right_node, scope),
            _ => {}
        }
        let right = self.value(right_node, scope)?;
        match operator {
            Op::Equal | Op::NotEqual => {
                let integers = left_node.nature == Nature::Int && right_node.nature == Nature::Int;
                let equal = if integers {
                    let symbol = operator.symbol();
                    left.as_int(symbol).at(place)? == right.as_int(symbol).at(place)?
                } else {
                    self.equal(&left, &right, place)?
                };
                Ok(Value::Bool(equal == (operator == Op::Equal)))
            }
            Op::In => self.contained(&left, &right, place),
            Op::Range => {
                let symbol = operator.symbol();
                let (from, to) = (left.to_int(symbol).at(place)?, right.to_int(symbol).at(place)?);
                self.range(from, to, place)
            }
            _ => calculate(operator, &left, &right).at(place),
        }
    }

    /// Whether two values are equal, lists item by item.
    fn equal(
        &mut self,
        left: &Value,
        right: &Value,
        place: Place,
    ) -> Result<bool, EvaluationError> {
        self.step(place)?;
        let (Value::List(left), Value::List(right)) = (left, right) else {
            return Ok(left.equals_plainly(right));
        };
        let (left, right) = (left.items(), right.items());
        if left.len() != right.len() {
            return Ok(false);
        }
        for (left, right) in left.iter().zip(right) {
            if !self.equal(left, right, place)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn contained(&mut self, value: &Value, list: &Value, place: Place) -> Evaluated {
        if matches!(list, Value::Nil) {
            return Ok(Value::Bool(false));
        }
        for item in list.as_list("in").at(place)?.items() {
            if self.equal(item, value, place)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn range(&mut self, from: i64, to: i64, place: Place) -> Evaluated {
        // Go's integers wrap here; a range so wide is too long all the same.
        let length = to.wrapping_sub(from).wrapping_add(1).max(0);
        self.reserve(usize::try_from(length).unwrap_or(usize::MAX), place)?;
        let items = (0..length).map(|offset| Value::Int(from.wrapping_add(offset)));
        Self::made(items.collect(), place)
    }

    fn conditional(&mut self, parts: &[Node; 3], scope: &Scope<'_>) -> Evaluated {
        let [condition, yes, no] = parts;
        let chosen = self.value(condition, scope)?.as_bool("?").at(condition.place)?;
        self.value(if chosen { yes } else { no }, scope)
    }

    fn list(&mut self, nodes: &[Node], place: Place, scope: &Scope<'_>) -> Evaluated {
        self.reserve(nodes.len(), place)?;
        let mut items = Vec::with_capacity(nodes.len());
        for node in nodes {
            items.push(self.value(node, scope)?);
        }
        Self::made(items, place)
    }

    fn item(
        &mut self,
        of: &[Node; 2],
        optional: bool,
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        let [list_node, index_node] = of;
        let list = self.value(list_node, scope)?;
        if optional && list.is_nil() {
            return Ok(Value::Nil);
        }
        let index = self.value(index_node, scope)?;
        let list = list.as_list("[]").at(list_node.place)?;
        let index = index.to_int("[]").at(index_node.place)?;
        match list.position(index).and_then(|index| list.items().get(index)) {
            Some(item) if optional && item.is_nil() => Ok(Value::Nil),
            Some(item) => Ok(item.clone()),
            None => {
                let length = list.items().len();
                let problem = EvaluationProblem::OutOfRange { index, length };
                Err(EvaluationError::new(place, problem))
            }
        }
    }

    fn part(
        &mut self,
        list_node: &Node,
        from: Option<&Node>,
        to: Option<&Node>,
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        let list = self.value(list_node, scope)?;
        let list = list.as_list("[:]").at(list_node.place)?;
        let to = match to {
            Some(node) => Some(self.value(node, scope)?.to_int("[:]").at(node.place)?),
            None => None,
        };
        let from = match from {
            Some(node) => self.value(node, scope)?.to_int("[:]").at(node.place)?,
            None => 0,
        };
        let part = list.part(from, to);
        self.reserve(part.items().len(), place)?;
        Ok(Value::List(part))
    }

    fn declared(&mut self, value: &Node, body: &Node, outer: &Scope<'_>) -> Evaluated {
        let value = self.value(value, outer)?;
        self.value(body, &Scope::Variable { index: outer.variables(), value, outer })
    }

    fn sequence(&mut self, nodes: &[Node], scope: &Scope<'_>) -> Evaluated {
        let mut last = Value::Nil;
        for node in nodes {
            last = self.value(node, scope)?;
        }
        Ok(last)
    }

    fn sum_from_right(&mut self, nodes: &[Node], place: Place, scope: &Scope<'_>) -> Evaluated {
        let mut sum = None;
        for node in nodes.iter().rev() {
            let value = self.value(node, scope)?;
            sum = Some(match sum {
                None => value,
                Some(sum) => calculate(BinaryOperator::Add, &value, &sum).at(place)?,
            });
        }
        Ok(sum.unwrap_or(Value::Int(0)))
    }

    fn between(
        &mut self,
        operand: &Node,
        [from, to]: [i64; 2],
        place: Place,
        scope: &Scope<'_>,
    ) -> Evaluated {
        let value = self.value(operand, scope)?;
        let above = calculate(BinaryOperator::MoreOrEqual, &value, &Value::Int(from)).at(place)?;
        if matches!(above, Value::Bool(false)) {
            return Ok(above);
        }
        calculate(BinaryOperator::LessOrEqual, &value, &Value::Int(to)).at(place)
    }
}

fn variable(wanted: usize, scope: &Scope<'_>) -> Value {
    let found = scope.outwards().find_map(|scope| match scope {
        Scope::Variable { index, value, .. } if *index == wanted => Some(value.clone()),
        _ => None,
    });
    found.unwrap_or(Value::Nil)
}

fn pointed_at(pointer: Pointer, scope: &Scope<'_>) -> Result<Value, EvaluationProblem> {
    let innermost = scope.outwards().find_map(|scope| match scope {
        Scope::Loop { item, index, accumulator, .. } => Some((*item, *index, *accumulator)),
        _ => None,
    });
    let Some((item, index, accumulator)) = innermost else { return Ok(Value::Nil) };
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    match pointer {
        Pointer::Item => item.cloned().ok_or(EvaluationProblem::OutOfRange { index, length: 0 }),
        Pointer::Index => Ok(Value::Int(index)),
        Pointer::Accumulator | Pointer::Unknown => Ok(accumulator.clone()),
    }
}
