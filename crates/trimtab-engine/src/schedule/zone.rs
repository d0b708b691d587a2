//! A time zone: what does a clock on the wall say at an instant, and when does it say that?

use alloc::string::String;
use core::str::FromStr;

use thiserror::Error;
use trimtab_metric::{Span, Timestamp};

use super::cron::short;
use super::posix;
use super::zone_names::{NO_RULE, ZONES};

/// A time zone by rule: an offset, and if it has summer time, when that begins and ends each year.
///
/// Written as `UTC`, as an offset (`+02:00`), as POSIX writes rules (`CET-1CEST,M3.5.0,M10.5.0/3`), or by
/// the name that the IANA time zone database gives it (`Europe/Berlin`). A name stands for the rule of today:
/// what a zone did before is not known here. A few zones follow no yearly rule (clocks in Palestine follow
/// Ramadan) and are refused.
///
/// ```
/// use trimtab_engine::schedule::TimeZone;
/// use trimtab_metric::{Span, Timestamp};
///
/// let berlin: TimeZone = "Europe/Berlin".parse()?;
/// assert_eq!("CET-1CEST,M3.5.0,M10.5.0/3".parse(), Ok(berlin));
/// let july: Timestamp = "2026-07-01T12:00:00Z".parse()?;
/// assert_eq!(berlin.offset(july), Span::from_secs(7200));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeZone {
    /// East of UTC.
    pub(super) standard: Span,
    pub(super) summer: Option<Summer>,
}

/// When another offset counts, each year.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Summer {
    pub(super) offset: Span,
    pub(super) begins: Change,
    pub(super) ends: Change,
}

/// A day of each year, and a time on the clock as it was before.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) day: Day,
    /// After midnight; may be negative or more than a day.
    pub(super) time: Span,
}

/// A day of each year.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Day {
    /// 1 to 365; 29 February is never counted.
    Julian(u32),
    /// 0 to 365; 29 February is counted.
    OfYear(u32),
    /// The first to fourth such weekday of a month, or the last one (5). Sunday is 0.
    Weekday { month: u32, week: u32, weekday: u32 },
}

/// Why a text is not a [`TimeZone`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseTimeZoneError {
    /// No zone has that name.
    #[error(
        "it is no zone that is known: a name such as `Europe/Berlin`, an offset such as `+02:00`, and a rule such as `CET-1CEST,M3.5.0,M10.5.0/3` are"
    )]
    Unknown,
    /// A zone is written almost like that.
    #[error("it is no zone that is known: did you mean `{0}`?")]
    Spelled(&'static str),
    /// A zone whose clock follows no yearly rule.
    #[error(
        "its clock is changed by no yearly rule: give the offset that shall count, such as `+01:00`"
    )]
    NoRule,
    /// An offset that no zone has.
    #[error("`{0}` is no offset: `-23:59` to `+23:59` are")]
    Offset(String),
    /// A rule that can't be read.
    #[error("the rule can't be read from `{0}` on: it is as in `CET-1CEST,M3.5.0,M10.5.0/3`")]
    Rule(String),
    /// Summer time without a begin and an end.
    #[error("the rule has to say when summer time begins and ends, as in `EST5EDT,M3.2.0,M11.1.0`")]
    WithoutDays,
    /// Clocks are not set by that much.
    #[error("the two offsets of the rule are more than 12 hours apart")]
    Apart,
}

impl TimeZone {
    /// The same offset at all times.
    pub const UTC: Self = Self { standard: Span::ZERO, summer: None };

    /// What the clock is ahead of UTC by, at an instant.
    pub fn offset(&self, at: Timestamp) -> Span {
        let Some(summer) = self.summer else { return self.standard };
        let (year, _, _) = at.saturating_add(self.standard).date();
        let mut last = (Timestamp::MIN, self.standard);
        for year in [year - 1, year, year + 1] {
            let begins = summer.begins.in_year(year).map(|it| it.saturating_sub(self.standard));
            let ends = summer.ends.in_year(year).map(|it| it.saturating_sub(summer.offset));
            for (change, offset) in [(begins, summer.offset), (ends, self.standard)] {
                // Where an end and the next begin coincide, summer time goes on.
                let wins = |change: &Timestamp| {
                    *change > last.0 || (*change == last.0 && offset == summer.offset)
                };
                if let Some(change) = change.filter(|change| *change <= at).filter(wins) {
                    last = (change, offset);
                }
            }
        }
        last.1
    }

