//! What is seen at one time.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    CapacityType, MetricReading, NodeSupply, Observation, PodDetails, PodPhase, PodReadings,
    PodRow, PodTable, Point, PoolSupply, Readiness, Requests, Scale, Selector, Unavailable,
    WarmCounts,
};
use trimtab_metric::{Reading, Sample, Span};

use crate::amounts::{amount, counts, list, option, small, time};

pub(crate) fn observation(u: &mut Unstructured<'_>) -> Result<Observation> {
    let mut pods = PodTable::default();
    for pod in list(u, 6, pod)? {
        pods.push(pod);
    }
    let selectors = [Selector::Ok, Selector::Ok, Selector::Empty, Selector::Ambiguous];
    Ok(Observation {
        now: time(u)?,
        scale: option(u, |u| Ok(Scale { spec_replicas: small(u)?, status_replicas: small(u)? }))?,
        selector: *u.choose(&selectors)?,
        pods,
        readings: list(u, 8, reading)?,
        warm: option(u, |u| Ok(WarmCounts { ready: counts(u)?, starting: counts(u)? }))?,
        supply: option(u, |u| node_supply(u).map(Box::new))?,
    })
}

fn pod(u: &mut Unstructured<'_>) -> Result<PodRow> {
    let phases = [PodPhase::Running, PodPhase::Pending, PodPhase::Failed, PodPhase::Unknown];
    let readiness = [Readiness::True, Readiness::False, Readiness::Unknown, Readiness::Absent];
    Ok(PodRow {
        phase: *u.choose(&phases)?,
        terminating: u.ratio(1, 8)?,
        start_time: option(u, time)?,
        readiness: *u.choose(&readiness)?,
        ready_since: time(u)?,
        details: details(u)?,
    })
}

fn details(u: &mut Unstructured<'_>) -> Result<PodDetails> {
    let types =
        [CapacityType::Unknown, CapacityType::OnDemand, CapacityType::Reserved, CapacityType::Spot];
    let place = |u: &mut Unstructured<'_>| u.int_in_range(0..=3);
    Ok(PodDetails {
        created_at: option(u, time)?,
        node: option(u, place)?,
        zone: option(u, place)?,
        pool: option(u, place)?,
        capacity_type: *u.choose(&types)?,
        in_flight: option(u, |u| u.arbitrary())?,
        draining_since: option(u, time)?,
        ordinal: option(u, place)?,
    })
}

fn reading(u: &mut Unstructured<'_>) -> Result<MetricReading> {
    Ok(match u.int_in_range(0..=4)? {
        0 => MetricReading::Unavailable(Unavailable::Missing),
        1 => MetricReading::Total(amount(u)?),
        2 => MetricReading::Totals(list(u, 4, amount)?),
        3 => MetricReading::Series(list(u, 3, |u| list(u, 6, point))?),
        _ => {
            let mut readings = PodReadings::default();
            for sample in list(u, 7, |u| option(u, sample))? {
                readings.push(sample.map_or(Reading::Missing, Reading::Value));
            }
            for unlisted in list(u, 2, amount)? {
                readings.push_unlisted(unlisted);
            }
            readings.set_requests(match u.int_in_range(0..=2)? {
                0 => Requests::NotAsked,
                1 => Requests::Missing { row: usize::arbitrary(u)? },
                _ => Requests::Milli(list(u, 7, amount)?),
            });
            MetricReading::PerPod(readings)
        }
    })
}

fn point(u: &mut Unstructured<'_>) -> Result<Point> {
    Ok(Point { at: time(u)?, milli: amount(u)? })
}

fn sample(u: &mut Unstructured<'_>) -> Result<Sample> {
    let window = Span::from_secs(i64::from(small(u)?));
    Ok(Sample { milli: amount(u)?, at: time(u)?, window })
}

fn node_supply(u: &mut Unstructured<'_>) -> Result<NodeSupply> {
    let gpus = |u: &mut Unstructured<'_>| {
        if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { u32::arbitrary(u) }
    };
    let pools = list(u, 4, |u| {
        option(u, |u| {
            Ok(PoolSupply {
                allocatable_gpus: option(u, gpus)?,
                free_gpus: gpus(u)?,
                coming_gpus: gpus(u)?,
                max_gpus: option(u, gpus)?,
            })
        })
    })?;
    Ok(NodeSupply { pools })
}
