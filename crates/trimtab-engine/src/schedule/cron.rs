//! A cron expression: which minutes does it name?

use alloc::string::String;
use core::str::FromStr;

use thiserror::Error;
use trimtab_metric::{Span, Timestamp};

use super::zone::TimeZone;

/// Days and months that are looked at for an occurrence: 29 February may be eight years away.
const LOOK_AHEAD: u32 = 8 * (31 + 11) + 31;
const MILLIS_PER_DAY: i64 = 86_400_000;
const MILLIS_PER_MINUTE: i64 = 60_000;
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression as Kubernetes' CronJob and KEDA's cron scaler take it: minute, hour, day of the
/// month, month and day of the week; or `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`,
/// `@yearly`, `@annually`.
///
/// A field is `*` (or `?`), a number, a range `a-b`, a step `*/n`, `a-b/n` or `a/n`, or several of these with
/// commas between. Months and weekdays have names of three letters; Sunday is 0 or 7. Where both days
/// are restricted, one that matches is enough.
///
/// ```
/// use trimtab_engine::schedule::{Cron, TimeZone};
/// use trimtab_metric::Timestamp;
///
/// let opens: Cron = "30 8 * * MON-FRI".parse()?;
/// let berlin: TimeZone = "Europe/Berlin".parse()?;
/// let saturday: Timestamp = "2026-03-28T12:00:00Z".parse()?;
/// let monday = opens.next(saturday, &berlin).map(|at| at.to_string());
/// assert_eq!(monday.as_deref(), Some("2026-03-30T06:30:00Z")); // summer time since Sunday
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// One bit a minute.
    minutes: u64,
    hours: u32,
    days: u32,
    months: u16,
    /// Sunday is the lowest bit.
    weekdays: u8,
    /// Neither day is restricted, or only one of them.
    both_days: bool,
}

/// Why a text is not a [`Cron`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseCronError {
    /// There are not five fields.
    #[error(
        "it has {0} fields and takes five: minute, hour, day of the month, month, day of the week"
    )]
    Fields(usize),
    /// Not one of the words.
    #[error(
        "`{0}` is not known: `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` are"
    )]
    Word(String),
    /// The time zone has a field of its own.
    #[error("the time zone is not part of it: `timeZone` is for that")]
    Zone,
    /// Not a number or name.
    #[error("`{text}` is no {field}: {least} to {most}")]
    Value {
        /// What was written.
        text: String,
        /// Of which field.
        field: &'static str,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A range that runs backwards.
    #[error("`{0}` ends before it begins: write it as two ranges with a comma between")]
    Backwards(String),
    /// A step of nothing.
    #[error("`{0}` has a step that is not a number from 1 on")]
    Step(String),
    /// No such day.
    #[error("it names a day that no month has")]
    Never,
}

/// One of the five fields.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field { name: "month", least: 1, most: 12, names: &MONTHS },
    Field { name: "day of the week", least: 0, most: 7, names: &WEEKDAYS },
];

impl Cron {
    /// The first occurrence after `after`; `None` at the end of time.
    ///
    /// Occurrences are local times. One that the clock skips when it is set forward counts by the
    /// offset before, so it comes as much later as the clock was set; one that comes twice when the clock is
    /// set back counts at its first time. That is the rule of RFC 5545, 3.3.5.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut days =
            Days { cron: self, day: local_day(after, zone)? - 1, left: LOOK_AHEAD, by: 1 };
        let first_of = |day| self.on(day, zone, |at| *at > after, Ord::min);
        let (day, found) = days.find_map(|day| Some((day, first_of(day)?)))?;
        // A time that is skipped may come after the first ones of the next day.
        let next = days.next().filter(|next| *next == day + 1).and_then(first_of);
        Some(next.map_or(found, |next| next.min(found)))
    }

    /// The last occurrence that is not after `until`.
    ///
    /// ```
    /// use trimtab_engine::schedule::{Cron, TimeZone};
    /// use trimtab_metric::Timestamp;
    ///
    /// let weekly: Cron = "@weekly".parse()?;
    /// let before = weekly.previous(Timestamp::UNIX_EPOCH, &TimeZone::UTC); // a Thursday
    /// assert_eq!(before.map(|at| at.to_string()).as_deref(), Some("1969-12-28T00:00:00Z"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn previous(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut days =
            Days { cron: self, day: local_day(until, zone)? + 1, left: LOOK_AHEAD, by: -1 };
        let last_of = |day| self.on(day, zone, |at| *at <= until, Ord::max);
        let (day, found) = days.find_map(|day| Some((day, last_of(day)?)))?;
        let before = days.next().filter(|before| *before == day - 1).and_then(last_of);
        Some(before.map_or(found, |before| before.max(found)))
    }

    fn is_day(&self, date: u32, weekday: i64) -> bool {
        let date = self.days >> date & 1 == 1;
        let weekday = self.weekdays >> weekday & 1 == 1;
        if self.both_days { date && weekday } else { date || weekday }
    }

    /// Of the occurrences of a local day that count, the one that `pick` prefers to all others.
    fn on(
        &self,
        day: i64,
        zone: &TimeZone,
        counts: impl Fn(&Timestamp) -> bool,
        pick: fn(Timestamp, Timestamp) -> Timestamp,
    ) -> Option<Timestamp> {
        let midnight = Timestamp::from_millis(day.checked_mul(MILLIS_PER_DAY)?);
        let hours = (0..24_i64).filter(|hour| self.hours >> hour & 1 == 1);
        let minutes = || (0..60_i64).filter(|minute| self.minutes >> minute & 1 == 1);
        let local =
            |minute: i64| midnight.saturating_add(Span::from_millis(minute * MILLIS_PER_MINUTE));
        let steady = zone.offset_of_day(midnight);
        hours
            .flat_map(|hour| minutes().map(move |minute| hour * 60 + minute))
            .map(|minute| match steady {
                Some(offset) => local(minute).saturating_sub(offset),
                None => zone.instant(local(minute)),
            })
            .filter(counts)
            .reduce(pick)
    }

    /// Whether some day matches: a date that no month of it has never comes.
    fn occurs(&self) -> bool {
        const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let months = (1..).zip(DAYS).filter(|(month, _)| self.months >> month & 1 == 1);
        !self.both_days || months.into_iter().any(|(_, days)| self.days.trailing_zeros() <= days)
    }
}

