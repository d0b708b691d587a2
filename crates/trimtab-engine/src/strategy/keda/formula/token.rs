//! A formula's text in tokens, cut where expr 1.17.8 cuts it.

use alloc::format;
use alloc::vec::Vec;

use super::error::{FormulaError, Place};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Identifier,
    Number,
    /// A string, with its quotes.
    Text,
    Operator,
    Bracket,
    End,
}

#[derive(Copy, Clone, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) at: Place,
}

impl Token<'_> {
    pub(super) fn is(&self, kind: Kind, text: &str) -> bool {
        self.kind == kind && self.text == text
    }
}

/// All tokens of a text; the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FormulaError> {
    let mut scanner = Scanner { text, start: 0, end: 0, tokens: Vec::new() };
    while let Some(first) = scanner.peek() {
        scanner.start = scanner.end;
        scanner.token(first)?;
    }
    scanner.start = scanner.end;
    scanner.emit(Kind::End);
    Ok(scanner.tokens)
}

const WORD_OPERATORS: [&str; 11] = [
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
    "else",
];

struct Scanner<'t> {
    text: &'t str,
    start: usize,
    end: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Scanner<'t> {
    fn token(&mut self, first: char) -> Result<(), FormulaError> {
        match first {
            _ if first.is_whitespace() => self.advance(),
            '\'' | '"' => self.quoted(first)?,
            '`' => self.raw()?,
            'b' | 'B' if self.rest().get(1..).is_some_and(|rest| rest.starts_with(['\'', '"'])) => {
                self.advance();
                let quote = self.peek().unwrap_or('"');
                self.quoted(quote)?;
            }
            '0'..='9' => self.number()?,
            '?' => self.operator(".?"),
            '/' => self.slash()?,
            '#' => self.pointer(),
            '|' => self.operator("|"),
            ':' => self.operator(":"),
            '(' | '[' | '{' | ')' | ']' | '}' => {
                self.advance();
                self.emit(Kind::Bracket);
            }
            ',' | ';' | '%' | '+' | '-' | '^' => self.operator(""),
            '&' | '!' | '=' | '*' | '<' | '>' => self.operator("&=*"),
            '.' => self.dot()?,
            _ if is_word(first) => self.word(),
            _ => {
                self.advance();
                return Err(FormulaError::invalid(
                    self.place(),
                    format!("`{first}` means nothing"),
                ));
            }
        }
        Ok(())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.end..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self) {
        self.end += self.peek().map_or(0, char::len_utf8);
    }

    fn accept(&mut self, set: &str) -> bool {
        let fits = self.peek().is_some_and(|next| set.contains(next));
        if fits {
            self.advance();
        }
        fits
    }

    fn accept_all(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn place(&self) -> Place {
        Place { start: self.start, end: self.end }
    }

    fn emit(&mut self, kind: Kind) {
        let text = self.text.get(self.start..self.end).unwrap_or_default();
        self.tokens.push(Token { kind, text, at: self.place() });
        self.start = self.end;
    }

    /// One character, and one more if it is of the set.
    fn operator(&mut self, second: &str) {
        self.advance();
        self.accept(second);
        self.emit(Kind::Operator);
    }

    fn quoted(&mut self, quote: char) -> Result<(), FormulaError> {
        self.advance();
        loop {
            let next = self.peek();
            self.advance();
            match next {
                Some('\n') | None => return Err(self.unclosed("string")),
                Some('\\') => self.advance(),
                Some(next) if next == quote => break,
                Some(_) => {}
            }
        }
        self.emit(Kind::Text);
        Ok(())
    }

    fn raw(&mut self) -> Result<(), FormulaError> {
        self.advance();
        loop {
            match self.peek() {
                None => return Err(self.unclosed("string")),
                Some('`') if self.rest().starts_with("``") => {
                    self.advance();
                    self.advance();
                }
                Some('`') => break,
                Some(_) => self.advance(),
            }
        }
        self.advance();
        self.emit(Kind::Text);
        Ok(())
    }

    fn unclosed(&self, what: &str) -> FormulaError {
        FormulaError::invalid(self.place(), format!("this {what} is never closed"))
    }

    fn number(&mut self) -> Result<(), FormulaError> {
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_all(digits);
        // `1..2` is a range, not `1.` and `.2`.
        if !self.rest().starts_with("..") {
            if self.accept(".") {
                self.accept_all(digits);
            }
            if self.accept("eE") {
                self.accept("+-");
                self.accept_all(digits);
            }
            if self.peek().is_some_and(is_word) {
                self.advance();
                let text = self.text.get(self.start..self.end).unwrap_or_default();
                return Err(FormulaError::invalid(
                    self.place(),
                    format!("`{text}` is not a number"),
                ));
            }
        }
        self.emit(Kind::Number);
        Ok(())
    }

    fn dot(&mut self) -> Result<(), FormulaError> {
        self.advance();
        if self.peek().is_some_and(|next| next.is_ascii_digit()) {
            return self.number();
        }
        self.accept(".");
        self.emit(Kind::Operator);
        Ok(())
    }

    fn slash(&mut self) -> Result<(), FormulaError> {
        self.advance();
        if self.accept("/") {
            let line = self.rest().find('\n').map_or(self.rest().len(), |newline| newline + 1);
            self.end += line;
        } else if self.accept("*") {
            let Some(close) = self.rest().find("*/") else {
                self.end = self.text.len();
                return Err(self.unclosed("comment"));
            };
            self.end += close + 2;
        } else {
            self.emit(Kind::Operator);
        }
        Ok(())
    }

    /// `#`, and the name right behind it, whatever word that is.
    fn pointer(&mut self) {
        self.operator("#");
        while self.peek().is_some_and(is_word) {
            self.advance();
        }
        if self.end > self.start {
            self.emit(Kind::Identifier);
        }
    }

    fn word(&mut self) {
        while self.peek().is_some_and(is_word) {
            self.advance();
        }
        let word = self.text.get(self.start..self.end).unwrap_or_default();
        let operator = WORD_OPERATORS.contains(&word);
        self.emit(if operator { Kind::Operator } else { Kind::Identifier });
    }
}

fn is_word(character: char) -> bool {
    matches!(character, '_' | '$') || character.is_alphanumeric()
}
