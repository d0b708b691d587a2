//! Lengths of time as PromQL writes them.

use trimtab_metric::Span;

/// A length of time as PromQL writes it: `1h30m`, `500ms`, `2d`.
pub(super) fn prometheus_span(text: &str) -> Option<Span> {
    let mut rest = text;
    let mut millis: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|char: char| char.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let unit: i64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        millis = millis.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    Some(Span::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        assert_eq!(prometheus_span("1h30m"), Some(Span::from_secs(5400)));
        assert_eq!(prometheus_span("500ms"), Some(Span::from_millis(500)));
        assert_eq!(prometheus_span("2d"), Some(Span::from_secs(172_800)));
        for text in ["", "5", "m", "1x", "$__rate_interval", "99999999999999999999y"] {
            assert_eq!(prometheus_span(text), None, "{text}");
        }
    }
}
