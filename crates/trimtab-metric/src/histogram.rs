//! How the observations are spread: classic Prometheus histograms, their quantiles and what was added between two scrapes.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Span;
use crate::exact_float;

/// A bucket of a classic histogram: how many observations were at or below its bound, those of lower buckets included.
///
/// # Example
///
/// ```
/// use trimtab_metric::Bucket;
/// let bucket: Bucket = serde_json::from_str(r#"{"upperBound": "+Inf", "count": 12}"#)?;
/// assert_eq!(bucket, Bucket { upper_bound: f64::INFINITY, count: 12.0 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Copy, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// The bound, itself inside; what the label `le` says.
    #[serde(with = "exact_float")]
    pub upper_bound: f64,
    /// Observations at or below the bound, or their rate.
    #[serde(with = "exact_float")]
    pub count: f64,
}

/// Counts that differ by less than this share of their sum count as equal.
const SMALL_DIFFERENCE: f64 = 1e-12;

/// The quantile of a classic histogram, exactly as Prometheus' `histogram_quantile`.
///
/// Takes the buckets in any order, as counts or as rates. The bucket the quantile falls into is taken to be evenly filled.
///
/// - The lowest bucket reaches down to zero if its bound is positive; otherwise the result in it is its bound.
/// - In the `+Inf` bucket the result is the highest finite bound: the true value is at least that.
/// - NaN when there are no observations, no `+Inf` bucket, no other bucket, or `quantile` is NaN; also for the quantile 0 when the
///   lowest bucket is empty and its bound is positive.
/// - `-Inf` when `quantile` is below 0, `+Inf` above 1.
/// - Buckets of the same bound are added up. A count below the one before it, which cannot be, is raised to it; a difference of less
///   than 10^-12 of the counts is taken for a rounding error, and the higher bucket for equal.
///
/// # Example
///
/// ```
/// use trimtab_metric::{Bucket, histogram_quantile};
///
/// let bucket = |upper_bound, count| Bucket { upper_bound, count };
/// let buckets = [bucket(1.0, 50.0), bucket(5.0, 90.0), bucket(f64::INFINITY, 100.0)];
/// assert_eq!(histogram_quantile(0.25, &buckets), 0.5);
/// assert_eq!(histogram_quantile(0.7, &buckets), 3.0);
/// assert_eq!(histogram_quantile(0.99, &buckets), 5.0);
/// assert!(histogram_quantile(0.5, &[]).is_nan());
/// ```
pub fn histogram_quantile(quantile: f64, buckets: &[Bucket]) -> f64 {
    if quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let mut buckets = coalesce(buckets);
    make_monotone(&mut buckets);
    let [finite @ .., highest] = buckets.as_slice() else {
        return f64::NAN;
    };
    // A bound that is NaN sorts last as well.
    let Some(highest_finite) = finite.last().filter(|_| highest.upper_bound == f64::INFINITY)
    else {
        return f64::NAN;
    };
    if highest.count == 0.0 {
        return f64::NAN;
    }
    let rank = quantile * highest.count;
    let mut below: Option<&Bucket> = None;
    for bucket in finite {
        if bucket.count >= rank {
            return within(bucket, below, rank);
        }
        below = Some(bucket);
    }
    highest_finite.upper_bound
}

/// The value at `rank` in `bucket`, the one `below` it being the next lower.
fn within(bucket: &Bucket, below: Option<&Bucket>, rank: f64) -> f64 {
    match below {
        None if bucket.upper_bound <= 0.0 => bucket.upper_bound,
        None => bucket.upper_bound * (rank / bucket.count),
        Some(below) => {
            let share = (rank - below.count) / (bucket.count - below.count);
            below.upper_bound + (bucket.upper_bound - below.upper_bound) * share
        }
    }
}

