//! When: an instant, its RFC 3339 text and its wire form.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use thiserror::Error;

use crate::calendar::{self, Date};
use crate::span::{Span, millis_from_secs_f64};

const MILLIS_PER_SECOND: i64 = 1_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// An instant: milliseconds since the Unix epoch, 1970-01-01T00:00:00Z, leap seconds not counted. May be negative.
///
/// The crate never reads a clock; an instant is always given by the caller. Arithmetic saturates at [`Timestamp::MIN`] and
/// [`Timestamp::MAX`], about 292 million years either way.
///
/// # Text
///
/// RFC 3339 in UTC: `2026-11-24T10:00:00Z`, with milliseconds only when they are not zero: `2026-11-24T10:00:00.250Z`. Years outside
/// 0000 to 9999 take the expanded form of ISO 8601, a sign and at least six digits: `+010000-01-01T00:00:00Z`, so every instant has a
/// text that parses back to it. Parsing also takes offsets (`+02:00`), lower case `t` and `z`, and fractions of any length, of which
/// what is finer than a millisecond is dropped.
///
/// # Serde
///
/// The text; reading also takes a number of Unix seconds, as Prometheus writes them (`1764000000.123`), rounded to the nearest
/// millisecond. Formats that are not self-describing carry the milliseconds.
///
/// # Example
///
/// ```
/// use trimtab_metric::{Span, Timestamp};
///
/// let start: Timestamp = "2026-11-24T12:00:00+02:00".parse()?;
/// let later = start.saturating_add(Span::from_secs(90));
/// assert_eq!(later.to_string(), "2026-11-24T10:01:30Z");
/// assert_eq!(later.since(start), Span::from_secs(90));
/// # Ok::<(), trimtab_metric::ParseTimestampError>(())
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Timestamp::MIN.to_string(), "-292275055-05-16T16:47:04.192Z");
    /// ```
    pub const MIN: Timestamp = Timestamp(i64::MIN);

    /// The latest instant.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Timestamp::MAX.to_string(), "+292278994-08-17T07:12:55.807Z");
    /// ```
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// 1970-01-01T00:00:00Z, also the default.
    ///
    /// ```
    /// use trimtab_metric::Timestamp;
    /// assert_eq!(Timestamp::UNIX_EPOCH, Timestamp::default());
    /// ```
    pub const UNIX_EPOCH: Timestamp = Timestamp(0);

    /// The instant `millis` milliseconds after the epoch.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    /// ```
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since the epoch.
    ///
    /// ```
    /// assert_eq!(trimtab_metric::Timestamp::from_secs(3).as_millis(), 3000);
    /// ```
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `secs` seconds after the epoch, saturating.
    ///
    /// ```
    /// use trimtab_metric::Timestamp;
    /// assert_eq!(Timestamp::from_secs(i64::MIN), Timestamp::MIN);
    /// ```
    pub const fn from_secs(secs: i64) -> Self {
        Timestamp(secs.saturating_mul(MILLIS_PER_SECOND))
    }

    /// The instant nearest to `secs` Unix seconds, halves away from zero; `None` for NaN, an infinity, or an instant out of range.
    ///
    /// ```
    /// use trimtab_metric::Timestamp;
    /// assert_eq!(Timestamp::from_secs_f64(1764000000.123), Some(Timestamp::from_millis(1764000000123)));
    /// assert_eq!(Timestamp::from_secs_f64(f64::INFINITY), None);
    /// ```
    pub fn from_secs_f64(secs: f64) -> Option<Self> {
        millis_from_secs_f64(secs).map(Timestamp)
    }

    /// Year, month (1 to 12) and day of this instant in UTC.
    ///
    /// ```
    /// use trimtab_metric::Timestamp;
    /// let new_year: Timestamp = "2026-01-01T00:00:00Z".parse()?;
    /// assert_eq!(new_year.date(), (2026, 1, 1));
    /// # Ok::<(), trimtab_metric::ParseTimestampError>(())
    /// ```
    pub fn date(self) -> (i64, u32, u32) {
        let Date { year, month, day } = Date::from_days(self.0.div_euclid(MILLIS_PER_DAY));
        (year, month, day)
    }

    /// The beginning of a day in UTC; `None` for a day that does not exist or is out of range.
    ///
    /// ```
    /// use trimtab_metric::Timestamp;
    /// let leap = Timestamp::from_date(2028, 2, 29).map(|at| at.to_string());
    /// assert_eq!(leap.as_deref(), Some("2028-02-29T00:00:00Z"));
    /// assert_eq!(Timestamp::from_date(2026, 2, 29), None);
    /// ```
    pub fn from_date(year: i64, month: u32, day: u32) -> Option<Self> {
        let is_near = (-300_000_000..=300_000_000).contains(&year);
        if !is_near || !(1..=calendar::days_in_month(year, month)).contains(&day) {
            return None;
        }
        Date { year, month, day }.days().checked_mul(MILLIS_PER_DAY).map(Self)
    }

    /// This instant moved later by `span` (earlier, if negative), saturating.
    ///
    /// ```
    /// use trimtab_metric::{Span, Timestamp};
    /// assert_eq!(Timestamp::MAX.saturating_add(Span::from_millis(1)), Timestamp::MAX);
    /// ```
    pub const fn saturating_add(self, span: Span) -> Self {
        Timestamp(self.0.saturating_add(span.as_millis()))
    }

    /// This instant moved earlier by `span` (later, if negative), saturating.
    ///
    /// ```
    /// use trimtab_metric::{Span, Timestamp};
    /// assert_eq!(Timestamp::from_secs(10).saturating_sub(Span::from_secs(4)), Timestamp::from_secs(6));
    /// ```
    pub const fn saturating_sub(self, span: Span) -> Self {
        Timestamp(self.0.saturating_sub(span.as_millis()))
    }

    /// The span from `earlier` to this instant, negative if `earlier` is in fact later; saturating.
    ///
    /// ```
    /// use trimtab_metric::{Span, Timestamp};
    /// assert_eq!(Timestamp::from_secs(4).since(Timestamp::from_secs(10)), Span::from_secs(-6));
    /// assert_eq!(Timestamp::MAX.since(Timestamp::MIN), Span::MAX);
    /// ```
    pub const fn since(self, earlier: Timestamp) -> Span {
        Span::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Date::from_days(self.0.div_euclid(MILLIS_PER_DAY));
        let millis = self.0.rem_euclid(MILLIS_PER_DAY);
        let (seconds, millis) = (millis / MILLIS_PER_SECOND, millis % MILLIS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if (0..=9999).contains(&date.year) {
            write!(f, "{:04}", date.year)?;
        } else {
            write!(f, "{:+07}", date.year)?;
        }
        write!(f, "-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", date.month, date.day)?;
        if millis != 0 {
            write!(f, ".{millis:03}")?;
        }
        f.write_str("Z")
    }
}

