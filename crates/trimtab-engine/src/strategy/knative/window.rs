//! What the load was over the last seconds: a bucket for each of them, and their average.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use crate::float::from_i64;
use crate::policy::{Finite, KnativeAggregation};

/// The load in each second of a window, and its average: Knative's timed buckets.
///
/// The linear average is Knative's to the bit. The weighted one may differ in the last digits, since
/// Go and libm round powers differently.
///
/// What is recorded for the same second adds up. A second of which nothing was recorded counts as 0
/// as long as something was recorded within a window after it. Its size is that of its window.
///
/// ```
/// use trimtab_engine::strategy::knative::Buckets;
/// use trimtab_engine::KnativeAggregation::Linear;
/// use trimtab_metric::Timestamp;
///
/// let mut load = Buckets::new(60);
/// for second in 0..10 {
///     load.record(Timestamp::from_secs(second), 8.0);
/// }
/// assert_eq!(load.average(Linear, Timestamp::from_secs(9)), 8.0); // ten seconds, not sixty
/// assert!(load.is_empty(Timestamp::from_secs(70)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Buckets {
    /// A ring: the bucket of a second is at the second modulo the length.
    values: Vec<Finite>,
    /// The sum, as it came about by adding and subtracting.
    total: Finite,
    /// The first second that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_second: Option<i64>,
    /// The last second that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_second: Option<i64>,
}

impl Buckets {
    /// The longest window, in seconds.
    pub const MOST_SECONDS: u16 = 3600;

    /// Empty buckets for a window of so many seconds, 1 to [`Buckets::MOST_SECONDS`]; what is out of
    /// that range is brought into it.
    pub fn new(seconds: u16) -> Self {
        let length = Self::length(seconds);
        let zero = Finite::default();
        Self { values: vec![zero; length], total: zero, first_second: None, last_second: None }
    }

    fn length(seconds: u16) -> usize {
        usize::from(seconds.clamp(1, Self::MOST_SECONDS))
    }

    /// Adds a value to the bucket of its second. One that is a window older than the newest is
    /// dropped. A value that is not finite counts as the nearest number that is, NaN as 0.
    pub fn record(&mut self, at: Timestamp, value: f64) {
        let second = second_of(at);
        match self.last_second {
            Some(last) if second == last => {}
            Some(last) if second.saturating_add(self.window()) <= last => return,
            Some(last) if second < last => self.include(second),
            last => self.advance(last, second),
        }
        if let Some(bucket) = self.slot(second).and_then(|slot| self.values.get_mut(slot)) {
            *bucket = finite(bucket.get() + finite(value).get());
        }
        self.total = finite(self.total.get() + finite(value).get());
    }

    /// Whether nothing was recorded for longer than the window.
    pub fn is_empty(&self, now: Timestamp) -> bool {
        self.age(now).is_none_or(|age| age > self.window())
    }

    /// The average over the window that ends at `now`, 0 if nothing was recorded in it.
    pub fn average(&self, aggregation: KnativeAggregation, now: Timestamp) -> f64 {
        match aggregation {
            KnativeAggregation::Linear => self.linear(now),
            KnativeAggregation::WeightedExponential => self.weighted(now),
        }
    }

    /// Changes the length of the window. What was recorded stays where the new window has room for
    /// it, unless it is older than the old one.
    pub fn resize(&mut self, seconds: u16, now: Timestamp) {
        if Self::length(seconds) == self.values.len() {
            return;
        }
        let mut resized = Self::new(seconds);
        if let Some(last) = self.last_second.filter(|_| !self.is_empty(now)) {
            let mut total = 0.0;
            for back in 0..self.window().min(resized.window()) {
                let second = last.saturating_sub(back);
                let value = self.value(second);
                total += value;
                if let Some(bucket) =
                    resized.slot(second).and_then(|slot| resized.values.get_mut(slot))
                {
                    *bucket = finite(value);
                }
            }
            resized.total = finite(total);
            resized.first_second = Some(last.saturating_sub(self.window() - 1));
        }
        resized.last_second = self.last_second;
        *self = resized;
    }