/// The buckets in order of their bounds, those of the same bound added up.
fn coalesce(buckets: &[Bucket]) -> Vec<Bucket> {
    let mut sorted = buckets.to_vec();
    sorted.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    sorted.dedup_by(|next, kept| {
        let same = next.upper_bound == kept.upper_bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    sorted
}

/// Raises counts that fall, and levels differences too small to be observations.
fn make_monotone(buckets: &mut [Bucket]) {
    let mut level: Option<f64> = None;
    for bucket in buckets {
        match level {
            Some(level) if bucket.count < level || nearly_equal(level, bucket.count) => {
                bucket.count = level
            }
            _ => level = Some(bucket.count),
        }
    }
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b {
        return true;
    }
    let sum = libm::fabs(a) + libm::fabs(b);
    let difference = libm::fabs(a - b);
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < SMALL_DIFFERENCE * f64::MIN_POSITIVE;
    }
    difference / libm::fmin(sum, f64::MAX) < SMALL_DIFFERENCE
}

/// Why buckets are not a histogram, or two histograms do not go together.
///
/// ```
/// use trimtab_metric::{Bucket, Histogram};
/// let error = Histogram::new([Bucket { upper_bound: 1.0, count: 2.0 }]).unwrap_err();
/// assert_eq!(error.to_string(), "a histogram has no `+Inf` bucket: without it the number of observations is unknown");
/// ```
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// There is no bucket bounded by `+Inf`.
    #[error("a histogram has no `+Inf` bucket: without it the number of observations is unknown")]
    NoInfiniteBucket,
    /// A bound is NaN.
    #[error("a bucket has the bound `NaN`: bounds are numbers or `+Inf`")]
    BoundNotANumber,
    /// A count is NaN, infinite or negative.
    #[error(
        "the bucket `{upper_bound}` has the count `{count}`: counts are finite and not negative"
    )]
    ImpossibleCount {
        /// The bound of the bucket.
        upper_bound: f64,
        /// Its count.
        count: f64,
    },
    /// Two histograms have different bounds.
    #[error("the histograms have different bounds: only those with the same buckets go together")]
    DifferentBounds,
}

/// A classic histogram as scraped: cumulative buckets up to `+Inf`.
///
/// # Example
///
/// A quantile of what was observed between two scrapes:
///
/// ```
/// use trimtab_metric::{Bucket, Histogram, InvalidReason, Reading, Span, Timestamp};
///
/// let scrape = |counts: [f64; 3]| {
///     Histogram::new([0.1, 0.5, f64::INFINITY].into_iter().zip(counts).map(|(upper_bound, count)| Bucket { upper_bound, count }))
/// };
/// let earlier = scrape([1000.0, 1200.0, 1200.0])?;
/// let later = scrape([1010.0, 1240.0, 1240.0])?;
/// let change = later.change_since(&earlier)?;
/// assert_eq!(change.added.observations(), 40.0);
/// assert_eq!(change.added.quantile(0.5), 0.1 + (0.5 - 0.1) * (10.0 / 30.0));
///
/// // No observations have no quantile, and no reading takes that for zero.
/// let idle = later.change_since(&later)?;
/// let reading = Reading::from_f64(idle.added.quantile(0.5), Timestamp::UNIX_EPOCH, Span::from_secs(15));
/// assert_eq!(reading, Reading::Invalid(InvalidReason::NotANumber));
/// # Ok::<(), trimtab_metric::HistogramError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Bucket>", into = "Vec<Bucket>")]
pub struct Histogram {
    // INVARIANT: bounds rise and end with +Inf; counts are finite and not negative.
    buckets: Vec<Bucket>,
}

/// What was added to a histogram between two scrapes.
///
/// ```
/// use trimtab_metric::{Bucket, Histogram};
/// let total = |count| Histogram::new([Bucket { upper_bound: f64::INFINITY, count }]);
/// let change = total(3.0)?.change_since(&total(10.0)?)?;
/// assert!(change.reset);
/// assert_eq!(change.added.observations(), 3.0);
/// # Ok::<(), trimtab_metric::HistogramError>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistogramChange {
    /// The observations added.
    pub added: Histogram,
    /// Whether the counters started over in between; then `added` is all of the later scrape, and what came before the restart but
    /// after the earlier scrape is not seen.
    pub reset: bool,
}

