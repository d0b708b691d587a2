//! The rewriting that expr does before it runs a formula.
//!
//! It is not there for speed. It changes answers: `sum([a, b, c])` adds from the right,
//! `x and false` is false also where `x` has no value, and a filter's first item is searched for
//! only as far as needed. So the same rewriting is done, in the same order.

mod counting;
mod fold;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use super::error::FormulaError;
use super::function::Function;
use super::nature::Nature;
use super::tree::{BinaryOperator, Call, Expr, Node, Pointer};

/// Rewrites a checked tree.
pub(super) fn simplify(root: &mut Node) -> Result<(), FormulaError> {
    walk(root, &mut among_integers);
    fold::until_nothing_changes(root)?;
    walk(root, &mut between);
    walk(root, &mut mapped_filter);
    walk(root, &mut length_of_filter);
    walk(root, &mut |node| end_of_filter(node, -1, Function::Last, Function::FindLast));
    walk(root, &mut |node| end_of_filter(node, 0, Function::First, Function::Find));
    walk(root, &mut counting::combined_predicates);
    walk(root, &mut counting::sum_of_range);
    walk(root, &mut sum_of_list);
    walk(root, &mut sum_of_map);
    walk(root, &mut counting::count_as_any);
    walk(root, &mut counting::enough_counted);
    Ok(())
}

/// Visits every node, those below first.
fn walk(node: &mut Node, visit: &mut dyn FnMut(&mut Node)) {
    for child in node.children_mut() {
        walk(child, visit);
    }
    visit(node);
}

/// The call, if the node is one of that function with so many arguments.
fn as_call(node: &mut Node, function: Function, arguments: usize) -> Option<&mut Call> {
    match &mut node.expr {
        Expr::Call(call) if call.function == function && call.arguments.len() == arguments => {
            Some(call)
        }
        _ => None,
    }
}

/// The integer that is written there.
fn as_int(node: &Node) -> Option<i64> {
    if let Expr::Int(value) = node.expr { Some(value) } else { None }
}

/// A node's expression, when the node is about to become something else.
fn taken(node: &mut Node) -> Expr {
    mem::replace(&mut node.expr, Expr::Nil)
}

/// `n in [1, 2, 3]`, where `n` counts as an integer: looked up, so a float there is an error.
fn among_integers(node: &mut Node) {
    let Expr::Binary(BinaryOperator::In, operands) = &mut node.expr else { return };
    let [left, right] = &mut **operands;
    let Expr::List(items) = &right.expr else { return };
    if left.nature != Nature::Int || items.is_empty() {
        return;
    }
    let Some(integers) = items.iter().map(as_int).collect::<Option<Vec<_>>>() else { return };
    let place = left.place;
    let left = mem::replace(left, Node::new(Expr::Nil, place));
    node.expr = Expr::AmongIntegers(Box::new(left), integers);
}

/// `n in 1..3`, where `n` counts as an integer: compared, so 1.5 is in.
fn between(node: &mut Node) {
    let Expr::Binary(BinaryOperator::In, operands) = &mut node.expr else { return };
    let [left, right] = &mut **operands;
    let Expr::Binary(BinaryOperator::Range, bounds) = &right.expr else { return };
    let [from, to] = &**bounds;
    let (Some(from), Some(to)) = (as_int(from), as_int(to)) else { return };
    if left.nature != Nature::Int {
        return;
    }
    let place = left.place;
    let left = mem::replace(left, Node::new(Expr::Nil, place));
    node.expr = Expr::Between(Box::new(left), [from, to]);
}

/// `map(filter(...), ...)` in one go.
fn mapped_filter(node: &mut Node) {
    let Some(map) = as_call(node, Function::Map, 2) else { return };
    let [list, predicate] = map.arguments.as_mut_slice() else { return };
    if has_index(predicate) {
        return;
    }
    let Expr::Call(filter) = &mut list.expr else { return };
    if filter.function != Function::Filter || filter.map.is_some() {
        return;
    }
    let place = predicate.place;
    filter.map = Some(mem::replace(predicate, Node::new(Expr::Nil, place)));
    let filter = taken(list);
    node.expr = filter;
}

fn has_index(node: &Node) -> bool {
    matches!(node.expr, Expr::Pointer(Pointer::Index)) || node.children().any(has_index)
}

/// `len(filter(...))` is a count.
fn length_of_filter(node: &mut Node) {
    let Some(length) = as_call(node, Function::Len, 1) else { return };
    let [list] = length.arguments.as_mut_slice() else { return };
    let Some(filter) = as_call(list, Function::Filter, 2) else { return };
    let arguments = mem::take(&mut filter.arguments);
    node.expr = Expr::Call(Box::new(Call::new(Function::Count, arguments)));
}

/// `filter(...)[0]` and `first(filter(...))` search, and so do their mirror images.
fn end_of_filter(node: &mut Node, index: i64, end: Function, find: Function) {
    let (list, must_find) = match &mut node.expr {
        Expr::Item { of, optional: false } => {
            let [list, at] = &mut **of;
            if as_int(at) != Some(index) {
                return;
            }
            (list, true)
        }
        Expr::Call(call) if call.function == end => match call.arguments.as_mut_slice() {
            [list] => (list, false),
            _ => return,
        },
        _ => return,
    };
    let Some(filter) = as_call(list, Function::Filter, 2) else { return };
    let mut call = Call::new(find, mem::take(&mut filter.arguments));
    call.map = filter.map.take();
    call.must_find = must_find;
    node.expr = Expr::Call(Box::new(call));
}

/// `sum([a, b, c])` is `a + (b + c)`.
fn sum_of_list(node: &mut Node) {
    let Some(sum) = as_call(node, Function::Sum, 1) else { return };
    let [list] = sum.arguments.as_mut_slice() else { return };
    let Expr::List(items) = &mut list.expr else { return };
    if items.len() >= 2 {
        let items = mem::take(items);
        node.expr = Expr::SumFromRight(items);
    }
}

/// `sum(map(list, f))` is `sum(list, f)`.
fn sum_of_map(node: &mut Node) {
    let Some(sum) = as_call(node, Function::Sum, 1) else { return };
    let [list] = sum.arguments.as_mut_slice() else { return };
    let Some(map) = as_call(list, Function::Map, 2) else { return };
    let arguments = mem::take(&mut map.arguments);
    node.expr = Expr::Call(Box::new(Call::new(Function::Sum, arguments)));
}
