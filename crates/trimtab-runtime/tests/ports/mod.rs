//! Ports that do as a test says.

#![allow(dead_code, clippy::allow_attributes, reason = "each binary uses a part of it")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use trimtab_engine::{Policy, ReadingRecord};
use trimtab_metric::{Quantity, Span, Timestamp};
use trimtab_runtime::{
    Ask, BroadcastSink, Change, Clock, Controller, ControllerBuilder, DecisionSink, MetricSource,
    Observed, Provides, ScaleTarget, SinkError, SourceError, StateStore, StoreError, Stored,
    TargetError, TargetStatus, Tick, Workload, WorkloadId,
};

/// One replica for each 8 of `queue`, from 1 to 20, down after 10 minutes; asked every 15 s.
pub(crate) fn policy() -> Policy {
    policy_of(r#""behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},"#)
}

pub(crate) fn policy_of(more: &str) -> Policy {
    let spec = format!(
        r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "minReplicas": 1, "maxReplicas": 20, {more}
            "metrics": [{{"type": "External", "external": {{
                "metric": {{"name": "queue"}},
                "target": {{"type": "AverageValue", "averageValue": "8"}}}}}}]}}"#
    );
    Policy::new(serde_json::from_str(&spec).unwrap()).unwrap()
}

pub(crate) fn id(name: &str) -> WorkloadId {
    name.parse().unwrap()
}

/// Time as tokio has it, from noon of a day.
pub(crate) struct TokioClock {
    start: Instant,
    noon: Timestamp,
}

impl TokioClock {
    pub(crate) fn new() -> Arc<Self> {
        let noon = "2026-11-24T12:00:00Z".parse().unwrap();
        Arc::new(Self { start: Instant::now(), noon })
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.start.elapsed().as_millis()).unwrap();
        self.noon.saturating_add(Span::from_millis(millis))
    }
}

/// A queue of a length that the test sets, or a source that fails as the test says.
pub(crate) struct Queue {
    answer: Mutex<Result<u32, SourceError>>,
    delay: Mutex<Duration>,
    pub(crate) asked: AtomicUsize,
}

impl Queue {
    pub(crate) fn of(length: u32) -> Arc<Self> {
        let (answer, delay) = (Mutex::new(Ok(length)), Mutex::new(Duration::ZERO));
        Arc::new(Self { answer, delay, asked: AtomicUsize::new(0) })
    }

    pub(crate) fn set(&self, length: u32) {
        *self.answer.lock().unwrap() = Ok(length);
    }

    pub(crate) fn fail(&self, error: SourceError) {
        *self.answer.lock().unwrap() = Err(error);
    }

    pub(crate) fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }
}

#[async_trait]
impl MetricSource for Queue {
    fn name(&self) -> &str {
        "queue"
    }

    fn provides(&self, _policy: &Policy) -> Provides {
        Provides::metrics(["queue"])
    }

    async fn observe(&self, _ask: Ask<'_>) -> Result<Observed, SourceError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let delay = *self.delay.lock().unwrap();
        sleep(delay).await;
        let length = self.answer.lock().unwrap().clone()?;
        assert!(length < 1_000_000, "a queue that long is a mistake");
        let reading = ReadingRecord {
            metric: String::from("queue"),
            value: Some(Quantity::from_units(length.into())),
            ..ReadingRecord::default()
        };
        Ok(Observed { readings: vec![reading], ..Observed::default() })
    }
}

/// A target in memory that counts its writes and fails as the test says.
pub(crate) struct Pool {
    pub(crate) replicas: AtomicI32,
    version: AtomicUsize,
    pub(crate) writes: Mutex<Vec<Change>>,
    /// What the next writes fail with.
    pub(crate) failures: Mutex<VecDeque<TargetError>>,
    /// Somebody else sets this count just before the next write.
    pub(crate) intruder: Mutex<Option<i32>>,
    pub(crate) unreadable: Mutex<Option<TargetError>>,
    /// What it says beside its counts.
    pub(crate) says: Mutex<TargetStatus>,
    /// How often it was tended.
    pub(crate) tended: AtomicUsize,
    /// What goes wrong then.
    pub(crate) trouble: Mutex<Option<TargetError>>,
}

impl Pool {
    pub(crate) fn of(replicas: i32) -> Arc<Self> {
        Arc::new(Self {
            replicas: AtomicI32::new(replicas),
            version: AtomicUsize::new(0),
            writes: Mutex::default(),
            failures: Mutex::default(),
            intruder: Mutex::default(),
            unreadable: Mutex::default(),
            says: Mutex::default(),
            tended: AtomicUsize::new(0),
            trouble: Mutex::default(),
        })
    }

