//! The past scrapes of one target: its latest values, and how its counters grew over a window.

use std::collections::VecDeque;

use crate::Moment;

/// How long a scrape stands for a gauge that was not scraped again: Prometheus' lookback.
pub(super) const LOOKBACK_NANOS: i64 = 300_000_000_000;

/// The scrapes of one target, in the order of their times.
#[derive(Clone, Debug)]
pub(super) struct Series<T> {
    scrapes: VecDeque<(Moment, T)>,
    /// From then on there is no target.
    gone: Moment,
}

/// What the counters of a target did between the first and the last scrape of a window.
///
/// As [`trimtab_metric::CounterRate`], for all counters of a scrape at once: they share its times,
/// and there are no resets, since a replica that starts over is another replica.
#[derive(Copy, Clone, Debug)]
pub(super) struct Growth<'a, T> {
    pub(super) first: &'a T,
    pub(super) last: &'a T,
    pub(super) last_at: Moment,
    sampled: f64,
    before: f64,
    after: f64,
    window: f64,
}

impl<T> Series<T> {
    pub(super) fn with_capacity(scrapes: usize) -> Self {
        Self { scrapes: VecDeque::with_capacity(scrapes), gone: Moment::NEVER }
    }

    /// Adds a scrape, which is not earlier than those before it, and drops what no query from
    /// `horizon` on needs: all but the last of those at or before it.
    pub(super) fn push(&mut self, at: Moment, scrape: T, horizon: Moment) {
        while self.scrapes.get(1).is_some_and(|(second, _)| *second <= horizon) {
            self.scrapes.pop_front();
        }
        self.scrapes.push_back((at, scrape));
    }

    /// The target is gone: from `at` on it has no values, but what it counted stays in the windows.
    pub(super) fn end(&mut self, at: Moment) {
        self.gone = self.gone.min(at);
    }

    /// Whether the target is gone and no query after `horizon` sees a scrape of it.
    pub(super) fn is_over(&self, horizon: Moment) -> bool {
        self.gone <= horizon && self.scrapes.back().is_none_or(|(at, _)| *at <= horizon)
    }

    /// Whether the target was there.
    pub(super) fn is_live(&self, at: Moment) -> bool {
        at < self.gone
    }

    /// The latest scrape at or before `at`, unless it is too old or the target is gone.
    pub(super) fn latest(&self, at: Moment) -> Option<(Moment, &T)> {
        let (taken, scrape) = self.scrapes.iter().rev().find(|(taken, _)| *taken <= at)?;
        let fresh = at.nanos_since(*taken) < LOOKBACK_NANOS && self.is_live(at);
        fresh.then_some((*taken, scrape))
    }

    /// The growth in the window of `window_nanos` up to `at`, its start outside; none with fewer
    /// than two scrapes inside.
    pub(super) fn growth(&self, at: Moment, window_nanos: i64) -> Option<Growth<'_, T>> {
        let start = at.after_nanos(-window_nanos);
        let outside = self.scrapes.partition_point(|(taken, _)| *taken <= start);
        let inside =
            self.scrapes.partition_point(|(taken, _)| *taken <= at).checked_sub(outside)?;
        let steps = inside.checked_sub(1).filter(|steps| *steps > 0)?;
        let (first_at, first) = self.scrapes.get(outside)?;
        let (last_at, last) = self.scrapes.get(outside + steps)?;
        let sampled = last_at.seconds_since(*first_at);
        if sampled <= 0.0 {
            return None;
        }
        let interval = sampled / steps as f64;
        let reach = |gap: f64| if gap >= interval * 1.1 { interval / 2.0 } else { gap };
        Some(Growth {
            first,
            last,
            last_at: *last_at,
            sampled,
            before: reach(first_at.seconds_since(start)),
            after: reach(at.seconds_since(*last_at)),
            window: Moment::from_nanos(window_nanos).seconds(),
        })
    }
}

impl<T> Growth<'_, T> {
    /// Prometheus' `rate` of one counter of the scrapes.
    pub(super) fn rate(&self, counter: impl Fn(&T) -> f64) -> f64 {
        self.rate_between(counter(self.first), counter(self.last))
    }

    /// Prometheus' `rate` of a counter that was `first` and then `last`: what was seen, stretched
    /// to the window where the scrapes nearly reach its ends, but not back to before zero.
    pub(super) fn rate_between(&self, first: f64, last: f64) -> f64 {
        let increase = last - first;
        let mut before = self.before;
        if increase > 0.0 {
            before = before.min(self.sampled * (first / increase));
        }
        increase * ((self.sampled + before + self.after) / self.sampled / self.window)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_metric::{CounterRate, Span, Timestamp};

    use super::*;

    fn at(millis: i64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_rate_by_hand() {
        let mut series = Series::with_capacity(4);
        for (second, count) in [(15, 100.0), (30, 130.0), (45, 190.0), (60, 205.0)] {
            series.push(at(second * 1000), count, Moment::START);
        }
        let rate = |now: i64| series.growth(at(now * 1000), 60_000_000_000).map(|g| g.rate(|c| *c));
        // 105 in 45 s; the ends of the window are near, so it is stretched to all of it.
        assert!((rate(60).unwrap() - 105.0 / 45.0).abs() < 1e-12);
        // 30 in 15 s. The window's start is far: only half an interval is added there.
        assert!((rate(30).unwrap() - 30.0 / 15.0 * (15.0 + 7.5) / 60.0).abs() < 1e-12);
        // 45 and 60 are inside (30 is not: the start is outside); both ends are far or half far.
        assert!((rate(90).unwrap() - 15.0 / 15.0 * (15.0 + 15.0 + 7.5) / 60.0).abs() < 1e-12);
        assert_eq!((rate(15), rate(105), rate(14)), (None, None, None));
    }

    proptest! {
        /// To the bit what the metric crate's counter says.
        #[test]
        fn the_rate_is_the_counters(
            steps in prop::collection::vec((1_i64..40_000, 0_u32..1000), 0..12),
            wait in 0_i64..90_000,
            window in 1_i64..120,
        ) {
            let mut series = Series::with_capacity(1);
            let mut counter = CounterRate::new(Span::from_secs(window), 100);
            let (mut now, mut count) = (0, 0.0);
            for (pause, more) in steps {
                now += pause;
                count += f64::from(more);
                series.push(at(now), count, at(-window * 1000));
                counter.push(Timestamp::from_millis(now), count).unwrap();
            }
            now += wait;
            counter.advance(Timestamp::from_millis(now));
            let rate = series.growth(at(now), window * 1_000_000_000).map(|g| g.rate(|c| *c));
            prop_assert_eq!(rate.map(f64::to_bits), counter.extrapolated_rate().map(f64::to_bits));
        }
    }
}
