//! What is known beforehand: operators between literals, lists of literals.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use super::super::error::{FormulaError, Place};
use super::super::function::Function;
use super::super::nature::Nature;
use super::super::tree::{BinaryOperator, Expr, Node, UnaryOperator};
use super::super::value::{List, Value, calculate};
use super::{as_call, taken, walk};

/// As often as expr does it at most.
const ROUNDS: usize = 1001;

pub(super) fn until_nothing_changes(root: &mut Node) -> Result<(), FormulaError> {
    let mut divided_by_zero = None;
    for _ in 0..ROUNDS {
        let mut changed = false;
        walk(root, &mut |node| changed |= fold(node, &mut divided_by_zero));
        if let Some(place) = divided_by_zero {
            return Err(FormulaError::invalid(place, "an integer is divided by zero"));
        }
        if !changed {
            break;
        }
    }
    Ok(())
}

/// Whether the node became another.
fn fold(node: &mut Node, divided_by_zero: &mut Option<Place>) -> bool {
    match &mut node.expr {
        Expr::Unary(operator, operand) => {
            let folded = match (&operand.expr, operator) {
                (Expr::Int(value), UnaryOperator::Minus) => Expr::Int(value.wrapping_neg()),
                (Expr::Float(value), UnaryOperator::Minus) => Expr::Float(-value),
                (Expr::Int(value), UnaryOperator::Plus) => Expr::Int(*value),
                (Expr::Float(value), UnaryOperator::Plus) => Expr::Float(*value),
                (Expr::Bool(value), UnaryOperator::Not) => Expr::Bool(!value),
                _ => return false,
            };
            become_literal(node, folded);
        }
        Expr::Binary(operator @ (BinaryOperator::And | BinaryOperator::Or), operands) => {
            let neutral = *operator == BinaryOperator::And;
            let [left, right] = &mut **operands;
            let (known_left, known_right) = (as_bool(left), as_bool(right));
            if known_left == Some(neutral) {
                return become_child(node, 1);
            }
            if known_right == Some(neutral) {
                return become_child(node, 0);
            }
            if known_left.is_none() && known_right.is_none() {
                return false;
            }
            become_literal(node, Expr::Bool(!neutral));
        }
        Expr::Binary(operator, operands) => {
            let [left, right] = &**operands;
            if *operator == BinaryOperator::Modulo && matches!(right.expr, Expr::Int(0)) {
                if matches!(left.expr, Expr::Int(_)) && divided_by_zero.is_none() {
                    *divided_by_zero = Some(node.place);
                }
                return false;
            }
            let Some(folded) = between_literals(*operator, left, right) else { return false };
            become_literal(node, folded);
        }
        Expr::List(items) => {
            let known: Option<Vec<_>> = items.iter().map(literal).collect();
            let Some(known) = known.filter(|known| !known.is_empty()) else { return false };
            node.nature = Nature::list_of(Nature::Any);
            node.expr = Expr::Known(List::new(known));
        }
        Expr::Call(_) => return filter_of_filter(node),
        _ => return false,
    }
    true
}

fn as_bool(node: &Node) -> Option<bool> {
    if let Expr::Bool(value) = node.expr { Some(value) } else { None }
}

fn literal(node: &Node) -> Option<Value> {
    match node.expr {
        Expr::Bool(value) => Some(Value::Bool(value)),
        Expr::Int(value) => Some(Value::Int(value)),
        Expr::Float(value) => Some(Value::Float(value)),
        _ => None,
    }
}

fn become_literal(node: &mut Node, expr: Expr) {
    node.nature = match expr {
        Expr::Int(_) => Nature::Int,
        Expr::Float(_) => Nature::Float,
        _ => Nature::Bool,
    };
    node.expr = expr;
}

/// `true and x` is `x`, which counts as a boolean from then on.
fn become_child(node: &mut Node, child: usize) -> bool {
    let Some(child) = node.children_mut().nth(child) else { return false };
    let expr = taken(child);
    node.expr = expr;
    true
}

fn between_literals(operator: BinaryOperator, left: &Node, right: &Node) -> Option<Expr> {
    use BinaryOperator as Op;
    let (left, right) = (literal(left)?, literal(right)?);
    match operator {
        Op::Equal => match (left, right) {
            (Value::Int(left), Value::Int(right)) => Some(Expr::Bool(left == right)),
            (Value::Bool(left), Value::Bool(right)) => Some(Expr::Bool(left == right)),
            _ => None,
        },
        Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Power | Op::Modulo => {
            match calculate(operator, &left, &right) {
                Ok(Value::Int(value)) => Some(Expr::Int(value)),
                Ok(Value::Float(value)) => Some(Expr::Float(value)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `filter(filter(list, p), q)` is `filter(list, p and q)`.
fn filter_of_filter(node: &mut Node) -> bool {
    let Some(outer) = as_call(node, Function::Filter, 2) else { return false };
    let [list, second] = outer.arguments.as_mut_slice() else { return false };
    let Some(inner) = as_call(list, Function::Filter, 2) else { return false };
    let place = second.place;
    let second = mem::replace(second, Node::new(Expr::Nil, place));
    let mut arguments = mem::take(&mut inner.arguments);
    let Some(first) = arguments.pop() else { return false };
    let operands = Box::new([first, second]);
    arguments.push(Node::new(Expr::Binary(BinaryOperator::And, operands), place));
    outer.arguments = arguments;
    true
}
