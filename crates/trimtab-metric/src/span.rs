//! How long: a signed length of time, its text and its wire form.

use core::fmt;
use core::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use thiserror::Error;

const MILLIS_PER_SECOND: i64 = 1_000;
const MILLIS_PER_MINUTE: i64 = 60_000;
const MILLIS_PER_HOUR: i64 = 3_600_000;

/// Below this many seconds, neighbouring `f64` are less than a millisecond apart.
const EXACT_FRACTION_SECONDS: i64 = 1 << 42;

/// A signed span of time in whole milliseconds.
///
/// Arithmetic on time saturates: [`Span::MAX`] stands for "longer than any span that matters".
///
/// # Text
///
/// Hours, minutes and seconds without the parts that are zero: `5m`, `1h30m`, `1m30s`, `1.5s`, `250ms`, `0s`. Parsing reads the same,
/// and durations as Go prints them (`1h0m0s`, `1.5h`, `-20ms`).
///
/// # Serde
///
/// A number of seconds: an integer when whole, otherwise a fraction. Reading also takes the text form. A fractional span beyond
/// 2^42 seconds (139 000 years) would lose its milliseconds as a number and is written as text, so every span survives a round trip.
/// Formats that are not self-describing carry the milliseconds.
///
/// # Example
///
/// ```
/// use trimtab_metric::Span;
///
/// let window: Span = "1m30s".parse()?;
/// assert_eq!(window, Span::from_secs(90));
/// assert_eq!(Span::from_millis(250).to_string(), "250ms");
/// # Ok::<(), trimtab_metric::ParseSpanError>(())
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::ZERO.as_millis(), 0);
    /// ```
    pub const ZERO: Span = Span(0);

    /// The longest span, about 292 million years.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::MAX.as_millis(), i64::MAX);
    /// ```
    pub const MAX: Span = Span(i64::MAX);

    /// The most negative span.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::MIN.as_millis(), i64::MIN);
    /// ```
    pub const MIN: Span = Span(i64::MIN);

    /// A span of `millis` milliseconds.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::from_millis(1500).as_secs_f64(), 1.5);
    /// ```
    pub const fn from_millis(millis: i64) -> Self {
        Span(millis)
    }

    /// A span of `secs` seconds, saturating at [`Span::MIN`] and [`Span::MAX`].
    ///
    /// ```
    /// use trimtab_metric::Span;
    /// assert_eq!(Span::from_secs(2).as_millis(), 2000);
    /// assert_eq!(Span::from_secs(i64::MAX), Span::MAX);
    /// ```
    pub const fn from_secs(secs: i64) -> Self {
        Span(secs.saturating_mul(MILLIS_PER_SECOND))
    }

    /// The span in milliseconds.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::from_secs(-1).as_millis(), -1000);
    /// ```
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The span in seconds, rounded to the nearest `f64`.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Span::from_millis(-250).as_secs_f64(), -0.25);
    /// ```
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MILLIS_PER_SECOND as f64
    }

    /// The span nearest to `secs` seconds, halves away from zero; `None` for NaN, an infinity, or a span out of range.
    ///
    /// ```
    /// use trimtab_metric::Span;
    /// assert_eq!(Span::from_secs_f64(0.0015), Some(Span::from_millis(2)));
    /// assert_eq!(Span::from_secs_f64(f64::NAN), None);
    /// ```
    pub fn from_secs_f64(secs: f64) -> Option<Self> {
        millis_from_secs_f64(secs).map(Span)
    }

    /// The sum, saturating at the ends.
    ///
    /// ```
    /// use trimtab_metric::Span;
    /// assert_eq!(Span::MAX.saturating_add(Span::from_secs(1)), Span::MAX);
    /// ```
    pub const fn saturating_add(self, other: Span) -> Self {
        Span(self.0.saturating_add(other.0))
    }

    /// The difference, saturating at the ends.
    ///
    /// ```
    /// use trimtab_metric::Span;
    /// assert_eq!(Span::ZERO.saturating_sub(Span::from_secs(1)), Span::from_secs(-1));
    /// ```
    pub const fn saturating_sub(self, other: Span) -> Self {
        Span(self.0.saturating_sub(other.0))
    }
}

/// Seconds to milliseconds, nearest, halves away from zero. The whole part is split off first, so that the product cannot move a
/// value across a half.
pub(crate) fn millis_from_secs_f64(secs: f64) -> Option<i64> {
    // 2^63 / 1000, just under: everything inside converts to `i64` without saturating.
    const LIMIT: f64 = 9_223_372_036_854_775.0;
    if !secs.is_finite() || libm::fabs(secs) > LIMIT {
        return None;
    }
    let whole = libm::trunc(secs);
    let millis = libm::round((secs - whole) * MILLIS_PER_SECOND as f64);
    (whole as i64).checked_mul(MILLIS_PER_SECOND)?.checked_add(millis as i64)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (per_second, per_minute, per_hour) =
            (MILLIS_PER_SECOND as u64, MILLIS_PER_MINUTE as u64, MILLIS_PER_HOUR as u64);
        if total == 0 {
            return f.write_str("0s");
        }
        if total < per_second {
            return write!(f, "{total}ms");
        }
        let (hours, rest) = (total / per_hour, total % per_hour);
        let (minutes, rest) = (rest / per_minute, rest % per_minute);
        let (seconds, millis) = (rest / per_second, rest % per_second);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if millis > 0 {
            let digits = if millis % 100 == 0 {
                (millis / 100, 1)
            } else if millis % 10 == 0 {
                (millis / 10, 2)
            } else {
                (millis, 3)
            };
            return write!(f, "{seconds}.{:0width$}s", digits.0, width = digits.1);
        }
        if seconds > 0 {
            write!(f, "{seconds}s")?;
        }
        Ok(())
    }
}

