//! Numbers and names as people read them: with units, separators, and no more digits than count.

use crate::Run;

/// A count with its thousands apart: `1,204,332`.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// An amount with three digits or more: `0.042`, `1.31`, `12.4`, `8,190`.
pub(super) fn amount(value: f64) -> String {
    fixed(value, decimals(value))
}

/// How many decimals leave three digits.
pub(super) fn decimals(value: f64) -> usize {
    match value.abs() {
        large if large >= 100.0 => 0,
        tens if tens >= 10.0 => 1,
        ones if ones >= 1.0 => 2,
        _ => 3,
    }
}

/// A number with so many decimals and its thousands apart.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return String::from("-");
    }
    let text = format!("{value:.decimals$}");
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole)),
        None => grouped(&text),
    }
}

/// A share in percent, rounded down, so that what misses an objective never looks as if it met it:
/// to hundredths, or finer where the objective is.
pub(super) fn percent(share: f64, objective: f64) -> String {
    let decimals = match objective {
        strictest if strictest > 0.9999 => 4,
        strict if strict > 0.999 => 3,
        _ => 2,
    };
    let unit = libm::pow(10.0, f64::from(decimals));
    // The addend undoes the noise of a multiplication that ends just below a whole number.
    let down = libm::floor(share * 100.0 * unit + 1e-6) / unit;
    format!("{}%", fixed(down, usize::try_from(decimals).unwrap_or(2)))
}

/// A latency or a duration: `8.4 ms`, `340 ms`, `1.24 s`, `12.4 s`, `3.2 min`, `1.5 h`, `30 d`.
pub(super) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        short if short < 0.9995 => (short * 1e3, "ms"),
        short if short < 60.0 => (short, "s"),
        medium if medium < 3_600.0 => (medium / 60.0, "min"),
        long if long < 172_800.0 => (long / 3_600.0, "h"),
        days => (days / 86_400.0, "d"),
    };
    let decimals = match unit {
        "ms" => usize::from(value < 9.95),
        "s" => 1 + usize::from(value < 9.995),
        _ => usize::from(value < 99.95),
    };
    format!("{} {unit}", fixed(value, decimals))
}

/// A duration without decimals that are zero: `7 d`, `1.5 h`.
pub(super) fn duration(seconds: f64) -> String {
    let text = time(seconds);
    let Some((number, unit)) = text.split_once(' ') else { return text };
    let short = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    };
    format!("{short} {unit}")
}

/// A text in at most `width` characters, its middle left out: names differ at their ends.
pub(super) fn shortened(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept / 2;
    let start = text.chars().take(kept - tail);
    start.chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

/// The fields that a sweep set: `target=0.8, window=60s`.
pub(super) fn tuning(run: &Run) -> String {
    let pairs: Vec<String> =
        run.tuning.iter().map(|(field, value)| format!("{field}={value}")).collect();
    pairs.join(", ")
}

fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        let counts = [0, 999, 1_000, 1_204_332].map(count);
        assert_eq!(counts, ["0", "999", "1,000", "1,204,332"]);
        let amounts = [0.0421, 1.314, 12.44, 123.4, 8_190.2, -1_234.0, f64::NAN].map(amount);
        assert_eq!(amounts, ["0.042", "1.31", "12.4", "123", "8,190", "-1,234", "-"]);
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        assert_eq!(percent(0.99, 0.99), "99.00%");
        assert_eq!(percent(0.989_999, 0.99), "98.99%");
        assert_eq!(percent(0.999_999, 0.99), "99.99%");
        assert_eq!(percent(0.999_999, 0.999_95), "99.9999%");
        assert_eq!(percent(1.0, 0.99), "100.00%");
        for hundredths in 0..=10_000_u32 {
            let text = percent(f64::from(hundredths) / 1e4, 0.99);
            assert_eq!(text, format!("{}.{:02}%", hundredths / 100, hundredths % 100));
        }
    }

    #[test]
    fn times_have_the_unit_of_their_size() {
        let cases = [0.0, 0.0084, 0.34, 0.9996, 1.24, 12.44, 192.0, 5_400.0, 2_592_000.0];
        let texts = cases.map(time);
        let expected = [
            "0.0 ms", "8.4 ms", "340 ms", "1.00 s", "1.24 s", "12.4 s", "3.2 min", "1.5 h",
            "30.0 d",
        ];
        assert_eq!(texts, expected);
        assert_eq!([604_800.0, 5_400.0, 100.0 * 86_400.0].map(duration), ["7 d", "1.5 h", "100 d"]);
    }

    #[test]
    fn a_long_name_loses_its_middle() {
        assert_eq!(shortened("chat", 4), "chat");
        assert_eq!(shortened("a-name-that-is-long", 9), "a-na…long");
        assert_eq!(shortened("long", 0), "…");
    }
}
