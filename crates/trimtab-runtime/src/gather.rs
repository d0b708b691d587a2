//! What is seen: the target and all sources at once, put together as one observation.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use trimtab_engine::{ObservationRecord, PodRecord, ReadingRecord, Unavailable};
use trimtab_metric::{Span, Timestamp};

use crate::sink::Missing;
use crate::{Ask, MetricSource, Observed, SourceError, TargetError, TargetStatus, Workload};

/// What was seen of a workload, and what could not be.
pub(crate) struct Gathered {
    pub(crate) observation: ObservationRecord,
    /// The version that the target gave its counts.
    pub(crate) version: Option<String>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) target_error: Option<TargetError>,
    pub(crate) times: Vec<(String, Duration)>,
}

/// Asks the target, then all sources at once. None takes longer than its deadline.
pub(crate) async fn gather(
    workload: &Workload,
    now: Timestamp,
    since: Option<Timestamp>,
    deadline: Duration,
) -> Gathered {
    let (status, target_error) = match read_target(workload, deadline).await {
        Ok(mut status) => {
            let contested = status.contested.take().map(TargetError::Contested);
            (Some(status), contested)
        }
        Err(error) => (None, Some(error)),
    };
    let pods = status.as_ref().and_then(|status| status.pods.as_deref()).unwrap_or_default();
    let (id, policy) = (&workload.id, &*workload.policy);
    let ask = Ask { workload: id, policy, now, since, pods, patience: deadline };
    let answers = workload.sources.iter().map(|source| asked(source.as_ref(), ask, deadline));
    let answers = join_all(answers).await;
    let mut whole = Assembly::new(now, status);
    for (source, (answer, time)) in workload.sources.iter().zip(answers) {
        whole.times.push((source.name().to_owned(), time));
        match answer {
            Ok(observed) => whole.add(source.name(), observed),
            Err(error) => whole.fail(source.as_ref(), workload, error),
        }
    }
    whole.finish(target_error)
}

pub(crate) async fn read_target(
    workload: &Workload,
    deadline: Duration,
) -> Result<TargetStatus, TargetError> {
    let read = AssertUnwindSafe(workload.target.read(&workload.id)).catch_unwind();
    match timeout(deadline, read).await {
        Ok(Ok(status)) => status,
        Ok(Err(panic)) => Err(TargetError::Malformed(words(panic.as_ref()))),
        Err(_) => Err(TargetError::TimedOut(span(deadline))),
    }
}

/// One source's answer, within its deadline, and how long it took.
async fn asked(
    source: &dyn MetricSource,
    ask: Ask<'_>,
    deadline: Duration,
) -> (Result<Observed, SourceError>, Duration) {
    let start = Instant::now();
    let answer = AssertUnwindSafe(source.observe(ask)).catch_unwind();
    let answer = match timeout(deadline, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => Err(SourceError::Panicked(words(panic.as_ref()))),
        Err(_) => Err(SourceError::TimedOut(span(deadline))),
    };
    (answer, start.elapsed())
}

pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    String::from(text.unwrap_or("without a message"))
}

