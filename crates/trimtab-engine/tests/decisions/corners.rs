//! Corners that the recordings do not reach.

use serde_json::json;
use trimtab_engine::{
    ConditionType, MetricReading, MetricResult, Observation, ObservationRecord, Outcome,
    PodReadings, PodRow, Policy, PolicySpec, Requests, Scale, State, decide, decide_traced,
};
use trimtab_metric::Timestamp;

fn policy(spec: serde_json::Value) -> Policy {
    let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
    Policy::from_stored(spec)
}

/// A host that fills the columns itself may leave a pod's request out.
#[test]
fn a_request_column_that_is_too_short_is_a_missing_request() {
    let policy = policy(json!({"maxReplicas": 9, "metrics": [{"type": "Resource", "resource": {
        "name": "memory", "target": {"type": "Utilization", "averageUtilization": 50}}}]}));
    let mut observation = Observation::new(Timestamp::from_secs(0), Scale::steady(2));
    let mut usage = PodReadings::default();
    for _ in 0..2 {
        observation.pods.push(PodRow::default());
        usage.push_milli(900);
    }
    usage.set_requests(Requests::Milli(vec![1_000]));
    observation.readings = vec![MetricReading::PerPod(usage)];
    let (decision, _) = decide_traced(&policy, State::default(), &observation);
    assert_eq!(decision.outcome, Outcome::MetricsUnknown);
    let failed = decision.metrics().next().expect("it was asked");
    let MetricResult::Failed { error, .. } = failed.result else { panic!("{failed:?}") };
    assert_eq!(error.to_string(), "pod 2 has a container that requests none of the resource");
}

/// With the gate off, the condition of a workload that is switched off goes; that of one that runs
/// stays until its scale is changed.
#[test]
fn without_the_gate_only_a_workload_at_zero_forgets_that_it_slept() {
    let policy = policy(json!({"maxReplicas": 9, "metrics": [{"type": "External", "external": {
        "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}));
    let state: State = serde_json::from_value(json!({"version": 1, "status": {
        "currentReplicas": 0, "desiredReplicas": 0, "conditions": [{
            "type": "ScaledToZero", "status": "True", "reason": "ScaledToZero",
            "lastTransitionTime": 0}]}}))
    .expect("a state");
    let after = |replicas| {
        let observation = Observation {
            readings: vec![MetricReading::Totals(vec![i64::from(replicas) * 1000])],
            ..Observation::new(Timestamp::from_secs(60), Scale::steady(replicas))
        };
        decide(&policy, state.clone(), &observation).1
    };
    let knows = |state: State| state.status.conditions.get(ConditionType::ScaledToZero).is_some();
    assert!(!knows(after(0)));
    assert!(knows(after(3)));
}

/// `ready: true` says that a pod was always ready, so its sample is trusted at once.
#[test]
fn ready_without_a_time_is_ready_since_ever() {
    let policy = policy(json!({"maxReplicas": 9, "metrics": [{"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}}}]}));
    let record: ObservationRecord = serde_json::from_value(json!({
        "time": "2026-11-24T10:00:00Z",
        "replicas": 1,
        "pods": [{"name": "a", "startTime": "2026-11-24T09:59:30Z", "ready": true}],
        "readings": [{"metric": "cpu", "pods": {"a": "3"}}],
    }))
    .expect("a record");
    let observation = record.resolve(&policy).expect("it fits");
    let (decision, _) = decide(&policy, State::default(), &observation);
    assert_eq!(decision.scale_to, Some(3));
}
