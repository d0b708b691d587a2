//! How it prints: the text Kubernetes re-serializes a number to.

use core::fmt;

use super::Format;
use super::amount::{Amount, NormalForm};
use super::magnitude::Magnitude;

/// Decimal suffixes by exponent; others have none.
const DECIMAL_SUFFIXES: [(i64, &str); 10] = [
    (-9, "n"),
    (-6, "u"),
    (-3, "m"),
    (0, ""),
    (3, "k"),
    (6, "M"),
    (9, "G"),
    (12, "T"),
    (15, "P"),
    (18, "E"),
];

/// Binary suffixes by power of 1024.
const BINARY_SUFFIXES: [(i64, &str); 7] =
    [(0, ""), (1, "Ki"), (2, "Mi"), (3, "Gi"), (4, "Ti"), (5, "Pi"), (6, "Ei")];

/// Writes the canonical text: no fraction, the largest exponent that is a multiple of three (or of 1024), a sign only when negative.
pub(crate) fn write(amount: &Amount, format: Format, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let number = amount.normal_form();
    if number.signum == 0 {
        return f.write_str("0");
    }
    if number.signum < 0 {
        f.write_str("-")?;
    }
    match format {
        Format::DecimalExponent => write_decimal(number, Format::DecimalExponent, f),
        Format::BinarySi if is_binary(&number) => write_binary(number, f),
        Format::BinarySi | Format::DecimalSi => write_decimal(number, Format::DecimalSi, f),
    }
}

/// Whole numbers from 1024 up keep a binary suffix; anything else would round or confuse, and prints in decimal.
fn is_binary(number: &NormalForm) -> bool {
    let smallest = Amount::Small { value: 1024, exponent: 0 }.normal_form();
    number.exponent >= 0 && number.cmp_magnitude(&smallest).is_ge()
}

fn write_decimal(number: NormalForm, format: Format, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let pad = number.exponent.rem_euclid(3);
    let exponent = number.exponent.saturating_sub(pad);
    let digits = number.magnitude.times_pow10(usize::try_from(pad).unwrap_or(0)).to_digits();
    f.write_str(&digits)?;
    match format {
        Format::DecimalExponent if exponent == 0 => Ok(()),
        Format::DecimalExponent => write!(f, "e{exponent}"),
        // Beyond `E` there is no suffix, and nothing is written: the defect the type's documentation tells of.
        Format::DecimalSi | Format::BinarySi => f.write_str(suffix(&DECIMAL_SUFFIXES, exponent)),
    }
}

fn write_binary(number: NormalForm, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Binary numbers are capped at 2^63 - 1, so the exponent is at most 18.
    let whole = number.magnitude.times_pow10(usize::try_from(number.exponent).unwrap_or(0));
    let (mantissa, power): (Magnitude, i64) = whole.without_factors(1024);
    f.write_str(&mantissa.to_digits())?;
    f.write_str(suffix(&BINARY_SUFFIXES, power))
}

fn suffix(table: &[(i64, &'static str)], wanted: i64) -> &'static str {
    table.iter().find(|(exponent, _)| *exponent == wanted).map_or("", |(_, suffix)| suffix)
}
