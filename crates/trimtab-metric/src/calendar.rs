//! Which day is it: the proleptic Gregorian calendar, counted in days from 1970-01-01.

const DAYS_PER_ERA: i64 = 146_097;
const YEARS_PER_ERA: i64 = 400;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH_OF_YEAR_ZERO: i64 = 719_468;

/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: u32,
    /// 1 to 31.
    pub(crate) day: u32,
}

pub(crate) fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// `month` is 1 to 12; anything else has no days.
pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days from 1 March to the first of the month `from_march` months later (0 = March). The months from March on repeat 31, 30, 31, 30,
/// 31 with a period of five months and 153 days, which this division reproduces.
const fn days_before_month(from_march: i64) -> i64 {
    (from_march * 153 + 2) / 5
}

impl Date {
    /// The date `days` days after 1970-01-01. `days` must stay some 2^60 away from the ends of its type; milliseconds divided by a day do.
    pub(crate) fn from_days(days: i64) -> Date {
        // Years are counted from March, so that the leap day comes last; eras of 400 years all have the same length.
        let days = days.saturating_add(EPOCH_FROM_MARCH_OF_YEAR_ZERO);
        let era = days.div_euclid(DAYS_PER_ERA);
        let day_of_era = days.rem_euclid(DAYS_PER_ERA);
        // A day count over 365 overshoots by the leap days before it: one per 4 years, none per 100, one per 400.
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - days_before_month(from_march) + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * YEARS_PER_ERA + year_of_era + i64::from(month <= 2);
        Date {
            year,
            month: u32::try_from(month).unwrap_or(1),
            day: u32::try_from(day).unwrap_or(1),
        }
    }

    /// Days from 1970-01-01 to this date, which must exist; years within some billions.
    pub(crate) fn days(self) -> i64 {
        let month = i64::from(self.month);
        let year = self.year - i64::from(month <= 2);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let era = year.div_euclid(YEARS_PER_ERA);
        let year_of_era = year.rem_euclid(YEARS_PER_ERA);
        let day_of_year = days_before_month(from_march) + i64::from(self.day) - 1;
        let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * DAYS_PER_ERA + day_of_era - EPOCH_FROM_MARCH_OF_YEAR_ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks day by day with nothing but the lengths of the months, over more than one era on either side of the epoch.
    #[test]
    fn agrees_with_walking_day_by_day() {
        let mut date = Date { year: 1970, month: 1, day: 1 };
        for days in 0..300_000 {
            assert_eq!(Date::from_days(days), date);
            assert_eq!(date.days(), days);
            date.day += 1;
            if date.day > days_in_month(date.year, date.month) {
                date = Date { year: date.year, month: date.month + 1, day: 1 };
                if date.month > 12 {
                    date = Date { year: date.year + 1, month: 1, day: 1 };
                }
            }
        }
        let mut date = Date { year: 1970, month: 1, day: 1 };
        for days in (-900_000..=0).rev() {
            assert_eq!(Date::from_days(days), date);
            assert_eq!(date.days(), days);
            date.day -= 1;
            if date.day == 0 {
                date = if date.month == 1 {
                    Date { year: date.year - 1, month: 12, day: 31 }
                } else {
                    Date {
                        year: date.year,
                        month: date.month - 1,
                        day: days_in_month(date.year, date.month - 1),
                    }
                };
            }
        }
    }
}
