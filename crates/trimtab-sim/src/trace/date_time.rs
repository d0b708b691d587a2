//! Dates with times, as RFC 3339 writes them, to the nanosecond.

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Nanoseconds since 1970 of `2023-11-16 18:15:46.6805900`, with a blank or a `T` in between and
/// with `Z`, an offset such as `+00:00`, or nothing behind. Years 1970 to 2200; `None` if it is not
/// one.
pub(super) fn unix_nanos(text: &str) -> Option<i64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let (time, offset_seconds) = split_offset(time)?;
    let mut date = date.splitn(3, '-');
    let year = digits(date.next()?, 4)?;
    let month = digits(date.next()?, 2)?;
    let day = digits(date.next()?, 2)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.splitn(3, ':');
    let hour = digits(clock.next()?, 2)?;
    let minute = digits(clock.next()?, 2)?;
    let second = digits(clock.next()?, 2)?;
    let sound = (1970..=2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !sound {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some((seconds - offset_seconds) * NANOS_PER_SECOND + nanos(fraction)?)
}

/// The time, and the offset behind it in seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (time, offset) = time.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then_some((time, sign * (hours * 3600 + minutes * 60)))
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let sound = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// The digits behind the point, in nanoseconds; what is below a nanosecond is cut off.
fn nanos(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine = fraction.bytes().chain(core::iter::repeat(b'0')).take(9);
    Some(nine.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let of_years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let of_months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    of_years + of_months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(unix_nanos("1970-01-01 00:00:00"), Some(0));
        assert_eq!(unix_nanos("2000-03-01T00:00:00Z"), Some(951_868_800 * NANOS_PER_SECOND));
        let azure = Some(1_700_158_546 * NANOS_PER_SECOND + 680_590_000);
        assert_eq!(unix_nanos("2023-11-16 18:15:46.6805900"), azure);
        assert_eq!(unix_nanos("2023-11-16T18:15:46.68059+00:00"), azure);
        assert_eq!(unix_nanos("2023-11-16 19:45:46.68059+01:30"), azure);
        assert_eq!(unix_nanos("2023-11-16 13:15:46.68059-05:00"), azure);
        let leap = unix_nanos("2024-03-01 00:00:00").zip(unix_nanos("2024-02-29 00:00:00"));
        assert_eq!(leap.map(|(a, b)| a - b), Some(86_400 * NANOS_PER_SECOND));
    }

    #[test]
    fn what_is_not_a_date() {
        for text in [
            "",
            "2023-11-16",
            "2023-11-16 18:15",
            "2023-02-29 00:00:00",
            "2023-13-01 00:00:00",
            "2023-11-16 24:00:00",
            "2023-11-16 18:60:00",
            "2023-11-16 18:15:46.",
            "2023-11-16 18:15:46.5x",
            "2023-11-16 18:15:46+1",
            "1969-12-31 23:59:59",
            "+023-11-16 18:15:46",
            "2023-11-16 18:15:46é+00:00",
        ] {
            assert_eq!(unix_nanos(text), None, "{text}");
        }
    }
}
