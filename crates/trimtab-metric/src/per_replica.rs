//! What is known of a fleet: the readings of one metric over its replicas, and how many of them there are.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{Reading, Sample};

/// How many replicas reported, of how many.
///
/// # Example
///
/// ```
/// use trimtab_metric::Coverage;
/// let coverage = Coverage { reported: 1, expected: 2 };
/// assert_eq!(coverage.fraction(), 0.5);
/// assert!(coverage.is_at_least(0.5));
/// ```
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Replicas with a usable value.
    pub reported: usize,
    /// Replicas that should have one.
    pub expected: usize,
}

impl Coverage {
    /// The share that reported, 0 to 1. With no replica expected it is 0: nothing is known.
    ///
    /// ```
    /// use trimtab_metric::Coverage;
    /// assert_eq!(Coverage { reported: 0, expected: 0 }.fraction(), 0.0);
    /// ```
    pub fn fraction(self) -> f64 {
        if self.expected == 0 {
            0.0
        } else {
            self.reported.min(self.expected) as f64 / self.expected as f64
        }
    }

    /// Whether the share that reported is `minimum` or more. Never so when nothing was reported, or against a NaN.
    ///
    /// ```
    /// use trimtab_metric::Coverage;
    /// assert!(!Coverage { reported: 0, expected: 3 }.is_at_least(0.0));
    /// ```
    pub fn is_at_least(self, minimum: f64) -> bool {
        self.reported > 0 && self.fraction() >= minimum
    }

    /// Replicas expected that did not report.
    ///
    /// ```
    /// use trimtab_metric::Coverage;
    /// assert_eq!(Coverage { reported: 1, expected: 3 }.silent(), 2);
    /// ```
    pub const fn silent(self) -> usize {
        self.expected.saturating_sub(self.reported)
    }
}

/// The readings of one metric over the replicas of a fleet, one each, in the order they were pushed.
///
/// Sums and means are over the replicas that reported; who did not report is never taken for zero, unless the caller says so with
/// [`PerReplica::mean_milli_assuming`]. Sums are exact.
///
/// # Example
///
/// ```
/// use trimtab_metric::{PerReplica, Reading, Timestamp};
///
/// let at = Timestamp::UNIX_EPOCH;
/// let fleet: PerReplica = [Reading::from_milli(900, at), Reading::Missing, Reading::from_milli(300, at)].into_iter().collect();
/// assert_eq!(fleet.coverage().reported, 2);
/// assert_eq!(fleet.mean_milli(), Some(600));
/// assert_eq!(fleet.mean_milli_assuming(0), Some(400));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PerReplica {
    readings: Vec<Reading>,
    /// How many replicas there are, where that is more than were pushed.
    #[serde(default)]
    expected: usize,
}

impl PerReplica {
    /// No replica yet.
    ///
    /// ```
    /// use trimtab_metric::PerReplica;
    /// assert_eq!(PerReplica::new().coverage().expected, 0);
    /// ```
    pub const fn new() -> Self {
        PerReplica { readings: Vec::new(), expected: 0 }
    }

    /// States that there are `expected` replicas, for a source that leaves out those without a reading. Fewer than were pushed changes
    /// nothing.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let mut fleet = PerReplica::new().with_expected(4);
    /// fleet.push(Reading::from_milli(1, Timestamp::UNIX_EPOCH));
    /// assert_eq!(fleet.coverage().fraction(), 0.25);
    /// ```
    #[must_use]
    pub fn with_expected(mut self, expected: usize) -> Self {
        self.expected = expected;
        self
    }

    /// Adds the reading of one more replica.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading};
    /// let mut fleet = PerReplica::new();
    /// fleet.push(Reading::Missing);
    /// assert_eq!(fleet.coverage().expected, 1);
    /// ```
    pub fn push(&mut self, reading: Reading) {
        self.readings.push(reading);
    }

    /// How many replicas reported a usable value, of how many.
    ///
    /// ```
    /// use trimtab_metric::{Coverage, PerReplica, Reading};
    /// let fleet: PerReplica = [Reading::Missing].into_iter().collect();
    /// assert_eq!(fleet.coverage(), Coverage { reported: 0, expected: 1 });
    /// ```
    pub fn coverage(&self) -> Coverage {
        Coverage {
            reported: self.samples().count(),
            expected: self.readings.len().max(self.expected),
        }
    }