/// Why a text is not a [`Span`].
///
/// ```
/// use trimtab_metric::Span;
/// let error = "5 minutes".parse::<Span>().unwrap_err();
/// assert_eq!(error.to_string(), "`5 minutes` is not a duration: write numbers with units, such as `1h30m`, `15s` or `250ms`");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ParseSpanError {
    /// The text does not have the shape of a duration.
    #[error("`{0}` is not a duration: write numbers with units, such as `1h30m`, `15s` or `250ms`")]
    Malformed(alloc::string::String),
    /// A number has no unit; `15` could mean anything.
    #[error("`{0}` has a number without a unit: write `{0}s` for seconds")]
    NoUnit(alloc::string::String),
    /// The text has a part finer than a millisecond.
    #[error("`{0}` is finer than a millisecond: round it to whole milliseconds")]
    TooFine(alloc::string::String),
    /// The span does not fit 2^63 milliseconds.
    #[error("`{0}` is out of range: the longest span is about 292 million years")]
    OutOfRange(alloc::string::String),
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, ParseSpanError> {
        let malformed = || ParseSpanError::Malformed(text.into());
        let out_of_range = || ParseSpanError::OutOfRange(text.into());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Span::ZERO);
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        // In nanoseconds, so that the parts of `1.5ms500us` may add up to whole milliseconds.
        let mut nanos: i128 = 0;
        while !rest.is_empty() {
            let (whole, after) = split_digits(rest);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => split_digits(after),
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(malformed());
            }
            if after.is_empty() {
                return Err(ParseSpanError::NoUnit(text.into()));
            }
            let (unit, after) = split_unit(after).ok_or_else(malformed)?;
            let whole = match whole {
                "" => 0,
                digits => digits.parse::<i64>().map_err(|_| out_of_range())?,
            };
            let part = i128::from(whole).saturating_mul(unit);
            nanos = nanos.saturating_add(part);
            nanos = nanos.saturating_add(
                fraction_of(fraction, unit).ok_or_else(|| ParseSpanError::TooFine(text.into()))?,
            );
            rest = after;
        }
        if nanos % 1_000_000 != 0 {
            return Err(ParseSpanError::TooFine(text.into()));
        }
        let millis = nanos / 1_000_000;
        i64::try_from(if negative { -millis } else { millis }).map(Span).map_err(|_| out_of_range())
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Nanoseconds in the unit at the front of `text`, and what follows it.
fn split_unit(text: &str) -> Option<(i128, &str)> {
    // Longer names first: `ms` before `m`.
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS.iter().find_map(|(name, nanos)| Some((*nanos, text.strip_prefix(name)?)))
}

/// `0.digits` of a unit in nanoseconds; `None` when that is not whole.
fn fraction_of(digits: &str, unit: i128) -> Option<i128> {
    /// 10^25 hours in nanoseconds still fits the intermediate product.
    const MOST_DIGITS: usize = 25;
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    let places = u32::try_from(digits.len()).ok().filter(|_| digits.len() <= MOST_DIGITS)?;
    let numerator = digits.parse::<i128>().ok()?.checked_mul(unit)?;
    let denominator = 10_i128.checked_pow(places)?;
    (numerator % denominator == 0).then(|| numerator / denominator)
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_i64(self.0);
        }
        let seconds = self.0 / MILLIS_PER_SECOND;
        if self.0 % MILLIS_PER_SECOND == 0 {
            serializer.serialize_i64(seconds)
        } else if seconds.unsigned_abs() < EXACT_FRACTION_SECONDS.unsigned_abs() {
            serializer.serialize_f64(self.as_secs_f64())
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(SpanVisitor)
        } else {
            i64::deserialize(deserializer).map(Span)
        }
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, or a duration such as `1m30s`")
    }

    fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Span, E> {
        secs.checked_mul(MILLIS_PER_SECOND).map(Span).ok_or_else(|| {
            E::custom(format_args!("`{secs}` seconds is out of range: at most 9223372036854775"))
        })
    }

    fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Span, E> {
        self.visit_i64(i64::try_from(secs).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, secs: f64) -> Result<Span, E> {
        Span::from_secs_f64(secs).ok_or_else(|| {
            E::custom(format_args!(
                "`{secs}` is not a number of seconds in range: at most 9223372036854775"
            ))
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }
}
