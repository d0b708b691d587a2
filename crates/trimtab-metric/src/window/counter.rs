//! How fast: the rate of a counter that may start over.

use serde::{Deserialize, Serialize};

use super::bounds::{PushError, Ring};
use crate::exact_float::ExactFloat;
use crate::{Span, Timestamp};

/// The increase and rate of a counter over a sliding window.
///
/// A counter only grows, until its process restarts: a value below the one before it is a reset, and counts as growth from zero.
/// What was counted between the last sample before the reset and the reset is not seen.
///
/// Two ways to ask. [`increase`](CounterRate::increase) and [`rate`](CounterRate::rate) say what was seen between the first and the
/// last sample inside, and **do not extrapolate**. [`extrapolated_increase`](CounterRate::extrapolated_increase) and
/// [`extrapolated_rate`](CounterRate::extrapolated_rate) are Prometheus' `increase` and `rate`, which stretch that to the whole span.
///
/// Amortized constant time per sample; a question takes time in proportion to the samples inside. Memory for `capacity` samples at
/// most. The [rules all windows share](crate#windows) say what is inside, in which order samples come and what happens at capacity.
///
/// # Example
///
/// ```
/// use trimtab_metric::{CounterRate, Span, Timestamp};
///
/// let mut requests = CounterRate::new(Span::from_secs(60), 100);
/// for (second, count) in [(0, 100.0), (15, 130.0), (30, 10.0), (45, 40.0)] {
///     requests.push(Timestamp::from_secs(second), count)?;
/// }
/// assert_eq!(requests.increase(), Some(70.0)); // 30, then 10 after a restart, then 30
/// assert_eq!(requests.rate(), Some(70.0 / 45.0));
/// # Ok::<(), trimtab_metric::PushError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CounterRate {
    ring: Ring<ExactFloat>,
}

/// What the samples inside say.
struct Growth {
    increase: f64,
    first: f64,
    first_at: Timestamp,
    last_at: Timestamp,
    /// Samples less one.
    steps: usize,
}

impl CounterRate {
    /// An empty window over `span`, of at most `capacity` samples.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span};
    /// assert_eq!(CounterRate::new(Span::from_secs(60), 10).rate(), None);
    /// ```
    pub fn new(span: Span, capacity: usize) -> Self {
        CounterRate { ring: Ring::new(span, capacity) }
    }

    /// Adds what the counter read.
    ///
    /// # Errors
    ///
    /// Refuses NaN, an infinity, a negative value, a sample that is not newer than the newest, and one the window has moved past.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, PushError, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// assert_eq!(counter.push(Timestamp::from_secs(0), -1.0), Err(PushError::NegativeCounter));
    /// assert_eq!(counter.push(Timestamp::from_secs(0), f64::NAN), Err(PushError::NotFinite));
    /// ```
    pub fn push(&mut self, at: Timestamp, value: f64) -> Result<(), PushError> {
        if !value.is_finite() {
            return Err(PushError::NotFinite);
        }
        if value < 0.0 {
            return Err(PushError::NegativeCounter);
        }
        self.ring.push(at, ExactFloat(value), |_| ())
    }

