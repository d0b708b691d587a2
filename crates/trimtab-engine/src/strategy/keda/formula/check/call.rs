//! The functions: how many arguments they take, of which types, and what they give.

use alloc::format;
use alloc::string::String;

use super::super::error::{FormulaError, Place};
use super::super::function::Function;
use super::super::nature::Nature;
use super::super::tree::{Call, Expr, Node};
use super::{Checked, Checker, Loop};

impl Checker<'_> {
    pub(super) fn call(&mut self, call: &mut Call, place: Place) -> Checked {
        take_order(call)?;
        if call.function.loop_arguments().is_some() {
            return self.loop_call(call);
        }
        match call.arguments.as_mut_slice() {
            [list, index] if call.function == Function::Get => {
                let (list_nature, index_nature) = (self.visit(list)?, self.visit(index)?);
                get(list, &list_nature, index, &index_nature)
            }
            _ => {
                let mut natures = alloc::vec::Vec::new();
                for argument in &mut call.arguments {
                    natures.push(self.visit(argument)?);
                }
                plain(call.function, &natures).map_err(|message| {
                    FormulaError::invalid(place, message).help(usage(call.function))
                })
            }
        }
    }

    /// `get($env, "name")`: the trigger, or nil.
    pub(super) fn get_of_env(&self, call: &Call) -> Result<Option<(Expr, Nature)>, FormulaError> {
        let (Function::Get, [base, property]) = (call.function, call.arguments.as_slice()) else {
            return Ok(None);
        };
        let (Expr::Name(env), Expr::Text(name)) = (&base.expr, &property.expr) else {
            return Ok(None);
        };
        if &**env != "$env" {
            return Ok(None);
        }
        let trigger = self.trigger(name);
        Ok(Some(match trigger {
            Some(trigger) => (Expr::Trigger(trigger), Nature::Float),
            None => (Expr::Nil, Nature::Unknown),
        }))
    }

    fn loop_call(&mut self, call: &mut Call) -> Checked {
        let function = call.function;
        let [list, rest @ ..] = call.arguments.as_mut_slice() else {
            return Ok(Nature::Unknown);
        };
        let nature = self.visit(list)?;
        if !nature.is_list() && !nature.is_unknown() {
            let message =
                format!("`{}` goes through a list, not {}", function.name(), nature.describe());
            return Err(FormulaError::invalid(list.place, message));
        }
        let [predicate, rest @ ..] = rest else {
            return Ok(match function {
                Function::Count => Nature::Int,
                _ => nature.item(),
            });
        };
        self.loops.push(Loop {
            list: nature.clone(),
            has_index: matches!(function, Function::Map | Function::Reduce),
            has_accumulator: function == Function::Reduce,
        });
        let given = self.visit(predicate)?;
        self.loops.pop();
        if let [start] = rest {
            self.visit(start)?;
        }
        if given == Nature::Nil {
            let message = format!("the predicate of `{}` gives nothing", function.name());
            return Err(FormulaError::invalid(predicate.place, message));
        }
        let asks = !matches!(
            function,
            Function::Map | Function::Sum | Function::SortBy | Function::Reduce
        );
        if asks && given != Nature::Bool && !given.is_unknown() {
            let message = format!(
                "the predicate of `{}` gives {}, and a boolean is wanted",
                function.name(),
                given.describe()
            );
            return Err(FormulaError::invalid(predicate.place, message));
        }
        Ok(match function {
            Function::Filter if nature.is_unknown() => Nature::list_of(Nature::Any),
            Function::Filter | Function::SortBy => nature,
            Function::Find | Function::FindLast => nature.item(),
            Function::FindIndex | Function::FindLastIndex | Function::Count => Nature::Int,
            Function::Map => Nature::list_of(given),
            Function::Sum => given.outermost(),
            Function::Reduce => given,
            _ => Nature::Bool,
        })
    }
}

/// Takes `"asc"` or `"desc"` from the end of the arguments.
fn take_order(call: &mut Call) -> Result<(), FormulaError> {
    let place = match call.function {
        Function::Sort => 1,
        Function::SortBy => 2,
        _ => return Ok(()),
    };
    if call.arguments.len() != place + 1 {
        return Ok(());
    }
    let Some(order) = call.arguments.pop() else { return Ok(()) };
    call.descending = match &order.expr {
        Expr::Text(text) if &**text == "asc" => false,
        Expr::Text(text) if &**text == "desc" => true,
        _ => {
            let message = "an order is `\"asc\"` or `\"desc\"`";
            return Err(FormulaError::unsupported(order.place, message));
        }
    };
    Ok(())
}

