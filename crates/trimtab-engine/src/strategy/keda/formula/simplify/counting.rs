//! Counts that stop early, sums that need no list, and predicates that are asked together.

use alloc::boxed::Box;
use core::mem;

use super::super::function::Function;
use super::super::nature::Nature;
use super::super::tree::{BinaryOperator, Call, Expr, Node, Pointer};
use super::super::value::{List, Value};
use super::{as_call, as_int};

/// `all(list, p) and all(list, q)` is `all(list, p and q)`; so with `any` and `or`, and `none`.
pub(super) fn combined_predicates(node: &mut Node) {
    let Expr::Binary(operator, operands) = &mut node.expr else { return };
    let [left, right] = &mut **operands;
    let (Expr::Call(first), Expr::Call(second)) = (&mut left.expr, &mut right.expr) else {
        return;
    };
    let combined = match (first.function, *operator) {
        (Function::All, BinaryOperator::And) => BinaryOperator::And,
        (Function::Any, BinaryOperator::Or) | (Function::None, BinaryOperator::And) => {
            BinaryOperator::Or
        }
        _ => return,
    };
    let function = first.function;
    let ([list, _], [other, _]) = (first.arguments.as_slice(), second.arguments.as_slice()) else {
        return;
    };
    if second.function != function || !are_alike(list, other) {
        return;
    }
    let (Some(other), Some(one)) = (second.arguments.pop(), first.arguments.pop()) else { return };
    let place = one.place.to(other.place);
    let mut predicate = Node::new(Expr::Binary(combined, Box::new([one, other])), place);
    combined_predicates(&mut predicate);
    let mut arguments = mem::take(&mut first.arguments);
    arguments.push(predicate);
    node.expr = Expr::Call(Box::new(Call::new(function, arguments)));
}

/// Whether two nodes are written alike.
fn are_alike(left: &Node, right: &Node) -> bool {
    let own = match (&left.expr, &right.expr) {
        (Expr::Nil, Expr::Nil)
        | (Expr::List(_), Expr::List(_))
        | (Expr::Conditional(_), Expr::Conditional(_))
        | (Expr::Sequence(_), Expr::Sequence(_)) => true,
        (Expr::Bool(left), Expr::Bool(right)) => left == right,
        (Expr::Int(left), Expr::Int(right)) => left == right,
        (Expr::Float(left), Expr::Float(right)) => left.to_bits() == right.to_bits(),
        (Expr::Trigger(left), Expr::Trigger(right))
        | (Expr::Variable(left), Expr::Variable(right)) => left == right,
        (Expr::Pointer(left), Expr::Pointer(right)) => left == right,
        (Expr::Unary(left, _), Expr::Unary(right, _)) => left == right,
        (Expr::Binary(left, _), Expr::Binary(right, _)) => left == right,
        (Expr::Item { optional: left, .. }, Expr::Item { optional: right, .. }) => left == right,
        (Expr::Part { from, to, .. }, Expr::Part { from: other_from, to: other_to, .. }) => {
            from.is_some() == other_from.is_some() && to.is_some() == other_to.is_some()
        }
        (Expr::Call(left), Expr::Call(right)) => {
            left.function == right.function
                && left.descending == right.descending
                && left.map.is_none()
                && right.map.is_none()
        }
        (Expr::Known(left), Expr::Known(right)) => are_alike_lists(left, right),
        _ => false,
    };
    own && left.children().count() == right.children().count()
        && left.children().zip(right.children()).all(|(left, right)| are_alike(left, right))
}

/// Known lists hold plain values only.
fn are_alike_lists(left: &List, right: &List) -> bool {
    let (left, right) = (left.items(), right.items());
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| match (left, right) {
            (Value::List(_), _) => false,
            _ => left.equals_plainly(right),
        })
}

/// `sum(1..9)`, `sum(1..9, # * 2)` and `reduce(1..9, # + #acc)`, by the formula for series.
pub(super) fn sum_of_range(node: &mut Node) {
    if let Some(sum) = series(node) {
        node.nature = Nature::Int;
        node.expr = Expr::Int(sum);
    }
}

