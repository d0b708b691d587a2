//! Names and types: what expr refuses to compile.

mod call;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::error::{FormulaError, Place};
use super::function::{Named, named};
use super::nature::Nature;
use super::tree::{BinaryOperator, Expr, Node, Pointer, UnaryOperator};

/// Resolves the names and notes every node's nature.
pub(super) fn check(node: &mut Node, names: &[&str]) -> Result<(), FormulaError> {
    let mut checker = Checker { names, variables: Vec::new(), loops: Vec::new() };
    checker.visit(node).map(drop)
}

type Checked = Result<Nature, FormulaError>;

struct Checker<'c> {
    names: &'c [&'c str],
    variables: Vec<(Box<str>, Nature)>,
    loops: Vec<Loop>,
}

/// What `#` and its relatives mean in a predicate.
struct Loop {
    list: Nature,
    has_index: bool,
    has_accumulator: bool,
}

impl Checker<'_> {
    fn visit(&mut self, node: &mut Node) -> Checked {
        let place = node.place;
        let nature = match &mut node.expr {
            Expr::Nil => Nature::Nil,
            Expr::Bool(_) => Nature::Bool,
            Expr::Int(_) => Nature::Int,
            Expr::Float(_) => Nature::Float,
            Expr::Text(_) => {
                let message = "a string is no part of a formula";
                return Err(FormulaError::unsupported(place, message));
            }
            Expr::Name(name) => {
                let (expr, nature) = self.resolve(name, place)?;
                node.expr = expr;
                nature
            }
            Expr::Pointer(pointer) => self.pointer(*pointer, place)?,
            Expr::Unary(operator, operand) => self.unary(*operator, operand, place)?,
            Expr::Binary(operator, operands) => self.binary(*operator, operands, place)?,
            Expr::Conditional(parts) => self.conditional(parts)?,
            Expr::List(items) => self.list(items)?,
            Expr::Item { of, optional } => {
                let optional = *optional;
                if let Some(trigger) = self.in_env(of, optional)? {
                    node.expr = Expr::Trigger(trigger);
                    Nature::Float
                } else {
                    self.item(of)?
                }
            }
            Expr::Part { list, from, to } => {
                self.part(list, from.as_deref_mut(), to.as_deref_mut(), place)?
            }
            Expr::Call(call) => {
                if let Some((expr, nature)) = self.get_of_env(call)? {
                    node.expr = expr;
                    nature
                } else {
                    self.call(call, place)?
                }
            }
            Expr::Let { name, value, body } => {
                self.may_declare(name, place)?;
                let nature = self.visit(value)?;
                self.variables.push((name.clone(), nature));
                let nature = self.visit(body)?;
                self.variables.pop();
                nature
            }
            Expr::Sequence(nodes) => {
                let mut last = Nature::Unknown;
                for node in nodes {
                    last = self.visit(node)?;
                }
                last
            }
            // These come later, and have a nature then.
            Expr::Trigger(_)
            | Expr::Variable(_)
            | Expr::Known(_)
            | Expr::SumFromRight(_)
            | Expr::AmongIntegers(..)
            | Expr::Between(..) => node.nature.clone(),
        };
        node.nature = nature.clone();
        Ok(nature)
    }

    fn resolve(&self, name: &str, place: Place) -> Result<(Expr, Nature), FormulaError> {
        if let Some(index) = self.variables.iter().rposition(|(own, _)| **own == *name) {
            let nature = self.variables.get(index).map_or(Nature::Unknown, |(_, own)| own.clone());
            return Ok((Expr::Variable(index), nature));
        }
        if let Some(index) = self.trigger(name) {
            return Ok((Expr::Trigger(index), Nature::Float));
        }
        if name == "$env" {
            let message = "`$env` is only for a trigger's name, as in `$env[\"a-b\"]`";
            return Err(FormulaError::unsupported(place, message));
        }
        if named(name) != Named::Nothing {
            let message = format!("`{name}` is a function; it needs arguments in parentheses");
            return Err(FormulaError::unsupported(place, message));
        }
        Err(self.unknown_trigger(name, place))
    }

    /// Of two with the same name the last counts.
    fn trigger(&self, name: &str) -> Option<usize> {
        self.names.iter().rposition(|own| *own == name && !name.is_empty())
    }

    fn unknown_trigger(&self, name: &str, place: Place) -> FormulaError {
        let message = format!("there is no trigger `{name}`");
        let error = FormulaError::invalid(place, message);
        if self.names.is_empty() {
            return error.help("no trigger has a name");
        }
        let known: Vec<_> = self.names.iter().take(8).map(|name| format!("`{name}`")).collect();
        error.help(format!("known are {}", known.join(", ")))
    }

    /// The trigger, if it is `$env.name` or `$env["name"]`.
    fn in_env(&self, of: &[Node; 2], optional: bool) -> Result<Option<usize>, FormulaError> {
        let [base, property] = of;
        let Expr::Name(env) = &base.expr else { return Ok(None) };
        let shadowed = self.variables.iter().any(|(own, _)| **own == **env);
        if &**env != "$env" || shadowed {
            return Ok(None);
        }
        let Expr::Text(name) = &property.expr else {
            let message = "`$env` takes a name in quotes here";
            return Err(FormulaError::unsupported(property.place, message));
        };
        match self.trigger(name) {
            Some(trigger) => Ok(Some(trigger)),
            None if optional => {
                let message = format!("there is no trigger `{name}`, now or later");
                Err(FormulaError::unsupported(property.place, message))
            }
            None => Err(self.unknown_trigger(name, property.place)),
        }
    }

    fn may_declare(&self, name: &str, place: Place) -> Result<(), FormulaError> {
        let what = if self.names.contains(&name) {
            "a trigger"
        } else if named(name) != Named::Nothing {
            "a function"
        } else if self.variables.iter().any(|(own, _)| **own == *name) {
            "a variable already"
        } else if name == "$env" {
            return Err(FormulaError::unsupported(place, "`$env` is no name for a variable"));
        } else {
            return Ok(());
        };
        let message = format!("`{name}` is {what}");
        Err(FormulaError::invalid(place, message).help("give the variable another name"))
    }

    fn pointer(&self, pointer: Pointer, place: Place) -> Checked {
        let scope = self.loops.last();
        match (pointer, scope) {
            (Pointer::Item, Some(scope)) => Ok(scope.list.item()),
            (Pointer::Index, Some(Loop { has_index: true, .. })) => Ok(Nature::Int),
            (Pointer::Accumulator, Some(Loop { has_accumulator: true, .. })) => Ok(Nature::Unknown),
            (_, None) => Err(FormulaError::invalid(place, "`#` means nothing outside a predicate")),
            _ => {
                let help =
                    "`#` is the item; `map` and `reduce` also have `#index`, `reduce` `#acc`";
                let message = "this predicate has no such pointer";
                Err(FormulaError::invalid(place, message).help(help))
            }
        }
    }

    fn unary(&mut self, operator: UnaryOperator, operand: &mut Node, place: Place) -> Checked {
        let nature = self.visit(operand)?;
        let (symbol, fits) = match operator {
            UnaryOperator::Not => ("not", nature == Nature::Bool),
            UnaryOperator::Plus => ("+", nature.is_number()),
            UnaryOperator::Minus => ("-", nature.is_number()),
        };
        match operator {
            UnaryOperator::Not if fits || nature.is_unknown() => Ok(Nature::Bool),
            _ if fits => Ok(nature),
            _ if nature.is_unknown() => Ok(Nature::Unknown),
            _ => {
                let message = format!("`{symbol}` is not defined for {}", nature.describe());
                Err(FormulaError::invalid(place, message))
            }
        }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        operands: &mut [Node; 2],
        place: Place,
    ) -> Checked {
        let [left, right] = operands;
        let (left, right) = (self.visit(left)?, self.visit(right)?);
        result(operator, &left, &right).ok_or_else(|| {
            let (symbol, left) = (operator.symbol(), left.describe());
            let message = format!("`{symbol}` is not defined for {left} and {}", right.describe());
            FormulaError::invalid(place, message)
        })
    }

    fn conditional(&mut self, parts: &mut [Node; 3]) -> Checked {
        let [condition, yes, no] = parts;
        let nature = self.visit(condition)?;
        if nature != Nature::Bool && !nature.is_unknown() {
            let message = format!("a condition is a boolean, and this is {}", nature.describe());
            return Err(FormulaError::invalid(condition.place, message));
        }
        let (yes, no) = (self.visit(yes)?, self.visit(no)?);
        Ok(match (&yes, &no) {
            (Nature::Nil, _) => no,
            (_, Nature::Nil) => yes,
            (Nature::List(left), Nature::List(right)) => {
                let alike = left.is_assignable_to(right) && right.is_assignable_to(left);
                if alike { yes } else { Nature::list_of(Nature::Any) }
            }
            _ if yes.is_assignable_to(&no) => yes,
            _ => Nature::Unknown,
        })
    }

    fn list(&mut self, items: &mut [Node]) -> Checked {
        let mut last = None;
        let mut alike = true;
        for item in items {
            let nature = self.visit(item)?;
            alike &= last.as_ref().is_none_or(|last| nature.is_like(last));
            last = Some(nature);
        }
        let item = if alike { last.unwrap_or(Nature::Unknown) } else { Nature::Any };
        Ok(Nature::list_of(item))
    }

    fn item(&mut self, of: &mut [Node; 2]) -> Checked {
        let [list, index] = of;
        let list_nature = self.visit(list)?;
        let index_nature = self.visit(index)?;
        if list_nature.is_unknown() {
            return Ok(Nature::Unknown);
        }
        if !list_nature.is_list() {
            let message = format!("{} has no items", list_nature.describe());
            return Err(FormulaError::invalid(list.place, message));
        }
        if index_nature != Nature::Int && !index_nature.is_unknown() {
            return Err(no_index(index, &index_nature));
        }
        Ok(list_nature.item())
    }

    fn part(
        &mut self,
        list: &mut Node,
        from: Option<&mut Node>,
        to: Option<&mut Node>,
        place: Place,
    ) -> Checked {
        let nature = self.visit(list)?;
        for index in [from, to].into_iter().flatten() {
            let index_nature = self.visit(index)?;
            if nature.is_unknown() {
                // It is not looked at there, so its nature stays unknown.
                forget(index);
            } else if index_nature != Nature::Int && !index_nature.is_unknown() {
                return Err(no_index(index, &index_nature));
            }
        }
        match nature {
            Nature::List(_) => Ok(nature),
            _ if nature.is_unknown() => Ok(Nature::Unknown),
            _ => {
                let message = format!("{} has no parts", nature.describe());
                Err(FormulaError::invalid(place, message))
            }
        }
    }
}