/// Why a text is not a [`Timestamp`].
///
/// ```
/// use trimtab_metric::Timestamp;
/// let error = "2026-02-29T10:00:00Z".parse::<Timestamp>().unwrap_err();
/// assert_eq!(error.to_string(), "`2026-02-29T10:00:00Z` has day 29, but 2026-02 has 28 days");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ParseTimestampError {
    /// The text does not have the shape of RFC 3339.
    #[error("`{0}` is not a time: write it as `2026-11-24T10:00:00Z`")]
    Malformed(String),
    /// There is no offset at the end; local time is never guessed.
    #[error("`{0}` has no offset: end it with `Z` for UTC, or with an offset such as `+02:00`")]
    NoOffset(String),
    /// The month is not 1 to 12.
    #[error("`{text}` has month {month}: months are 01 to 12")]
    Month {
        /// What was written.
        text: String,
        /// The month in it.
        month: u32,
    },
    /// The day does not exist in that month.
    #[error("`{text}` has day {day}, but {year:04}-{month:02} has {days} days")]
    Day {
        /// What was written.
        text: String,
        /// The year in it.
        year: i64,
        /// The month in it.
        month: u32,
        /// The day in it.
        day: u32,
        /// How many days that month has.
        days: u32,
    },
    /// The hour, minute or second does not exist.
    #[error(
        "`{0}` has an impossible time of day: hours are 00 to 23, minutes and seconds 00 to 59 (leap seconds are not counted)"
    )]
    TimeOfDay(String),
    /// The offset is a day or more, or its minutes are not 00 to 59.
    #[error("`{0}` has an impossible offset: offsets are `-23:59` to `+23:59`")]
    Offset(String),
    /// The instant does not fit 2^63 milliseconds either side of the epoch.
    #[error("`{0}` is out of range: years are about -292275055 to +292278994")]
    OutOfRange(String),
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let malformed = || ParseTimestampError::Malformed(text.into());
        let mut scan = Scan(text);
        let date = scan_date(&mut scan, text)?;
        if !(scan.eat('T') || scan.eat('t')) {
            return Err(malformed());
        }
        let hour = scan.two_digits().ok_or_else(malformed)?;
        let minute = scan.colon_two_digits().ok_or_else(malformed)?;
        let second = scan.colon_two_digits().ok_or_else(malformed)?;
        if hour > 23 || minute > 59 || second > 59 {
            return Err(ParseTimestampError::TimeOfDay(text.into()));
        }
        let millis = if scan.eat('.') { scan.fraction_millis().ok_or_else(malformed)? } else { 0 };
        let offset_minutes = scan_offset(&mut scan, text)?;
        if !scan.0.is_empty() {
            return Err(malformed());
        }
        let second_of_day = i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second);
        let total = (i128::from(date.days()) * 86_400 + second_of_day
            - i128::from(offset_minutes) * 60)
            * 1000
            + i128::from(millis);
        i64::try_from(total)
            .map(Timestamp)
            .map_err(|_| ParseTimestampError::OutOfRange(text.into()))
    }
}