/// The day that it is somewhere, in days since 1970; nothing at the ends of time.
fn local_day(at: Timestamp, zone: &TimeZone) -> Option<i64> {
    const EDGE: i64 = i64::MAX / MILLIS_PER_DAY - 10_000;
    let day = zone.local(at).as_millis().div_euclid(MILLIS_PER_DAY);
    (-EDGE..=EDGE).contains(&day).then_some(day)
}

/// The days that an expression names, one after the other or backwards.
struct Days<'a> {
    cron: &'a Cron,
    /// The next one to look at.
    day: i64,
    left: u32,
    by: i64,
}

impl Iterator for Days<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        while self.left > 0 {
            self.left -= 1;
            let day = self.day;
            let (year, month, date) =
                Timestamp::from_millis(day.checked_mul(MILLIS_PER_DAY)?).date();
            if self.cron.months >> month & 1 == 0 {
                // To the other end of the month.
                let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let next = Timestamp::from_date(year, month, 1)?.as_millis() / MILLIS_PER_DAY;
                self.day = if self.by > 0 { next } else { day - i64::from(date) };
                continue;
            }
            self.day = day + self.by;
            // 1970 began on a Thursday.
            if self.cron.is_day(date, (day + 4).rem_euclid(7)) {
                return Some(day);
            }
        }
        None
    }
}

impl FromStr for Cron {
    type Err = ParseCronError;

    fn from_str(text: &str) -> Result<Self, ParseCronError> {
        let text = text.trim();
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            return Err(ParseCronError::Zone);
        }
        let text = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            word if word.starts_with('@') => return Err(ParseCronError::Word(short(word))),
            text => text,
        };
        let mut sets = [(0_u64, false); FIELDS.len()];
        let count = text.split_ascii_whitespace().count();
        if count != FIELDS.len() {
            return Err(ParseCronError::Fields(count));
        }
        for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip(text.split_ascii_whitespace())
        {
            *set = field.set(text)?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let sunday = weekdays.0 >> 7 & 1;
        let low = |bits: u64| u32::try_from(bits).unwrap_or(u32::MAX);
        let cron = Self {
            minutes: minutes.0,
            hours: low(hours.0),
            days: low(days.0),
            months: u16::try_from(months.0).unwrap_or(u16::MAX),
            weekdays: u8::try_from((weekdays.0 | sunday) & 0x7f).unwrap_or(u8::MAX),
            both_days: days.1 || weekdays.1,
        };
        if cron.occurs() { Ok(cron) } else { Err(ParseCronError::Never) }
    }
}

impl Field {
    /// The values as bits, and whether the field restricts nothing. `*/2` restricts.
    fn set(&self, text: &str) -> Result<(u64, bool), ParseCronError> {
        let mut all = (0, false);
        for part in text.split(',') {
            let (bits, star) = self.part(part)?;
            all = (all.0 | bits, all.1 | star);
        }
        Ok(all)
    }

    fn part(&self, text: &str) -> Result<(u64, bool), ParseCronError> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => {
                let number = number(step).filter(|step| *step > 0);
                (range, number.ok_or_else(|| ParseCronError::Step(short(text)))?)
            }
            None => (text, 1),
        };
        let stepped = text.len() > range.len();
        let (first, last, star) = match range {
            "*" | "?" => (self.least, self.last_of_all(), step == 1),
            _ => match range.split_once('-') {
                Some((first, last)) => (self.value(first)?, self.value(last)?, false),
                None if stepped => (self.value(range)?, self.last_of_all(), false),
                None => (self.value(range)?, self.value(range)?, false),
            },
        };
        if last < first {
            return Err(ParseCronError::Backwards(short(text)));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        Ok(((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value), star))
    }

    /// `*` names each weekday once.
    fn last_of_all(&self) -> u32 {
        if self.most == 7 { 6 } else { self.most }
    }

    fn value(&self, text: &str) -> Result<u32, ParseCronError> {
        let named = || self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value =
            number(text).or_else(|| u32::try_from(named()?).ok().map(|place| place + self.least));
        value.filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| {
            let (least, most) = (self.least, self.most);
            ParseCronError::Value { text: short(text), field: self.name, least, most }
        })
    }
}

/// Digits only: no sign.
fn number(text: &str) -> Option<u32> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// As much of what was written as an error repeats.
pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
