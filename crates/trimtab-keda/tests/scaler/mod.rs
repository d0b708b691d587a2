//! A scaler with a workload that a test can look into from both sides.

#![allow(dead_code, clippy::allow_attributes, reason = "each binary uses a part of it")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use trimtab_engine::{Policy, ReadingRecord};
use trimtab_keda::proto::ScaledObjectRef;
use trimtab_keda::{Answers, KedaService, KedaTarget, Registration};
use trimtab_metric::{Quantity, Span, Timestamp};
use trimtab_runtime::{
    Ask, Change, Clock, Controller, MemoryStore, MetricSource, Observed, Provides, ScaleTarget,
    SourceError, TargetError, TargetStatus, Workload, WorkloadId,
};

/// One replica for each 8 of `queue`, up to 20.
pub(crate) fn policy(more: &str) -> Policy {
    let spec = format!(
        r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "maxReplicas": 20, {more}
            "metrics": [{{"type": "External", "external": {{"metric": {{"name": "queue"}},
                "target": {{"type": "AverageValue", "averageValue": "8"}}}}}}]}}"#
    );
    Policy::new(serde_json::from_str(&spec).unwrap()).unwrap()
}

pub(crate) fn id(name: &str) -> WorkloadId {
    name.parse().unwrap()
}

/// A ScaledObject `inference/llm` with this in its trigger's metadata.
pub(crate) fn object(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let pair = |(key, value): &(&str, &str)| (String::from(*key), String::from(*value));
    ScaledObjectRef {
        name: String::from("llm"),
        namespace: String::from("inference"),
        scaler_metadata: metadata.iter().map(pair).collect::<HashMap<_, _>>(),
    }
}

/// Time as tokio has it, from noon of a day.
pub(crate) struct TokioClock(Instant);

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let noon: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let millis = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        noon.saturating_add(Span::from_millis(millis))
    }
}

/// A queue of a length that the test sets.
#[derive(Default)]
pub(crate) struct Queue(pub(crate) AtomicU32);

#[async_trait]
impl MetricSource for Queue {
    fn name(&self) -> &str {
        "queue"
    }

    fn provides(&self, _policy: &Policy) -> Provides {
        Provides::metrics(["queue"])
    }

    async fn observe(&self, _ask: Ask<'_>) -> Result<Observed, SourceError> {
        let length = self.0.load(Ordering::Relaxed);
        let reading = ReadingRecord {
            metric: String::from("queue"),
            value: Some(Quantity::from_units(length.into())),
            ..ReadingRecord::default()
        };
        Ok(Observed { readings: vec![reading], ..Observed::default() })
    }
}

/// The Deployment. KEDA and its HPA write it, nobody else.
pub(crate) struct Deployment {
    pub(crate) replicas: AtomicI32,
    pub(crate) trouble: Mutex<Option<TargetError>>,
}

impl Deployment {
    pub(crate) fn of(replicas: i32) -> Arc<Self> {
        Arc::new(Self { replicas: AtomicI32::new(replicas), trouble: Mutex::new(None) })
    }

    pub(crate) fn count(&self) -> i32 {
        self.replicas.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, replicas: i32) {
        self.replicas.store(replicas, Ordering::Relaxed);
    }
}

#[async_trait]
impl ScaleTarget for Deployment {
    fn name(&self) -> &str {
        "deployments/llm"
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        match self.trouble.lock().unwrap().clone() {
            Some(trouble) => Err(trouble),
            None => Ok(TargetStatus::steady(self.count())),
        }
    }

    async fn write(&self, _workload: &WorkloadId, _change: &Change) -> Result<(), TargetError> {
        panic!("only KEDA writes it");
    }
}

/// All of it, for the workload `inference/llm` with the policy `llm-policy`.
pub(crate) struct Bench {
    pub(crate) answers: Arc<Answers>,
    pub(crate) controller: Arc<Controller>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) end: CancellationToken,
}

impl Bench {
    pub(crate) fn empty(replicas: i32) -> Self {
        let answers = Arc::new(Answers::new());
        let controller = Controller::builder(Arc::new(MemoryStore::new()))
            .with_clock(Arc::new(TokioClock::new()))
            .with_sink(Arc::clone(&answers) as _)
            .build();
        Self {
            answers,
            controller: Arc::new(controller),
            queue: Arc::default(),
            deployment: Deployment::of(replicas),
            end: CancellationToken::new(),
        }
    }

    pub(crate) fn new(replicas: i32, queue: u32) -> Self {
        Self::with(replicas, queue, policy(""))
    }

    pub(crate) fn with(replicas: i32, queue: u32, policy: Policy) -> Self {
        let bench = Self::empty(replicas);
        bench.queue.0.store(queue, Ordering::Relaxed);
        bench.controller.set(bench.workload(bench.registration(), policy));
        bench
    }

    pub(crate) fn registration(&self) -> Registration {
        Registration {
            policy: Some(String::from("llm-policy")),
            ..Registration::new(id("inference/llm"))
        }
    }

    pub(crate) fn workload(&self, registration: Registration, policy: Policy) -> Workload {
        let workload = registration.workload.clone();
        let reader = Arc::clone(&self.deployment) as Arc<dyn ScaleTarget>;
        let target = KedaTarget::reading(&self.answers, registration, reader);
        Workload::new(workload, policy, Arc::new(target)).with_source(Arc::clone(&self.queue) as _)
    }

    pub(crate) fn service(&self) -> KedaService {
        KedaService::new(Arc::clone(&self.answers), self.end.clone())
    }

    pub(crate) fn load(&self, queue: u32) {
        self.queue.0.store(queue, Ordering::Relaxed);
    }

    /// Decides now, and waits until that is told.
    pub(crate) async fn tick(&self) {
        let at =
            || self.controller.last(&id("inference/llm")).map(|tick| tick.record.observation.time);
        let before = at();
        loop {
            self.controller.tick_now(&id("inference/llm"));
            sleep(Duration::from_millis(20)).await;
            if at() != before {
                return;
            }
        }
    }
}
