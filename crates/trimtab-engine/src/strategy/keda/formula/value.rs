//! Values, and what the operators make of them: expr's, for numbers, booleans and lists.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::error::EvaluationProblem;
use super::power::power;
use super::tree::BinaryOperator;
use crate::float::{from_i64, to_i64};

#[derive(Clone, Debug)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    List(List),
}

/// A list, shared when it is passed on.
#[derive(Clone, Debug)]
pub(super) struct List {
    /// None is Go's nil slice: an empty list that `??` takes for nil.
    items: Option<Arc<[Value]>>,
    /// How deep lists are nested in it, itself included.
    depth: u8,
}

impl List {
    pub(super) const NIL: Self = Self { items: None, depth: 1 };

    pub(super) fn new(items: Vec<Value>) -> Self {
        let inner = |item: &Value| if let Value::List(list) = item { list.depth } else { 0 };
        let depth = items.iter().map(inner).max().unwrap_or(0).saturating_add(1);
        Self { items: Some(items.into()), depth }
    }

    pub(super) fn items(&self) -> &[Value] {
        self.items.as_deref().unwrap_or_default()
    }

    pub(super) fn depth(&self) -> u8 {
        self.depth
    }

    /// The index from the front, where a negative one counts from the back.
    pub(super) fn position(&self, index: i64) -> Option<usize> {
        let length = self.items().len();
        let index = if index < 0 { i64::try_from(length).ok()?.checked_add(index)? } else { index };
        usize::try_from(index).ok().filter(|index| *index < length)
    }

    /// The items from `from` up to `to`, both as near as the list has them.
    pub(super) fn part(&self, from: i64, to: Option<i64>) -> Self {
        let length = i64::try_from(self.items().len()).unwrap_or(i64::MAX);
        let from_front = |index: i64| if index < 0 { (length + index).max(0) } else { index };
        let to = from_front(to.unwrap_or(length)).min(length);
        let from = from_front(from).min(to);
        let index = |index: i64| usize::try_from(index).unwrap_or(0);
        let items = self.items().get(index(from)..index(to)).unwrap_or_default();
        if self.items.is_none() { Self::NIL } else { Self::new(items.to_vec()) }
    }
}

impl Value {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::List(_) => "a list",
        }
    }

    pub(super) fn undefined(&self, operation: &'static str) -> EvaluationProblem {
        EvaluationProblem::Undefined { operation, given: self.describe() }
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Nil | Self::List(List { items: None, .. }))
    }

    pub(super) fn as_bool(&self, operation: &'static str) -> Result<bool, EvaluationProblem> {
        match self {
            Self::Bool(value) => Ok(*value),
            other => Err(other.undefined(operation)),
        }
    }

    /// An integer, or a float without its fraction.
    pub(super) fn to_int(&self, operation: &'static str) -> Result<i64, EvaluationProblem> {
        match self {
            Self::Int(value) => Ok(*value),
            Self::Float(value) => Ok(to_i64(*value)),
            other => Err(other.undefined(operation)),
        }
    }

    pub(super) fn as_int(&self, operation: &'static str) -> Result<i64, EvaluationProblem> {
        match self {
            Self::Int(value) => Ok(*value),
            other => Err(other.undefined(operation)),
        }
    }

    pub(super) fn to_float(&self, operation: &'static str) -> Result<f64, EvaluationProblem> {
        match self {
            Self::Int(value) => Ok(from_i64(*value)),
            Self::Float(value) => Ok(*value),
            other => Err(other.undefined(operation)),
        }
    }

    pub(super) fn as_list(&self, operation: &'static str) -> Result<&List, EvaluationProblem> {
        match self {
            Self::List(list) => Ok(list),
            other => Err(other.undefined(operation)),
        }
    }

    pub(super) fn negated(&self) -> Result<Self, EvaluationProblem> {
        match self {
            Self::Int(value) => Ok(Self::Int(value.wrapping_neg())),
            Self::Float(value) => Ok(Self::Float(-value)),
            other => Err(other.undefined("-")),
        }
    }

    /// Whether two are equal, if that is no question of lists.
    pub(super) fn equals_plainly(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Int(left), Self::Float(right)) => same(from_i64(*left), *right),
            (Self::Float(left), Self::Int(right)) => same(*left, from_i64(*right)),
            (Self::Float(left), Self::Float(right)) => same(*left, *right),
            _ => self.is_nil() && other.is_nil(),
        }
    }

    /// How two numbers stand to each other; `None` with a NaN.
    pub(super) fn compared(
        &self,
        other: &Self,
        operation: &'static str,
    ) -> Result<Option<Ordering>, EvaluationProblem> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Ok(Some(left.cmp(right))),
            (Self::Int(left), Self::Float(right)) => Ok(from_i64(*left).partial_cmp(right)),
            (Self::Float(left), Self::Int(right)) => Ok(left.partial_cmp(&from_i64(*right))),
            (Self::Float(left), Self::Float(right)) => Ok(left.partial_cmp(right)),
            _ => Err(self.undefined_with(other, operation)),
        }
    }

    pub(super) fn undefined_with(
        &self,
        other: &Self,
        operation: &'static str,
    ) -> EvaluationProblem {
        let (left, right) = (self.describe(), other.describe());
        EvaluationProblem::UndefinedPair { operation, left, right }
    }
}

#[expect(clippy::float_cmp, reason = "equality is what is asked for")]
fn same(left: f64, right: f64) -> bool {
    left == right
}

/// The value of an arithmetic operator or a comparison.
pub(super) fn calculate(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
) -> Result<Value, EvaluationProblem> {
    use BinaryOperator as Op;
    let symbol = operator.symbol();
    let whole = |whole: fn(i64, i64) -> i64, broken: fn(f64, f64) -> f64| match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(Value::Int(whole(*left, *right))),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            Ok(Value::Float(broken(left.to_float(symbol)?, right.to_float(symbol)?)))
        }
        _ => Err(left.undefined_with(right, symbol)),
    };
    let ordered = |wanted: fn(Ordering) -> bool| {
        Ok(Value::Bool(left.compared(right, symbol)?.is_some_and(wanted)))
    };
    match operator {
        Op::Add => whole(i64::wrapping_add, |left, right| left + right),
        Op::Subtract => whole(i64::wrapping_sub, |left, right| left - right),
        Op::Multiply => whole(i64::wrapping_mul, |left, right| left * right),
        Op::Divide => Ok(Value::Float(left.to_float(symbol)? / right.to_float(symbol)?)),
        Op::Power => Ok(Value::Float(power(left.to_float(symbol)?, right.to_float(symbol)?))),
        Op::Modulo => match (left, right) {
            (Value::Int(_), Value::Int(0)) => Err(EvaluationProblem::DivisionByZero),
            (Value::Int(left), Value::Int(right)) => Ok(Value::Int(left.wrapping_rem(*right))),
            _ => Err(left.undefined_with(right, symbol)),
        },
        Op::Less => ordered(Ordering::is_lt),
        Op::More => ordered(Ordering::is_gt),
        Op::LessOrEqual => ordered(Ordering::is_le),
        Op::MoreOrEqual => ordered(Ordering::is_ge),
        Op::Or | Op::And | Op::Equal | Op::NotEqual | Op::In | Op::Range | Op::Coalesce => {
            Err(left.undefined_with(right, symbol))
        }
    }
}
