//! Many workloads, each on its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::metrics::Metrics;
use crate::pace::Due;
use crate::sink::Tick;
use crate::worker::{Orders, period, work};
use crate::{
    Clock, DecisionSink, Settings, StateStore, SystemClock, Workload, WorkloadId, WorkloadStatus,
};

/// A workload is not stuck before that.
const LEAST_STUCK: Duration = Duration::from_secs(120);

/// Drives many workloads: observes, decides, acts, keeps and tells, each at its own rhythm and in its own task, so
/// that none waits for another.
///
/// ```
/// use std::sync::Arc;
/// # use std::time::Duration;
///
/// use trimtab_engine::Policy;
/// use trimtab_runtime::{Controller, MemoryStore, TracingSink, Workload};
/// # use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};
/// # struct Threads;
/// # #[async_trait::async_trait]
/// # impl ScaleTarget for Threads {
/// #     fn name(&self) -> &str { "threads" }
/// #     async fn read(&self, _: &WorkloadId) -> Result<TargetStatus, TargetError> {
/// #         Ok(TargetStatus::steady(2))
/// #     }
/// #     async fn write(&self, _: &WorkloadId, _: &Change) -> Result<(), TargetError> { Ok(()) }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let policy = Policy::new(serde_json::from_str(
/// #     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}, "maxReplicas": 3}"#,
/// # )?)?;
///
/// let controller = Controller::builder(Arc::new(MemoryStore::new()))
///     .with_sink(Arc::new(TracingSink::default()))
///     .build();
/// controller.set(Workload::new("inference/llm".parse()?, policy, Arc::new(Threads)));
/// // … until it is to end …
/// controller.shutdown().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Controller {
    shared: Arc<Shared>,
    workers: Mutex<BTreeMap<WorkloadId, Worker>>,
}

/// What the workers share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    sinks: Vec<Told>,
    last: Mutex<BTreeMap<WorkloadId, Last>>,
    is_ending: AtomicBool,
}

/// A sink, and whether it took the last decision.
struct Told {
    sink: Arc<dyn DecisionSink>,
    fails: AtomicBool,
}

struct Last {
    tick: Arc<Tick>,
    when: Instant,
}

struct Worker {
    since: Instant,
    latest: watch::Sender<Arc<Workload>>,
    nudge: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Puts a [`Controller`] together.
pub struct ControllerBuilder {
    clock: Arc<dyn Clock>,
    store: Arc<dyn StateStore>,
    sinks: Vec<Arc<dyn DecisionSink>>,
    settings: Settings,
}

impl ControllerBuilder {
    /// With one more sink.
    #[must_use]
    pub fn with_sink(mut self, sink: Arc<dyn DecisionSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// With another clock than the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// A controller without workloads.
    pub fn build(self) -> Controller {
        let Self { clock, store, sinks, settings } = self;
        let metrics = Metrics::new();
        let told = |sink: Arc<dyn DecisionSink>| {
            metrics.sink(sink.name());
            Told { sink, fails: AtomicBool::new(false) }
        };
        let sinks = sinks.into_iter().map(told).collect();
        let last = Mutex::new(BTreeMap::new());
        let is_ending = AtomicBool::new(false);
        let shared = Shared { clock, store, settings, metrics, sinks, last, is_ending };
        Controller { shared: Arc::new(shared), workers: Mutex::new(BTreeMap::new()) }
    }
}

impl Controller {
    /// Begins with where states are kept.
    pub fn builder(store: Arc<dyn StateStore>) -> ControllerBuilder {
        ControllerBuilder {
            clock: Arc::new(SystemClock::new()),
            store,
            sinks: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// Drives a workload from now on; one of that name as it is now. Its history stays, and a tick that is under
    /// way ends as it began.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, since each workload is a task of it.
    pub fn set(&self, workload: Workload) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let workload = Arc::new(workload);
        if let Some(worker) = workers.get(&workload.id) {
            worker.latest.send_replace(workload);
            return;
        }
        let id = workload.id.clone();
        let (latest, receiver) = watch::channel(workload);
        let (stop, nudge) = (CancellationToken::new(), Arc::new(Notify::new()));
        let orders = Orders { latest: receiver, nudge: Arc::clone(&nudge), stop: stop.clone() };
        let task = tokio::spawn(work(Arc::clone(&self.shared), orders));
        workers.insert(id, Worker { since: Instant::now(), latest, nudge, stop, task });
    }

    /// Ticks once more, now, for who knows of something that can't wait: the first request for a workload that has no
    /// replica. The rhythm stays as it is, and what is asked within a tenth of the period after a tick waits for that
    /// long. `false` if there is none of that name.
    pub fn tick_now(&self, workload: &WorkloadId) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.get(workload).map(|worker| worker.nudge.notify_one()).is_some()
    }

