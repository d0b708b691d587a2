//! Numbers and strings as they are written.

use alloc::format;

use super::error::FormulaError;
use super::token::Token;
use super::tree::Expr;

/// The number that is written so: an integer of 64 bits, or a float if it has a point or exponent.
pub(super) fn number(token: Token<'_>) -> Result<Expr, FormulaError> {
    let digits = token.text.replace('_', "");
    let lower = digits.to_ascii_lowercase();
    let integer = |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(Expr::Int);
    let parsed = if let Some(digits) = lower.strip_prefix("0x") {
        integer(digits, 16)
    } else if lower.contains(['.', 'e']) {
        lower.parse().ok().filter(|number: &f64| number.is_finite()).map(Expr::Float)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        integer(digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        integer(digits, 8)
    } else {
        integer(&lower, 10)
    };
    parsed.ok_or_else(|| {
        let message = format!("`{}` is not a number that fits", token.text);
        let help = "integers have 64 bits; `1.5`, `2e3`, `0xff` and `1_000` are numbers";
        FormulaError::invalid(token.at, message).help(help)
    })
}

/// The string that is written so, if nothing in it is escaped.
pub(super) fn text(token: Token<'_>) -> Result<Expr, FormulaError> {
    let quote = token.text.chars().next().unwrap_or('b');
    let inner = token.text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let plain = inner
        .filter(|inner| matches!(quote, '"' | '\'' | '`') && !inner.contains(['\\', quote, '\r']));
    match plain {
        Some(plain) => Ok(Expr::Text(plain.into())),
        None => Err(FormulaError::unsupported(token.at, "a string is no part of a formula")),
    }
}
