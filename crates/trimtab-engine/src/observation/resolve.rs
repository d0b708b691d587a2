//! From names to positions: a record is matched with a policy, once, before anything is decided.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use thiserror::Error;
use trimtab_metric::{InvalidReason, Quantity, Reading, Sample, Span, Timestamp};

use super::requests::{requested, used};
use super::supply;
use super::{
    MetricReading, Observation, ObservationRecord, PodDetails, PodReadings, PodRecord, PodRow,
    PodTable, Point, Readiness, ReadingRecord, Requests, Scale, Unavailable,
};
use crate::policy::{Metric, MetricSource, Policy, Target};

/// The window of a sample whose source does not say: one minute.
const DEFAULT_WINDOW: Span = Span::from_secs(60);

/// Kubernetes' zero time (year 1): when a condition changed that does not say when.
const LONG_AGO: Timestamp = Timestamp::from_secs(-62_135_596_800);

/// Why a record does not fit a policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ObservationError {
    /// A count is negative.
    #[error("`{field}` is {value}: a count is 0 or more")]
    NegativeCount {
        /// `replicas` or `statusReplicas`.
        field: &'static str,
        /// What it says.
        value: i32,
    },
    /// Two pods have one name.
    #[error("pod `{name}` is listed twice: a pod's name is its own")]
    DuplicatePod {
        /// The name.
        name: String,
    },
    /// A reading is for a metric that the policy does not have, or has fewer times.
    #[error(
        "no metric is left to take the reading of `{metric}`{}: the policy has {}, one reading each",
        container_words(container),
        list(known)
    )]
    UnknownMetric {
        /// The reading's metric.
        metric: String,
        /// The reading's container.
        container: Option<String>,
        /// What the policy has.
        known: Vec<String>,
    },
    /// A reading has not the form that its metric's type takes.
    #[error("the reading of `{metric}` has to give {expected}")]
    WrongForm {
        /// The metric.
        metric: String,
        /// The form.
        expected: &'static str,
    },
    /// A node pool is none of the policy's.
    #[error("the policy has no pool `{pool}`: its `supply.pools` are {}", list(known))]
    UnknownPool {
        /// The name.
        pool: String,
        /// What the policy has.
        known: Vec<String>,
    },
    /// A node pool is listed twice.
    #[error("pool `{pool}` is listed twice in `supply`: give all of it in one entry")]
    DuplicatePool {
        /// The name.
        pool: String,
    },
    /// Nodes are coming and nobody says how large they are.
    #[error(
        "pool `{pool}` has `comingNodes`, and the policy does not say how many GPUs those have: \
         give `comingGpus`, or set `gpusPerNode` in the policy"
    )]
    UnknownNodeSize {
        /// The name.
        pool: String,
    },
}

fn container_words(container: &Option<String>) -> String {
    container.as_ref().map(|name| alloc::format!(" in container `{name}`")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "no metrics".to_string();
    }
    let quoted: Vec<String> = names.iter().map(|name| alloc::format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Names as numbers, in the order in which they come up.
#[derive(Default)]
struct Numbers<'a>(BTreeMap<&'a str, u32>);

impl<'a> Numbers<'a> {
    fn of(&mut self, name: &'a str) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(name).or_insert(next)
    }
}

/// The rows of the pods, by name.
struct Rows<'a>(Vec<(&'a str, usize)>);

/// Shorter names first, so that those with a number are in order by it: `web-9` before `web-10`.
fn in_order(name: &str) -> (usize, &str) {
    (name.len(), name)
}

impl<'a> Rows<'a> {
    fn of(pods: &'a [PodRecord]) -> Result<Self, ObservationError> {
        let named = pods.iter().enumerate().map(|(row, pod)| (pod.name.as_str(), row));
        let mut rows: Vec<_> = named.collect();
        // Most lists are in order. Then none is there twice, either.
        if rows.is_sorted_by(|(one, _), (next, _)| in_order(one) < in_order(next)) {
            return Ok(Self(rows));
        }
        rows.sort_by_key(|(name, _)| in_order(name));
        let twice = rows.iter().zip(rows.iter().skip(1)).find(|(one, next)| one.0 == next.0);
        match twice {
            Some(((name, _), _)) => {
                Err(ObservationError::DuplicatePod { name: (*name).to_string() })
            }
            None => Ok(Self(rows)),
        }
    }

    /// The row of a pod. `next` is where the one that comes after the last in order is: who asks in order, or nearly so,
    /// finds it there.
    fn find(&self, name: &str, next: &mut usize) -> Option<usize> {
        let is_next = self.0.get(*next).is_some_and(|(next, _)| *next == name);
        let place = if is_next {
            *next
        } else {
            self.0.binary_search_by_key(&in_order(name), |(name, _)| in_order(name)).ok()?
        };
        *next = place + 1;
        self.0.get(place).map(|(_, row)| *row)
    }
}

