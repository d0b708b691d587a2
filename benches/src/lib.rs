//! The situations that are measured, so that every bench measures the same ones.

#![forbid(unsafe_code)]

mod fleet;
pub mod strategies;

use trimtab_engine::{
    MetricReading, Observation, ObservationRecord, PodReadings, PodRow, Policy, PolicySpec,
    Readiness, Recommendation, Requests, Scale, ScaleEvent, State,
};
use trimtab_metric::{Reading, Sample, Span, Timestamp};

pub use fleet::Fleet;

/// The time of every observation, in seconds.
pub const NOW: i64 = 1_800_000_000;

/// CPU by utilization and a queue per pod, with the windows and rate limits of
/// `examples/llm-inference`.
pub const MIXED: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm-inference"},
    "minReplicas": 2,
    "maxReplicas": 2000,
    "behavior": {
        "scaleUp": {
            "stabilizationWindowSeconds": 30,
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 60},
                {"type": "Percent", "value": 100, "periodSeconds": 60}
            ]
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 600,
            "policies": [{"type": "Percent", "value": 20, "periodSeconds": 60}]
        }
    },
    "metrics": [
        {"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
        {"type": "Pods", "pods": {
            "metric": {"name": "requests_waiting"},
            "target": {"type": "AverageValue", "averageValue": "4"}}}
    ]
}"#;

/// One External metric and the default behavior: the common simple workload.
pub const SIMPLE: &str = r#"{
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    "maxReplicas": 100,
    "behavior": {},
    "metrics": [{"type": "External", "external": {
        "metric": {"name": "requests_in_flight"},
        "target": {"type": "AverageValue", "averageValue": "8"}}}]
}"#;

/// Reads a policy of this file.
///
/// # Panics
///
/// If it is not valid; the constants above are.
#[expect(clippy::expect_used, reason = "a bench without its policy has nothing to measure")]
pub fn policy(text: &str) -> Policy {
    let spec: PolicySpec = serde_json::from_str(text).expect("it is a policy");
    Policy::new(spec).expect("it is valid")
}

/// `pods` ready pods, each with a CPU sample and a queue length.
pub fn mixed_observation(pods: usize) -> Observation {
    let now = Timestamp::from_secs(NOW);
    let mut cpu = PodReadings::with_capacity(pods);
    let mut waiting = PodReadings::with_capacity(pods);
    let replicas = i32::try_from(pods).unwrap_or(i32::MAX);
    let mut observation = Observation::new(now, Scale::steady(replicas));
    for row in 0..pods {
        observation.pods.push(PodRow {
            start_time: Some(Timestamp::from_secs(NOW - 90_000)),
            readiness: Readiness::True,
            ready_since: Timestamp::from_secs(NOW - 89_900),
            ..PodRow::default()
        });
        let milli = 700 + i64::try_from(row % 7).unwrap_or(0);
        cpu.push(Reading::Value(Sample { milli, at: now, window: Span::from_secs(30) }));
        waiting.push_milli(6_000);
    }
    cpu.set_requests(Requests::Milli(vec![1_000; pods]));
    observation.readings = vec![MetricReading::PerPod(cpu), MetricReading::PerPod(waiting)];
    observation
}

/// Forty recommendations within the window and a hundred scale events of the last half hour.
pub fn eventful_state(policy: &Policy, replicas: usize) -> State {
    let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
    let mut state = State::for_policy(policy);
    state.recommendations = Some(
        (0..40)
            .map(|tick| Recommendation { replicas, at: Timestamp::from_secs(NOW - 15 * tick) })
            .collect(),
    );
    let events = || {
        (0..50).map(|event| ScaleEvent {
            change: 1,
            at: Timestamp::from_secs(NOW - 36 * event),
            outdated: event > 2,
        })
    };
    state.scale_ups.extend(events());
    state.scale_downs.extend(events());
    state
}

/// One observation of the simple workload.
pub fn simple_observation(second: i64, replicas: i32, in_flight: i64) -> Observation {
    Observation {
        readings: vec![MetricReading::Totals(vec![in_flight * 1000])],
        ..Observation::new(Timestamp::from_secs(second), Scale::steady(replicas))
    }
}

/// The mixed observation as a document, with names.
pub fn mixed_record(count: usize) -> ObservationRecord {
    let pods: Vec<serde_json::Value> = (0..count)
        .map(|pod| {
            serde_json::json!({
                "name": format!("llm-inference-{pod}"),
                "startTime": NOW - 90_000,
                "ready": {"status": "True", "lastTransitionTime": NOW - 89_900},
                "containers": [{"name": "server", "requests": {"cpu": "1"}}],
            })
        })
        .collect();
    let by_pod = |value: &str| {
        (0..count)
            .map(|pod| (format!("llm-inference-{pod}"), serde_json::json!(value)))
            .collect::<serde_json::Map<_, _>>()
    };
    let record = serde_json::json!({
        "time": NOW,
        "replicas": count,
        "pods": pods,
        "readings": [
            {"metric": "cpu", "pods": by_pod("700m")},
            {"metric": "requests_waiting", "pods": by_pod("6")},
        ],
    });
    #[expect(clippy::expect_used, reason = "a bench without its document has nothing to measure")]
    serde_json::from_value(record).expect("it is a record")
}
