//! How many requests are ongoing: the counts of all sources as one sum, averaged over time.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use libm::floor;

use crate::policy::RayServeAggregation;

/// How many requests a source counted at one time; the count holds until the source's next sample.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Sample {
    /// When, since any origin, in the [`TimeUnit`] that goes with it; finite.
    pub at: f64,
    /// The count; finite.
    pub value: f64,
}

/// The unit of a sample's time.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Seconds, as Ray counts. Unix times are exact to about a microsecond.
    Seconds,
    /// Milliseconds: whole ones are exact, and so are their differences.
    Milliseconds,
}

/// Aggregates the samples of all sources up to `now`; `None` if no source has any.
///
/// Each source's samples are in the order of time. The order of the sources does not matter.
///
/// A single source is taken as it is. Several are added up as step functions whose steps happen at
/// whole hundredths of a second; what lies before the first sample of the last source to begin does
/// not count, unless that is later than the last step. The last count holds until `now`, or for a
/// millisecond if it is not older.
///
/// Ray itself takes no samples for 0 requests; so does a caller that adds `unwrap_or(0.0)`.
///
/// ```
/// use trimtab_engine::RayServeAggregation;
/// use trimtab_engine::strategy::ray_serve::{Sample, TimeUnit, aggregate};
///
/// let sample = |at, value| Sample { at, value };
/// let sources = [
///     vec![sample(0.2, 5.0), sample(0.8, 7.0), sample(1.5, 6.0)],
///     vec![sample(0.1, 3.0), sample(0.9, 4.0), sample(1.4, 8.0)],
///     vec![sample(0.3, 2.0), sample(1.0, 3.0)],
/// ];
/// let total = |aggregation| aggregate(&sources, 2.0, TimeUnit::Seconds, aggregation);
/// assert!(total(RayServeAggregation::Mean).is_some_and(|mean| (mean - 23.4 / 1.7).abs() < 1e-12));
/// assert_eq!(total(RayServeAggregation::Max), Some(18.0));
/// assert_eq!(total(RayServeAggregation::Min), Some(10.0));
/// ```
pub fn aggregate<S: AsRef<[Sample]>>(
    sources: &[S],
    now: f64,
    unit: TimeUnit,
    aggregation: RayServeAggregation,
) -> Option<f64> {
    let begun = || sources.iter().map(AsRef::as_ref).filter(|source| !source.is_empty());
    let first = begun().next()?;
    let alone = begun().nth(1).is_none();
    let sum = if alone { Cow::Borrowed(first) } else { Cow::Owned(add_up(begun(), unit)) };
    let (Some(earliest), Some(latest)) = (sum.first(), sum.last()) else {
        return Some(0.0); // several sources, and none ever counted anything
    };
    let last_to_begin = begun().filter_map(|source| source.first()).map(|sample| sample.at);
    let start = last_to_begin
        .max_by(f64::total_cmp)
        .filter(|begin| !alone && earliest.at < *begin && *begin <= latest.at)
        .unwrap_or(earliest.at);
    let held = now - latest.at;
    let end = latest.at + if held > 0.0 { held } else { unit.milliseconds(1.0) };
    let counted = sum.iter().filter(|sample| sample.at >= start).map(|sample| sample.value);
    let value = match aggregation {
        RayServeAggregation::Mean => mean(&sum, start, end),
        RayServeAggregation::Max => counted.max_by(f64::total_cmp),
        RayServeAggregation::Min => counted.min_by(f64::total_cmp),
    };
    Some(value.unwrap_or(0.0))
}

/// The sum of the sources as one step function. Steps of several sources that cancel out are a step.
fn add_up<'a>(sources: impl Iterator<Item = &'a [Sample]>, unit: TimeUnit) -> Vec<Sample> {
    let mut changes: Vec<Sample> = Vec::new();
    for source in sources {
        let mut before = 0.0;
        for sample in source {
            let change = sample.value - before;
            before = sample.value;
            if change != 0.0 {
                changes.push(Sample { at: unit.hundredth(sample.at), value: change });
            }
        }
    }
    // By the change as well, so that floats add up to the same whatever the order of the sources.
    changes.sort_unstable_by(|a, b| a.at.total_cmp(&b.at).then(a.value.total_cmp(&b.value)));
    let mut sum = 0.0;
    for change in &mut changes {
        sum += change.value;
        change.value = sum;
    }
    // Of the changes at one time, the last has them all.
    changes.dedup_by(|later, kept| {
        let same = later.at == kept.at;
        if same {
            kept.value = later.value;
        }
        same
    });
    changes
}

/// The mean of a step function over time; `None` where there is no time.
fn mean(steps: &[Sample], start: f64, end: f64) -> Option<f64> {
    let before = steps.iter().take_while(|step| step.at <= start).last();
    let (mut at, mut value) = (start, before.map_or(0.0, |step| step.value));
    let (mut area, mut duration) = (0.0, 0.0);
    let closing = Sample { at: end, value: 0.0 };
    let within = steps.iter().filter(|step| step.at > start && step.at < end);
    for step in within.chain([&closing]) {
        let span = step.at - at;
        if span > 0.0 {
            area += value * span;
            duration += span;
        }
        (at, value) = (step.at, step.value);
    }
    (duration > 0.0).then(|| area / duration)
}

impl TimeUnit {
    fn milliseconds(self, count: f64) -> f64 {
        match self {
            Self::Seconds => count / 1000.0,
            Self::Milliseconds => count,
        }
    }

    /// To the nearest hundredth of a second, halves up.
    fn hundredth(self, at: f64) -> f64 {
        match self {
            Self::Seconds => floor(at * 100.0 + 0.5) / 100.0,
            Self::Milliseconds => floor(at / 10.0 + 0.5) * 10.0,
        }
    }
}