impl ObservationRecord {
    /// Matches the record's names with the policy and makes what [`decide`](crate::decide) reads.
    ///
    /// Metrics of the policy without a reading are missing; that is no error. Values of pods that
    /// are not listed stay, since the HPA averages over them too.
    ///
    /// # Errors
    ///
    /// [`ObservationError`], for what can't be meant: a reading that no metric takes, a form that
    /// the metric's type does not have, a pod listed twice, a negative count.
    pub fn resolve(&self, policy: &Policy) -> Result<Observation, ObservationError> {
        let rows = Rows::of(&self.pods)?;
        let mut taken = vec![false; self.readings.len()];
        let readings = policy
            .metrics()
            .iter()
            .map(|metric| self.reading_of(metric, policy, &rows, &mut taken))
            .collect::<Result<_, _>>()?;
        if let Some((reading, _)) = self.readings.iter().zip(&taken).find(|(_, taken)| !**taken) {
            return Err(ObservationError::UnknownMetric {
                metric: reading.metric.clone(),
                container: reading.container.clone(),
                known: policy.metrics().iter().map(|metric| metric.name().to_string()).collect(),
            });
        }
        Ok(Observation {
            now: self.time,
            scale: self.scale()?,
            selector: self.selector,
            pods: self.table(policy),
            readings,
            warm: self.warm,
            supply: match &self.supply {
                Some(pools) => supply::resolve(pools, policy)?.map(Box::new),
                None => None,
            },
        })
    }

    fn scale(&self) -> Result<Option<Scale>, ObservationError> {
        let status = self.status_replicas.or(self.replicas);
        for (field, value) in [("replicas", self.replicas), ("statusReplicas", status)] {
            if let Some(value) = value.filter(|value| *value < 0) {
                return Err(ObservationError::NegativeCount { field, value });
            }
        }
        Ok(self.replicas.map(|spec_replicas| Scale {
            spec_replicas,
            status_replicas: status.unwrap_or(spec_replicas),
        }))
    }

    fn table(&self, policy: &Policy) -> PodTable {
        let mut table = PodTable::with_capacity(self.pods.len());
        let (mut nodes, mut zones) = (Numbers::default(), Numbers::default());
        for pod in &self.pods {
            table.push(PodRow {
                phase: pod.phase,
                terminating: pod.terminating,
                start_time: pod.start_time,
                readiness: pod.ready.map_or(Readiness::Absent, |ready| ready.status),
                ready_since: pod
                    .ready
                    .and_then(|ready| ready.last_transition_time)
                    .unwrap_or(LONG_AGO),
                details: PodDetails {
                    created_at: pod.creation_timestamp,
                    node: pod.node_name.as_deref().map(|name| nodes.of(name)),
                    zone: pod.zone.as_deref().map(|name| zones.of(name)),
                    pool: supply::pool_of(pod, policy),
                    capacity_type: pod.capacity_type,
                    in_flight: pod.in_flight,
                    draining_since: pod.draining_since,
                    ordinal: pod.ordinal,
                },
            });
        }
        table
    }

    /// The reading of one metric: the first of its name that no metric before it took, or what the
    /// resource metrics API says.
    fn reading_of(
        &self,
        metric: &Metric,
        policy: &Policy,
        rows: &Rows<'_>,
        taken: &mut [bool],
    ) -> Result<MetricReading, ObservationError> {
        let own = self.readings.iter().zip(taken).find(|(reading, taken)| {
            !**taken
                && reading.metric == metric.name()
                && (reading.container.is_none()
                    || reading.container.as_deref() == metric.container())
        });
        if let Some((reading, taken)) = own {
            *taken = true;
            return self.written(reading, metric, policy, rows);
        }
        let Some(resource) = metric.resource() else {
            return Ok(MetricReading::Unavailable(Unavailable::Missing));
        };
        let Some(pod_metrics) = self.pod_metrics.as_ref().filter(|list| !list.is_empty()) else {
            return Ok(MetricReading::Unavailable(Unavailable::Missing));
        };
        let samples = pod_metrics.iter().filter_map(|entry| {
            let milli = used(&entry.containers, resource, metric.container())?;
            let sample = Sample {
                milli,
                at: entry.timestamp.unwrap_or(self.time),
                window: entry.window_seconds.unwrap_or(DEFAULT_WINDOW),
            };
            Some((entry.pod.as_str(), Reading::Value(sample)))
        });
        Ok(MetricReading::PerPod(self.per_pod(samples, metric, policy, rows)))
    }