pub(crate) fn span(duration: Duration) -> Span {
    Span::from_millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// An observation that grows by what each source saw. The first one counts.
struct Assembly {
    observation: ObservationRecord,
    /// The first pods that came up are all there are; others add to them what is known besides.
    knows_pods: bool,
    /// Who says which pods there are could not be asked.
    lost_pods: bool,
    version: Option<String>,
    /// Of these nothing is seen, whoever says it.
    apart: Vec<String>,
    missing: Vec<Missing>,
    times: Vec<(String, Duration)>,
}

impl Assembly {
    fn new(time: Timestamp, status: Option<TargetStatus>) -> Self {
        let knows_target = status.is_some();
        let TargetStatus {
            replicas, status_replicas, selector, pods, version, warm, apart, ..
        } = status.unwrap_or_default();
        let observation = ObservationRecord {
            time,
            replicas: knows_target.then_some(replicas),
            status_replicas: knows_target.then_some(status_replicas),
            selector,
            pods: Vec::new(),
            pod_metrics: None,
            readings: Vec::new(),
            warm,
            supply: None,
        };
        let mut whole = Self {
            observation,
            knows_pods: false,
            lost_pods: false,
            version,
            apart,
            missing: Vec::new(),
            times: Vec::new(),
        };
        pods.into_iter().for_each(|pods| whole.add_pods(pods));
        whole
    }

    fn add(&mut self, source: &str, observed: Observed) {
        let Observed { readings, pods, pod_metrics, warm, supply, problems } = observed;
        let known = self.observation.readings.len();
        readings.into_iter().for_each(|reading| self.add_reading(reading, known));
        pods.into_iter().for_each(|pods| self.add_pods(pods));
        let seen = &mut self.observation;
        seen.pod_metrics = seen.pod_metrics.take().or(pod_metrics);
        seen.warm = seen.warm.or(warm);
        seen.supply = seen.supply.take().or(supply);
        self.missing.extend(problems.into_iter().map(|problem| Missing::one(source, problem)));
    }

    /// A source had nothing: what it provides failed, unless another source knows.
    fn fail(&mut self, source: &dyn MetricSource, workload: &Workload, error: SourceError) {
        let provides = source.provides(&workload.policy);
        let known = self.observation.readings.len();
        for metric in provides.metrics {
            let unavailable = Some(Unavailable::Failed);
            let reading = ReadingRecord { metric, unavailable, ..ReadingRecord::default() };
            self.add_reading(reading, known);
        }
        self.lost_pods |= provides.pods;
        self.missing.push(Missing::all(source.name(), error));
    }

    /// Adds a reading. The first `known` are other sources': where they have a reason why there is no value,
    /// it takes that one's place.
    fn add_reading(&mut self, reading: ReadingRecord, known: usize) {
        let same = |other: &&mut ReadingRecord| {
            other.metric == reading.metric && other.container == reading.container
        };
        let mut others = self.observation.readings.iter_mut().take(known).filter(same).peekable();
        if others.peek().is_none() {
            drop(others);
            self.observation.readings.push(reading);
        } else if let Some(none) = others.find(|other| other.unavailable.is_some()) {
            *none = reading;
        }
    }

    fn add_pods(&mut self, pods: Vec<PodRecord>) {
        if !self.knows_pods {
            self.knows_pods = true;
            self.observation.pods = pods;
            return;
        }
        let mut more: BTreeMap<String, PodRecord> =
            pods.into_iter().map(|pod| (pod.name.clone(), pod)).collect();
        for pod in &mut self.observation.pods {
            if let Some(more) = more.remove(&pod.name) {
                complete(pod, more);
            }
        }
    }

    fn finish(mut self, target_error: Option<TargetError>) -> Gathered {
        if self.lost_pods && !self.knows_pods {
            // Without its pods a workload is not one with none.
            self.observation.replicas = None;
            self.observation.status_replicas = None;
        }
        self.leave_out();
        let Self { observation, version, missing, times, .. } = self;
        Gathered { observation, version, missing, target_error, times }
    }

    /// What sources say of replicas that are kept apart.
    fn leave_out(&mut self) {
        let Self { observation, apart, .. } = self;
        if apart.is_empty() {
            return;
        }
        observation.pods.retain(|pod| !apart.contains(&pod.name));
        if let Some(metrics) = &mut observation.pod_metrics {
            metrics.retain(|of| !apart.contains(&of.pod));
        }
        for pods in observation.readings.iter_mut().filter_map(|reading| reading.pods.as_mut()) {
            pods.retain(|name, _| !apart.contains(name));
        }
    }
}

/// What is known besides of a pod.
fn complete(pod: &mut PodRecord, more: PodRecord) {
    pod.creation_timestamp = pod.creation_timestamp.or(more.creation_timestamp);
    pod.start_time = pod.start_time.or(more.start_time);
    pod.ready = pod.ready.or(more.ready);
    pod.address = pod.address.take().or(more.address);
    pod.node_name = pod.node_name.take().or(more.node_name);
    pod.zone = pod.zone.take().or(more.zone);
    pod.pool = pod.pool.take().or(more.pool);
    pod.in_flight = pod.in_flight.or(more.in_flight);
    pod.draining_since = pod.draining_since.or(more.draining_since);
    pod.ordinal = pod.ordinal.or(more.ordinal);
    if pod.containers.is_empty() {
        pod.containers = more.containers;
    }
    if pod.requests.is_empty() {
        pod.requests = more.requests;
    }
    if pod.overhead.is_empty() {
        pod.overhead = more.overhead;
    }
    if pod.capacity_type == trimtab_engine::CapacityType::Unknown {
        pod.capacity_type = more.capacity_type;
    }
}
