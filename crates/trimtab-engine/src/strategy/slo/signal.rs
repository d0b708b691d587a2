//! What is known of one signal: its value, or between which values it lies, or why nothing is.

use alloc::vec::Vec;

use libm::{fmax, fmin};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::float::{from_count, from_i64};
use crate::observation::{MetricReading, PodReadings, PodTable, Readiness, Standing, Unavailable};
use crate::policy::Finite;

/// A single replica counts as at most so many times its target, or the mean of the others if that is
/// more: one that is out of its mind does not speak for the fleet.
const LARGEST_SHARE: f64 = 4.0;

/// How a reading becomes a number.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Measure {
    /// The sum over the replicas, for a load; otherwise the mean.
    pub is_load: bool,
    /// What one replica should have: what a silent one counts as where the count may go down.
    pub target: f64,
    /// Fewer ready replicas with a sample than this share, and nothing is known.
    pub min_coverage: f64,
    /// Samples of replicas that are older than this do not count.
    pub max_age: Option<Span>,
}

/// What is known of a signal.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Known {
    /// Its value.
    Value(Seen),
    /// Nothing could be read.
    Unavailable {
        /// Why.
        why: Unavailable,
    },
    /// Too few replicas reported.
    TooFew {
        /// So many did.
        reported: u32,
        /// So many are ready.
        ready: u32,
    },
}

/// A value, or the two between which it lies because some replicas are silent.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Seen {
    /// With nothing at the silent replicas: what a way up is decided by.
    pub low: Finite,
    /// With the silent replicas at their target: what a way down is decided by.
    pub high: Finite,
    /// Ready replicas without a sample.
    pub silent: u32,
}

/// What a signal says while nothing is known of it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum UnknownRule {
    /// The count may not fall, and does not rise by it.
    #[default]
    Hold,
    /// It has no say.
    Ignore,
    /// As if it were over its limit: one more replica, once.
    AssumeLimit,
}

impl Seen {
    fn exactly(value: f64) -> Option<Self> {
        let value = Finite::new(value)?;
        Some(Self { low: value, high: value, silent: 0 })
    }
}

impl Measure {
    /// What the reading says at `now`.
    pub(crate) fn of(self, reading: &MetricReading, pods: &PodTable, now: Timestamp) -> Known {
        let seen = match reading {
            MetricReading::Unavailable(why) => return Known::Unavailable { why: *why },
            MetricReading::Total(milli) => Seen::exactly(units(*milli)),
            MetricReading::Totals(values) if !values.is_empty() => {
                let sum = values.iter().fold(0_i64, |sum, value| sum.saturating_add(*value));
                Seen::exactly(units(sum))
            }
            MetricReading::Totals(_) => return Known::Unavailable { why: Unavailable::Missing },
            MetricReading::PerPod(readings) => return self.of_pods(readings, pods, now),
            MetricReading::Series(points) if points.iter().all(Vec::is_empty) => {
                return Known::Unavailable { why: Unavailable::Missing };
            }
            MetricReading::Series(_) => None,
        };
        Known::of(seen)
    }

    fn of_pods(self, readings: &PodReadings, pods: &PodTable, now: Timestamp) -> Known {
        let tally = self.tally(readings, pods, now);
        let silent = tally.ready.saturating_sub(tally.reported);
        let covered = from_count(tally.reported) >= self.min_coverage * from_count(tally.ready);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        if tally.invalid {
            return Known::Unavailable { why: Unavailable::Invalid };
        }
        if tally.ready == 0 && !self.is_load {
            return Known::Unavailable { why: Unavailable::Missing };
        }
        if !covered || (tally.reported == 0 && tally.ready > 0) {
            return Known::TooFew { reported: count(tally.reported), ready: count(tally.ready) };
        }
        let sum = tally.sum - tally.excess(self.target);
        let assumed = sum + from_count(silent) * self.target;
        let ready = from_count(tally.ready.max(1));
        let (low, high) =
            if self.is_load { (sum, assumed) } else { (sum / ready, assumed / ready) };
        match (Finite::new(low), Finite::new(high)) {
            (Some(low), Some(high)) => {
                Known::Value(Seen { low, high: high.max(low), silent: count(silent) })
            }
            _ => Known::Unavailable { why: Unavailable::Invalid },
        }
    }

    /// Sums up the ready replicas' samples. A replica that serves and is not ready still has its load.
    fn tally(self, readings: &PodReadings, pods: &PodTable, now: Timestamp) -> Tally {
        let (milli, reported, taken) = readings.columns();
        let mut tally = Tally::default();
        let samples = milli.iter().zip(reported).zip(taken);
        let samples = samples.map(Some).chain(core::iter::repeat(None));
        for ((standing, startup), sample) in pods.standing().iter().zip(pods.startup()).zip(samples)
        {
            if *standing != Standing::Live {
                continue;
            }
            let is_ready = startup.readiness == Readiness::True;
            tally.ready += usize::from(is_ready);
            let Some(((milli, true), taken)) = sample else { continue };
            let stale = self.max_age.is_some_and(|age| {
                taken.at != crate::observation::Taken::default().at
                    && taken.at.saturating_add(age) < now
            });
            if stale || !(is_ready || self.is_load) {
                continue;
            }
            tally.add(units(*milli), is_ready);
        }
        tally
    }
}

/// Sums over replicas.
#[derive(Default)]
struct Tally {
    ready: usize,
    /// Ready ones with a sample.
    reported: usize,
    /// All with a sample.
    samples: usize,
    sum: f64,
    largest: f64,
    invalid: bool,
}

impl Tally {
    fn add(&mut self, value: f64, is_ready: bool) {
        self.invalid |= value < 0.0;
        self.reported += usize::from(is_ready);
        self.samples += 1;
        self.sum += value;
        self.largest = fmax(self.largest, value);
    }

    /// What the replica with the most has beyond what one may count as.
    fn excess(&self, target: f64) -> f64 {
        if self.samples < 3 {
            return 0.0;
        }
        let others = (self.sum - self.largest) / from_count(self.samples - 1);
        fmax(self.largest - LARGEST_SHARE * fmax(target, others), 0.0)
    }
}

impl Known {
    /// A load that was averaged.
    pub(super) fn of_load(load: f64) -> Self {
        Self::of(Seen::exactly(load))
    }

    /// A value, unless it is none or below 0.
    fn of(seen: Option<Seen>) -> Self {
        match seen {
            Some(seen) if seen.low.get() >= 0.0 => Self::Value(seen),
            _ => Self::Unavailable { why: Unavailable::Invalid },
        }
    }

    /// The value, if there is one.
    pub const fn seen(self) -> Option<Seen> {
        match self {
            Self::Value(seen) => Some(seen),
            _ => None,
        }
    }
}

fn units(milli: i64) -> f64 {
    from_i64(milli) / 1000.0
}

/// A count from a number of replicas, at least 0; what does not fit is the largest.
#[expect(clippy::cast_possible_truncation, reason = "the range is cut")]
pub(crate) fn count(replicas: f64) -> i32 {
    fmin(fmax(replicas, 0.0), f64::from(i32::MAX)) as i32
}