    pub(crate) fn count(&self) -> i32 {
        self.replicas.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, error: TargetError, times: usize) {
        self.failures.lock().unwrap().extend(std::iter::repeat_n(error, times));
    }
}

#[async_trait]
impl ScaleTarget for Pool {
    fn name(&self) -> &str {
        "pool"
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        if let Some(error) = self.unreadable.lock().unwrap().clone() {
            return Err(error);
        }
        let version = Some(self.version.load(Ordering::Relaxed).to_string());
        let (replicas, says) = (self.count(), self.says.lock().unwrap().clone());
        Ok(TargetStatus { version, replicas, status_replicas: replicas, ..says })
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        if let Some(count) = self.intruder.lock().unwrap().take() {
            self.replicas.store(count, Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        if change.version != Some(self.version.load(Ordering::Relaxed).to_string()) {
            return Err(TargetError::Conflict);
        }
        self.version.fetch_add(1, Ordering::Relaxed);
        self.replicas.store(change.replicas, Ordering::Relaxed);
        self.writes.lock().unwrap().push(change.clone());
        Ok(())
    }

    async fn tend(&self, _workload: &WorkloadId) -> Result<(), TargetError> {
        self.tended.fetch_add(1, Ordering::Relaxed);
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A store in memory that fails while the test says so.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) stored: Mutex<Option<Stored>>,
    pub(crate) is_full: Mutex<bool>,
    pub(crate) saves: AtomicUsize,
}

#[async_trait]
impl StateStore for Shelf {
    async fn load(&self, _workload: &WorkloadId) -> Result<Option<Stored>, StoreError> {
        Ok(self.stored.lock().unwrap().clone())
    }

    async fn save(&self, _workload: &WorkloadId, stored: &Stored) -> Result<(), StoreError> {
        if *self.is_full.lock().unwrap() {
            return Err(StoreError::Other(String::from("no space left on the shelf")));
        }
        self.saves.fetch_add(1, Ordering::Relaxed);
        *self.stored.lock().unwrap() = Some(stored.clone());
        Ok(())
    }

    async fn remove(&self, _workload: &WorkloadId) -> Result<(), StoreError> {
        *self.stored.lock().unwrap() = None;
        Ok(())
    }
}

/// Keeps every tick.
#[derive(Default)]
pub(crate) struct Ticks(pub Mutex<Vec<Arc<Tick>>>);

#[async_trait]
impl DecisionSink for Ticks {
    fn name(&self) -> &str {
        "ticks"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(Arc::clone(tick));
        Ok(())
    }
}

impl Ticks {
    pub(crate) fn all(&self) -> Vec<Arc<Tick>> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Arc<Tick> {
        self.all().last().cloned().expect("no tick yet")
    }
}

/// A workload with its ports at hand.
pub(crate) struct Bench {
    pub(crate) controller: Controller,
    pub(crate) queue: Arc<Queue>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) ticks: Arc<Ticks>,
}

impl Bench {
    pub(crate) fn new(replicas: i32, queue: u32) -> Self {
        Self::with(Arc::new(Shelf::default()), Pool::of(replicas), queue, TokioClock::new(), |b| b)
    }

    pub(crate) fn with(
        shelf: Arc<Shelf>,
        pool: Arc<Pool>,
        queue: u32,
        clock: Arc<dyn Clock>,
        more: impl FnOnce(ControllerBuilder) -> ControllerBuilder,
    ) -> Self {
        let ticks = Arc::new(Ticks::default());
        let builder = Controller::builder(Arc::clone(&shelf) as Arc<dyn StateStore>)
            .with_clock(clock)
            .with_sink(Arc::clone(&ticks) as Arc<dyn DecisionSink>)
            .with_sink(Arc::new(BroadcastSink::new(4)));
        let controller = more(builder).build();
        let queue = Queue::of(queue);
        let bench = Self { controller, queue, pool, shelf, ticks };
        bench.controller.set(bench.workload(policy()));
        bench
    }

    pub(crate) fn workload(&self, policy: Policy) -> Workload {
        let target = Arc::clone(&self.pool) as Arc<dyn ScaleTarget>;
        let source = Arc::clone(&self.queue) as Arc<dyn MetricSource>;
        Workload::new(id("inference/llm"), policy, target).with_source(source)
    }
}

/// Lets so many seconds pass.
pub(crate) async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}
