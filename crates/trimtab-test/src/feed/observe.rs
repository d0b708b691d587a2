//! From what series give to an observation: replicas, and what they report.

use std::collections::BTreeMap;

use trimtab_engine::{
    ContainerRecord, Metric, ObservationRecord, PodRecord, PodSample, Policy, Readiness,
    ReadingRecord, ReadyCondition, ResourceList, Selector, Unavailable,
};
use trimtab_metric::{Quantity, Reading, Span, Timestamp};

use super::{Form, Pair};
use crate::format::Sample;

/// When the replicas started: before anything else.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// Makes observations for a policy.
#[derive(Clone, Debug)]
pub struct Observer {
    workload: String,
    metrics: Vec<(Metric, Pair)>,
    containers: Vec<ContainerRecord>,
    has_resources: bool,
}

/// What is given for one metric at one instant.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// One value: the total, or what each replica reports, as the metric's [`Form`] says.
    One(Sample),
    /// The values of several series of one total.
    Several(Vec<Sample>),
    /// What single replicas report, by their numbers, and what all others do.
    Own {
        /// By their numbers.
        own: Vec<(u32, Sample)>,
        /// All others.
        others: Sample,
    },
}

/// A replica as it is seen.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its number, from 1; a number is never given again.
    pub number: u32,
    /// How far it is.
    pub state: ReplicaState,
    /// When it was asked for; nothing: long ago.
    pub created: Option<Timestamp>,
    /// Since when it is in its state; nothing: long since.
    pub since: Option<Timestamp>,
    /// Requests that it serves, if that is known.
    pub in_flight: Option<u32>,
    /// Since when it drains, if it does.
    pub draining_since: Option<Timestamp>,
}

/// How far a replica is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// It was asked for and does not serve yet: it reports nothing.
    Starting,
    /// It serves.
    Ready,
    /// It runs, and does not serve any more: it reports, and gets no share.
    Unready,
}

impl Replica {
    /// One that has served for as long as anyone remembers.
    pub const fn ready(number: u32) -> Self {
        let state = ReplicaState::Ready;
        let (created, since, in_flight, draining_since) = (None, None, None, None);
        Self { number, state, created, since, in_flight, draining_since }
    }
}

impl Observer {
    /// For a policy and the series of its metrics, in their order.
    pub fn new(policy: &Policy, pairs: Vec<Pair>) -> Self {
        let metrics: Vec<(Metric, Pair)> = policy.metrics().iter().cloned().zip(pairs).collect();
        let has_resources = metrics.iter().any(|(metric, _)| metric.resource().is_some());
        Self {
            workload: policy.spec().scale_target_ref.name.clone(),
            containers: containers(&metrics),
            metrics,
            has_resources,
        }
    }

    /// The metrics with their series.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.metrics.iter().map(|(_, pair)| pair)
    }

    /// What is seen: so many replicas by the scale, these by the pods, and what `given` says of each
    /// metric's series.
    pub fn observe(
        &self,
        time: Timestamp,
        replicas: Option<i32>,
        fleet: &[Replica],
        given: impl Fn(&Pair) -> Given,
    ) -> ObservationRecord {
        let pods: Vec<PodRecord> = fleet.iter().map(|replica| self.pod(replica)).collect();
        let readings = self
            .metrics
            .iter()
            .map(|(metric, pair)| self.reading(metric, pair.form, &given(pair), fleet, &pods))
            .collect();
        ObservationRecord {
            time,
            replicas,
            status_replicas: None,
            selector: Selector::Ok,
            pods,
            pod_metrics: None,
            readings,
            warm: None,
            supply: None,
        }
    }

    fn pod(&self, replica: &Replica) -> PodRecord {
        let serves = replica.state == ReplicaState::Ready;
        let status = if serves { Readiness::True } else { Readiness::False };
        let ready = ReadyCondition { status, last_transition_time: replica.since };
        PodRecord {
            name: format!("{}-{}", self.workload, replica.number),
            ready: Some(ready),
            creation_timestamp: replica.created,
            start_time: replica.created.or(Some(LONG_AGO).filter(|_| self.has_resources)),
            containers: self.containers.clone(),
            in_flight: replica.in_flight,
            draining_since: replica.draining_since,
            ..PodRecord::default()
        }
    }

    fn reading(
        &self,
        metric: &Metric,
        form: Form,
        given: &Given,
        fleet: &[Replica],
        pods: &[PodRecord],
    ) -> ReadingRecord {
        let mut reading = ReadingRecord {
            metric: metric.name().to_owned(),
            container: metric.container().map(str::to_owned),
            ..ReadingRecord::default()
        };
        let read = |sample: Sample| match sample {
            Sample::Missing => Err(Unavailable::Missing),
            Sample::Stale => Err(Unavailable::Stale),
            Sample::Value(value) => {
                let amount = self.amount(metric, form, value);
                let sample = Reading::from_f64(amount, Timestamp::UNIX_EPOCH, Span::ZERO).value();
                sample.map(|sample| sample.milli).ok_or(Unavailable::Invalid)
            }
        };
        let found = match (given, form) {
            (Given::One(sample), Form::Total) => read(*sample).map(|milli| {
                reading.value = Some(Quantity::from_milli(milli));
            }),
            (Given::One(sample), Form::Shared) => read(*sample).map(|milli| {
                let serving = || names(fleet, pods, |state| state == ReplicaState::Ready);
                reading.pods = Some(by_pod(serving().zip(shares(milli, serving().count()))));
            }),
            (Given::One(sample), Form::Each | Form::Percent) => read(*sample).map(|milli| {
                let reporting = names(fleet, pods, |state| state != ReplicaState::Starting);
                reading.pods = Some(by_pod(reporting.zip(std::iter::repeat(milli))));
            }),
            (Given::Several(samples), _) => sum(samples, read).map(|values| {
                reading.values = Some(values.into_iter().map(Quantity::from_milli).collect());
            }),
            (Given::Own { own, others }, _) => {
                let value = |replica: &Replica| {
                    let mut own = own.iter().filter(|(number, _)| *number == replica.number);
                    read(own.next().map_or(*others, |(_, sample)| *sample))
                };
                let reporting = fleet.iter().zip(pods);
                let reporting =
                    reporting.filter(|(replica, _)| replica.state != ReplicaState::Starting);
                let known: Vec<(&str, i64)> = reporting
                    .filter_map(|(replica, pod)| Some((pod.name.as_str(), value(replica).ok()?)))
                    .collect();
                reading.pods = Some(by_pod(known.into_iter()));
                Ok(())
            }
        };
        reading.unavailable = found.err();
        reading
    }

    /// A value in the unit of the metric.
    fn amount(&self, metric: &Metric, form: Form, value: f64) -> f64 {
        match form {
            // Every container requests 1.
            Form::Percent if metric.container().is_none() => {
                value / 100.0 * self.containers.len() as f64
            }
            Form::Percent => value / 100.0,
            Form::Total | Form::Shared | Form::Each => value,
        }
    }
}