impl Histogram {
    /// A histogram of cumulative buckets, in any order; those of the same bound are added up.
    ///
    /// # Errors
    ///
    /// Refuses buckets without one bounded by `+Inf`, a NaN bound, and a count that is NaN, infinite or negative.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// let histogram = Histogram::new([Bucket { upper_bound: f64::INFINITY, count: 3.0 }, Bucket { upper_bound: 1.0, count: 2.0 }])?;
    /// assert_eq!(histogram.buckets().len(), 2);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn new(buckets: impl IntoIterator<Item = Bucket>) -> Result<Self, HistogramError> {
        let buckets: Vec<Bucket> = buckets.into_iter().collect();
        if buckets.iter().any(|bucket| bucket.upper_bound.is_nan()) {
            return Err(HistogramError::BoundNotANumber);
        }
        let buckets = coalesce(&buckets);
        for Bucket { upper_bound, count } in buckets.iter().copied() {
            if !count.is_finite() || count < 0.0 {
                return Err(HistogramError::ImpossibleCount { upper_bound, count });
            }
        }
        match buckets.last() {
            Some(last) if last.upper_bound == f64::INFINITY => Ok(Histogram { buckets }),
            _ => Err(HistogramError::NoInfiniteBucket),
        }
    }

    /// The buckets, in order of their bounds.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// let histogram = Histogram::new([Bucket { upper_bound: f64::INFINITY, count: 3.0 }])?;
    /// assert_eq!(histogram.buckets(), [Bucket { upper_bound: f64::INFINITY, count: 3.0 }]);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// How many observations there are: the count of the `+Inf` bucket.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// assert_eq!(Histogram::new([Bucket { upper_bound: f64::INFINITY, count: 3.0 }])?.observations(), 3.0);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn observations(&self) -> f64 {
        self.buckets.last().map_or(0.0, |bucket| bucket.count)
    }

    /// The quantile; see [`histogram_quantile`] for its rules, and when it is NaN or infinite.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// let histogram = Histogram::new([Bucket { upper_bound: 1.0, count: 4.0 }, Bucket { upper_bound: f64::INFINITY, count: 4.0 }])?;
    /// assert_eq!(histogram.quantile(0.5), 0.5);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn quantile(&self, quantile: f64) -> f64 {
        histogram_quantile(quantile, &self.buckets)
    }

    /// What was added since an `earlier` scrape of the same histogram.
    ///
    /// If any count fell, the process restarted: all its buckets started over together, even those that have outgrown their old
    /// counts since. Prometheus, which has every bucket as a series of its own, would mix the two for those.
    ///
    /// # Errors
    ///
    /// Refuses an `earlier` with other bounds.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// let total = |count| Histogram::new([Bucket { upper_bound: f64::INFINITY, count }]);
    /// assert_eq!(total(10.0)?.change_since(&total(7.0)?)?.added, total(3.0)?);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn change_since(&self, earlier: &Histogram) -> Result<HistogramChange, HistogramError> {
        let pairs = || self.buckets.iter().zip(&earlier.buckets);
        self.check_same_bounds(earlier)?;
        if pairs().any(|(now, before)| now.count < before.count) {
            return Ok(HistogramChange { added: self.clone(), reset: true });
        }
        let buckets = pairs()
            .map(|(now, before)| Bucket {
                upper_bound: now.upper_bound,
                count: now.count - before.count,
            })
            .collect();
        Ok(HistogramChange { added: Histogram { buckets }, reset: false })
    }

    /// This and another histogram together, such as those of two replicas. Quantiles of the whole come from this; those of the parts
    /// cannot be averaged.
    ///
    /// # Errors
    ///
    /// Refuses a histogram with other bounds, and counts whose sum is beyond the range of `f64`.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram};
    /// let total = |count| Histogram::new([Bucket { upper_bound: f64::INFINITY, count }]);
    /// assert_eq!(total(1.0)?.merged(&total(2.0)?)?, total(3.0)?);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn merged(&self, other: &Histogram) -> Result<Histogram, HistogramError> {
        self.check_same_bounds(other)?;
        let sums = self.buckets.iter().zip(&other.buckets);
        Histogram::new(
            sums.map(|(a, b)| Bucket { upper_bound: a.upper_bound, count: a.count + b.count }),
        )
    }

    /// The observations per second, if these were added over `span`; `None` if that is not positive.
    ///
    /// ```
    /// use trimtab_metric::{Bucket, Histogram, Span};
    /// let added = Histogram::new([Bucket { upper_bound: f64::INFINITY, count: 30.0 }])?;
    /// assert_eq!(added.per_second(Span::from_secs(15)), Some(2.0));
    /// assert_eq!(added.per_second(Span::ZERO), None);
    /// # Ok::<(), trimtab_metric::HistogramError>(())
    /// ```
    pub fn per_second(&self, span: Span) -> Option<f64> {
        (span > Span::ZERO).then(|| self.observations() / span.as_secs_f64())
    }

    fn check_same_bounds(&self, other: &Histogram) -> Result<(), HistogramError> {
        let bounds = |histogram: &Histogram| {
            histogram.buckets.iter().map(|bucket| bucket.upper_bound).collect::<Vec<_>>()
        };
        if bounds(self) == bounds(other) { Ok(()) } else { Err(HistogramError::DifferentBounds) }
    }
}

impl TryFrom<Vec<Bucket>> for Histogram {
    type Error = HistogramError;

    fn try_from(buckets: Vec<Bucket>) -> Result<Self, HistogramError> {
        Histogram::new(buckets)
    }
}

impl From<Histogram> for Vec<Bucket> {
    fn from(histogram: Histogram) -> Self {
        histogram.buckets
    }
}