    /// Moves the window to `now` and drops what has left it. An earlier time than before changes nothing.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// counter.push(Timestamp::from_secs(0), 1.0)?;
    /// counter.push(Timestamp::from_secs(30), 2.0)?;
    /// counter.advance(Timestamp::from_secs(70));
    /// assert_eq!(counter.increase(), None);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn advance(&mut self, now: Timestamp) {
        self.ring.advance(now, |_| ());
    }

    /// By how much the counter grew from the first to the last sample inside; `None` with fewer than two.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// counter.push(Timestamp::from_secs(0), 5.0)?;
    /// assert_eq!(counter.increase(), None);
    /// counter.push(Timestamp::from_secs(10), 25.0)?;
    /// assert_eq!(counter.increase(), Some(20.0));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn increase(&self) -> Option<f64> {
        self.growth().map(|growth| growth.increase)
    }

    /// The growth per second between the first and the last sample inside; `None` with fewer than two.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// counter.push(Timestamp::from_secs(0), 5.0)?;
    /// counter.push(Timestamp::from_secs(10), 25.0)?;
    /// assert_eq!(counter.rate(), Some(2.0));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn rate(&self) -> Option<f64> {
        let growth = self.growth()?;
        Some(growth.increase / growth.last_at.since(growth.first_at).as_secs_f64())
    }

    /// Prometheus' `increase` over the span that ends now (the latest time the window was told); `None` with fewer than two samples.
    ///
    /// Stretches what was seen to the ends of the span where the nearest sample is within 1.1 average intervals of the end, and by
    /// half an interval otherwise; never back beyond where the counter would have been zero. The result is an estimate and need not
    /// be whole. As of Prometheus 3, without start timestamps.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// for second in [10, 25, 40, 55] {
    ///     counter.push(Timestamp::from_secs(second), 1000.0 + second as f64)?;
    /// }
    /// counter.advance(Timestamp::from_secs(60));
    /// assert_eq!(counter.increase(), Some(45.0));
    /// assert_eq!(counter.extrapolated_increase(), Some(60.0));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn extrapolated_increase(&self) -> Option<f64> {
        let growth = self.growth()?;
        Some(growth.increase * self.stretch(&growth)?)
    }

    /// Prometheus' `rate`: [`CounterRate::extrapolated_increase`] per second of the span.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// for second in [15, 30, 45] {
    ///     counter.push(Timestamp::from_secs(second), 1000.0 + 2.0 * second as f64)?;
    /// }
    /// counter.advance(Timestamp::from_secs(60));
    /// assert_eq!(counter.extrapolated_rate(), Some(2.0));
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn extrapolated_rate(&self) -> Option<f64> {
        let growth = self.growth()?;
        let span = self.ring.bounds().span().as_millis();
        // Whole seconds and the rest apart, as a Go duration turns into seconds.
        let seconds = (span / 1000) as f64 + (span % 1000 * 1_000_000) as f64 / 1e9;
        Some(growth.increase * (self.stretch(&growth)? / seconds))
    }

    /// How often the counter started over between the samples inside.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span, Timestamp};
    /// let mut counter = CounterRate::new(Span::from_secs(60), 10);
    /// counter.push(Timestamp::from_secs(0), 5.0)?;
    /// counter.push(Timestamp::from_secs(10), 3.0)?;
    /// assert_eq!(counter.resets(), 1);
    /// # Ok::<(), trimtab_metric::PushError>(())
    /// ```
    pub fn resets(&self) -> usize {
        self.steps().filter(|(before, after)| after < before).count()
    }

    /// How many samples are inside.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span};
    /// assert_eq!(CounterRate::new(Span::from_secs(60), 10).len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.samples().len()
    }

    /// Whether no sample is inside.
    ///
    /// ```
    /// use trimtab_metric::{CounterRate, Span};
    /// assert!(CounterRate::new(Span::from_secs(60), 10).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.ring.samples().is_empty()
    }

    /// Pairs of neighbouring values.
    fn steps(&self) -> impl Iterator<Item = (f64, f64)> {
        let later = self.ring.values().skip(1);
        self.ring.values().zip(later).map(|(before, after)| (before.0, after.0))
    }

    fn growth(&self) -> Option<Growth> {
        let samples = self.ring.samples();
        let (first_at, first) = *samples.front()?;
        let (last_at, last) = *samples.back()?;
        if last_at <= first_at {
            return None;
        }
        // Adding what was lost at each reset, in this order, gives the very float Prometheus gives.
        let lost = self.steps().filter(|(before, after)| after < before).map(|(before, _)| before);
        let increase = lost.fold(last.0 - first.0, |sum, before| sum + before);
        Some(Growth {
            increase,
            first: first.0,
            first_at,
            last_at,
            steps: samples.len().saturating_sub(1),
        })
    }

    /// The factor from the sampled interval to the extrapolated one.
    fn stretch(&self, growth: &Growth) -> Option<f64> {
        let now = self.ring.bounds().now()?;
        let start = now.saturating_sub(self.ring.bounds().span());
        let seconds = |later: Timestamp, earlier: Timestamp| later.since(earlier).as_secs_f64();
        let sampled = seconds(growth.last_at, growth.first_at);
        let interval = sampled / growth.steps as f64;
        let near = interval * 1.1;
        let reach = |gap: f64| if gap >= near { interval / 2.0 } else { gap };
        let mut before = reach(seconds(growth.first_at, start));
        if growth.increase > 0.0 {
            let to_zero = sampled * (growth.first / growth.increase);
            if to_zero < before {
                before = to_zero;
            }
        }
        let after = reach(seconds(now, growth.last_at));
        Some((sampled + before + after) / sampled)
    }
}
