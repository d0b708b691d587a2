//! Calls: the functions' arguments, and predicates among them.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::super::error::{FormulaError, Place};
use super::super::function::{Argument, Function, Named, named};
use super::super::token::{Kind, Token};
use super::super::tree::{Call, Expr, Node};
use super::{Parsed, Parser};

impl<'p> Parser<'p> {
    /// A call, whose first arguments may stand before it with a `|`.
    pub(super) fn call(&mut self, name: Token<'p>, given: Vec<Node>, hidden: bool) -> Parsed {
        if hidden && self.names.contains(&name.text) {
            let message = format!("`{}` is a trigger here, not a function", name.text);
            return Err(FormulaError::invalid(name.at, message));
        }
        let function = match named(name.text) {
            Named::Function(function) => function,
            Named::LeftOut => {
                let message = format!("`{}` is no part of a formula", name.text);
                return Err(FormulaError::unsupported(name.at, message));
            }
            Named::Nothing => {
                let message = format!("there is no function `{}`", name.text);
                return Err(FormulaError::invalid(name.at, message));
            }
        };
        let start = given.first().map_or(name.at, |first| first.place.to(name.at));
        self.expect(Kind::Bracket, "(")?;
        let arguments = match function.loop_arguments() {
            Some(wanted) => self.loop_arguments(function, name.at, wanted, given)?,
            None => self.arguments(given)?,
        };
        let place = start.to(self.expect(Kind::Bracket, ")")?.at);
        self.node(Expr::Call(Box::new(Call::new(function, arguments))), place)
    }

    fn arguments(&mut self, mut arguments: Vec<Node>) -> Result<Vec<Node>, FormulaError> {
        let given = arguments.len();
        while !self.is(Kind::Bracket, ")") {
            if arguments.len() > given {
                self.comma(")")?;
                if self.is(Kind::Bracket, ")") {
                    break;
                }
            }
            arguments.push(self.expression(0)?);
        }
        Ok(arguments)
    }

    fn loop_arguments(
        &mut self,
        function: Function,
        place: Place,
        wanted: &[Argument],
        mut arguments: Vec<Node>,
    ) -> Result<Vec<Node>, FormulaError> {
        let given = arguments.len();
        for (number, argument) in wanted.iter().skip(given).enumerate() {
            let optional =
                matches!(argument, Argument::OptionalPredicate | Argument::OptionalValue);
            if self.is(Kind::Bracket, ")") {
                if optional {
                    break;
                }
                let message = format!("`{}` takes more arguments", function.name());
                let help = format!("as in `{}([a, b], {{# > 1}})`", function.name());
                return Err(FormulaError::invalid(place, message).help(help));
            }
            if number > 0 {
                self.expect(Kind::Operator, ",")?;
            }
            arguments.push(match argument {
                Argument::Value | Argument::OptionalValue => self.expression(0)?,
                Argument::Predicate | Argument::OptionalPredicate => self.predicate()?,
            });
        }
        self.take(Kind::Operator, ",");
        Ok(arguments)
    }

    fn predicate(&mut self) -> Parsed {
        self.predicates += 1;
        let node = if self.is(Kind::Bracket, "{") {
            self.block()
        } else {
            let node = self.expression(0)?;
            if self.is(Kind::Operator, ";") {
                let help = "put the predicate in `{` and `}`";
                return Err(self.unexpected().help(help));
            }
            Ok(node)
        };
        self.predicates -= 1;
        node
    }
}