/// What of several series is known; where nothing is, why the first is not.
fn sum(
    samples: &[Sample],
    read: impl Fn(Sample) -> Result<i64, Unavailable>,
) -> Result<Vec<i64>, Unavailable> {
    let all: Vec<Result<i64, Unavailable>> = samples.iter().map(|sample| read(*sample)).collect();
    let known: Vec<i64> = all.iter().filter_map(|read| read.ok()).collect();
    match (known.is_empty(), all.into_iter().find_map(Result::err)) {
        (true, why) => Err(why.unwrap_or(Unavailable::Missing)),
        (false, _) => Ok(known),
    }
}

/// The pods of the replicas in some states.
fn names<'p>(
    fleet: &'p [Replica],
    pods: &'p [PodRecord],
    counts: impl Fn(ReplicaState) -> bool + 'p,
) -> impl Iterator<Item = &'p str> {
    let there = fleet.iter().zip(pods).filter(move |(replica, _)| counts(replica.state));
    there.map(|(_, pod)| pod.name.as_str())
}

/// The containers that the policy speaks of, or one; each requests 1 of every resource.
fn containers(metrics: &[(Metric, Pair)]) -> Vec<ContainerRecord> {
    let measured = || metrics.iter().filter(|(_, pair)| pair.form == Form::Percent);
    let requests: ResourceList = measured()
        .filter_map(|(metric, _)| metric.resource())
        .map(|resource| (resource.to_owned(), Quantity::from_units(1)))
        .collect();
    if requests.is_empty() {
        return Vec::new();
    }
    let mut names: Vec<&str> = measured().filter_map(|(metric, _)| metric.container()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        names.push("main");
    }
    let container = |name: &str| ContainerRecord {
        name: name.to_owned(),
        requests: requests.clone(),
        ..ContainerRecord::default()
    };
    names.into_iter().map(container).collect()
}

fn by_pod<'p>(values: impl Iterator<Item = (&'p str, i64)>) -> BTreeMap<String, PodSample> {
    values
        .map(|(pod, milli)| {
            let value = Quantity::from_milli(milli);
            (pod.to_owned(), PodSample { value, timestamp: None, window: None })
        })
        .collect()
}

/// Parts as equal as whole thousandths can be; they sum to the total.
fn shares(total: i64, count: usize) -> impl Iterator<Item = i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX).max(1);
    let (each, rest) = (total.div_euclid(count), total.rem_euclid(count));
    (0..count).map(move |index| if index < rest { each + 1 } else { each })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_total() {
        for (total, count) in [(10, 3), (0, 4), (-7, 2), (2, 5)] {
            let parts: Vec<i64> = shares(total, count).collect();
            assert_eq!((parts.len(), parts.iter().sum::<i64>()), (count, total));
            assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }
    }
}
