//! Spans of time as manifests write them: numbers, Go's durations, and what a shell sleeps.

use crate::lint::field::Field;

impl Field<'_> {
    /// A whole number of seconds, up; in quotes it is one as well, since something else is wrong then.
    pub(in crate::lint) fn seconds(&self) -> Option<i64> {
        let seconds = self.number()?.clamp(-1e15, 1e15);
        #[expect(clippy::cast_possible_truncation, reason = "it is in the range of an i64")]
        Some(seconds.ceil() as i64)
    }
}

/// Seconds of a duration such as `720h`, `1h30m` or `250ms`, rounded down; nothing for `Never` and for
/// what is no duration.
pub(in crate::lint) fn seconds(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut milliseconds = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (amount, behind) = rest.split_at_checked(digits)?;
        let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end)?;
        let unit = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        let part = amount.parse::<i64>().ok()?.checked_mul(unit)?;
        milliseconds = milliseconds.checked_add(part)?;
        rest = behind;
    }
    milliseconds.checked_div(1000)
}

/// How a person would say it: `90 s`, `5 min`, `12 h`, `30 days`.
pub(in crate::lint) fn spoken(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 3600;
    const DAY: i64 = 86_400;
    let whole = |unit: i64| (seconds % unit == 0).then(|| seconds / unit);
    match seconds {
        s if s > DAY && whole(DAY).is_some() => format!("{} days", s / DAY),
        s if s >= HOUR && whole(HOUR).is_some() => format!("{} h", s / HOUR),
        s if s >= 5 * MINUTE && whole(MINUTE).is_some() => format!("{} min", s / MINUTE),
        s => format!("{s} s"),
    }
}

/// How long a command sleeps, such as `["/bin/sh", "-c", "sleep 20 && nginx -s quit"]`; nothing where
/// that cannot be told, as in a loop.
pub(in crate::lint) fn sleeps<'c>(command: impl Iterator<Item = &'c str>) -> Option<i64> {
    let command: Vec<&str> = command.collect();
    let text = command.join(" ");
    let mut words = text
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '"' | '\'' | '(' | ')'))
        .filter(|word| !word.is_empty());
    let mut total = None;
    while let Some(word) = words.next() {
        match word {
            "while" | "until" | "for" | "if" | "timeout" => return None,
            _ if word.rsplit('/').next() == Some("sleep") => {
                let slept = slept(words.next()?)?;
                total = Some(total.unwrap_or(0_i64).checked_add(slept)?);
            }
            _ => {}
        }
    }
    total
}

/// The argument of `sleep`: seconds, or with a unit.
fn slept(argument: &str) -> Option<i64> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    let (amount, unit) = units
        .iter()
        .find_map(|(letter, unit)| Some((argument.strip_suffix(*letter)?, *unit)))
        .unwrap_or((argument, 1));
    // Fractions do not change what is concluded.
    let amount = amount.split_once('.').map_or(amount, |(whole, _)| whole);
    amount.parse::<i64>().ok().filter(|amount| *amount >= 0)?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("720h", Some(2_592_000)),
            ("1h30m", Some(5400)),
            ("0s", Some(0)),
            ("1500ms", Some(1)),
            ("Never", None),
            ("", None),
            ("5", None),
            ("m", None),
            ("-5s", None),
            ("99999999999999h", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        let said: Vec<_> = [20, 60, 300, 3600, 5400, 86_400, 2_592_000].map(spoken).to_vec();
        assert_eq!(said, ["20 s", "60 s", "5 min", "1 h", "90 min", "24 h", "30 days"]);
    }

    #[test]
    fn sleeping_commands() {
        for (command, expected) in [
            (vec!["/bin/sh", "-c", "sleep 20"], Some(20)),
            (vec!["sleep", "15"], Some(15)),
            (vec!["/bin/sleep", "1m"], Some(60)),
            (vec!["sh", "-c", "sleep 5; nginx -s quit && sleep 10"], Some(15)),
            (vec!["sh", "-c", "sleep 0.5"], Some(0)),
            (vec!["sh", "-c", "while busy; do sleep 1; done"], None),
            (vec!["/drain.sh"], None),
            (vec!["sh", "-c", "sleep $DRAIN"], None),
            (vec!["sleep"], None),
            (vec![], None),
        ] {
            assert_eq!(sleeps(command.clone().into_iter()), expected, "{command:?}");
        }
    }
}
