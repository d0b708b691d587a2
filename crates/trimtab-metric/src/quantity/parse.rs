//! What a text means: scanning and choosing between the two representations.

use alloc::borrow::ToOwned;
use alloc::format;

use super::amount::Amount;
use super::error::ParseQuantityError;
use super::magnitude::Magnitude;
use super::{Format, Quantity};

/// The longest text a [`Quantity`] is parsed from, in bytes.
///
/// A limit of this crate; it bounds time and memory. Kubernetes has none.
///
/// ```
/// use trimtab_metric::{MAX_QUANTITY_BYTES, Quantity};
/// assert!("9".repeat(MAX_QUANTITY_BYTES).parse::<Quantity>().is_ok());
/// assert!("9".repeat(MAX_QUANTITY_BYTES + 1).parse::<Quantity>().is_err());
/// ```
pub const MAX_QUANTITY_BYTES: usize = 4096;

/// The largest decimal exponent of a [`Quantity`], either way.
///
/// A limit of this crate; it bounds the digits a number expands to. Kubernetes has none.
///
/// ```
/// use trimtab_metric::Quantity;
/// assert!("1e10000".parse::<Quantity>().is_ok());
/// assert!("1e2147483647".parse::<Quantity>().is_err());
/// ```
pub const MAX_QUANTITY_EXPONENT: i32 = 10_000;

/// The most digits that always fit 64 bits.
const SMALL_DIGITS: i64 = 18;
/// The finest exponent a number is kept at.
const NANO: i32 = -9;

/// The parts of a text.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point, leading zeros dropped; `0` when that leaves none.
    whole: &'a str,
    /// Digits after the point.
    fraction: &'a str,
    suffix: &'a str,
    /// Whether there is any digit at all in the number.
    has_digits: bool,
}

/// What a suffix multiplies by.
enum Factor {
    Ten(i32),
    /// A power of 1024.
    Binary(u32),
}

pub(crate) fn parse(text: &str) -> Result<Quantity, ParseQuantityError> {
    if text.is_empty() {
        return Err(ParseQuantityError::Empty);
    }
    if text.len() > MAX_QUANTITY_BYTES {
        return Err(ParseQuantityError::TooLong { bytes: text.len() });
    }
    let parts = scan(text).ok_or_else(|| ParseQuantityError::Malformed(text.to_owned()))?;
    let (factor, format) = interpret_suffix(parts.suffix).ok_or_else(|| {
        ParseQuantityError::UnknownSuffix { text: text.to_owned(), suffix: parts.suffix.to_owned() }
    })?;
    if let Factor::Ten(exponent) = factor
        && exponent.unsigned_abs() > MAX_QUANTITY_EXPONENT.unsigned_abs()
    {
        return Err(ParseQuantityError::ExponentTooLarge { text: text.to_owned(), exponent });
    }
    if let Some(quantity) = parse_small(text, &parts, &factor, format) {
        return Ok(quantity);
    }
    if !parts.has_digits {
        return Err(ParseQuantityError::NoDigits(text.to_owned()));
    }
    Ok(parse_big(&parts, &factor, format))
}

/// Sign, digits, point, digits, letters, sign, digits; nothing may follow. Every part may be missing.
fn scan(text: &str) -> Option<Parts<'_>> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, rest) = split_while(rest, |c| c.is_ascii_digit());
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_while(rest, |c| c.is_ascii_digit()),
        None => ("", rest),
    };
    let suffix = rest;
    let (_, rest) = split_while(rest, |c| "eEinumkKMGTP".contains(c));
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    let (_, rest) = split_while(rest, |c| c.is_ascii_digit());
    if !rest.is_empty() {
        return None;
    }
    let has_digits = !(whole.is_empty() && fraction.is_empty());
    let significant = whole.trim_start_matches('0');
    let whole = if significant.is_empty() { "0" } else { significant };
    Some(Parts { negative, whole, fraction, suffix, has_digits })
}

fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !keep(c)).unwrap_or(text.len()))
}

fn interpret_suffix(suffix: &str) -> Option<(Factor, Format)> {
    let decimal = |exponent| Some((Factor::Ten(exponent), Format::DecimalSi));
    let binary = |power| Some((Factor::Binary(power), Format::BinarySi));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let digits = suffix.strip_prefix(['e', 'E'])?;
            // Read in 64 bits, kept in 32: `e4294967299` is `e3`.
            let exponent = digits.parse::<i64>().ok()? as i32;
            Some((Factor::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// The 64-bit representation, for numbers short enough for it.
fn parse_small(text: &str, parts: &Parts<'_>, factor: &Factor, format: Format) -> Option<Quantity> {
    let whole_digits = i64::try_from(parts.whole.len()).ok()?;
    let fraction_digits = i64::try_from(parts.fraction.len()).ok()?;
    let (spare, exponent, multiplier) = match factor {
        Factor::Ten(exponent) => (SMALL_DIGITS - whole_digits - fraction_digits, *exponent, 1_i64),
        // A power of 1024 takes three digits each.
        Factor::Binary(power) if parts.fraction.is_empty() => {
            (14 - whole_digits - 3 * i64::from(*power), 0, 1024_i64.checked_pow(*power)?)
        }
        Factor::Binary(_) => return None,
    };
    if spare < 0 {
        return None;
    }
    let exponent = exponent.checked_sub(i32::try_from(fraction_digits).ok()?)?;
    if exponent < NANO {
        return None;
    }
    let digits = format!("{}{}", parts.whole, parts.fraction);
    let written = digits.parse::<i64>().ok()?;
    let value = written.checked_mul(multiplier)?;
    let value = if parts.negative { value.checked_neg()? } else { value };
    // The tests for "canonical already" are approximate, and what passes is reprinted as it came: `175.198`, `+5`, `007`.
    let keeps_text = match format {
        Format::BinarySi => written & 7 != 0,
        Format::DecimalSi | Format::DecimalExponent => {
            exponent % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
        }
    };
    let text = (keeps_text || text == "0").then(|| text.to_owned());
    Some(Quantity { amount: Amount::Small { value, exponent }, format, text })
}

/// The long representation: rounded up to nano, and a binary one capped.
fn parse_big(parts: &Parts<'_>, factor: &Factor, format: Format) -> Quantity {
    let digits = Magnitude::from_digits(&format!("{}{}", parts.whole, parts.fraction));
    // At most the length of a text.
    let fraction_digits = i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
    let (written, exponent) = match factor {
        Factor::Ten(exponent) => (digits, exponent.saturating_sub(fraction_digits)),
        Factor::Binary(power) => (
            (0..*power).fold(digits, |number, _| number.times(1024)),
            0_i32.saturating_sub(fraction_digits),
        ),
    };
    if written.is_zero() {
        return Quantity {
            amount: Amount::Big { negative: false, magnitude: written, exponent },
            format,
            text: None,
        };
    }
    let gap = usize::try_from(exponent.abs_diff(NANO)).unwrap_or(usize::MAX);
    let nanos = if exponent >= NANO { written.times_pow10(gap) } else { written.div_pow10_up(gap) };
    let cap = Magnitude::from_u64(i64::MAX as u64);
    let one = Magnitude::from_u64(1_000_000_000);
    let (magnitude, exponent) = if format == Format::BinarySi && nanos > cap.clone().times_pow10(9)
    {
        (cap, 0)
    } else {
        (nanos, NANO)
    };
    let below_one = exponent == NANO && magnitude < one;
    let format = if format == Format::BinarySi && below_one { Format::DecimalSi } else { format };
    Quantity {
        amount: Amount::Big { negative: parts.negative, magnitude, exponent },
        format,
        text: None,
    }
}
