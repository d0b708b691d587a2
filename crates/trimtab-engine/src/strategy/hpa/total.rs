//! Metrics that are one total: Object and External, held against the whole or an average.

use libm::ceil;

use super::{Calculation, Circumstances, MetricError, MetricStatus, Proposal};
use crate::float::{from_count, from_i64, to_i32, to_i64};
use crate::policy::Finite;
use crate::sense::PodCounts;

/// Object and External metrics with a `Value` target: the ready pods times the ratio.
pub(super) fn value(
    usage: i64,
    target: i64,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    let ratio = from_i64(usage) / from_i64(target);
    let proposal = |replicas, calculation| Proposal {
        replicas,
        status: MetricStatus::Value { milli: usage },
        ratio,
        calculation,
        pods: PodCounts::default(),
    };
    if at.spec_replicas == 0 {
        let quotient = Finite::new(ratio);
        return Ok(proposal(to_i32(ceil(ratio)), Calculation::Quotient { quotient }));
    }
    if at.tolerance.accepts(ratio) {
        return Ok(proposal(at.spec_replicas, Calculation::WithinTolerance));
    }
    if at.pods.is_empty() {
        return Err(MetricError::NoPods);
    }
    let ready = at.pods.running_and_ready();
    let wanted = at_most_i32(ratio * from_count(ready));
    let count = u32::try_from(ready).unwrap_or(u32::MAX);
    Ok(proposal(wanted, Calculation::Ratio { ratio: Finite::new(ratio), count }))
}

/// Object metrics with an `AverageValue` target: the total over the target, whatever the pods.
pub(super) fn object_average(usage: i64, target: i64, at: &Circumstances<'_>) -> Proposal {
    average(usage, target, at, |quotient| to_i32(ceil(quotient)), |average| average)
}

/// External metrics with an `AverageValue` target: the same, but large counts and large averages
/// stop at the largest integer.
pub(crate) fn external_average(usage: i64, target: i64, at: &Circumstances<'_>) -> Proposal {
    let reported = |average| {
        if from_i64(usage) >= 9_223_372_036_854_775_808.0 { i64::MAX } else { average }
    };
    average(usage, target, at, at_most_i32, reported)
}

fn average(
    usage: i64,
    target: i64,
    at: &Circumstances<'_>,
    count: impl Fn(f64) -> i32,
    reported: impl Fn(i64) -> i64,
) -> Proposal {
    let replicas = f64::from(at.status_replicas);
    let ratio = from_i64(usage) / (from_i64(target) * replicas);
    let (replicas, calculation) = if at.tolerance.accepts(ratio) {
        (at.status_replicas, Calculation::WithinTolerance)
    } else {
        let quotient = from_i64(usage) / from_i64(target);
        (count(quotient), Calculation::Quotient { quotient: Finite::new(quotient) })
    };
    let milli = reported(to_i64(ceil(from_i64(usage) / f64::from(at.status_replicas))));
    Proposal {
        replicas,
        status: MetricStatus::AverageValue { milli },
        ratio,
        calculation,
        pods: PodCounts::default(),
    }
}

/// The sum that `Value` targets are held against: it stops at the largest integer.
pub(super) fn saturating_sum(values: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for &value in values {
        if value > 0 && sum > i64::MAX - value {
            return i64::MAX;
        }
        sum = sum.wrapping_add(value);
    }
    sum
}

/// The sum that `AverageValue` targets are held against: a negative sum on the way is taken for an
/// overflow.
pub(super) fn non_negative_sum(values: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for &value in values {
        sum = sum.wrapping_add(value);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

fn at_most_i32(wanted: f64) -> i32 {
    if wanted > f64::from(i32::MAX) { i32::MAX } else { to_i32(ceil(wanted)) }
}