fn get(list: &Node, list_nature: &Nature, index: &Node, index_nature: &Nature) -> Checked {
    if list_nature.is_unknown() {
        return Ok(Nature::Unknown);
    }
    if !list_nature.is_list() {
        let message = format!("{} has no items", list_nature.describe());
        return Err(FormulaError::invalid(list.place, message));
    }
    if *index_nature != Nature::Int && !index_nature.is_unknown() {
        return Err(super::no_index(index, index_nature));
    }
    Ok(list_nature.item())
}

/// The nature of what an ordinary function gives, or what is wrong with its arguments.
fn plain(function: Function, natures: &[Nature]) -> Result<Nature, String> {
    use Function as F;
    let name = function.name();
    let wrong = |nature: &Nature| format!("`{name}` is not defined for {}", nature.describe());
    let is_list = |nature: &Nature| nature.is_list() || nature.is_unknown();
    let is_number = |nature: &Nature| nature.is_number() || nature.is_unknown();
    let is_integer = |nature: &Nature| *nature == Nature::Int || nature.is_unknown();
    let lists = Nature::list_of(Nature::Any);
    match (function, natures) {
        (F::Max | F::Min | F::Mean | F::Median, [first, ..]) => {
            // What comes behind the first list is not looked at.
            for nature in natures {
                if is_list(nature) {
                    return Ok(Nature::Any);
                }
                if !nature.is_number() {
                    return Err(wrong(nature));
                }
            }
            Ok(first.clone())
        }
        (F::Concat, [_, ..]) => match natures.iter().find(|nature| !is_list(nature)) {
            Some(other) => Err(wrong(other)),
            None => Ok(lists),
        },
        (F::Len, [nature]) if is_list(nature) => Ok(Nature::Int),
        (F::Abs, [nature]) if is_number(nature) => Ok(nature.outermost()),
        (F::Ceil | F::Floor | F::Round | F::Float, [nature]) if is_number(nature) => {
            Ok(Nature::Float)
        }
        (F::Int, [nature]) if is_number(nature) => Ok(Nature::Int),
        (F::First | F::Last, [nature]) if is_list(nature) => Ok(Nature::Any),
        (F::Take, [nature, count]) if is_list(nature) && is_integer(count) => {
            Ok(nature.outermost())
        }
        (F::Reverse | F::Uniq | F::Flatten | F::Sort, [nature]) if is_list(nature) => Ok(lists),
        (F::BitNot, [nature]) if is_integer(nature) => Ok(Nature::Int),
        (
            F::BitAnd | F::BitOr | F::BitXor | F::BitNand | F::BitShl | F::BitShr | F::BitUshr,
            [left, right],
        ) if is_integer(left) && is_integer(right) => Ok(Nature::Int),
        (_, [nature]) if takes_one(function) => Err(wrong(nature)),
        (F::Take, [nature, _]) if !is_list(nature) => Err(wrong(nature)),
        (F::Take, [_, count]) => Err(wrong(count)),
        (_, [left, right]) if takes_integers(function) => {
            Err(wrong(if is_integer(left) { right } else { left }))
        }
        _ => Err(format!("`{name}` does not take {} arguments", natures.len())),
    }
}

fn takes_integers(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::BitAnd | F::BitOr | F::BitXor | F::BitNand | F::BitShl | F::BitShr | F::BitUshr
    )
}

fn takes_one(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::Len
            | F::Abs
            | F::Ceil
            | F::Floor
            | F::Round
            | F::Int
            | F::Float
            | F::First
            | F::Last
            | F::Reverse
            | F::Uniq
            | F::Flatten
            | F::Sort
            | F::BitNot
    )
}

fn usage(function: Function) -> String {
    let name = function.name();
    match function {
        _ if takes_integers(function) => format!("as in `{name}(int(a), 3)`"),
        Function::BitNot => format!("as in `{name}(int(a))`"),
        Function::Max | Function::Min | Function::Mean | Function::Median => {
            format!("as in `{name}(a, b)` or `{name}([a, b])`")
        }
        Function::Take | Function::Get => format!("as in `{name}([a, b], 1)`"),
        Function::Concat => format!("as in `{name}([a], [b])`"),
        Function::Abs | Function::Ceil | Function::Floor | Function::Round => {
            format!("as in `{name}(a)`")
        }
        Function::Int | Function::Float => format!("as in `{name}(a)`"),
        _ => format!("as in `{name}([a, b])`"),
    }
}
