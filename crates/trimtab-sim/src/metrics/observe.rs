//! What a policy gets to see: an observation, made of the pods and of what was scraped.

use std::collections::BTreeMap;

use trimtab_engine::{
    CapacityType, ContainerRecord, ObservationRecord, PodPhase, PodRecord, PodSample, Readiness,
    ReadingRecord, ReadyCondition, Selector, Unavailable,
};
use trimtab_metric::{Quantity, Reading, Sample, Span, Timestamp};

use super::bindings::{Binding, Bindings, Form};
use super::reading::{is_windowed, of_replica, of_service};
use super::sampler::Sampler;
use super::scraper::Scraper;
use super::{EPOCH, NANOS_PER_MILLI, timestamp};
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
    /// The node that it is on, and that node's pool by its place in the cluster, where the policy asks; see
    /// [`observe_nodes`](super::observe_nodes()).
    pub node: Option<(NodeId, usize)>,
}

impl PodView {
    /// `replica-` and its number.
    pub fn name(&self) -> String {
        format!("replica-{}", self.id)
    }
}

/// What a policy sees, decision after decision: the pods as they are, and of their metrics what was scraped
/// a while ago.
///
/// ```
/// use trimtab_engine::{PodPhase, Policy, PolicySpec};
/// use trimtab_sim::Moment;
/// use trimtab_sim::cluster::Metrics;
/// use trimtab_sim::metrics::{Bindings, Exporter, Gauges, Observer, PodView, Scraper};
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
/// let mut observer = Observer::new(&bindings);
/// let mut waiting = |now: f64| {
///     let seen = observer.observe(&scraper, &[], Moment::from_seconds(now), 1, &[pod]);
///     let sample = seen.readings[0].pods.as_ref()?.get("replica-0")?;
///     Some(sample.value.to_string())
/// };
/// assert_eq!(waiting(19.9), None); // scraped, and not aggregated yet
/// assert_eq!(waiting(20.0).as_deref(), Some("9"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Observer<'a> {
    bindings: &'a [Binding],
    containers: Vec<ContainerRecord>,
    seen: ObservationRecord,
    /// The numbers of the pods that were seen, in their order.
    ids: Vec<u64>,
}

impl<'a> Observer<'a> {
    /// One that has seen nothing yet.
    pub fn new(bindings: &'a Bindings) -> Self {
        let bindings = bindings.bindings();
        Self {
            bindings,
            containers: containers(bindings),
            seen: ObservationRecord {
                time: EPOCH,
                replicas: None,
                status_replicas: None,
                selector: Selector::Ok,
                pods: Vec::new(),
                pod_metrics: None,
                readings: Vec::new(),
                warm: None,
                supply: None,
            },
            ids: Vec::new(),
        }
    }

    /// What the policy sees at `now`. Nothing of it comes from what was seen before, but for the memory
    /// that names are in: who adds to it leaves the pods in their order, and their names and containers as they
    /// are.
    ///
    /// A strategy that samples by itself is told what its `samplers` report, at once: one for each metric
    /// of the bindings, or none for those that are not sampled.
    ///
    /// `spec_replicas` is how many were last asked for; `statusReplicas` becomes the number of pods that
    /// are not terminating. A replica without a scrape in the last five minutes, or of a rate without two
    /// in the window, has no reading, which is not zero; a quantile of no requests is none either. Every
    /// metric of the bindings gets a reading, so the record resolves against their policy.
    pub fn observe(
        &mut self,
        scraper: &Scraper,
        samplers: &[Option<Sampler>],
        now: Moment,
        spec_replicas: i32,
        pods: &[PodView],
    ) -> &mut ObservationRecord {
        self.look_at(pods);
        let present = pods.iter().filter(|pod| !pod.terminating).count();
        let named = || pods.iter().zip(&self.seen.pods).map(|(pod, seen)| (pod.id, &seen.name));
        let places = self.bindings.iter().enumerate();
        let readings = places.map(|(place, binding)| match binding.form {
            Form::PerPod | Form::Resource => per_pod(binding, scraper, now, named()),
            Form::Total => match samplers.get(place).and_then(Option::as_ref) {
                Some(sampler) => sampled(binding, sampler, now),
                None => total(binding, scraper, now),
            },
        });
        let readings = readings.collect();
        self.seen = ObservationRecord {
            time: timestamp(now),
            replicas: Some(spec_replicas),
            status_replicas: Some(i32::try_from(present).unwrap_or(i32::MAX)),
            selector: Selector::Ok,
            pods: core::mem::take(&mut self.seen.pods),
            pod_metrics: None,
            readings,
            warm: None,
            supply: None,
        };
        &mut self.seen
    }