fn series(node: &Node) -> Option<i64> {
    let Expr::Call(call) = &node.expr else { return None };
    let [range, rest @ ..] = call.arguments.as_slice() else { return None };
    let Expr::Binary(BinaryOperator::Range, bounds) = &range.expr else { return None };
    let [from, to] = &**bounds;
    let (from, to) = (as_int(from)?, as_int(to)?);
    if to < from {
        return None;
    }
    let count = to.wrapping_sub(from).wrapping_add(1);
    let sum = count.wrapping_mul(from.wrapping_add(to)) / 2;
    match (call.function, rest) {
        (Function::Sum, []) => Some(sum),
        (Function::Sum, [predicate]) => series_of(predicate, sum, count),
        (Function::Reduce, [predicate]) if adds_up(predicate) => Some(sum),
        (Function::Reduce, [predicate, start]) if adds_up(predicate) => {
            Some(as_int(start)?.wrapping_add(sum))
        }
        _ => None,
    }
}

fn series_of(predicate: &Node, sum: i64, count: i64) -> Option<i64> {
    if is_item(predicate) {
        return Some(sum);
    }
    let Expr::Binary(operator, operands) = &predicate.expr else { return None };
    let [left, right] = &**operands;
    let (constant, item_first) = match (as_int(left), as_int(right)) {
        (None, Some(constant)) if is_item(left) => (constant, true),
        (Some(constant), None) if is_item(right) => (constant, false),
        _ => return None,
    };
    let constants = count.wrapping_mul(constant);
    match operator {
        BinaryOperator::Multiply => Some(constant.wrapping_mul(sum)),
        BinaryOperator::Add => Some(sum.wrapping_add(constants)),
        BinaryOperator::Subtract if item_first => Some(sum.wrapping_sub(constants)),
        BinaryOperator::Subtract => Some(constants.wrapping_sub(sum)),
        _ => None,
    }
}

fn is_item(node: &Node) -> bool {
    matches!(node.expr, Expr::Pointer(Pointer::Item))
}

fn adds_up(predicate: &Node) -> bool {
    let Expr::Binary(BinaryOperator::Add, operands) = &predicate.expr else { return false };
    let [left, right] = &**operands;
    let is_accumulator = |node: &Node| matches!(node.expr, Expr::Pointer(Pointer::Accumulator));
    is_item(left) && is_accumulator(right) || is_accumulator(left) && is_item(right)
}

/// `count(list, p) > 0` is `any(list, p)`.
pub(super) fn count_as_any(node: &mut Node) {
    let Expr::Binary(operator, operands) = &mut node.expr else { return };
    let [left, right] = &mut **operands;
    let one_is_enough = matches!(
        (*operator, as_int(right)),
        (BinaryOperator::More, Some(0)) | (BinaryOperator::MoreOrEqual, Some(1))
    );
    let count = as_call(left, Function::Count, 2).filter(|_| one_is_enough);
    let Some(count) = count else { return };
    let arguments = mem::take(&mut count.arguments);
    node.expr = Expr::Call(Box::new(Call::new(Function::Any, arguments)));
}

/// A count that is compared stops when the comparison is decided.
pub(super) fn enough_counted(node: &mut Node) {
    let (count, enough) = match &mut node.expr {
        Expr::Binary(operator, operands) => {
            let [left, right] = &mut **operands;
            let Some(bound) = as_int(right).filter(|bound| *bound >= 0) else { return };
            let enough = match operator {
                BinaryOperator::More | BinaryOperator::LessOrEqual => bound.wrapping_add(1),
                BinaryOperator::MoreOrEqual | BinaryOperator::Less => bound,
                _ => return,
            };
            (left, enough)
        }
        // The comparisons that it stands for, one after the other.
        Expr::Between(count, [from, to]) => {
            let enough = if *to >= 1 { to.wrapping_add(1) } else { *from };
            (&mut **count, enough)
        }
        _ => return,
    };
    if let Some(count) = as_call(count, Function::Count, 2).filter(|_| enough > 1) {
        count.enough = Some(enough);
    }
}
