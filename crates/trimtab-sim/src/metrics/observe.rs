//! What the policy gets to see: an observation, made of the pods and of what was scraped.

use std::collections::BTreeMap;

use trimtab_engine::{
    ContainerRecord, ObservationRecord, PodPhase, PodRecord, PodSample, Readiness, ReadingRecord,
    ReadyCondition, Selector, Unavailable,
};
use trimtab_metric::{Quantity, Reading, Sample, Span, Timestamp};

use super::bindings::{Binding, Bindings, Form};
use super::reading::{is_windowed, of_replica, of_service};
use super::sampler::Sampler;
use super::scraper::Scraper;
use super::{NANOS_PER_MILLI, timestamp};
use crate::Moment;
use crate::supply::NodeId;

/// The container of a simulated pod, where the policy does not name it.
const CONTAINER: &str = "server";

/// The source of samples.
const SOURCE: &str = "service";

/// One pod as the control plane sees it.
///
/// ```
/// use trimtab_engine::PodPhase;
/// use trimtab_sim::Moment;
/// use trimtab_sim::metrics::PodView;
///
/// let pod = PodView {
///     id: 3,
///     phase: PodPhase::Running,
///     start_time: Some(Moment::from_seconds(2.0)),
///     ready: true,
///     ready_since: Moment::from_seconds(122.0),
///     terminating: false,
///     in_flight: None,
///     draining_since: None,
///     ..PodView::default()
/// };
/// assert_eq!(pod.name(), "replica-3");
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// The replica's number, by which it is scraped.
    pub id: u64,
    /// The pod's phase.
    pub phase: PodPhase,
    /// When a kubelet took it on; without, it has no `Ready` condition either.
    pub start_time: Option<Moment>,
    /// Whether it is ready.
    pub ready: bool,
    /// Since when it is ready, or not.
    pub ready_since: Moment,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// The requests that it is serving, where the policy asks.
    pub in_flight: Option<u32>,
    /// Since when it takes no new work and stays until a decision says that it goes.
    pub draining_since: Option<Moment>,
    /// When it was asked for.
    pub created: Moment,
    /// The node that it is on, and that node's pool by its place in the cluster; see
    /// [`observe_nodes`](super::observe_nodes()).
    pub node: Option<(NodeId, usize)>,
}

impl PodView {
    /// `replica-` and its number.
    pub fn name(&self) -> String {
        format!("replica-{}", self.id)
    }
}

/// What the policy sees at `now`: the pods as they are, and of their metrics what was scraped
/// `delay_seconds` ago or earlier.
///
/// A strategy that samples by itself is told what its `samplers` report, at once: one for each metric
/// of the bindings, or none for those that are not sampled.
///
/// `spec_replicas` is how many were last asked for; `statusReplicas` becomes the number of pods that
/// are not terminating. A replica without a scrape in the last five minutes, or of a rate without two
/// in the window, has no reading, which is not zero; a quantile of no requests is none either. Every
/// metric of the bindings gets a reading, so the record resolves against their policy.
///
/// ```
/// use trimtab_engine::{PodPhase, Policy, PolicySpec};
/// use trimtab_sim::Moment;
/// use trimtab_sim::cluster::Metrics;
/// use trimtab_sim::metrics::{Bindings, Exporter, Gauges, PodView, Scraper, observe};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10,
///         "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
///             "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#,
/// )?)?;
/// let bindings = Bindings::new(&policy, &[])?;
/// let mut scraper = Scraper::new(&Metrics::default(), 7);
/// let gauges = Gauges { running: 64, waiting: 9, kv_used: 0.8 };
/// scraper.scrape(Moment::from_seconds(15.0), 0, &Exporter::new(), gauges);
///
/// let pod = PodView {
///     id: 0,
///     phase: PodPhase::Running,
///     start_time: Some(Moment::START),
///     ready: true,
///     ready_since: Moment::START,
///     terminating: false,
///     in_flight: None,
///     draining_since: None,
///     ..PodView::default()
/// };
/// let waiting = |now: f64| {
///     let seen = observe(&bindings, &scraper, &[], Moment::from_seconds(now), 1, &[pod]);
///     let sample = seen.readings[0].pods.as_ref()?.get("replica-0")?;
///     Some(sample.value.to_string())
/// };
/// assert_eq!(waiting(19.9), None); // scraped, and not aggregated yet
/// assert_eq!(waiting(20.0).as_deref(), Some("9"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn observe(
    bindings: &Bindings,
    scraper: &Scraper,
    samplers: &[Option<Sampler>],
    now: Moment,
    spec_replicas: i32,
    pods: &[PodView],
) -> ObservationRecord {
    let present = pods.iter().filter(|pod| !pod.terminating).count();
    let containers = containers(bindings.bindings());
    ObservationRecord {
        time: timestamp(now),
        replicas: Some(spec_replicas),
        status_replicas: Some(i32::try_from(present).unwrap_or(i32::MAX)),
        selector: Selector::Ok,
        pods: pods.iter().map(|pod| record(pod, &containers)).collect(),
        pod_metrics: None,
        readings: bindings
            .bindings()
            .iter()
            .enumerate()
            .map(|(place, binding)| match binding.form {
                Form::PerPod | Form::Resource => per_pod(binding, scraper, now, pods),
                Form::Total => match samplers.get(place).and_then(Option::as_ref) {
                    Some(sampler) => sampled(binding, sampler, now),
                    None => total(binding, scraper, now),
                },
            })
            .collect(),
        warm: None,
        supply: None,
    }
}

