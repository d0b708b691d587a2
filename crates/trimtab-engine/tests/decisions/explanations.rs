//! What people read: the explanation of a decision in each situation.

use serde_json::{Value, json};
use trimtab_engine::{Autoscaler, ObservationRecord, Policy, PolicySpec, ScaleUpdate};

/// A policy with a queue and a KV cache, and whatever `more` overrides.
fn autoscaler(more: Value) -> Autoscaler {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm-inference"},
        "minReplicas": 2,
        "maxReplicas": 20,
        "metrics": [
            {"type": "Pods", "pods": {
                "metric": {"name": "inference_requests_waiting"},
                "target": {"type": "AverageValue", "averageValue": "4"}}},
            {"type": "Pods", "pods": {
                "metric": {"name": "inference_kv_cache_usage_ratio"},
                "target": {"type": "AverageValue", "averageValue": "0.75"}}},
        ],
    });
    for (field, value) in more.as_object().expect("an object") {
        spec[field] = value.clone();
    }
    let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
    Autoscaler::new(Policy::new(spec).expect("a valid policy"))
}

fn pods(count: usize) -> Value {
    (0..count)
        .map(|pod| {
            json!({
                "name": format!("llm-{pod}"),
                "startTime": "2026-11-24T08:00:00Z",
                "ready": true,
                "containers": [{"name": "server", "requests": {"cpu": "4"}}],
            })
        })
        .collect()
}

fn by_pod(count: usize, value: &str) -> Value {
    (0..count)
        .map(|pod| (format!("llm-{pod}"), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A minute after ten, `waiting` and `cache` on each of `count` pods.
fn busy(minute: u32, count: usize, waiting: &str, cache: &str) -> Value {
    json!({
        "time": format!("2026-11-24T10:{minute:02}:00Z"),
        "replicas": count,
        "pods": pods(count),
        "readings": [
            {"metric": "inference_requests_waiting", "pods": by_pod(count, waiting)},
            {"metric": "inference_kv_cache_usage_ratio", "pods": by_pod(count, cache)},
        ],
    })
}

fn explain(autoscaler: &mut Autoscaler, observation: Value) -> String {
    let record: ObservationRecord = serde_json::from_value(observation).expect("an observation");
    let observation = record.resolve(autoscaler.policy()).expect("it fits");
    let decision = autoscaler.decide_traced(&observation);
    autoscaler.settle(&decision, ScaleUpdate::Applied);
    decision.explain().to_string()
}

#[test]
fn scaling_up_at_once() {
    let mut autoscaler = autoscaler(json!({"behavior": {}}));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(0, 3, "9", "0.6")));
}

#[test]
fn held_by_the_scale_down_window() {
    let mut autoscaler =
        autoscaler(json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}}));
    explain(&mut autoscaler, busy(0, 8, "4", "0.7"));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(4, 8, "0", "0.1")));
}

#[test]
fn held_by_a_rate_limit() {
    let mut autoscaler = autoscaler(json!({"behavior": {"scaleUp": {
        "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}}}));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(0, 4, "16", "0.9")));
}

#[test]
fn without_behavior_an_old_recommendation_raises_the_count() {
    let mut autoscaler = autoscaler(json!({}));
    explain(&mut autoscaler, busy(0, 2, "30", "0.9"));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(1, 4, "4", "0.7")));
}

#[test]
fn a_silent_metric_never_scales_down() {
    let mut autoscaler = autoscaler(json!({}));
    let mut observation = busy(0, 5, "0", "0.1");
    observation["readings"][0] =
        json!({"metric": "inference_requests_waiting", "unavailable": "failed"});
    insta::assert_snapshot!(explain(&mut autoscaler, observation));
}

#[test]
fn silent_and_starting_pods_are_filled_in() {
    let mut autoscaler = autoscaler(json!({
        "metrics": [{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}],
        "behavior": {},
    }));
    let mut observation = busy(0, 5, "0", "0");
    observation["readings"] = json!([
        {"metric": "cpu", "pods": {"llm-0": "3900m", "llm-1": "3800m", "llm-2": "3700m"}}]);
    observation["pods"][2]["startTime"] = json!("2026-11-24T09:59:00Z");
    observation["pods"][2]["ready"] = json!(false);
    insta::assert_snapshot!(explain(&mut autoscaler, observation));
}

#[test]
fn outside_the_bounds() {
    let mut autoscaler = autoscaler(json!({"maxReplicas": 4}));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(0, 9, "9", "0.9")));
}

#[test]
fn switched_off() {
    let mut autoscaler = autoscaler(json!({}));
    insta::assert_snapshot!(explain(&mut autoscaler, busy(0, 0, "0", "0")));
}

#[test]
fn nothing_can_be_read() {
    let mut autoscaler = autoscaler(json!({}));
    insta::assert_snapshot!(explain(&mut autoscaler, json!({"time": "2026-11-24T10:00:00Z"})));
}
