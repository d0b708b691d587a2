//! Signals of every role for `slo`: a policy, and what is seen at one time.

use serde_json::{Value, json};
use trimtab_engine::{InvalidPolicy, ObservationRecord, Policy, PolicySpec};
use trimtab_metric::{Span, Timestamp};

/// 2026-11-24T10:00:00Z
pub(crate) const START: Timestamp = Timestamp::from_secs(1_795_514_400);

pub(crate) fn merged(mut into: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    into.as_object_mut().expect("an object").extend(more);
    into
}

/// A load of 10 for each replica, a queue that triggers at 4 for each, a latency with an objective of
/// 2, and a cache that is full at 0.9 and over at 0.97.
pub(crate) fn spec(slo: Value, more: Value) -> Value {
    let whole = |name: &str, target: Value| json!({"type": "External", "external": {"metric": {"name": name}, "target": target}});
    let per_pod = |name: &str, average: &str| {
        json!({"type": "Pods", "pods": {"metric": {"name": name},
            "target": {"type": "AverageValue", "averageValue": average}}})
    };
    let slo = merged(
        json!({
            "leadTimeSeconds": 120,
            "headroom": 0,
            "latency": {"maxBoostPercent": 50},
            "signals": [
                {"metric": "queue", "role": "trigger", "release": "1"},
                {"metric": "ttft", "role": "latency"},
                {"metric": "cache", "role": "guard", "hardLimit": "0.97"},
            ],
        }),
        slo,
    );
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 40,
        "strategy": "slo",
        "metrics": [
            per_pod("load", "10"),
            whole("queue", json!({"type": "AverageValue", "averageValue": "4"})),
            whole("ttft", json!({"type": "Value", "value": "2"})),
            per_pod("cache", "0.9"),
        ],
        "slo": slo,
    });
    merged(spec, more)
}

/// The same with an error budget.
pub(crate) fn with_budget(mut spec: Value, budget: Value) -> Value {
    let mut add = |list: &str, more: Value| {
        spec.pointer_mut(list).and_then(Value::as_array_mut).expect("a list").push(more);
    };
    add(
        "/metrics",
        json!({"type": "External", "external": {"metric": {"name": "attained"},
            "target": {"type": "Value", "value": "0.99"}}}),
    );
    add("/slo/signals", json!({"metric": "attained", "role": "part"}));
    let budget = merged(json!({"attained": "attained", "objective": 0.99}), budget);
    let slo = spec.pointer_mut("/slo").and_then(Value::as_object_mut).expect("an object");
    slo.insert(String::from("errorBudget"), budget);
    spec
}

pub(crate) fn checked(spec: Value) -> Result<Policy, InvalidPolicy> {
    Policy::new(serde_json::from_value::<PolicySpec>(spec).expect("a policy"))
}

/// What is seen at one time. A value that is `None` could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Of each ready replica; `None` is a silent one.
    pub(crate) load: Vec<Option<f64>>,
    pub(crate) queue: Option<f64>,
    pub(crate) ttft: Option<f64>,
    pub(crate) cache: Option<f64>,
    /// The share of requests that kept the promise, for a policy with [an error budget](with_budget).
    pub(crate) attained: Option<f64>,
    /// Replicas on their way, by the seconds since their start; without, they have no node yet.
    pub(crate) starting: Vec<Option<i64>>,
}

impl Seen {
    /// So many ready replicas with this load each, and calm otherwise.
    pub(crate) fn calm(replicas: usize, load: f64) -> Self {
        Self {
            load: vec![Some(load); replicas],
            queue: Some(0.0),
            ttft: Some(0.4),
            cache: Some(0.5),
            attained: None,
            starting: Vec::new(),
        }
    }

    /// The way up is open.
    pub(crate) fn busy(replicas: usize, load: f64) -> Self {
        Self { queue: Some(1000.0), ..Self::calm(replicas, load) }
    }

    pub(crate) fn record(&self, now: Timestamp) -> ObservationRecord {
        let ready = self.load.len();
        let name = |pod: usize| format!("llm-{pod}");
        let mut pods: Vec<Value> =
            (0..ready).map(|pod| json!({"name": name(pod), "ready": true})).collect();
        for (pod, age) in self.starting.iter().enumerate() {
            let start = age.map(|age| now.saturating_sub(Span::from_secs(age)));
            pods.push(json!({"name": name(ready + pod), "ready": false, "startTime": start,
                "phase": if age.is_some() { "Running" } else { "Pending" }}));
        }
        let whole = |metric: &str, value: Option<f64>| match value {
            Some(value) => json!({"metric": metric, "value": value}),
            None => json!({"metric": metric, "unavailable": "failed"}),
        };
        let each = |metric: &str, values: Vec<Option<f64>>| {
            let values: serde_json::Map<String, Value> = values
                .into_iter()
                .enumerate()
                .filter_map(|(pod, value)| Some((name(pod), json!(value?))))
                .collect();
            json!({"metric": metric, "pods": values})
        };
        let cache = match self.cache {
            Some(cache) => each("cache", vec![Some(cache); ready]),
            None => whole("cache", None),
        };
        let mut readings = vec![
            each("load", self.load.clone()),
            whole("queue", self.queue),
            whole("ttft", self.ttft),
            cache,
        ];
        readings.extend(self.attained.map(|share| whole("attained", Some(share))));
        serde_json::from_value(json!({
            "time": now,
            "replicas": ready + self.starting.len(),
            "pods": pods,
            "readings": readings,
        }))
        .expect("it reads")
    }
}
