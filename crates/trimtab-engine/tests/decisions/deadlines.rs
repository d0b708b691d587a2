//! When time alone changes the answer, to the millisecond.

use serde_json::{Value, json};
use trimtab_engine::{
    Decision, MetricReading, Observation, PodReadings, PodRow, Policy, PolicySpec, Readiness,
    Recommendation, Scale, ScaleEvent, State, decide, next_deadline,
};
use trimtab_metric::{Reading, Sample, Span, Timestamp};

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

fn policy(metric: Value, behavior: Value) -> Policy {
    let spec: PolicySpec = serde_json::from_value(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20,
        "metrics": [metric],
        "behavior": behavior,
    }))
    .expect("a policy");
    Policy::new(spec).expect("a valid policy")
}

fn in_flight() -> Value {
    json!({"type": "External", "external": {
        "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "1"}}})
}

fn resource(name: &str) -> Value {
    json!({"type": "Resource", "resource": {
        "name": name, "target": {"type": "AverageValue", "averageValue": "1"}}})
}

fn waiting(second: i64, replicas: i32, total: i64) -> Observation {
    Observation {
        readings: vec![MetricReading::Totals(vec![total * 1000])],
        ..Observation::new(at(second), Scale::steady(replicas))
    }
}

fn decision(policy: &Policy, state: &State, observation: &Observation, now: Timestamp) -> Decision {
    decide(policy, state.clone(), &Observation { now, ..observation.clone() }).0
}

/// The answer is the same until just before the deadline, and another one at it.
fn changes_exactly_at(policy: &Policy, state: &State, observation: &Observation, when: Timestamp) {
    let (first, after) = decide(policy, state.clone(), observation);
    assert_eq!(next_deadline(policy, &after, observation), Some(when));
    let before = when.saturating_sub(Span::from_millis(1));
    let wanted = |now| decision(policy, &after, observation, now).desired_replicas;
    assert_eq!(wanted(before), first.desired_replicas);
    assert_ne!(wanted(when), first.desired_replicas);
}

#[test]
fn a_recommendation_leaves_its_window() {
    let policy = policy(
        in_flight(),
        json!({"scaleDown": {"stabilizationWindowSeconds": 600, "policies": [
            {"type": "Pods", "value": 20, "periodSeconds": 60}]}}),
    );
    let mut state = State::default();
    state.recommendations = Some(vec![Recommendation { replicas: 9, at: at(1_000) }]);
    changes_exactly_at(&policy, &state, &waiting(1_100, 9, 3), at(1_600));
}

#[test]
fn a_scale_event_leaves_the_period_of_a_rate_limit() {
    let limits = json!([{"type": "Pods", "value": 2, "periodSeconds": 60}]);
    let policy = policy(
        in_flight(),
        json!({"scaleUp": {"policies": limits.clone()},
               "scaleDown": {"stabilizationWindowSeconds": 3600, "policies": limits}}),
    );
    let mut state = State::default();
    state.recommendations = Some(Vec::new());
    state.scale_ups = vec![ScaleEvent { change: 2, at: at(1_000), outdated: false }];
    changes_exactly_at(&policy, &state, &waiting(1_010, 5, 9), at(1_060));
    // Once it has left, it is no reason to come back.
    let observation = waiting(1_060, 5, 5);
    let (_, after) = decide(&policy, state, &observation);
    assert_eq!(next_deadline(&policy, &after, &observation), Some(at(1_060 + 3_600)));
}

/// One grown pod within its target, and one that started 100 s before and uses a lot.
fn young_pod(second: i64) -> Observation {
    let mut observation = Observation::new(at(second), Scale::steady(2));
    let mut usage = PodReadings::default();
    for (started, milli) in [(0, 1_000), (second - 100, 5_000)] {
        observation.pods.push(PodRow {
            start_time: Some(at(started)),
            readiness: Readiness::True,
            ready_since: at(second - 10),
            ..PodRow::default()
        });
        let window = Span::from_secs(60);
        usage.push(Reading::Value(Sample { milli, at: at(second), window }));
    }
    observation.readings = vec![MetricReading::PerPod(usage)];
    observation
}

#[test]
fn a_pod_grows_up() {
    let observation = young_pod(10_000);
    // The sample's window reaches back before the pod was ready: not trusted for 300 s after start.
    let windows = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    let cpu = policy(resource("cpu"), windows.clone());
    changes_exactly_at(&cpu, &State::default(), &observation, at(10_200));
    // No other resource asks how old a pod is.
    let memory = policy(resource("memory"), windows);
    let (_, after) = decide(&memory, State::default(), &observation);
    assert_eq!(next_deadline(&memory, &after, &observation), None);
    // A pod that has just grown up is no deadline any more.
    let grown = Observation { now: at(10_200), ..observation };
    let (_, after) = decide(&cpu, State::default(), &grown);
    assert_eq!(next_deadline(&cpu, &after, &grown), None);
}

#[test]
fn exactly_on_target_a_young_pod_changes_nothing() {
    let mut observation = young_pod(10_000);
    observation.scale = Some(Scale::steady(7));
    let cpu = policy(
        resource("cpu"),
        json!({"scaleUp": {"tolerance": "0"}, "scaleDown": {"tolerance": "0"}}),
    );
    let (decision, _) = decide(&cpu, State::default(), &observation);
    assert_eq!(decision.scale_to, None);
}
