//! Through KEDA the workload has exactly the count that trimtab decides: KEDA's executor and its HPA, as they are
//! reproduced, fed with what the service answers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

#[cfg(test)]
mod scaler;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use scaler::{Bench, Deployment, TokioClock, id, object, policy};
use serde_json::json;
use tokio::time::sleep;
use tonic::Request;
use trimtab_engine::{
    MetricReading, Observation, Policy, PolicySpec, Scale, ScaleUpdate, State, Unavailable, decide,
    settle,
};
use trimtab_keda::METRIC;
use trimtab_keda::proto::GetMetricsRequest;
use trimtab_keda::proto::external_scaler_server::ExternalScaler;
use trimtab_runtime::{
    Change, Clock, Controller, MemoryStore, ScaleTarget, TargetError, TargetStatus, Workload,
    WorkloadId,
};

/// KEDA with the recommended ScaledObject, in a cluster of that tolerance.
struct Keda {
    policy: Policy,
    state: State,
    clock: TokioClock,
}

impl Keda {
    fn new(min: i32) -> Self {
        let free = json!({"stabilizationWindowSeconds": 0, "tolerance": "0",
            "policies": [{"type": "Pods", "value": 10_000, "periodSeconds": 15}]});
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "strategy": "keda",
            "minReplicas": min,
            "maxReplicas": 20,
            "metrics": [{"type": "External", "external": {"metric": {"name": "s0-trimtab-replicas"},
                "target": {"type": "AverageValue", "averageValue": "1"}}}],
            "behavior": {"scaleUp": free, "scaleDown": free},
            "keda": {"pollingIntervalSeconds": 15, "cooldownPeriodSeconds": 0},
        });
        let policy = Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap();
        Self { state: State::for_policy(&policy), policy, clock: TokioClock::new() }
    }

    /// Asks the scaler and scales.
    async fn step(&mut self, bench: &Bench) {
        let (service, llm) = (bench.service(), object(&[("workload", "inference/llm")]));
        let ask = GetMetricsRequest {
            scaled_object_ref: Some(llm.clone()),
            metric_name: String::from(METRIC),
        };
        let reading = match service.get_metrics(Request::new(ask)).await {
            Ok(answer) => {
                let value = answer.into_inner().metric_values[0].metric_value_float;
                let is_active = service.is_active(Request::new(llm)).await.unwrap();
                assert_eq!(is_active.into_inner().result, value > 0.0);
                MetricReading::Totals(vec![(value * 1000.0) as i64])
            }
            Err(_) => MetricReading::Unavailable(Unavailable::Failed),
        };
        let observation = Observation {
            readings: vec![reading],
            ..Observation::new(self.clock.now(), Scale::steady(bench.deployment.count()))
        };
        let state = std::mem::take(&mut self.state);
        let (decision, state) = decide(&self.policy, state, &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        if let Some(replicas) = decision.scale_to {
            bench.deployment.set(replicas);
        }
    }
}

fn wanted(bench: &Bench) -> i32 {
    bench.controller.last(&id("inference/llm")).unwrap().record.decision.desired_replicas
}

/// A Deployment that trimtab scales itself.
struct Direct(Arc<Deployment>);

#[async_trait::async_trait]
impl ScaleTarget for Direct {
    fn name(&self) -> &str {
        "direct"
    }

    async fn read(&self, workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        self.0.read(workload).await
    }

    async fn write(&self, _: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        self.0.set(change.replicas);
        Ok(())
    }
}

/// Windows and limits of trimtab's own, which are the only ones then.
const OWN: &str = r#""minReplicas": 1, "behavior": {
    "scaleUp": {"policies": [{"type": "Pods", "value": 3, "periodSeconds": 30}]},
    "scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Percent", "value": 30, "periodSeconds": 45}]}},"#;

