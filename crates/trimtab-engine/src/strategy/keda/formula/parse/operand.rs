//! Operands: literals, names, lists, pointers, and the indexes behind them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::super::error::{FormulaError, Place};
use super::super::literal;
use super::super::token::{Kind, Token};
use super::super::tree::{Expr, Node, Pointer, UnaryOperator};
use super::{NOT, Parsed, Parser, SIGN};

impl<'p> Parser<'p> {
    pub(super) fn primary(&mut self) -> Parsed {
        let token = self.current();
        let unary = match (token.kind, token.text) {
            (Kind::Operator, "not" | "!") => Some((UnaryOperator::Not, NOT)),
            (Kind::Operator, "-") => Some((UnaryOperator::Minus, SIGN)),
            (Kind::Operator, "+") => Some((UnaryOperator::Plus, SIGN)),
            _ => None,
        };
        if let Some((operator, strength)) = unary {
            self.next();
            let operand = Box::new(self.expression(strength)?);
            let place = token.at.to(operand.place);
            let node = self.node(Expr::Unary(operator, operand), place)?;
            return self.postfix(node);
        }
        if self.take(Kind::Bracket, "(") {
            let mut node = self.sequence()?;
            node.place = token.at.to(self.expect(Kind::Bracket, ")")?.at);
            return self.postfix(node);
        }
        if self.predicates > 0 && self.take(Kind::Operator, "#") {
            let node = self.pointer(token.at)?;
            return self.postfix(node);
        }
        if self.predicates > 0 && token.is(Kind::Operator, ".") {
            return Err(FormulaError::unsupported(token.at, "an item of a list has no fields"));
        }
        if self.take(Kind::Operator, "::") {
            let name = self.name()?;
            let node = self.call(name, Vec::new(), false)?;
            return self.postfix(node);
        }
        self.secondary(token)
    }

    fn pointer(&mut self, place: Place) -> Parsed {
        let name = self.current();
        if name.kind != Kind::Identifier {
            return self.node(Expr::Pointer(Pointer::Item), place);
        }
        self.next();
        let pointer = match name.text {
            "index" => Pointer::Index,
            "acc" => Pointer::Accumulator,
            _ => Pointer::Unknown,
        };
        self.node(Expr::Pointer(pointer), place.to(name.at))
    }

    fn secondary(&mut self, token: Token<'p>) -> Parsed {
        match token.kind {
            Kind::Identifier => {
                self.next();
                let constant = match token.text {
                    "true" => Some(Expr::Bool(true)),
                    "false" => Some(Expr::Bool(false)),
                    "nil" => Some(Expr::Nil),
                    _ => None,
                };
                if let Some(constant) = constant {
                    return self.node(constant, token.at);
                }
                let node = if self.is(Kind::Bracket, "(") {
                    self.call(token, Vec::new(), true)?
                } else {
                    self.node(Expr::Name(token.text.into()), token.at)?
                };
                self.postfix(node)
            }
            Kind::Number => {
                self.next();
                // A number takes no index: `1[0]` is refused by what follows.
                self.node(literal::number(token)?, token.at)
            }
            Kind::Text => {
                self.next();
                let node = self.node(literal::text(token)?, token.at)?;
                self.postfix(node)
            }
            Kind::Bracket if token.text == "[" => {
                self.next();
                let node = self.list(token.at)?;
                self.postfix(node)
            }
            Kind::Bracket if token.text == "{" => {
                Err(FormulaError::unsupported(token.at, "a map is no part of a formula"))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn list(&mut self, start: Place) -> Parsed {
        let mut nodes = Vec::new();
        while !self.is(Kind::Bracket, "]") {
            if !nodes.is_empty() {
                self.comma("]")?;
                if self.is(Kind::Bracket, "]") {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        let place = start.to(self.expect(Kind::Bracket, "]")?.at);
        self.node(Expr::List(nodes), place)
    }

    /// Whatever stands behind an operand: indexes and parts.
    fn postfix(&mut self, mut node: Node) -> Parsed {
        loop {
            let token = self.current();
            let mut optional = false;
            match (token.kind, token.text) {
                (Kind::Bracket, "[") => {}
                (Kind::Operator, "?.") => {
                    self.next();
                    optional = true;
                    if !self.is(Kind::Bracket, "[") {
                        node = self.field(node, token.at, true)?;
                        continue;
                    }
                }
                (Kind::Operator, ".") => {
                    self.next();
                    node = self.field(node, token.at, false)?;
                    continue;
                }
                _ => return Ok(node),
            }
            self.next();
            node = self.index(node, optional)?;
        }
    }

    /// `$env.name`; nothing else has fields.
    fn field(&mut self, node: Node, dot: Place, optional: bool) -> Parsed {
        let is_env = matches!(&node.expr, Expr::Name(name) if &**name == "$env");
        let name = self.next();
        let is_word = name.kind == Kind::Identifier
            || name.kind == Kind::Operator && name.text.starts_with(char::is_alphabetic);
        if !is_word {
            let place = dot.to(name.at);
            return Err(FormulaError::invalid(place, "a name has to follow this dot"));
        }
        let place = node.place.to(name.at);
        if !is_env || self.is(Kind::Bracket, "(") {
            return Err(FormulaError::unsupported(place, "a number or list has no fields"));
        }
        let property = self.node(Expr::Text(name.text.into()), name.at)?;
        self.node(Expr::Item { of: Box::new([node, property]), optional }, place)
    }

    fn index(&mut self, node: Node, optional: bool) -> Parsed {
        let start = node.place;
        let from = if self.is(Kind::Operator, ":") { None } else { Some(self.expression(0)?) };
        if self.take(Kind::Operator, ":") {
            let to = if self.is(Kind::Bracket, "]") { None } else { Some(self.expression(0)?) };
            let place = start.to(self.expect(Kind::Bracket, "]")?.at);
            let list = Box::new(node);
            let (from, to) = (from.map(Box::new), to.map(Box::new));
            return self.node(Expr::Part { list, from, to }, place);
        }
        let place = start.to(self.expect(Kind::Bracket, "]")?.at);
        match from {
            Some(index) => self.node(Expr::Item { of: Box::new([node, index]), optional }, place),
            None => Err(self.unexpected()),
        }
    }
}