fn record(pod: &PodView, containers: &[ContainerRecord]) -> PodRecord {
    let condition = || ReadyCondition {
        status: if pod.ready { Readiness::True } else { Readiness::False },
        last_transition_time: Some(timestamp(pod.ready_since)),
    };
    PodRecord {
        name: pod.name(),
        phase: pod.phase,
        terminating: pod.terminating,
        start_time: pod.start_time.map(timestamp),
        ready: pod.start_time.map(|_| condition()),
        containers: containers.to_vec(),
        in_flight: pod.in_flight,
        draining_since: pod.draining_since.map(timestamp),
        ..PodRecord::default()
    }
}

/// One container that requests 1 of each resource that the policy measures.
fn containers(bindings: &[Binding]) -> Vec<ContainerRecord> {
    let resources = || bindings.iter().filter(|binding| binding.form == Form::Resource);
    if resources().next().is_none() {
        return Vec::new();
    }
    let named = resources().find_map(|binding| binding.container.clone());
    let requests = resources().map(|binding| (binding.metric.clone(), Quantity::from_units(1)));
    vec![ContainerRecord {
        name: named.unwrap_or_else(|| CONTAINER.to_owned()),
        requests: requests.collect(),
        ..ContainerRecord::default()
    }]
}

fn per_pod(binding: &Binding, scraper: &Scraper, now: Moment, pods: &[PodView]) -> ReadingRecord {
    let signal = binding.meaning.signal;
    let window = if is_windowed(signal) {
        Span::from_millis(scraper.window_nanos / NANOS_PER_MILLI)
    } else {
        Span::ZERO
    };
    let samples: BTreeMap<String, PodSample> = pods
        .iter()
        .filter_map(|pod| {
            let read = of_replica(scraper, signal, pod.id, now)?;
            let sample = amount(binding, read.value, timestamp(read.at), window).value()?;
            let Sample { milli, at, window } = sample;
            let value = Quantity::from_milli(milli);
            Some((pod.name(), PodSample { value, timestamp: Some(at), window: Some(window) }))
        })
        .collect();
    ReadingRecord { pods: Some(samples), ..unread(binding) }
}

fn total(binding: &Binding, scraper: &Scraper, now: Moment) -> ReadingRecord {
    let unavailable = |why| ReadingRecord { unavailable: Some(why), ..unread(binding) };
    let Some(value) = of_service(scraper, binding.meaning.signal, binding.meaning.whole, now)
    else {
        return unavailable(Unavailable::Missing);
    };
    match amount(binding, value, timestamp(now), Span::ZERO).value() {
        Some(Sample { milli, .. }) => {
            ReadingRecord { value: Some(Quantity::from_milli(milli)), ..unread(binding) }
        }
        None => unavailable(Unavailable::Invalid),
    }
}

/// One source, the service; before the first report there is none.
fn sampled(binding: &Binding, sampler: &Sampler, now: Moment) -> ReadingRecord {
    let samples = sampler.report(now);
    let sources = (!samples.is_empty()).then(|| (SOURCE.to_owned(), samples));
    ReadingRecord { series: Some(sources.into_iter().collect()), ..unread(binding) }
}

fn amount(binding: &Binding, value: f64, at: Timestamp, window: Span) -> Reading {
    Reading::from_f64(value * binding.meaning.scale, at, window)
}

fn unread(binding: &Binding) -> ReadingRecord {
    ReadingRecord {
        metric: binding.metric.clone(),
        container: binding.container.clone(),
        ..ReadingRecord::default()
    }
}
