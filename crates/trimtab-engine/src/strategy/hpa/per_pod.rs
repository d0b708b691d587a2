//! Metrics with a value per pod: Resource, ContainerResource and Pods.

use core::cmp::Ordering;

use libm::ceil;

use super::{Calculation, Circumstances, MetricError, MetricStatus, Proposal};
use crate::float::{from_count, from_i64, to_i32};
use crate::observation::{PodReadings, Requests};
use crate::policy::Finite;
use crate::sense::{CpuReadiness, PodClass, PodCounts, classify_by};

/// Held against an average value: Pods metrics, and resources by `averageValue`.
pub(super) fn average(
    readings: &PodReadings,
    target: i64,
    cpu: Option<CpuReadiness>,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    match cpu {
        None => average_of(classify_by(at.pods, readings, |_, _| false), readings, target, at),
        Some(cpu) => {
            let rows = classify_by(at.pods, readings, move |pod, taken| cpu.distrusts(pod, taken));
            average_of(rows, readings, target, at)
        }
    }
}

fn average_of(
    rows: impl Iterator<Item = (PodClass, i64)>,
    readings: &PodReadings,
    target: i64,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    let mut pods = PodCounts::default();
    // Values of pods that are not listed count in the sum and in the number of values.
    let (unlisted, mut sum) = readings.unlisted();
    rows.for_each(|(class, milli)| {
        pods.add(class);
        sum = sum.wrapping_add(if class == PodClass::Measured { milli } else { 0 });
    });
    let values = present(&pods, unlisted, at)?;
    let mean = |sum: i64, values: usize| sum.wrapping_div(count_i64(values));
    let ratio = |sum, values| from_i64(mean(sum, values)) / from_i64(target);

    let first = ratio(sum, values);
    let filled = |scale_up: bool| {
        let silent = silent_that_count(first, &pods);
        let more = if first < 1.0 { i64::from(silent).wrapping_mul(target) } else { 0 };
        let young = if scale_up { pods.unready } else { 0 };
        let values = values.saturating_add(silent as usize).saturating_add(young as usize);
        (ratio(sum.wrapping_add(more), values), values)
    };
    let (replicas, calculation) = wanted(first, &pods, at, filled);
    let status = MetricStatus::AverageValue { milli: mean(sum, values) };
    Ok(Proposal { replicas, status, ratio: first, calculation, pods })
}

/// Held against a share of what the pods request, in whole percent.
pub(super) fn utilization(
    readings: &PodReadings,
    target: i32,
    cpu: Option<CpuReadiness>,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    let requests = match readings.requests() {
        Requests::Milli(milli) if milli.len() == at.pods.len() => Ok(milli.as_slice()),
        Requests::Missing { row } => Err(*row),
        Requests::Milli(milli) => Err(milli.len()),
        Requests::NotAsked => Err(0),
    };
    match cpu {
        None => {
            let rows = || classify_by(at.pods, readings, |_, _| false);
            utilization_of(rows, readings, requests, target, at)
        }
        Some(cpu) => {
            let distrusts = move |pod, taken| cpu.distrusts(pod, taken);
            let rows = || classify_by(at.pods, readings, distrusts);
            utilization_of(rows, readings, requests, target, at)
        }
    }
}