    /// A reading that the record holds itself.
    fn written(
        &self,
        reading: &ReadingRecord,
        metric: &Metric,
        policy: &Policy,
        rows: &Rows<'_>,
    ) -> Result<MetricReading, ObservationError> {
        if let Some(unavailable) = reading.unavailable {
            return Ok(MetricReading::Unavailable(unavailable));
        }
        let wrong = |expected| {
            Err(ObservationError::WrongForm { metric: reading.metric.clone(), expected })
        };
        if let Some(series) = &reading.series {
            let alone =
                reading.pods.is_none() && reading.value.is_none() && reading.values.is_none();
            return match (metric.source(), policy.sampling()) {
                (MetricSource::External, Some(_)) if alone => Ok(sampled(series)),
                (MetricSource::External, Some(_)) => wrong("its `series` alone"),
                _ => {
                    wrong("no `series`, which `knative`, `rayServe` and `slo` with `sampling` read")
                }
            };
        }
        match (metric.source(), &reading.pods, &reading.value, &reading.values) {
            (MetricSource::Object, None, Some(value), None) => {
                Ok(value.checked_milli().map_or(OUT_OF_RANGE, MetricReading::Total))
            }
            (MetricSource::Object, ..) => wrong("one `value`, since it is an Object metric"),
            (MetricSource::External, None, Some(value), None) => Ok(value
                .checked_milli()
                .map_or(OUT_OF_RANGE, |milli| MetricReading::Totals(vec![milli]))),
            (MetricSource::External, None, None, Some(values)) if values.is_empty() => {
                Ok(MetricReading::Unavailable(Unavailable::Missing))
            }
            (MetricSource::External, None, None, Some(values)) => {
                let totals: Option<_> = values.iter().map(Quantity::checked_milli).collect();
                Ok(totals.map_or(OUT_OF_RANGE, MetricReading::Totals))
            }
            (MetricSource::External, ..) => {
                wrong("one `value` or the `values` of its series, since it is an External metric")
            }
            (_, Some(pods), None, None) if pods.is_empty() => {
                Ok(MetricReading::Unavailable(Unavailable::Missing))
            }
            (_, Some(pods), None, None) => {
                let samples = pods.iter().map(|(pod, sample)| {
                    let at = sample.timestamp.unwrap_or(self.time);
                    let window = sample.window.unwrap_or(DEFAULT_WINDOW);
                    let reading = match sample.value.checked_milli() {
                        Some(milli) => Reading::Value(Sample { milli, at, window }),
                        None => Reading::Invalid(InvalidReason::OutOfRange),
                    };
                    (pod.as_str(), reading)
                });
                Ok(MetricReading::PerPod(self.per_pod(samples, metric, policy, rows)))
            }
            _ => wrong("a value by pod in `pods`, since it is a metric per pod"),
        }
    }

    /// Puts samples by pod name into the table's order.
    fn per_pod<'a>(
        &self,
        samples: impl Iterator<Item = (&'a str, Reading)>,
        metric: &Metric,
        policy: &Policy,
        rows: &Rows<'_>,
    ) -> PodReadings {
        let mut readings = PodReadings::with_capacity(self.pods.len());
        let mut by_row = vec![Reading::Missing; self.pods.len()];
        // Of several samples of one pod the last counts.
        let mut unlisted = BTreeMap::new();
        let mut next = 0;
        for (pod, reading) in samples {
            match rows.find(pod, &mut next).and_then(|row| by_row.get_mut(row)) {
                Some(slot) => *slot = reading,
                None => drop(unlisted.insert(pod, reading)),
            }
        }
        for sample in unlisted.values().filter_map(Reading::value) {
            readings.push_unlisted(sample.milli);
        }
        for reading in by_row {
            readings.push(reading);
        }
        if let (Some(resource), Target::Utilization { .. }) = (metric.resource(), metric.target()) {
            readings.set_requests(requests(
                &self.pods,
                resource,
                metric.container(),
                policy.hpa().pod_level_resources,
            ));
        }
        readings
    }
}

/// A value that no `i64` of thousandths holds is no value: cut off, it would be another one.
fn sampled(series: &BTreeMap<String, Vec<(Timestamp, Quantity)>>) -> MetricReading {
    let points = |points: &Vec<(Timestamp, Quantity)>| {
        let point = |(at, value): &(Timestamp, Quantity)| {
            value.checked_milli().map(|milli| Point { at: *at, milli })
        };
        points.iter().map(point).collect::<Option<Vec<_>>>()
    };
    let sources: Option<Vec<_>> = series.values().map(points).collect();
    sources.map_or(OUT_OF_RANGE, MetricReading::Series)
}

const OUT_OF_RANGE: MetricReading = MetricReading::Unavailable(Unavailable::Invalid);

fn requests(
    pods: &[PodRecord],
    resource: &str,
    container: Option<&str>,
    pod_level: bool,
) -> Requests {
    let mut milli = Vec::with_capacity(pods.len());
    for (row, pod) in pods.iter().enumerate() {
        match requested(pod, resource, container, pod_level) {
            Some(request) => milli.push(request),
            None => return Requests::Missing { row },
        }
    }
    Requests::Milli(milli)
}