    /// The pods, in their order. Most have been there before, and keep their names: to make all anew would take
    /// longer than to decide.
    fn look_at(&mut self, pods: &[PodView]) {
        let (mut before, mut now) = (self.ids.iter(), pods.iter().map(|pod| pod.id).peekable());
        let mut stays = || before.next().is_some_and(|id| now.next_if_eq(id).is_some());
        self.seen.pods.retain(|_| stays());
        let (staying, coming) = pods.split_at(self.seen.pods.len().min(pods.len()));
        for (seen, pod) in self.seen.pods.iter_mut().zip(staying) {
            see(seen, pod);
        }
        for pod in coming {
            let (name, containers) = (pod.name(), self.containers.clone());
            let mut seen = PodRecord { name, containers, ..PodRecord::default() };
            see(&mut seen, pod);
            self.seen.pods.push(seen);
        }
        self.ids.clear();
        self.ids.extend(pods.iter().map(|pod| pod.id));
    }
}

/// How a pod stands; where it runs is not said.
fn see(seen: &mut PodRecord, pod: &PodView) {
    seen.phase = pod.phase;
    seen.terminating = pod.terminating;
    seen.start_time = pod.start_time.map(timestamp);
    seen.ready = pod.start_time.map(|_| ReadyCondition {
        status: if pod.ready { Readiness::True } else { Readiness::False },
        last_transition_time: Some(timestamp(pod.ready_since)),
    });
    seen.in_flight = pod.in_flight;
    seen.draining_since = pod.draining_since.map(timestamp);
    seen.creation_timestamp = None;
    (seen.node_name, seen.zone, seen.pool) = (None, None, None);
    seen.capacity_type = CapacityType::Unknown;
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

fn per_pod<'p>(
    binding: &Binding,
    scraper: &Scraper,
    now: Moment,
    pods: impl Iterator<Item = (u64, &'p String)>,
) -> ReadingRecord {
    let signal = binding.meaning.signal;
    let window = if is_windowed(signal) {
        Span::from_millis(scraper.window_nanos / NANOS_PER_MILLI)
    } else {
        Span::ZERO
    };
    let samples: BTreeMap<String, PodSample> = pods
        .filter_map(|(id, name)| {
            let read = of_replica(scraper, signal, id, now)?;
            let sample = amount(binding, read.value, timestamp(read.at), window).value()?;
            let Sample { milli, at, window } = sample;
            let value = Quantity::from_milli(milli);
            Some((name.clone(), PodSample { value, timestamp: Some(at), window: Some(window) }))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_engine::{Policy, PolicySpec, WarmCounts};

    use super::*;
    use crate::cluster::Metrics;
    use crate::metrics::{Exporter, Gauges};

    fn pod((id, ready, seconds): (u64, bool, u32)) -> PodView {
        let since = Moment::from_seconds(f64::from(seconds));
        PodView {
            id,
            ready,
            start_time: (seconds > 3).then_some(since),
            ready_since: since,
            in_flight: (seconds > 6).then_some(seconds),
            ..PodView::default()
        }
    }

    fn pods() -> impl Strategy<Value = Vec<PodView>> {
        let pod = (0_u64..12, any::<bool>(), 0_u32..10).prop_map(pod);
        proptest::collection::vec(pod, 0..12)
    }

    proptest! {
        /// Whatever it saw before, in whatever order: it sees what one sees that has seen nothing yet.
        #[test]
        fn what_was_seen_before_is_forgotten(courses in proptest::collection::vec(pods(), 1..6)) {
            let spec = r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                "maxReplicas": 10, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 80}}},
                {"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
                    "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#;
            let policy = Policy::new(serde_json::from_str::<PolicySpec>(spec).unwrap()).unwrap();
            let cpu = (String::from("cpu"), String::from("kv_cache_usage_ratio"));
            let bindings = Bindings::new(&policy, &[cpu]).unwrap();
            let mut scraper = Scraper::new(&Metrics::default(), 7);
            for replica in 0..8 {
                let gauges = Gauges { running: 1, waiting: 9, kv_used: 0.8 };
                scraper.scrape(Moment::from_seconds(15.0), replica, &Exporter::new(), gauges);
            }
            let mut observer = Observer::new(&bindings);
            for (second, pods) in (20..).zip(courses) {
                let now = Moment::from_seconds(f64::from(second));
                let seen = observer.observe(&scraper, &[], now, 3, &pods);
                let mut afresh = Observer::new(&bindings);
                prop_assert_eq!(&*seen, &*afresh.observe(&scraper, &[], now, 3, &pods));
                let names: Vec<String> = pods.iter().map(PodView::name).collect();
                prop_assert!(seen.pods.iter().map(|pod| &pod.name).eq(&names));
                // As one does who says where they run, and what is in the pools.
                (seen.warm, seen.supply) = (Some(WarmCounts::default()), Some(Vec::new()));
                for pod in &mut seen.pods {
                    pod.creation_timestamp = Some(EPOCH);
                    pod.node_name = Some(String::from("node-1"));
                    (pod.zone, pod.pool) = (Some(String::from("a")), Some(String::from("spot")));
                    pod.capacity_type = CapacityType::Spot;
                }
            }
        }
    }
}