fn scan_date(scan: &mut Scan<'_>, text: &str) -> Result<Date, ParseTimestampError> {
    let malformed = || ParseTimestampError::Malformed(text.into());
    let sign = if scan.eat('-') {
        Some(-1)
    } else if scan.eat('+') {
        Some(1)
    } else {
        None
    };
    let digits = scan.digits();
    let shape_holds = if sign.is_some() { digits.len() >= 6 } else { digits.len() == 4 };
    if !shape_holds {
        return Err(malformed());
    }
    let significant = digits.trim_start_matches('0');
    // Ten digits of year already lie far outside the range; the bound keeps the day count from overflowing.
    if significant.len() > 9 {
        return Err(ParseTimestampError::OutOfRange(text.into()));
    }
    let year = sign.unwrap_or(1) * significant.parse::<i64>().unwrap_or(0);
    let month = scan.eat('-').then(|| scan.two_digits()).flatten().ok_or_else(malformed)?;
    let day = scan.eat('-').then(|| scan.two_digits()).flatten().ok_or_else(malformed)?;
    if !(1..=12).contains(&month) {
        return Err(ParseTimestampError::Month { text: text.into(), month });
    }
    let days = calendar::days_in_month(year, month);
    if !(1..=days).contains(&day) {
        return Err(ParseTimestampError::Day { text: text.into(), year, month, day, days });
    }
    Ok(Date { year, month, day })
}

/// Minutes east of UTC.
fn scan_offset(scan: &mut Scan<'_>, text: &str) -> Result<i64, ParseTimestampError> {
    if scan.eat('Z') || scan.eat('z') {
        return Ok(0);
    }
    let sign = if scan.eat('+') {
        1
    } else if scan.eat('-') {
        -1
    } else if scan.0.is_empty() {
        return Err(ParseTimestampError::NoOffset(text.into()));
    } else {
        return Err(ParseTimestampError::Malformed(text.into()));
    };
    let hours = scan.two_digits();
    let minutes = scan.colon_two_digits();
    let (Some(hours), Some(minutes)) = (hours, minutes) else {
        return Err(ParseTimestampError::Malformed(text.into()));
    };
    if hours > 23 || minutes > 59 {
        return Err(ParseTimestampError::Offset(text.into()));
    }
    Ok(sign * (i64::from(hours) * 60 + i64::from(minutes)))
}

/// What is left to read.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn eat(&mut self, wanted: char) -> bool {
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn digits(&mut self) -> &'a str {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        digits
    }

    fn two_digits(&mut self) -> Option<u32> {
        let (two, rest) = self.0.split_at_checked(2)?;
        if !two.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        two.parse().ok()
    }

    fn colon_two_digits(&mut self) -> Option<u32> {
        if self.eat(':') { self.two_digits() } else { None }
    }

    /// At least one digit; the first three count.
    fn fraction_millis(&mut self) -> Option<u32> {
        let digits = self.digits();
        if digits.is_empty() {
            return None;
        }
        let places = [100, 10, 1];
        Some(digits.bytes().zip(places).map(|(digit, place)| u32::from(digit - b'0') * place).sum())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(TimestampVisitor)
        } else {
            i64::deserialize(deserializer).map(Timestamp)
        }
    }
}

struct TimestampVisitor;

impl Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as `2026-11-24T10:00:00Z`, or a number of Unix seconds")
    }

    fn visit_i64<E: de::Error>(self, secs: i64) -> Result<Timestamp, E> {
        secs.checked_mul(MILLIS_PER_SECOND).map(Timestamp).ok_or_else(|| {
            E::custom(format_args!(
                "`{secs}` Unix seconds is out of range: at most 9223372036854775"
            ))
        })
    }

    fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Timestamp, E> {
        self.visit_i64(i64::try_from(secs).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: de::Error>(self, secs: f64) -> Result<Timestamp, E> {
        Timestamp::from_secs_f64(secs).ok_or_else(|| {
            E::custom(format_args!(
                "`{secs}` is not a number of Unix seconds in range: at most 9223372036854775"
            ))
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}
