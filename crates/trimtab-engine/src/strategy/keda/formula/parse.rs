//! Tokens to a tree, with expr's precedences and its restrictions.

mod call;
mod operand;

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;

use super::error::{FormulaError, Place};
use super::token::{Kind, Token, tokens};
use super::tree::{BinaryOperator, Expr, Node, UnaryOperator};
use super::{MOST_NESTING, MOST_NODES};

/// The tree of a text, of which what stands from `end` on is not the user's. A function whose name
/// a trigger has is hidden by it.
pub(super) fn parse(text: &str, end: usize, names: &[&str]) -> Result<Node, FormulaError> {
    let tokens = tokens(text)?;
    let mut parser =
        Parser { tokens: &tokens, at: 0, end, names, nesting: 0, predicates: 0, nodes: 0 };
    let node = parser.sequence()?;
    if parser.current().kind == Kind::End { Ok(node) } else { Err(parser.unexpected()) }
}

type Parsed = Result<Node, FormulaError>;

struct Parser<'p> {
    tokens: &'p [Token<'p>],
    at: usize,
    /// Where the user's text ends.
    end: usize,
    names: &'p [&'p str],
    /// How many expressions are being read, one in the other.
    nesting: usize,
    /// How many predicates are being read, one in the other.
    predicates: usize,
    nodes: usize,
}

/// Binding strengths of unary operators: `not`, and the signs.
const NOT: u16 = 50;
const SIGN: u16 = 90;

fn strength(operator: &str) -> Option<(u16, BinaryOperator)> {
    use BinaryOperator as Op;
    Some(match operator {
        "or" | "||" => (10, Op::Or),
        "and" | "&&" => (15, Op::And),
        "==" => (20, Op::Equal),
        "!=" => (20, Op::NotEqual),
        "<" => (20, Op::Less),
        ">" => (20, Op::More),
        "<=" => (20, Op::LessOrEqual),
        ">=" => (20, Op::MoreOrEqual),
        "in" => (20, Op::In),
        ".." => (25, Op::Range),
        "+" => (30, Op::Add),
        "-" => (30, Op::Subtract),
        "*" => (60, Op::Multiply),
        "/" => (60, Op::Divide),
        "%" => (60, Op::Modulo),
        "**" | "^" => (100, Op::Power),
        "??" => (500, Op::Coalesce),
        _ => return None,
    })
}

fn is_about_texts(operator: &str) -> bool {
    matches!(operator, "matches" | "contains" | "startsWith" | "endsWith")
}