    /// How many bytes the buckets take beside the struct itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<Finite>()
    }

    /// How many seconds the window has.
    pub(super) fn window(&self) -> i64 {
        i64::try_from(self.values.len()).unwrap_or(i64::MAX)
    }

    /// The first second that counts is not after this one.
    fn include(&mut self, second: i64) {
        self.first_second = Some(self.first_second.map_or(second, |first| first.min(second)));
    }

    /// Makes this second the last one, and empties the buckets on the way to it.
    fn advance(&mut self, last: Option<i64>, second: i64) {
        match last.filter(|last| second.saturating_sub(*last) < self.window()) {
            None => {
                self.values.fill(Finite::default());
                self.total = Finite::default();
                self.first_second = Some(second);
            }
            Some(last) => {
                self.include(second);
                for passed in last.saturating_add(1)..=second {
                    let outdated = self.value(passed);
                    self.total = finite(self.total.get() - outdated);
                    if let Some(bucket) =
                        self.slot(passed).and_then(|slot| self.values.get_mut(slot))
                    {
                        *bucket = Finite::default();
                    }
                }
            }
        }
        self.last_second = Some(second);
    }

    /// The sum over as many buckets as count, to six decimals.
    fn linear(&self, now: Timestamp) -> f64 {
        let (Some(age), Some(last)) = (self.age(now), self.last_second) else { return 0.0 };
        if age >= self.window() {
            return 0.0;
        }
        let mut sum = self.total.get();
        for passed in last.saturating_add(1)..=last.saturating_add(age) {
            sum -= self.value(passed);
        }
        let recorded = self.first_second.map_or(i64::MAX, |first| last.saturating_sub(first));
        let count = recorded.saturating_add(1).min(self.window() - age.max(0)).max(1);
        six_decimals(sum / from_i64(count))
    }

    /// The latest second weighs most, each one before it less by a constant factor.
    fn weighted(&self, now: Timestamp) -> f64 {
        let Some(last) = self.last_second.filter(|_| !self.is_empty(now)) else { return 0.0 };
        let smoothing = smoothing(self.window());
        let age = self.age(now).unwrap_or(0).max(0);
        let mut weight = smoothing;
        if age > 0 {
            weight *= libm::pow(1.0 - smoothing, from_i64(age));
        }
        let mut average = 0.0;
        for back in 0..self.window().saturating_sub(age) {
            average += self.value(last.saturating_sub(back)) * weight;
            weight *= 1.0 - smoothing;
        }
        finite(average).get()
    }

    /// Seconds since the last one that was recorded; negative if that is still to come.
    fn age(&self, now: Timestamp) -> Option<i64> {
        self.last_second.map(|last| second_of(now).saturating_sub(last))
    }

    fn slot(&self, second: i64) -> Option<usize> {
        usize::try_from(second.checked_rem_euclid(self.window())?).ok()
    }

    fn value(&self, second: i64) -> f64 {
        self.slot(second).and_then(|slot| self.values.get(slot)).map_or(0.0, |value| value.get())
    }
}

/// How much less a second weighs than the one after it: at least a fifth, and enough for the window
/// to hold 99.99 % of all weight.
fn smoothing(seconds: i64) -> f64 {
    const LEAST: f64 = 0.2;
    let enough = 1.0 - libm::pow(0.0001, 1.0 / from_i64(seconds));
    if enough < LEAST { LEAST } else { enough }
}

pub(super) fn second_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1000)
}

fn six_decimals(value: f64) -> f64 {
    const DECIMALS: f64 = 1e6;
    let rounded = libm::round(value * DECIMALS) / DECIMALS;
    if rounded.is_finite() { rounded } else { value }
}