fn no_index(index: &Node, nature: &Nature) -> FormulaError {
    let message = format!("an index is an integer, and this is {}", nature.describe());
    FormulaError::invalid(index.place, message).help("`int(...)` makes an integer of a float")
}

fn forget(node: &mut Node) {
    node.nature = Nature::Unknown;
    node.children_mut().for_each(forget);
}

/// The nature of what a binary operator gives, if it takes these.
fn result(operator: BinaryOperator, left: &Nature, right: &Nature) -> Option<Nature> {
    use BinaryOperator as Op;
    let numbers = left.is_number() && right.is_number();
    let maybe_numbers = left.may_fit(right, Nature::is_number);
    let is_integer = |nature: &Nature| *nature == Nature::Int;
    let integers = is_integer(left) && is_integer(right) || left.may_fit(right, is_integer);
    let promoted = || if numbers && integers { Nature::Int } else { Nature::Float };
    match operator {
        Op::Equal | Op::NotEqual => left.is_comparable_to(right).then_some(Nature::Bool),
        Op::Or | Op::And => {
            let is_bool = |nature: &Nature| *nature == Nature::Bool;
            let bools = is_bool(left) && is_bool(right) || left.may_fit(right, is_bool);
            bools.then_some(Nature::Bool)
        }
        Op::Less | Op::More | Op::LessOrEqual | Op::MoreOrEqual => {
            (numbers || maybe_numbers).then_some(Nature::Bool)
        }
        Op::Add | Op::Subtract | Op::Multiply if numbers => Some(promoted()),
        Op::Add | Op::Subtract | Op::Multiply => maybe_numbers.then_some(Nature::Unknown),
        Op::Divide | Op::Power => (numbers || maybe_numbers).then_some(Nature::Float),
        Op::Modulo => integers.then_some(Nature::Int),
        Op::Range => integers.then(|| Nature::list_of(Nature::Int)),
        Op::In => match right {
            Nature::List(item) => left.is_comparable_to(item).then_some(Nature::Bool),
            _ => right.is_unknown().then_some(Nature::Bool),
        },
        Op::Coalesce => Some(match (left, right) {
            (Nature::Nil, _) => right.clone(),
            (_, Nature::Nil) => left.clone(),
            _ if right.is_assignable_to(left) => left.clone(),
            _ => Nature::Unknown,
        }),
    }
}
