//! The tokens of a label selector.

use std::fmt;

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    End,
    Comma,
    Open,
    Close,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    /// A key, a value, or `in` and `notin`: only the place says which.
    Word(&'a str),
}

pub(super) struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    pub(super) fn peek(&self) -> Token<'a> {
        Self { rest: self.rest }.next()
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else {
            self.rest = rest;
            return Token::End;
        };
        let symbols = [
            ("==", Token::DoubleEquals),
            ("!=", Token::NotEquals),
            ("=", Token::Equals),
            ("!", Token::Not),
            (",", Token::Comma),
            ("(", Token::Open),
            (")", Token::Close),
            (">", Token::Greater),
            ("<", Token::Less),
        ];
        for (symbol, token) in symbols {
            if let Some(after) = rest.strip_prefix(symbol) {
                self.rest = after;
                return token;
            }
        }
        let ends = |char: char| " \t\r\n=!(),<>".contains(char);
        let length = rest.find(ends).unwrap_or(rest.len()).max(first.len_utf8());
        let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        self.rest = after;
        Token::Word(word)
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end"),
            Self::Comma => f.write_str("`,`"),
            Self::Open => f.write_str("`(`"),
            Self::Close => f.write_str("`)`"),
            Self::Not => f.write_str("`!`"),
            Self::Equals => f.write_str("`=`"),
            Self::DoubleEquals => f.write_str("`==`"),
            Self::NotEquals => f.write_str("`!=`"),
            Self::Greater => f.write_str("`>`"),
            Self::Less => f.write_str("`<`"),
            Self::Word(word) => write!(f, "`{word}`"),
        }
    }
}