impl<'p> Parser<'p> {
    fn current(&self) -> Token<'p> {
        const END: Token<'static> =
            Token { kind: Kind::End, text: "", at: Place { start: 0, end: 0 } };
        self.tokens.get(self.at).or(self.tokens.last()).copied().unwrap_or(END)
    }

    fn next(&mut self) -> Token<'p> {
        let token = self.current();
        self.at += 1;
        token
    }

    fn is(&self, kind: Kind, text: &str) -> bool {
        self.current().is(kind, text)
    }

    fn take(&mut self, kind: Kind, text: &str) -> bool {
        let there = self.is(kind, text);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, kind: Kind, text: &str) -> Result<Token<'p>, FormulaError> {
        if self.is(kind, text) {
            return Ok(self.next());
        }
        Err(self.unexpected().help(format!("`{text}` would go on here")))
    }

    /// Between two arguments or items.
    fn comma(&mut self, closing: &str) -> Result<(), FormulaError> {
        if self.take(Kind::Operator, ",") {
            return Ok(());
        }
        let help = format!("an operator, `,` or `{closing}` would go on here");
        Err(self.unexpected().help(help))
    }

    fn name(&mut self) -> Result<Token<'p>, FormulaError> {
        if self.current().kind == Kind::Identifier {
            return Ok(self.next());
        }
        Err(self.unexpected().help("a name would go on here"))
    }

    fn unexpected(&self) -> FormulaError {
        let token = self.current();
        if token.kind == Kind::End || token.at.start >= self.end {
            return FormulaError::invalid(token.at, "the formula ends too early");
        }
        let message = format!("`{}` does not belong here", token.text);
        if is_about_texts(token.text) || matches!(token.kind, Kind::Text) {
            return FormulaError::unsupported(token.at, message);
        }
        FormulaError::invalid(token.at, message)
    }

    fn node(&mut self, expr: Expr, place: Place) -> Parsed {
        self.nodes += 1;
        let node = Node::new(expr, place);
        if node.depth > MOST_NESTING {
            return Err(too_deep(place));
        }
        self.within_size(place)?;
        Ok(node)
    }

    fn within_size(&self, place: Place) -> Result<(), FormulaError> {
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        let message = format!("the formula has more than {MOST_NODES} operands and operators");
        Err(FormulaError::too_large(place, message))
    }

    /// Expressions with semicolons between them; the last is the value.
    fn sequence(&mut self) -> Parsed {
        let first = self.expression(0)?;
        if !self.is(Kind::Operator, ";") {
            return Ok(first);
        }
        let place = first.place;
        let mut nodes = vec![first];
        while self.take(Kind::Operator, ";") && self.current().kind != Kind::End {
            nodes.push(self.expression(0)?);
        }
        match nodes.pop() {
            Some(only) if nodes.is_empty() => Ok(only),
            Some(last) => {
                let place = place.to(last.place);
                nodes.push(last);
                self.node(Expr::Sequence(nodes), place)
            }
            None => Err(self.unexpected()),
        }
    }

    /// An expression of operators that bind at least so strongly.
    fn expression(&mut self, least: u16) -> Parsed {
        self.nesting += 1;
        if self.nesting > MOST_NESTING {
            return Err(too_deep(self.current().at));
        }
        let node = if least == 0 && self.is(Kind::Operator, "let") {
            self.declaration()
        } else if least == 0 && self.is(Kind::Operator, "if") {
            self.if_else()
        } else {
            self.operation(least)
        };
        self.nesting -= 1;
        node
    }

    fn operation(&mut self, least: u16) -> Parsed {
        let mut left = self.primary()?;
        let mut after_coalescing = false;
        while self.current().kind == Kind::Operator {
            let mut token = self.current();
            let negated = token.text == "not";
            if negated {
                token = self.tokens.get(self.at + 1).copied().unwrap_or(token);
                if is_about_texts(token.text) {
                    return Err(self.text_operator(token));
                }
                if !token.is(Kind::Operator, "in") {
                    self.at += 1;
                    return Err(self.unexpected().help("`not in` would go on here"));
                }
            }
            if is_about_texts(token.text) {
                return Err(self.text_operator(token));
            }
            if token.text == "|" && least == 0 {
                self.next();
                let name = self.name()?;
                left = self.call(name, vec![left], true)?;
                after_coalescing = false;
                continue;
            }
            let Some((strength, operator)) = strength(token.text).filter(|(own, _)| *own >= least)
            else {
                break;
            };
            if after_coalescing && operator != BinaryOperator::Coalesce {
                let message = format!("`{}` can't follow `??` directly", token.text);
                let help = "put one of the two in parentheses, as in `(a ?? 0) + b`";
                return Err(FormulaError::invalid(token.at, message).help(help));
            }
            self.at += 1 + usize::from(negated);
            after_coalescing = operator == BinaryOperator::Coalesce;
            left = if is_comparison(operator) {
                self.comparisons(left, operator, strength)?
            } else {
                // Powers group to the right, everything else to the left.
                let right = if operator == BinaryOperator::Power { strength } else { strength + 1 };
                let right = self.expression(right)?;
                self.binary(operator, left, right)?
            };
            if negated {
                let place = left.place;
                left = self.node(Expr::Unary(UnaryOperator::Not, Box::new(left)), place)?;
            }
        }
        if least == 0 { self.conditional(left) } else { Ok(left) }
    }

    fn text_operator(&self, token: Token<'_>) -> FormulaError {
        FormulaError::unsupported(token.at, format!("`{}` is about strings", token.text))
    }

    fn binary(&mut self, operator: BinaryOperator, left: Node, right: Node) -> Parsed {
        let place = left.place.to(right.place);
        self.node(Expr::Binary(operator, Box::new([left, right])), place)
    }

    /// `a < b <= c` is `a < b and b <= c`.
    fn comparisons(
        &mut self,
        mut left: Node,
        mut operator: BinaryOperator,
        strength: u16,
    ) -> Parsed {
        let mut all = None;
        loop {
            let right = self.expression(strength + 1)?;
            let next = self.current();
            let next = Some(next).filter(|next| next.kind == Kind::Operator);
            let next = next.and_then(|next| self::strength(next.text)).map(|(_, next)| next);
            let next = next.filter(|next| is_comparison(*next));
            let again = if next.is_some() {
                self.nodes += right.size();
                self.within_size(right.place)?;
                Some(right.clone())
            } else {
                None
            };
            let one = self.binary(operator, left, right)?;
            let joined = match all {
                None => one,
                Some(all) => self.binary(BinaryOperator::And, all, one)?,
            };
            let (Some(next), Some(again)) = (next, again) else {
                return Ok(joined);
            };
            self.next();
            (left, operator, all) = (again, next, Some(joined));
        }
    }

    fn declaration(&mut self) -> Parsed {
        self.next();
        let name = self.name()?;
        self.expect(Kind::Operator, "=")?;
        let value = Box::new(self.expression(0)?);
        self.expect(Kind::Operator, ";")?;
        let body = Box::new(self.sequence()?);
        self.node(Expr::Let { name: name.text.into(), value, body }, name.at)
    }

    fn if_else(&mut self) -> Parsed {
        let start = self.next().at;
        let condition = self.expression(0)?;
        let yes = self.block()?;
        self.expect(Kind::Operator, "else")?;
        let no = if self.is(Kind::Operator, "if") { self.expression(0)? } else { self.block()? };
        let place = start.to(no.place);
        self.node(Expr::Conditional(Box::new([condition, yes, no])), place)
    }

    fn block(&mut self) -> Parsed {
        self.expect(Kind::Bracket, "{")?;
        let node = self.sequence()?;
        self.expect(Kind::Bracket, "}")?;
        Ok(node)
    }

    fn conditional(&mut self, mut node: Node) -> Parsed {
        while self.take(Kind::Operator, "?") {
            let yes = if self.take(Kind::Operator, ":") {
                self.nodes += node.size();
                self.within_size(node.place)?;
                node.clone()
            } else {
                let yes = self.expression(0)?;
                self.expect(Kind::Operator, ":")?;
                yes
            };
            let no = self.expression(0)?;
            let place = node.place.to(no.place);
            node = self.node(Expr::Conditional(Box::new([node, yes, no])), place)?;
        }
        Ok(node)
    }
}

fn is_comparison(operator: BinaryOperator) -> bool {
    use BinaryOperator::{Less, LessOrEqual, More, MoreOrEqual};
    matches!(operator, Less | More | LessOrEqual | MoreOrEqual)
}

fn too_deep(place: Place) -> FormulaError {
    let message = format!("the formula is nested more than {MOST_NESTING} deep");
    FormulaError::too_large(place, message)
}
