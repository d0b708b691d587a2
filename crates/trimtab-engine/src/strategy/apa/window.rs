//! A metric over time: one value for each second in which one came, and their mean.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::policy::Finite;

/// The values of the last seconds of one metric: at most one for each second of the window, and one
/// more. In one second the last value counts.
///
/// As in AIBrix, old values go when a new one comes: without any, the mean stays what it was.
///
/// ```
/// use trimtab_engine::Finite;
/// use trimtab_engine::strategy::apa::Window;
/// use trimtab_metric::{Span, Timestamp};
///
/// let mut window = Window::default();
/// for (second, value) in [(0, 2.0), (10, 4.0), (190, 9.0)] {
///     let value = Finite::new(value).unwrap();
///     window.record(Timestamp::from_secs(second), value, Span::from_secs(180));
/// }
/// assert_eq!(window.mean(), 6.5); // the 2 is out of it, the 4 not yet
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    samples: Vec<Sample>,
}

/// The value of one second.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The second, counted from 1970.
    pub second: i64,
    /// The value.
    pub value: Finite,
}

impl Window {
    /// Records a value, and forgets those of seconds before the one in which the window begins.
    pub fn record(&mut self, at: Timestamp, value: Finite, length: Span) {
        let second = at.as_millis().div_euclid(1000);
        let place = self.samples.partition_point(|sample| sample.second < second);
        match self.samples.get_mut(place) {
            Some(sample) if sample.second == second => sample.value = value,
            _ => self.samples.insert(place, Sample { second, value }),
        }
        let begins = at.saturating_sub(length).as_millis().div_euclid(1000);
        self.samples.retain(|sample| sample.second >= begins);
    }

    /// The mean of the values, each counted once; 0 of none.
    pub fn mean(&self) -> f64 {
        if self.samples.is_empty() {
            return 0.0;
        }
        let mut sum = 0.0;
        self.samples.iter().for_each(|sample| sum += sample.value.get());
        sum / crate::float::from_count(self.samples.len())
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How many values there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.samples.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(window: &mut Window, milli: i64, value: f64) {
        let value = Finite::new(value).unwrap();
        window.record(Timestamp::from_millis(milli), value, Span::from_secs(60));
    }

    #[test]
    fn the_last_value_of_a_second_counts() {
        let mut window = Window::default();
        record(&mut window, 1_000, 1.0);
        record(&mut window, 1_999, 3.0);
        assert_eq!((window.len(), window.mean()), (1, 3.0));
    }

    #[test]
    fn values_out_of_order_find_their_place() {
        let mut window = Window::default();
        for (milli, value) in [(5_000, 5.0), (1_000, 1.0), (3_000, 3.0)] {
            record(&mut window, milli, value);
        }
        let seconds: Vec<i64> = window.samples.iter().map(|sample| sample.second).collect();
        assert_eq!(seconds, [1, 3, 5]);
    }

    #[test]
    fn it_holds_one_value_a_second_and_one_more() {
        let mut window = Window::default();
        (0..500_i64).for_each(|half| record(&mut window, half * 500, 1.0));
        assert_eq!(window.len(), 61);
        assert_eq!(Window::default().mean(), 0.0);
    }
}