    /// What the clock says at an instant, as if it were UTC.
    pub(super) fn local(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.offset(at))
    }

    /// The instant at which the clock says `local`: the first one, or, where the clock skips it, as if
    /// it had not been set.
    pub(super) fn instant(&self, local: Timestamp) -> Timestamp {
        let Some(summer) = self.summer else { return local.saturating_sub(self.standard) };
        let (more, less) = (self.standard.max(summer.offset), self.standard.min(summer.offset));
        let earlier = local.saturating_sub(more);
        if self.offset(earlier) == more { earlier } else { local.saturating_sub(less) }
    }

    /// The offset of a whole local day that begins at `midnight`, and of half a day before and after
    /// it; `None` where the clock may be set within that time.
    pub(super) fn offset_of_day(&self, midnight: Timestamp) -> Option<Span> {
        const HALF_A_DAY: Span = Span::from_secs(43_200);
        const TWO_DAYS: Span = Span::from_secs(2 * 86_400);
        let Some(summer) = self.summer else { return Some(self.standard) };
        let (year, _, _) = midnight.date();
        let around = midnight.saturating_sub(TWO_DAYS)..=midnight.saturating_add(TWO_DAYS);
        let is_near = |change: &Change| {
            let years = [year - 1, year, year + 1].into_iter();
            years.filter_map(|year| change.in_year(year)).any(|at| around.contains(&at))
        };
        let is_set = is_near(&summer.begins) || is_near(&summer.ends);
        (!is_set).then(|| self.offset(midnight.saturating_add(HALF_A_DAY)))
    }
}

impl Change {
    /// When it is in a year, on the clock as it was before.
    fn in_year(&self, year: i64) -> Option<Timestamp> {
        let days = |days: u32| Span::from_secs(i64::from(days) * 86_400);
        let day = match self.day {
            Day::OfYear(day) => Timestamp::from_date(year, 1, 1)?.saturating_add(days(day)),
            Day::Julian(day) => {
                let is_after = day >= 60 && Timestamp::from_date(year, 2, 29).is_some();
                let before = day.saturating_sub(1) + u32::from(is_after);
                Timestamp::from_date(year, 1, 1)?.saturating_add(days(before))
            }
            Day::Weekday { month, week, weekday } => {
                let first = Timestamp::from_date(year, month, 1)?;
                // 1970 began on a Thursday.
                let begins = (first.as_millis().div_euclid(86_400_000) + 4).rem_euclid(7);
                let to_weekday = u32::try_from((i64::from(weekday) - begins).rem_euclid(7)).ok()?;
                let day = (1..=week).rev().map(|week| 1 + to_weekday + (week - 1) * 7);
                day.into_iter().find_map(|day| Timestamp::from_date(year, month, day))?
            }
        };
        Some(day.saturating_add(self.time))
    }
}

impl FromStr for TimeZone {
    type Err = ParseTimeZoneError;

    fn from_str(text: &str) -> Result<Self, ParseTimeZoneError> {
        if text == "Z" {
            return Ok(Self::UTC);
        }
        if let Some(rule) = rule_of(text) {
            return posix::parse(rule);
        }
        if NO_RULE.contains(&text) {
            return Err(ParseTimeZoneError::NoRule);
        }
        if text.starts_with(['+', '-']) {
            return offset(text).ok_or_else(|| ParseTimeZoneError::Offset(short(text)));
        }
        if posix::looks_like(text) {
            return posix::parse(text);
        }
        let names = ZONES.iter().flat_map(|(_, names)| names.iter());
        match names.into_iter().find(|name| name.eq_ignore_ascii_case(text)) {
            Some(name) => Err(ParseTimeZoneError::Spelled(name)),
            None => Err(ParseTimeZoneError::Unknown),
        }
    }
}

/// The rule of the zone with that name.
fn rule_of(name: &str) -> Option<&'static str> {
    let has = |names: &[&str]| names.binary_search(&name).is_ok();
    ZONES.iter().find(|(_, names)| has(names)).map(|(rule, _)| *rule)
}

/// `+02:00`
fn offset(text: &str) -> Option<TimeZone> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+')?),
    };
    let (hours, minutes) = digits.split_once(':')?;
    let two = |text: &str, most: i64| {
        let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|value: &i64| is_two && *value <= most)
    };
    let seconds = two(hours, 23)? * 3600 + two(minutes, 59)? * 60;
    Some(TimeZone { standard: Span::from_secs(sign * seconds), summer: None })
}