/// To zero and back in one step.
const SLEEPY: &str = r#""strategy": "slo", "minReplicas": 0, "slo": {"leadTimeSeconds": 30, "scaleToZeroAfterSeconds": 60},
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 30}},"#;

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Each sync of KEDA's HPA brings the count that trimtab wants, and trimtab decides as if it scaled by itself.
    #[test]
    fn every_sync_brings_the_wanted_count(
        start in 1..=20,
        loads in proptest::collection::vec((0_u32..200, 1_usize..6), 1..12),
    ) {
        paused().block_on(async {
            let bench = Bench::with(start, loads[0].0, policy(OWN));
            let direct = Deployment::of(start);
            let alone = Controller::builder(Arc::new(MemoryStore::new()))
                .with_clock(Arc::new(TokioClock::new()))
                .build();
            let by_itself = Workload::new(id("inference/llm"), policy(OWN), Arc::new(Direct(Arc::clone(&direct))))
                .with_source(Arc::clone(&bench.queue) as _);
            alone.set(by_itself);
            let mut keda = Keda::new(1);
            sleep(Duration::from_secs(15)).await; // Each has had its first tick.
            for (load, times) in loads {
                bench.load(load);
                for _ in 0..times {
                    sleep(Duration::from_secs(15)).await;
                    keda.step(&bench).await;
                    assert_eq!(bench.deployment.count(), wanted(&bench));
                    assert_eq!(bench.deployment.count(), direct.count());
                }
            }
        });
    }

    /// To zero and back: KEDA takes the steps between 0 and 1 itself, which costs one sync.
    #[test]
    fn zero_is_reached_and_left(
        start in 0..=20,
        loads in proptest::collection::vec((prop_oneof![Just(0_u32), 1_u32..200], 1_usize..6), 1..12),
    ) {
        paused().block_on(async {
            let bench = Bench::with(start, loads[0].0, policy(SLEEPY));
            let mut keda = Keda::new(0);
            sleep(Duration::from_secs(15)).await;
            for (load, times) in loads {
                bench.load(load);
                for _ in 0..times {
                    sleep(Duration::from_secs(15)).await;
                    let before = bench.deployment.count();
                    keda.step(&bench).await;
                    let (now, wanted) = (bench.deployment.count(), wanted(&bench));
                    match (before, wanted) {
                        (0, 0) => assert_eq!(now, 0),
                        (0, _) => assert_eq!(now, 1),
                        // KEDA waits for a poll after the last that was active.
                        (_, 0) => assert!(now <= 1, "{before} to {now}"),
                        (_, wanted) => assert_eq!(now, wanted),
                    }
                }
            }
        });
    }
}

/// KEDA's own defaults, with trimtab behind them: windows and limits twice.
#[test]
fn the_defaults_of_keda_are_late() {
    paused().block_on(async {
        let bench = Bench::with(10, 16, policy(OWN));
        let mut keda = Keda::new(1);
        let mut spec = keda.policy.spec().clone();
        spec.behavior = None;
        keda.policy = Policy::new(spec).unwrap();
        let mut late = 0;
        for _ in 0..40 {
            sleep(Duration::from_secs(15)).await;
            keda.step(&bench).await;
            late += usize::from(bench.deployment.count() != wanted(&bench));
        }
        assert_eq!((wanted(&bench), bench.deployment.count()), (2, 2));
        assert!(late >= 300 / 15, "{late}");
    });
}

/// What is wanted and what there is, every 15 s.
#[test]
fn from_zero_and_back() {
    paused().block_on(async {
        let bench = Bench::with(0, 0, policy(SLEEPY));
        let mut keda = Keda::new(0);
        let mut course = Vec::new();
        for step in 0..20 {
            sleep(Duration::from_secs(15)).await;
            bench.load(if (4..8).contains(&step) { 40 } else { 0 });
            keda.step(&bench).await;
            course.push((wanted(&bench), bench.deployment.count()));
        }
        insta::assert_compact_debug_snapshot!(course);
    });
}

/// While trimtab has nothing to say, KEDA and its HPA leave the count as it is.
#[test]
fn silence_moves_nothing() {
    paused().block_on(async {
        let bench = Bench::with(7, 8 * 12, policy(OWN));
        let mut keda = Keda::new(0);
        keda.step(&bench).await; // There was no decision yet.
        assert_eq!(bench.deployment.count(), 7);
        sleep(Duration::from_secs(60)).await;
        keda.step(&bench).await;
        assert_eq!(bench.deployment.count(), 12);
        // The count can't be read: what was said last stands for two minutes, then nothing does.
        *bench.deployment.trouble.lock().unwrap() = Some(TargetError::Unreachable("down".into()));
        bench.load(0);
        for _ in 0..40 {
            sleep(Duration::from_secs(15)).await;
            keda.step(&bench).await;
            assert_eq!(bench.deployment.count(), 12);
        }
        let error = bench.service().is_active(Request::new(object(&[]))).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unavailable);
        assert!(error.message().ends_with("can't be reached: down"), "{error}");
    });
}
