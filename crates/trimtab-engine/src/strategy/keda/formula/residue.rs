//! A defect of expr 1.17.8 that no formula may rest on.
//!
//! Its loops from the end (`findLast`, `findLastIndex`, and `last(filter(...))` and
//! `filter(...)[-1]`, which become such) leave values behind on its stack, under their own. The next
//! operator that wants an operand from below takes one of those for it. Where that can happen, the
//! formula is refused.

use super::error::FormulaError;
use super::function::Function;
use super::tree::{BinaryOperator, Call, Expr, Node};

/// Whether evaluating the node leaves something behind in expr.
pub(super) fn leaves_residue(node: &Node) -> Result<bool, FormulaError> {
    match &node.expr {
        // The left side is taken off before the right one is looked at.
        Expr::Binary(BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Coalesce, _)
        | Expr::Conditional(_)
        | Expr::Sequence(_)
        | Expr::Let { .. } => any(node.children()),
        Expr::Call(call) if call.function.loop_arguments().is_some() => of_loop(call),
        // Everything else collects its operands.
        _ => {
            let mut children = node.children();
            let first = children.next().map_or(Ok(false), leaves_residue)?;
            none(children)?;
            Ok(first)
        }
    }
}

fn of_loop(call: &Call) -> Result<bool, FormulaError> {
    let parts = call.arguments.iter().chain(&call.map);
    if matches!(call.function, Function::Filter | Function::Map) {
        // The items that are kept lie on the stack while the predicate is asked.
        let mut parts = parts;
        let list = parts.next().map_or(Ok(false), leaves_residue)?;
        none(parts)?;
        return Ok(list);
    }
    let own = matches!(call.function, Function::FindLast | Function::FindLastIndex);
    Ok(any(parts)? || own)
}

fn any<'n>(nodes: impl Iterator<Item = &'n Node>) -> Result<bool, FormulaError> {
    let mut any = false;
    for node in nodes {
        any |= leaves_residue(node)?;
    }
    Ok(any)
}

fn none<'n>(nodes: impl Iterator<Item = &'n Node>) -> Result<(), FormulaError> {
    for node in nodes {
        if leaves_residue(node)? {
            let message = "expr 1.17.8 has a wrong value for this, where it does not stand first";
            let help = "`findLast`, `findLastIndex` and the last item of a filter go first, or \
                        into a variable";
            return Err(FormulaError::unsupported(node.place, message).help(help));
        }
    }
    Ok(())
}
