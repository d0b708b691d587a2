//! From values to pixels, and where the ticks of an axis are.

use crate::report::phrase::fixed;

/// A linear scale: a range of values on a range of pixels.
#[derive(Copy, Clone, Debug)]
pub(super) struct Scale {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// A value with its label.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

impl Scale {
    /// The pixel of a value; of one outside the range, the nearer end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        self.start + share * (self.end - self.start)
    }
}

/// The nines of a share: 1 for 90 %, 2 for 99 %, 3 for 99.9 %, at most `most`.
pub(super) fn nines(share: f64, most: f64) -> f64 {
    let missing = 1.0 - share;
    if missing > 0.0 { (-libm::log10(missing)).clamp(0.0, most) } else { most }
}

/// At most about `most` ticks at multiples of 1, 2 or 5 times a power of ten that reach from at most
/// `from` to at least `to`.
pub(super) fn ticks(from: f64, to: f64, most: u32) -> Vec<Tick> {
    let span = if to > from && (to - from).is_finite() { to - from } else { 1.0 };
    let rough = span / f64::from(most.max(1));
    let exponent = libm::floor(libm::log10(rough));
    let unit = libm::pow(10.0, exponent);
    let factor =
        [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * unit >= rough * 0.999_999);
    let step = factor.unwrap_or(10.0) * unit;
    let decimals =
        if step >= 0.999_999 { 0 } else { (-libm::floor(libm::log10(step * 1.000_001))) as usize };
    let first = libm::floor(from / step + 1e-9);
    let last = libm::ceil((from + span) / step - 1e-9);
    let count = (last - first) as u32;
    (0..=count)
        .map(|at| (first + f64::from(at)) * step)
        .map(|value| Tick { value, label: fixed(value, decimals) })
        .collect()
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// At most `most` ticks, 2 or more, over a time from 0, at steps that clocks and calendars have.
pub(super) fn time_ticks(seconds: f64, most: u32) -> Vec<Tick> {
    let steps = [1, 2, 5, 10, 15, 30].into_iter();
    let steps = steps
        .chain([1, 2, 5, 10, 15, 30].map(|minutes| minutes * MINUTE))
        .chain([1, 2, 3, 6, 12].map(|hours| hours * HOUR))
        .chain([1, 2, 7, 14, 28, 56, 112, 364, 3_640, 36_400].map(|days| days * DAY));
    let room = f64::from(most.max(2) - 1);
    let fits = |step: &u64| seconds / *step as f64 <= room;
    let step = steps.clone().find(fits).or(steps.last()).unwrap_or(DAY);
    let (unit, name) = match step {
        days if days >= DAY => (DAY, "d"),
        hours if hours >= HOUR => (HOUR, "h"),
        minutes if minutes >= MINUTE => (MINUTE, "min"),
        _ => (1, "s"),
    };
    let count = (seconds / step as f64 + 1e-9).clamp(0.0, room) as u64;
    (0..=count)
        .map(|at| Tick { value: (at * step) as f64, label: format!("{} {name}", at * step / unit) })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers_around_the_range() {
        assert_eq!(labels(&ticks(0.0, 13.2, 5)), ["0", "5", "10", "15"]);
        assert_eq!(labels(&ticks(0.0, 0.5, 5)), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(&ticks(0.0, 10.0, 4)), ["0", "5", "10"]);
        assert_eq!(labels(&ticks(1_180.0, 1_990.0, 4)), ["1,000", "1,500", "2,000"]);
        assert_eq!(labels(&ticks(3.0, 3.0, 2)), ["3.0", "3.5", "4.0"]);
    }

    #[test]
    fn times_tick_as_clocks_do() {
        assert_eq!(labels(&time_ticks(86_400.0, 5)), ["0 h", "6 h", "12 h", "18 h", "24 h"]);
        assert_eq!(
            labels(&time_ticks(604_800.0, 8)),
            ["0 d", "1 d", "2 d", "3 d", "4 d", "5 d", "6 d", "7 d"]
        );
        assert_eq!(labels(&time_ticks(100.0, 5)), ["0 s", "30 s", "60 s", "90 s"]);
        assert_eq!(labels(&time_ticks(0.0, 5)), ["0 s"]);
    }

    #[test]
    fn nines_count_nines() {
        for (share, expected) in [(0.0, 0.0), (0.9, 1.0), (0.99, 2.0), (0.999, 3.0), (1.0, 4.0)] {
            assert!((nines(share, 4.0) - expected).abs() < 1e-9, "{share}");
        }
        assert!((nines(0.999_999, 4.0) - 4.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn ticks_cover_the_range_and_are_few(from in -1e6..1e6_f64, span in 1e-3..1e6_f64, most in 1..12_u32) {
            let ticks = ticks(from, from + span, most);
            let slack = span * 1e-6;
            prop_assert!(ticks.first().unwrap().value <= from + slack);
            prop_assert!(ticks.last().unwrap().value >= from + span - slack);
            prop_assert!(ticks.len() <= most as usize + 3, "{ticks:?}");
        }

        #[test]
        fn time_ticks_fit_and_begin_at_zero(seconds in 0.0..1e9_f64, most in 2..12_u32) {
            let ticks = time_ticks(seconds, most);
            prop_assert!(ticks.len() <= most as usize);
            prop_assert_eq!(ticks.first().unwrap().value, 0.0);
            prop_assert!(ticks.iter().all(|tick| tick.value <= seconds + 1e-3));
        }

        #[test]
        fn a_pixel_is_within_the_scale(value in proptest::num::f64::ANY) {
            let scale = Scale { from: 2.0, to: 9.0, start: 400.0, end: 100.0 };
            prop_assert!((100.0..=400.0).contains(&scale.at(value)));
        }
    }
}
