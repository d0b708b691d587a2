//! Numbers, durations and truth values in text, as Go's standard library reads them.

/// `strconv.ParseInt` into 32 bits.
pub(super) fn whole(text: &str) -> Option<i32> {
    text.parse().ok()
}

/// `strconv.ParseFloat`, of what is finite.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `strconv.ParseBool`.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `time.ParseDuration`, in nanoseconds: `90s`, `1m30s`, `1.5h`.
pub(super) fn nanoseconds(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, behind) = rest.split_at_checked(digits)?;
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        total = total.checked_add(scaled(amount, unit_nanoseconds(unit)?)?)?;
        rest = behind;
    }
    // Go's durations have 64 bits.
    i64::try_from(total).ok()?;
    (!text.is_empty() && text != "-" && text != "+").then_some(if negative {
        -total
    } else {
        total
    })
}

fn unit_nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A decimal amount of a unit; digits beyond the nanosecond are cut off.
fn scaled(amount: &str, unit: i128) -> Option<i128> {
    const MOST_DIGITS: usize = 18;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let part = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let fraction = fraction.get(..MOST_DIGITS).unwrap_or(fraction);
    let power = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let below = part(fraction)?.checked_mul(unit)?.checked_div(power)?;
    part(whole)?.checked_mul(unit)?.checked_add(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("0", Some(0)),
            ("60s", Some(60 * second)),
            ("1m30s", Some(90 * second)),
            ("1.5h", Some(5400 * second)),
            (".5s", Some(second / 2)),
            ("1.s", Some(second)),
            ("250ms", Some(second / 4)),
            ("-2s", Some(-2 * second)),
            ("+2s", Some(2 * second)),
            ("", None),
            ("-", None),
            ("60", None),
            ("s", None),
            (".s", None),
            ("1.2.3s", None),
            ("1 s", None),
            ("1d", None),
            ("9999999999h", None),
            ("99999999999999999999999999999999999999999s", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn truth_values_and_numbers() {
        assert_eq!((truth("T"), truth("0"), truth("yes")), (Some(true), Some(false), None));
        assert_eq!((whole("-3"), whole("3.0"), whole("3000000000")), (Some(-3), None, None));
        assert_eq!((number("1e3"), number("inf"), number("x")), (Some(1000.0), None, None));
    }
}
