//! Metrics from the `/metrics` page of each replica, without a Prometheus in between.

mod fetch;
mod memory;
mod page;
mod replicas;
mod spec;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use trimtab_engine::{
    Metric, PodPhase, PodRecord, Policy, Readiness, ReadingRecord, ReadyCondition,
};
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::{Ask, MetricSource, Observed, Problem, Provides, SourceError, WorkloadId};

use crate::SpecError;
use crate::client::before;
use crate::connect::{Transport, duration};
use crate::query::reading::{is_per_pod, unavailable};
use crate::source::pod_in_flight;
use memory::{Memory, Value};
use page::{Plan, Seen};
pub use replicas::{Replica, Replicas, ReplicasSpec};
pub use spec::{
    GaugeTake, InFlightTake, NamesTake, QuantileTake, ScrapeMetric, ScrapeSpec, TakeSpec,
};

/// Metrics of a workload from the `/metrics` page of each of its replicas.
///
/// A replica that does not answer is a reading that is missing, and that alone; a total over all of them is unknown then,
/// since it would fall short. Counters and histograms are what they grew by within a window, restarts included; after a
/// start there are none until the second scrape.
///
/// ```
/// use trimtab_prometheus::{Preset, ReplicasSpec, ScrapeSource, ScrapeSpec};
///
/// let spec = ScrapeSpec {
///     replicas: ReplicasSpec::template("http://{pod}.llm.inference:8000/metrics"),
///     preset: Some(Preset::Vllm),
///     ..ScrapeSpec::default()
/// };
/// let source = ScrapeSource::new(&spec)?;
/// # Ok::<(), trimtab_prometheus::SpecError>(())
/// ```
pub struct ScrapeSource {
    transport: Arc<Transport>,
    replicas: Arc<dyn Replicas>,
    metrics: Vec<ScrapeMetric>,
    in_flight: Option<usize>,
    plan: Plan,
    window: Span,
    quorum_percent: u8,
    provides_pods: bool,
    timeout: Duration,
    max_bytes: u64,
    permits: Semaphore,
    memories: Mutex<BTreeMap<WorkloadId, Workload>>,
}

/// What is remembered of a workload.
#[derive(Default)]
struct Workload {
    asked: Timestamp,
    replicas: BTreeMap<String, Vec<Memory>>,
}

/// A workload that was not asked about for so long is forgotten.
const FORGET_AFTER: Span = Span::from_secs(3600);

/// What a replica gave, metric by metric.
pub(crate) struct Given {
    pub(crate) name: String,
    /// It is known not to be ready, so that nobody misses its answer.
    pub(crate) unready: bool,
    pub(crate) values: Result<Vec<Result<Value, SourceError>>, SourceError>,
}

impl ScrapeSource {
    /// A source that finds the replicas as its spec says.
    ///
    /// # Errors
    ///
    /// [`SpecError`] when the spec can't be meant.
    pub fn new(spec: &ScrapeSpec) -> Result<Self, SpecError> {
        spec.replicas.check()?;
        let mut source = Self::with_replicas(spec, Arc::new(spec.replicas.clone()))?;
        source.provides_pods = spec.provides_pods;
        if spec.provides_pods && spec.replicas.template.is_some() {
            return Err(SpecError::new(
                "`providesPods` is for a `list` or a `targetsFile`: a `template` takes the pods from the target",
            ));
        }
        Ok(source)
    }

    /// A source that asks another where the replicas are.
    ///
    /// # Errors
    ///
    /// [`SpecError`] when the spec can't be meant.
    pub fn with_replicas(
        spec: &ScrapeSpec,
        replicas: Arc<dyn Replicas>,
    ) -> Result<Self, SpecError> {
        let mut metrics = spec.resolve()?;
        let in_flight = spec.in_flight_take();
        let in_flight = in_flight.map(|take| {
            metrics.push(ScrapeMetric { metric: String::new(), take, replicas: None });
            metrics.len().saturating_sub(1)
        });
        let timeout = duration(spec.timeout_seconds);
        Ok(Self {
            transport: Transport::shared(&spec.connect, timeout)?,
            replicas,
            plan: Plan::of(&metrics),
            metrics,
            in_flight,
            window: spec.window_seconds,
            quorum_percent: spec.quorum_percent,
            provides_pods: false,
            timeout,
            max_bytes: spec.max_bytes,
            permits: Semaphore::new(usize::from(spec.max_concurrent.get())),
            memories: Mutex::default(),
        })
    }

