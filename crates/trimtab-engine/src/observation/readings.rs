//! The readings of one metric, aligned with the policy's metrics and the table's pods.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Reading, Sample, Span, Timestamp};

/// What was read for one metric of the policy. Amounts are thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricReading {
    /// Nothing: the source failed, had nothing, or had nothing that can be used.
    Unavailable(Unavailable),
    /// One reading per pod: Resource, ContainerResource and Pods metrics.
    PerPod(PodReadings),
    /// One value: Object metrics.
    Total(i64),
    /// The values of the series that the metric selected, in the source's order: External metrics.
    Totals(Vec<i64>),
    /// What each source of a load counted over time, for a strategy that averages by itself (see
    /// [`Policy::sampling`](crate::Policy::sampling)): External metrics.
    Series(Vec<Vec<Point>>),
}

/// One value of a series.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// When it was counted.
    pub at: Timestamp,
    /// What, in thousandths.
    pub milli: i64,
}

/// Why a metric has no reading.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unavailable {
    /// The source had nothing.
    Missing,
    /// What it had is too old.
    Stale,
    /// What it had is not a number, or not one that the metric can have.
    Invalid,
    /// The source could not be asked.
    Failed,
}

/// One metric's readings over the pods of a [`PodTable`](crate::PodTable), row by row.
///
/// ```
/// use trimtab_engine::PodReadings;
/// use trimtab_metric::Reading;
///
/// let mut waiting = PodReadings::default();
/// waiting.push_milli(6_000);
/// waiting.push(Reading::Missing);
/// assert_eq!(waiting.reported(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodReadings {
    milli: Vec<i64>,
    reported: Vec<bool>,
    taken: Vec<Taken>,
    unlisted_sum: i64,
    unlisted_count: usize,
    requests: Requests,
}

/// When a sample was taken: the end of its window, and the window's length.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) at: Timestamp,
    pub(crate) window: Span,
}

/// What the pods request of a resource, row by row, for utilization targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Requests {
    /// Nobody asked: the metric has no utilization target.
    #[default]
    NotAsked,
    /// Thousandths per pod, one entry for every row of the table.
    Milli(Vec<i64>),
    /// Some pod (ignored ones included) has a container that requests none.
    Missing {
        /// The first such row.
        row: usize,
    },
}

impl PodReadings {
    /// No readings yet, with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            milli: Vec::with_capacity(rows),
            reported: Vec::with_capacity(rows),
            taken: Vec::with_capacity(rows),
            ..Self::default()
        }
    }

    /// The next pod's reading. Whatever is not a value counts as not reported.
    pub fn push(&mut self, reading: Reading) {
        let sample = reading.value();
        self.reported.push(sample.is_some());
        let Sample { milli, at, window } =
            sample.unwrap_or(Sample { milli: 0, at: Timestamp::UNIX_EPOCH, window: Span::ZERO });
        self.milli.push(milli);
        self.taken.push(Taken { at, window });
    }

    /// The next pod's reading where the time of the sample does not matter (all but CPU).
    pub fn push_milli(&mut self, milli: i64) {
        self.milli.push(milli);
        self.reported.push(true);
        self.taken.push(Taken::default());
    }

    /// A value of a pod that is not in the table. The HPA counts it where it averages.
    pub fn push_unlisted(&mut self, milli: i64) {
        self.unlisted_sum = self.unlisted_sum.wrapping_add(milli);
        self.unlisted_count += 1;
    }

    /// What the pods request, for a utilization target.
    pub fn set_requests(&mut self, requests: Requests) {
        self.requests = requests;
    }

    /// Forgets all readings and keeps the memory.
    pub fn clear(&mut self) {
        self.milli.clear();
        self.reported.clear();
        self.taken.clear();
        self.unlisted_sum = 0;
        self.unlisted_count = 0;
        self.requests = Requests::NotAsked;
    }

    /// As if the pod in `row` had not reported.
    pub(crate) fn hide(&mut self, row: usize) {
        if let (Some(milli), Some(reported)) = (self.milli.get_mut(row), self.reported.get_mut(row))
        {
            (*milli, *reported) = (0, false);
        }
    }

    /// How many pods of the table reported a value.
    pub fn reported(&self) -> usize {
        self.reported.iter().filter(|reported| **reported).count()
    }

    /// How many values belong to pods that are not in the table, and their wrapping sum.
    pub(crate) fn unlisted(&self) -> (usize, i64) {
        (self.unlisted_count, self.unlisted_sum)
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Amounts, whether they were reported, and when they were taken: equally long.
    pub(crate) fn columns(&self) -> (&[i64], &[bool], &[Taken]) {
        (&self.milli, &self.reported, &self.taken)
    }
}

impl From<Reading> for MetricReading {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Value(sample) => Self::Total(sample.milli),
            Reading::Missing => Self::Unavailable(Unavailable::Missing),
            Reading::Stale(_) => Self::Unavailable(Unavailable::Stale),
            Reading::Invalid(_) => Self::Unavailable(Unavailable::Invalid),
        }
    }
}
