//! A time zone as POSIX writes it in `TZ`, with the wider times of day of RFC 8536.

use trimtab_metric::Span;

use super::cron::short;
use super::zone::{Change, Day, ParseTimeZoneError, Summer, TimeZone};

/// Where a rule says no time, the clock is set at two.
const TWO_O_CLOCK: Span = Span::from_secs(2 * 3600);
/// Further apart two offsets are not.
const MOST_APART_SECONDS: i64 = 12 * 3600;

/// Whether a text is meant as a rule: no name of a zone has an offset in it, or `<`.
pub(super) fn looks_like(text: &str) -> bool {
    text.contains([',', '<'])
        || (!text.contains('/') && text.contains(|c: char| c.is_ascii_digit()))
}

/// Reads `std offset [dst [offset] , begin [/time] , end [/time]]`.
pub(super) fn parse(text: &str) -> Result<TimeZone, ParseTimeZoneError> {
    let mut scan = Scan(text);
    let zone = scan.zone();
    match zone {
        Some(zone) if scan.0.is_empty() => zone,
        _ => Err(ParseTimeZoneError::Rule(short(scan.0))),
    }
}

/// What is left to read.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// `None` where it can't be read on.
    fn zone(&mut self) -> Option<Result<TimeZone, ParseTimeZoneError>> {
        self.name()?;
        let standard = self.offset()?;
        if self.0.is_empty() {
            return Some(Ok(TimeZone { standard, summer: None }));
        }
        self.name()?;
        let offset = match self.0.chars().next() {
            None => return Some(Err(ParseTimeZoneError::WithoutDays)),
            Some(',') => standard.saturating_add(Span::from_secs(3600)),
            Some(_) => self.offset()?,
        };
        if self.0.is_empty() {
            return Some(Err(ParseTimeZoneError::WithoutDays));
        }
        let summer = Summer { offset, begins: self.change()?, ends: self.change()? };
        if self.0.is_empty() && apart(standard, offset) > MOST_APART_SECONDS * 1000 {
            return Some(Err(ParseTimeZoneError::Apart));
        }
        // An offset that does not change is no summer time.
        Some(Ok(TimeZone { standard, summer: Some(summer).filter(|_| offset != standard) }))
    }

    fn eat(&mut self, wanted: char) -> Option<()> {
        self.0 = self.0.strip_prefix(wanted)?;
        Some(())
    }

    /// At least three letters, or within `<` and `>` also digits and signs.
    fn name(&mut self) -> Option<()> {
        let quoted = self.eat('<').is_some();
        let is_inside = |c: char| {
            c.is_ascii_alphabetic() || (quoted && (c.is_ascii_digit() || matches!(c, '+' | '-')))
        };
        let end = self.0.find(|c: char| !is_inside(c)).unwrap_or(self.0.len());
        let (_, rest) = self.0.split_at_checked(end).filter(|_| end >= 3)?;
        self.0 = rest;
        if quoted { self.eat('>') } else { Some(()) }
    }

    /// What is to be added to local time for UTC: the other way round than everybody else.
    fn offset(&mut self) -> Option<Span> {
        let west = self.time(24)?;
        Some(Span::ZERO.saturating_sub(west))
    }

    /// `[+-]hh[:mm[:ss]]`
    fn time(&mut self, most_hours: u32) -> Option<Span> {
        let is_negative = self.eat('-').is_some();
        if !is_negative {
            let _optional = self.eat('+');
        }
        let mut seconds = i64::from(self.number(most_hours)?) * 3600;
        for unit in [60, 1] {
            if self.eat(':').is_none() {
                break;
            }
            seconds += i64::from(self.number(59)?) * unit;
        }
        Some(Span::from_secs(if is_negative { -seconds } else { seconds }))
    }

    fn number(&mut self, most: u32) -> Option<u32> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end)?;
        let value = digits.parse().ok().filter(|value| *value <= most && digits.len() <= 3)?;
        self.0 = rest;
        Some(value)
    }

    /// `,` a day of the year, and perhaps `/` a time
    fn change(&mut self) -> Option<Change> {
        self.eat(',')?;
        let day = if self.eat('M').is_some() {
            let month = self.number(12).filter(|month| *month > 0)?;
            self.eat('.')?;
            let week = self.number(5).filter(|week| *week > 0)?;
            self.eat('.')?;
            Day::Weekday { month, week, weekday: self.number(6)? }
        } else if self.eat('J').is_some() {
            Day::Julian(self.number(365).filter(|day| *day > 0)?)
        } else {
            Day::OfYear(self.number(365)?)
        };
        let time = if self.eat('/').is_some() { self.time(167)? } else { TWO_O_CLOCK };
        Some(Change { day, time })
    }
}

fn apart(one: Span, other: Span) -> i64 {
    one.saturating_sub(other).as_millis().saturating_abs()
}