    /// All readings.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading};
    /// let fleet: PerReplica = [Reading::Missing].into_iter().collect();
    /// assert_eq!(fleet.iter().next(), Some(&Reading::Missing));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &Reading> {
        self.readings.iter()
    }

    /// The usable samples.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading};
    /// let fleet: PerReplica = [Reading::Missing].into_iter().collect();
    /// assert_eq!(fleet.samples().count(), 0);
    /// ```
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.readings.iter().filter_map(Reading::value)
    }

    /// Every reading mapped, say to [age](Reading::aged) it; the expected count stays.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Span, Timestamp};
    /// let fleet: PerReplica = [Reading::from_milli(1, Timestamp::UNIX_EPOCH)].into_iter().collect();
    /// let aged = fleet.map(|reading| reading.aged(Timestamp::from_secs(90), Span::from_secs(60)));
    /// assert_eq!(aged.coverage().reported, 0);
    /// ```
    #[must_use]
    pub fn map(&self, change: impl FnMut(Reading) -> Reading) -> PerReplica {
        PerReplica {
            readings: self.readings.iter().copied().map(change).collect(),
            expected: self.expected,
        }
    }

    /// The sum over the replicas that reported, in thousandths; `None` if none did. Exact: no fleet overflows it.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let at = Timestamp::UNIX_EPOCH;
    /// let fleet: PerReplica = [Reading::from_milli(i64::MAX, at); 2].into_iter().collect();
    /// assert_eq!(fleet.sum_milli(), Some(2 * i128::from(i64::MAX)));
    /// ```
    pub fn sum_milli(&self) -> Option<i128> {
        self.samples().map(|sample| i128::from(sample.milli)).reduce(i128::saturating_add)
    }

    /// The mean over the replicas that reported, in thousandths, to the nearest, halves away from zero; `None` if none did.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let at = Timestamp::UNIX_EPOCH;
    /// let fleet: PerReplica = [Reading::from_milli(1, at), Reading::from_milli(2, at)].into_iter().collect();
    /// assert_eq!(fleet.mean_milli(), Some(2));
    /// assert_eq!(PerReplica::new().mean_milli(), None);
    /// ```
    pub fn mean_milli(&self) -> Option<i64> {
        nearest_quotient(self.sum_milli()?, self.samples().count())
    }

    /// The mean over all expected replicas, each silent one taken to be at `silent_milli`; `None` if none is expected.
    ///
    /// To scale down safely, assume silent replicas at their target; to scale up, at zero.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let fleet: PerReplica = [Reading::from_milli(200, Timestamp::UNIX_EPOCH), Reading::Missing].into_iter().collect();
    /// assert_eq!(fleet.mean_milli_assuming(800), Some(500));
    /// ```
    pub fn mean_milli_assuming(&self, silent_milli: i64) -> Option<i64> {
        let coverage = self.coverage();
        let silent = i128::try_from(coverage.silent())
            .unwrap_or(i128::MAX)
            .saturating_mul(i128::from(silent_milli));
        nearest_quotient(self.sum_milli().unwrap_or(0).saturating_add(silent), coverage.expected)
    }

    /// The largest value reported, in thousandths; `None` if none was.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let at = Timestamp::UNIX_EPOCH;
    /// let fleet: PerReplica = [Reading::from_milli(1, at), Reading::from_milli(2, at)].into_iter().collect();
    /// assert_eq!(fleet.max_milli(), Some(2));
    /// ```
    pub fn max_milli(&self) -> Option<i64> {
        self.samples().map(|sample| sample.milli).max()
    }

    /// The smallest value reported, in thousandths; `None` if none was.
    ///
    /// ```
    /// use trimtab_metric::{PerReplica, Reading, Timestamp};
    /// let at = Timestamp::UNIX_EPOCH;
    /// let fleet: PerReplica = [Reading::from_milli(1, at), Reading::from_milli(2, at)].into_iter().collect();
    /// assert_eq!(fleet.min_milli(), Some(1));
    /// ```
    pub fn min_milli(&self) -> Option<i64> {
        self.samples().map(|sample| sample.milli).min()
    }
}

impl FromIterator<Reading> for PerReplica {
    fn from_iter<I: IntoIterator<Item = Reading>>(readings: I) -> Self {
        PerReplica { readings: readings.into_iter().collect(), expected: 0 }
    }
}

impl Extend<Reading> for PerReplica {
    fn extend<I: IntoIterator<Item = Reading>>(&mut self, readings: I) {
        self.readings.extend(readings);
    }
}

/// `sum / count`, to the nearest, halves away from zero; `None` for no count or a result out of range.
pub(crate) fn nearest_quotient(sum: i128, count: usize) -> Option<i64> {
    let count = i128::try_from(count).ok().filter(|count| *count > 0)?;
    let (quotient, remainder) = (sum / count, sum % count);
    let rounds_away = remainder.unsigned_abs() >= count.unsigned_abs().div_ceil(2);
    let nearest = if rounds_away { quotient.saturating_add(sum.signum()) } else { quotient };
    i64::try_from(nearest).ok()
}
