//! From recorded series to an observation: as many replicas as were decided, all of them ready.

use std::collections::BTreeMap;

use trimtab_engine::{
    ContainerRecord, Metric, ObservationRecord, PodRecord, PodSample, Policy, Readiness,
    ReadingRecord, ReadyCondition, ResourceList, Selector, Unavailable,
};
use trimtab_metric::{Quantity, Reading, Span, Timestamp};

use super::mapping::{Form, Pair};
use super::moment::Moment;

/// When the replicas started: before anything else.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// Makes observations for a policy.
pub(super) struct Observer {
    workload: String,
    metrics: Vec<(Metric, Pair)>,
    containers: Vec<ContainerRecord>,
    has_resources: bool,
}

impl Observer {
    pub(super) fn new(policy: &Policy, pairs: Vec<Pair>) -> Self {
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
    pub(super) fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.metrics.iter().map(|(_, pair)| pair)
    }

    /// What is seen at a moment with so many replicas.
    pub(super) fn observe(&self, moment: &Moment, replicas: i32) -> ObservationRecord {
        let pods: Vec<PodRecord> = (1..=replicas).map(|number| self.pod(number)).collect();
        let readings = self
            .metrics
            .iter()
            .map(|(metric, pair)| {
                let value = moment.values.get(pair.series).copied().flatten();
                self.reading(metric, pair.form, value, &pods)
            })
            .collect();
        ObservationRecord {
            time: moment.time,
            replicas: Some(replicas),
            status_replicas: None,
            selector: Selector::Ok,
            pods,
            pod_metrics: None,
            readings,
            warm: None,
            supply: None,
        }
    }

    fn pod(&self, number: i32) -> PodRecord {
        PodRecord {
            name: format!("{}-{number}", self.workload),
            ready: Some(ReadyCondition { status: Readiness::True, last_transition_time: None }),
            start_time: Some(LONG_AGO).filter(|_| self.has_resources),
            containers: self.containers.clone(),
            ..PodRecord::default()
        }
    }

    fn reading(
        &self,
        metric: &Metric,
        form: Form,
        value: Option<f64>,
        pods: &[PodRecord],
    ) -> ReadingRecord {
        let mut reading = ReadingRecord {
            metric: metric.name().to_owned(),
            container: metric.container().map(str::to_owned),
            ..ReadingRecord::default()
        };
        let amount = value.map(|value| match form {
            // Every container requests 1.
            Form::Percent if metric.container().is_none() => {
                value / 100.0 * self.containers.len() as f64
            }
            Form::Percent => value / 100.0,
            Form::Total | Form::Shared | Form::Each => value,
        });
        let sample = amount
            .map(|amount| Reading::from_f64(amount, Timestamp::UNIX_EPOCH, Span::ZERO).value());
        match (sample, form) {
            (None, _) => reading.unavailable = Some(Unavailable::Missing),
            (Some(None), _) => reading.unavailable = Some(Unavailable::Invalid),
            (Some(Some(sample)), Form::Total) => {
                reading.value = Some(Quantity::from_milli(sample.milli));
            }
            (Some(Some(sample)), Form::Shared) => {
                reading.pods = Some(by_pod(pods, shares(sample.milli, pods.len())));
            }
            (Some(Some(sample)), Form::Each | Form::Percent) => {
                reading.pods = Some(by_pod(pods, std::iter::repeat(sample.milli)));
            }
        }
        reading
    }
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

fn by_pod(pods: &[PodRecord], milli: impl Iterator<Item = i64>) -> BTreeMap<String, PodSample> {
    pods.iter()
        .zip(milli)
        .map(|(pod, milli)| {
            let value = Quantity::from_milli(milli);
            (pod.name.clone(), PodSample { value, timestamp: None, window: None })
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