/// `requests` is what each pod requests, or the row of a pod that should and does not.
fn utilization_of<I: Iterator<Item = (PodClass, i64)>>(
    rows: impl Fn() -> I,
    readings: &PodReadings,
    requests: Result<&[i64], usize>,
    target: i32,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    let mut pods = PodCounts::default();
    let Ok(requests) = requests else {
        rows().for_each(|(class, _)| pods.add(class));
        present(&pods, readings.unlisted().0, at)?;
        let row = requests.err().and_then(|row| u32::try_from(row).ok());
        return Err(MetricError::MissingRequest { row: row.unwrap_or(u32::MAX) });
    };
    let mut used = Share::default();
    let mut unready = Share::default();
    rows().zip(requests).for_each(|((class, milli), &request)| {
        pods.add(class);
        match class {
            PodClass::Measured => used.add(milli, request),
            PodClass::Unready => unready.add(0, request),
            PodClass::Missing | PodClass::Ignored => {}
        }
    });
    // Values of pods that are not listed have no request: they do not count in the ratio, but
    // they do in the number of values.
    let values = present(&pods, readings.unlisted().0, at)?;
    let (Some(percent), Some(average_milli)) = (used.percent(), used.mean()) else {
        return Err(MetricError::ZeroRequests);
    };
    let ratio = |percent: i32| f64::from(percent) / f64::from(target);

    let first = ratio(percent);
    let filled = |scale_up: bool| {
        let mut all = used;
        let silent = silent_that_count(first, &pods);
        if silent > 0 {
            let silent = rows().zip(requests).filter(|((class, _), _)| *class == PodClass::Missing);
            silent.for_each(|(_, &request)| {
                let at_target = request.wrapping_mul(i64::from(target.max(100))) / 100;
                all.add(if first < 1.0 { at_target } else { 0 }, request);
            });
        }
        let mut values = values.saturating_add(silent as usize);
        if scale_up {
            all.join(unready);
            values = values.saturating_add(pods.unready as usize);
        }
        (all.percent().map_or(f64::NAN, ratio), values)
    };
    let (replicas, calculation) = wanted(first, &pods, at, filled);
    let status = MetricStatus::Utilization { percent, average_milli };
    Ok(Proposal { replicas, status, ratio: first, calculation, pods })
}

/// Use and request summed over pods.
#[derive(Copy, Clone, Default)]
struct Share {
    used: i64,
    requested: i64,
    pods: usize,
}

impl Share {
    fn add(&mut self, used: i64, requested: i64) {
        self.join(Self { used, requested, pods: 1 });
    }

    fn join(&mut self, other: Self) {
        self.used = self.used.wrapping_add(other.used);
        self.requested = self.requested.wrapping_add(other.requested);
        self.pods += other.pods;
    }

    /// The whole percent that the HPA calculates with, cut to 32 bits as Go cuts it.
    #[expect(clippy::cast_possible_truncation, reason = "the HPA keeps the low 32 bits")]
    fn percent(self) -> Option<i32> {
        (self.requested != 0)
            .then(|| self.used.wrapping_mul(100).wrapping_div(self.requested) as i32)
    }

    fn mean(self) -> Option<i64> {
        (self.pods != 0).then(|| self.used.wrapping_div(count_i64(self.pods)))
    }
}

/// Silent pods are filled in against the direction of the ratio; exactly on target there is none.
fn silent_that_count(ratio: f64, pods: &PodCounts) -> u32 {
    match ratio.partial_cmp(&1.0) {
        Some(Ordering::Less | Ordering::Greater) => pods.missing,
        Some(Ordering::Equal) | None => 0,
    }
}

/// How many values there are to work with, of listed pods and others.
fn present(
    pods: &PodCounts,
    unlisted: usize,
    at: &Circumstances<'_>,
) -> Result<usize, MetricError> {
    if at.pods.is_empty() {
        return Err(MetricError::NoPods);
    }
    match (pods.measured as usize).saturating_add(unlisted) {
        0 => Err(MetricError::NoUsableReadings),
        values => Ok(values),
    }
}

/// From the ratio to a count. Silent pods, and young ones on the way up, are first filled in at the
/// value that moves the count least; if that turns the direction, nothing moves.
fn wanted(
    first: f64,
    pods: &PodCounts,
    at: &Circumstances<'_>,
    filled: impl Fn(bool) -> (f64, usize),
) -> (i32, Calculation) {
    let current = at.spec_replicas;
    let scale_up_with_young = pods.unready > 0 && first > 1.0;
    if pods.missing == 0 && !scale_up_with_young {
        if at.tolerance.accepts(first) {
            return (current, Calculation::WithinTolerance);
        }
        let calculation = Calculation::Ratio { ratio: Finite::new(first), count: pods.measured };
        return (to_i32(ceil(first * f64::from(pods.measured))), calculation);
    }
    let (ratio, count) = filled(scale_up_with_young);
    let turned = (first < 1.0 && ratio > 1.0) || (first > 1.0 && ratio < 1.0);
    if at.tolerance.accepts(ratio) || turned {
        return (current, Calculation::FilledReversed);
    }
    let wanted = to_i32(ceil(ratio * from_count(count)));
    if (ratio < 1.0 && wanted > current) || (ratio > 1.0 && wanted < current) {
        return (current, Calculation::FilledReversed);
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    (wanted, Calculation::Filled { ratio: Finite::new(ratio), count })
}

fn count_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
