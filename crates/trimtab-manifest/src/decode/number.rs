//! Numbers as text: what looks like one, and which a float holds exactly.

/// `0x10`, `1_000` and their like: numbers elsewhere, text in YAML 1.2.
pub(super) fn looks_like_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '_' | 'x' | 'X' | 'o'))
}

/// Whether the shortest text of `value` has the digits of `text`.
pub(super) fn is_exact(text: &str, value: f64) -> bool {
    match (significant(text), significant(&format!("{value:e}"))) {
        (Some(left), Some(right)) => left == right,
        _ => false,
    }
}

/// Digits without zeros at the ends, and the power of ten of the last of them.
fn significant(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches(['+', '-']);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - trimmed.len()).ok()?;
    let power = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let digits = trimmed.trim_start_matches('0').to_owned();
    Some(if digits.is_empty() { (digits, 0) } else { (digits, power) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_float_holds() {
        for text in ["0.75", "1e3", "0.10", "-2.50e-1", "100000000000000000000", "0.0", "00.5e+1"] {
            assert!(is_exact(text, text.parse().unwrap()), "{text}");
        }
        for text in ["0.1234567890123456789", "123456789012345678901", "1e-999999999999"] {
            assert!(!is_exact(text, text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn numbers_of_other_notations() {
        for text in ["0x10", "0o17", "1_000", "-0x1"] {
            assert!(looks_like_number(text), "{text}");
        }
        for text in ["x", "", "5m", "v1"] {
            assert!(!looks_like_number(text), "{text}");
        }
    }
}
