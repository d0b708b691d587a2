//! A workload for each strategy: ten ready replicas and a load that changes.

use trimtab_engine::{MetricReading, Observation, PodReadings, PodRow, Policy, Readiness, Scale};
use trimtab_metric::Timestamp;

use crate::{NOW, SIMPLE, policy};

/// How many replicas there are, whatever is decided.
const REPLICAS: u8 = 10;

/// A policy and what it is shown.
pub struct Case {
    /// The strategy, with what is special about its policy.
    pub name: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// The policy.
    pub policy: Policy,
    readings: fn(i64) -> Vec<MetricReading>,
}

impl Case {
    /// What is seen at the tick of this number, in the strategy's rhythm: the load rises and falls over
    /// hours, and is never the same twice in a row.
    pub fn observation(&self, tick: i64) -> Observation {
        let at = Timestamp::from_millis(NOW * 1000 + tick * self.policy.period().as_millis());
        let mut observation = Observation::new(at, Scale::steady(i32::from(REPLICAS)));
        for _ in 0..REPLICAS {
            let since = Timestamp::from_secs(NOW - 3600);
            observation.pods.push(PodRow {
                start_time: Some(since),
                readiness: Readiness::True,
                ready_since: since,
                ..PodRow::default()
            });
        }
        observation.readings = (self.readings)(40 + (tick * 7919) % 41 + 40 * ((tick / 480) % 3));
        observation
    }
}

/// Every strategy that has a row in the table.
pub fn cases() -> [Case; 7] {
    let case = |name, reads, text: &str, readings| {
        let policy = policy(text);
        Case { name, reads, policy, readings }
    };
    let total = |load: i64| vec![MetricReading::Totals(vec![load * 1000])];
    let two = |load: i64| vec![MetricReading::Totals(vec![load * 1000]); 2];
    let three = |load: i64| {
        let total = |milli: i64| MetricReading::Totals(vec![milli]);
        vec![total(load * 1000), total(load * 100), total(600 + load)]
    };
    let by_pod = |load: i64| {
        let each = |milli: i64| {
            let mut readings = PodReadings::default();
            (0..REPLICAS).for_each(|_| readings.push_milli(milli));
            MetricReading::PerPod(readings)
        };
        let total = |milli: i64| MetricReading::Totals(vec![milli]);
        vec![each(load * 100), total(load * 100), total(600 + load), each(400 + load)]
    };
    [
        case("hpa", "one total", SIMPLE, total),
        case("keda", "one total", KEDA, total),
        case("keda, a formula", "two totals", KEDA_FORMULA, two),
        case("knative", "one total", KNATIVE, total),
        case("rayServe", "one total", RAY_SERVE, total),
        case("slo", "three totals", SLO, three),
        case("slo, by replica", "two totals and two metrics of ten replicas", SLO_BY_POD, by_pod),
    ]
}

const KEDA: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "strategy": "keda", "minReplicas": 0, "maxReplicas": 100, "behavior": {},
    "metrics": [{"type": "External", "external": {"metric": {"name": "queue"},
        "target": {"type": "AverageValue", "averageValue": "8"}}}],
    "keda": {"fallback": {"failureThreshold": 3, "replicas": 6},
        "triggers": [{"name": "queue", "activationThreshold": 2}]}
}"#;

const KEDA_FORMULA: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "strategy": "keda", "minReplicas": 0, "maxReplicas": 100, "behavior": {},
    "metrics": [
        {"type": "External", "external": {"metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "8"}}},
        {"type": "External", "external": {"metric": {"name": "busy"},
            "target": {"type": "AverageValue", "averageValue": "8"}}}],
    "keda": {"fallback": {"failureThreshold": 3, "replicas": 6},
        "triggers": [{"name": "queue"}, {"name": "busy"}],
        "scalingModifiers": {"formula": "max(queue, busy * 2)", "target": "8"}}
}"#;

const KNATIVE: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "strategy": "knative", "minReplicas": 0, "maxReplicas": 100,
    "metrics": [{"type": "External", "external": {"metric": {"name": "concurrency"},
        "target": {"type": "AverageValue", "averageValue": "8"}}}]
}"#;

const RAY_SERVE: &str = r#"{
    "scaleTargetRef": {"apiVersion": "ray.io/v1", "kind": "RayService", "name": "llm"},
    "strategy": "rayServe", "minReplicas": 1, "maxReplicas": 100,
    "metrics": [{"type": "External", "external": {"metric": {"name": "ongoing_requests"},
        "target": {"type": "AverageValue", "averageValue": "8"}}}]
}"#;

/// How many requests there are, whether they wait, and how long the first token takes.
pub const SLO: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "strategy": "slo", "minReplicas": 1, "maxReplicas": 100, "behavior": {},
    "metrics": [
        {"type": "External", "external": {"metric": {"name": "requests_in_flight"},
            "target": {"type": "AverageValue", "averageValue": "8"}}},
        {"type": "External", "external": {"metric": {"name": "requests_waiting"},
            "target": {"type": "AverageValue", "averageValue": "1"}}},
        {"type": "External", "external": {"metric": {"name": "ttft_p95"},
            "target": {"type": "Value", "value": "800m"}}}],
    "slo": {"signals": [{"metric": "requests_waiting", "role": "trigger"},
        {"metric": "ttft_p95", "role": "latency"}]}
}"#;

const SLO_BY_POD: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    "strategy": "slo", "minReplicas": 1, "maxReplicas": 100, "behavior": {},
    "metrics": [
        {"type": "Pods", "pods": {"metric": {"name": "requests_in_flight"},
            "target": {"type": "AverageValue", "averageValue": "8"}}},
        {"type": "External", "external": {"metric": {"name": "requests_waiting"},
            "target": {"type": "AverageValue", "averageValue": "1"}}},
        {"type": "External", "external": {"metric": {"name": "ttft_p95"},
            "target": {"type": "Value", "value": "800m"}}},
        {"type": "Pods", "pods": {"metric": {"name": "kv_cache_usage"},
            "target": {"type": "AverageValue", "averageValue": "0.9"}}}],
    "slo": {"signals": [{"metric": "requests_waiting", "role": "trigger"},
        {"metric": "ttft_p95", "role": "latency"}, {"metric": "kv_cache_usage", "role": "guard"}]}
}"#;