    /// Drives a workload no longer. Its tick ends first if one is under way; its state is kept, in case that it
    /// comes back. `false` if there is none of that name. [Set](Controller::set) it again only after this has returned.
    pub async fn remove(&self, workload: &WorkloadId) -> bool {
        let worker = self.workers.lock().unwrap_or_else(PoisonError::into_inner).remove(workload);
        let Some(worker) = worker else { return false };
        worker.stop.cancel();
        self.end(workload, worker).await;
        self.shared.forget(workload);
        true
    }

    /// The workloads, by name.
    pub fn workloads(&self) -> Vec<Arc<Workload>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.values().map(|worker| Arc::clone(&worker.latest.borrow())).collect()
    }

    /// The last tick of a workload, if it has had one.
    pub fn last(&self, workload: &WorkloadId) -> Option<Arc<Tick>> {
        let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(workload).map(|last| Arc::clone(&last.tick))
    }

    /// What each workload was doing at its last tick, by name; without those that have had none.
    pub fn statuses(&self) -> Vec<WorkloadStatus> {
        let last: Vec<Arc<Tick>> = {
            let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.values().map(|last| Arc::clone(&last.tick)).collect()
        };
        last.iter().map(|tick| WorkloadStatus::of(tick)).collect()
    }

    /// The workloads that have had no tick yet.
    pub fn waiting(&self) -> Vec<WorkloadId> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        workers.keys().filter(|id| !last.contains_key(*id)).cloned().collect()
    }

    /// The workloads that have had no tick for five periods, and for two minutes: something is very wrong.
    pub fn stuck(&self) -> Vec<WorkloadId> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stuck = |id: &WorkloadId, worker: &Worker| {
            let when = last.get(id).map_or(worker.since, |last| last.when.max(worker.since));
            let period = period(&worker.latest.borrow());
            when.elapsed() > period.saturating_mul(5).max(LEAST_STUCK)
        };
        let stuck = workers.iter().filter(|(id, worker)| is_stuck(id, worker));
        stuck.map(|(id, _)| id.clone()).collect()
    }

    /// Whether it is to end.
    pub fn is_ending(&self) -> bool {
        self.shared.is_ending.load(Ordering::Relaxed)
    }

    /// What is counted, as Prometheus reads it.
    pub fn metrics_text(&self) -> String {
        self.shared.metrics.encode(self.shared.clock.ahead())
    }

    /// Ends: ticks that are under way are finished, within [`Settings::shutdown`], and what sinks took is safe.
    pub async fn shutdown(&self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        workers.values().for_each(|worker| worker.stop.cancel());
        let ends = workers.into_iter().map(|(id, worker)| async move {
            self.end(&id, worker).await;
        });
        futures_util::future::join_all(ends).await;
        for Told { sink, .. } in &self.shared.sinks {
            if let Err(error) = sink.flush().await {
                error!(target: "trimtab", sink = sink.name(), %error, "decisions may be lost");
            }
        }
    }

    async fn end(&self, workload: &WorkloadId, mut worker: Worker) {
        if timeout(self.shared.settings.shutdown, &mut worker.task).await.is_err() {
            worker.task.abort();
            let workload = workload.as_str();
            warn!(target: "trimtab", workload, "a tick took too long to end and was given up");
        }
    }
}

impl Shared {
    /// Tells the sinks, the metrics and who asks later.
    pub(crate) async fn tell(&self, tick: Tick, due: Due) {
        let tick = Arc::new(tick);
        self.metrics.count(&tick, due);
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tick.workload.clone(), Last { tick: Arc::clone(&tick), when: Instant::now() });
        for Told { sink, fails } in &self.sinks {
            let name = sink.name();
            // A full disk is told once, and not by every workload at every tick.
            match sink.record(&tick).await {
                Ok(()) if fails.swap(false, Ordering::Relaxed) => {
                    info!(target: "trimtab", sink = name, "decisions are recorded again");
                }
                Ok(()) => {}
                Err(error) => {
                    self.metrics.sink_failed(name);
                    if !fails.swap(true, Ordering::Relaxed) {
                        error!(target: "trimtab", sink = name, %error, "decisions are not recorded");
                    }
                }
            }
        }
    }

    fn forget(&self, workload: &WorkloadId) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).remove(workload);
        self.metrics.forget(workload);
    }
}