/// The nearest finite number, 0 for what is none.
fn finite(value: f64) -> Finite {
    let nearest = match value {
        f64::INFINITY => f64::MAX,
        f64::NEG_INFINITY => f64::MIN,
        value => value,
    };
    Finite::new(nearest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use KnativeAggregation::{Linear, WeightedExponential};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    fn close(left: f64, right: f64) -> bool {
        libm::fabs(left - right) <= 2e-6 * (1.0 + libm::fabs(left))
    }

    /// Values over time, with gaps; a few come late.
    fn samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
        prop::collection::vec((-3_i64..6, 0_u32..1000), 1..80).prop_map(|steps| {
            let mut now = 1000;
            steps
                .into_iter()
                .map(|(step, value)| {
                    now += step.max(0);
                    (now + step.min(0), f64::from(value))
                })
                .collect()
        })
    }

    proptest! {
        /// The ring forgets just what is out of the window: its average is the one over all that
        /// was ever recorded, looked up naively.
        #[test]
        fn the_ring_agrees_with_a_naive_average(
            samples in samples(), window in 1_u16..40, wait in 0_i64..45,
        ) {
            let mut ring = Buckets::new(window);
            let window = i64::from(window);
            let mut naive: BTreeMap<i64, f64> = BTreeMap::new();
            let mut first = 0;
            for (second, value) in samples {
                ring.record(at(second), value);
                let last = naive.keys().next_back().copied();
                match last {
                    Some(last) if second + window <= last => continue,
                    Some(last) if second - last < window => first = first.min(second),
                    _ => {
                        naive.clear();
                        first = second;
                    }
                }
                *naive.entry(second).or_default() += value;
            }
            let last = naive.keys().next_back().copied().unwrap();
            let now = last + wait;
            let inside = |second: &i64| now - second < window;
            let sum: f64 = naive.iter().filter(|(s, _)| inside(s)).map(|(_, v)| v).sum();
            let count = (last - first + 1).min(window - wait);
            let linear = if wait < window { sum / count as f64 } else { 0.0 };
            prop_assert!(close(ring.average(Linear, at(now)), linear));

            let smoothing = smoothing(window);
            let weighted: f64 = naive
                .iter()
                .filter(|(second, _)| inside(second))
                .map(|(s, v)| v * smoothing * libm::pow(1.0 - smoothing, (now - s) as f64))
                .sum();
            prop_assert!(close(ring.average(WeightedExponential, at(now)), weighted));
            prop_assert_eq!(ring.is_empty(at(now)), wait > window);
        }

        /// A ring that was written down and read again goes on as if it had not been.
        #[test]
        fn a_round_trip_changes_nothing(samples in samples(), window in 1_u16..40, cut in 0_usize..80) {
            let mut ring = Buckets::new(window);
            let mut stored = ring.clone();
            for (index, (second, value)) in samples.into_iter().enumerate() {
                if index == cut {
                    stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
                }
                ring.record(at(second), value);
                stored.record(at(second), value);
            }
            prop_assert_eq!(ring, stored);
        }

        /// A longer window keeps all, a shorter one what it has room for.
        #[test]
        fn resizing_keeps_what_has_room(samples in samples(), old in 1_u16..40, new in 1_u16..40) {
            let mut ring = Buckets::new(old);
            for (second, value) in samples {
                ring.record(at(second), value);
            }
            let last = ring.last_second.unwrap();
            let before = ring.clone();
            ring.resize(new, at(last));
            for back in 0..i64::from(old.min(new)) {
                prop_assert_eq!(ring.value(last - back), before.value(last - back));
            }
            let sum: f64 = ring.values.iter().map(|value| value.get()).sum();
            prop_assert!(close(ring.total.get(), sum));
        }
    }

    #[test]
    fn what_is_outdated_does_not_survive_a_resize() {
        let mut ring = Buckets::new(6);
        ring.record(at(0), 9.0);
        ring.resize(60, at(7));
        assert_eq!(ring.average(Linear, at(7)), 0.0);
        assert!(!ring.is_empty(at(7)));
        ring.record(at(8), 4.0);
        assert_eq!(ring.average(Linear, at(8)), 4.0);
    }

    #[test]
    fn values_that_are_no_numbers_do_no_harm() {
        let mut ring = Buckets::new(3);
        for value in [f64::NAN, f64::INFINITY, f64::MAX, f64::NEG_INFINITY] {
            ring.record(at(1), value);
        }
        assert!(ring.average(Linear, at(1)).is_finite());
        assert!(ring.average(WeightedExponential, at(1)).is_finite());
    }

    #[test]
    fn a_state_by_hand_does_no_harm() {
        let written = r#"{"values": [], "total": 1.5, "firstSecond": 9, "lastSecond": 3}"#;
        let mut ring: Buckets = serde_json::from_str(written).unwrap();
        ring.record(at(5), 1.0);
        assert!(ring.average(Linear, at(5)).is_finite());
        assert!(ring.average(WeightedExponential, at(5)).is_finite());
        ring.resize(2, at(5));
        ring.record(Timestamp::MIN, 1.0);
        ring.record(Timestamp::MAX, 1.0);
        ring.record(Timestamp::MIN, 1.0);
        assert_eq!(ring.average(Linear, Timestamp::MAX), 1.0);
    }
}