    fn asked<'a>(
        &'a self,
        policy: &'a Policy,
    ) -> impl Iterator<Item = (&'a Metric, usize, &'a ScrapeMetric)> {
        policy.metrics().iter().filter_map(|metric| {
            let mut own = self.metrics.iter().enumerate();
            let (index, own) = own.find(|(_, own)| own.metric == metric.name())?;
            Some((metric, index, own))
        })
    }

    /// The pages of all replicas, each within the deadline.
    async fn fetch(&self, ask: Ask<'_>, replicas: &[Replica]) -> Vec<Result<Seen, SourceError>> {
        let limit = self.timeout.saturating_mul(2).min(before(ask.patience));
        let deadline = Instant::now() + limit;
        let fetching = replicas.iter().map(|replica| async move {
            let late = || {
                let millis = i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX);
                SourceError::TimedOut(Span::from_millis(millis))
            };
            let permit = timeout_at(deadline, self.permits.acquire()).await.map_err(|_| late())?;
            let _permit = permit.map_err(|_| late())?;
            let until = deadline.min(Instant::now() + self.timeout);
            let page = fetch::page(&self.transport, &replica.url, self.max_bytes);
            let page = timeout_at(until, page).await.unwrap_or_else(|_| Err(late()))?;
            self.plan.read(&page)
        });
        join_all(fetching).await
    }

    /// Takes in what was seen and says what it means, with what was seen before.
    fn remember(
        &self,
        ask: Ask<'_>,
        replicas: Vec<Replica>,
        seen: Vec<Result<Seen, SourceError>>,
    ) -> Vec<Given> {
        // A window that has but one scrape has no rate.
        let ticks = ask.policy.period().saturating_add(ask.policy.period());
        let window = self.window.max(ticks.saturating_add(Span::from_secs(1)));
        let unready: BTreeSet<&str> =
            ask.pods.iter().filter(|pod| !is_ready(pod)).map(|pod| pod.name.as_str()).collect();
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.retain(|_, workload| ask.now.since(workload.asked) <= FORGET_AFTER);
        let workload = memories.entry(ask.workload.clone()).or_default();
        workload.asked = ask.now;
        let present: BTreeSet<&str> =
            replicas.iter().map(|replica| replica.name.as_str()).collect();
        workload.replicas.retain(|name, _| present.contains(name.as_str()));
        let each = replicas.iter().zip(seen).map(|(replica, seen)| {
            let values = seen.map(|seen| {
                let own = workload.replicas.entry(replica.name.clone());
                let own = own.or_insert_with(|| self.metrics.iter().map(Memory::of).collect());
                let all = own.iter_mut().zip(seen.metrics).zip(&self.metrics);
                all.map(|((memory, seen), metric)| memory.take(metric, seen, ask.now, window))
                    .collect()
            });
            let unready = unready.contains(replica.name.as_str());
            Given { name: replica.name.clone(), unready, values }
        });
        each.collect()
    }

    /// The pods with what they are serving; and all of them, where this says which there are.
    fn pods(&self, ask: Ask<'_>, given: &[Given]) -> Option<Vec<PodRecord>> {
        if ask.pods.is_empty() && !self.provides_pods {
            return None;
        }
        let each = given.iter().filter_map(|given| {
            let values = given.values.as_ref().ok();
            let value = self.in_flight.and_then(|index| values?.get(index)?.as_ref().ok());
            let serving = match value {
                Some(Value::Number(count)) => pod_in_flight(&given.name, *count),
                _ => None,
            };
            if !self.provides_pods {
                return serving;
            }
            let status = if values.is_some() { Readiness::True } else { Readiness::False };
            Some(PodRecord {
                name: given.name.clone(),
                ready: Some(ReadyCondition { status, last_transition_time: None }),
                ..serving.unwrap_or_default()
            })
        });
        Some(each.collect())
    }
}

#[async_trait]
impl MetricSource for ScrapeSource {
    fn name(&self) -> &str {
        "scrape"
    }

    fn provides(&self, policy: &Policy) -> Provides {
        let mut provides = Provides::metrics(self.asked(policy).map(|(metric, ..)| metric.name()));
        provides.pods = self.provides_pods;
        provides
    }

    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError> {
        let mut replicas = self.replicas.replicas(ask).await?;
        let mut names = BTreeSet::new();
        replicas.retain(|replica| names.insert(replica.name.clone()));
        let seen = self.fetch(ask, &replicas).await;
        let given = self.remember(ask, replicas, seen);
        let mut observed = Observed { pods: self.pods(ask, &given), ..Observed::default() };
        for (metric, index, own) in self.asked(ask.policy) {
            let made = if is_per_pod(metric) {
                whole::per_pod(own, index, &given)
            } else {
                whole::total(own, index, &given, self.quorum_percent)
            };
            let mut reading = made.unwrap_or_else(|error| {
                let unavailable = Some(unavailable(&error));
                let metric = metric.name().to_owned();
                observed.problems.push(Problem { metric, error });
                ReadingRecord { unavailable, ..ReadingRecord::default() }
            });
            metric.name().clone_into(&mut reading.metric);
            reading.container = metric.container().map(str::to_owned);
            if is_per_pod(metric) {
                let problems = whole::problems(index, &given)
                    .map(|error| Problem { metric: metric.name().to_owned(), error });
                observed.problems.extend(problems.filter(|_| reading.unavailable.is_none()));
            }
            observed.readings.push(reading);
        }
        Ok(observed)
    }
}

/// Whether a pod is expected to answer.
fn is_ready(pod: &PodRecord) -> bool {
    let not_ready = pod.ready.is_some_and(|ready| ready.status != Readiness::True);
    pod.phase == PodPhase::Running && !not_ready && !pod.terminating
}
