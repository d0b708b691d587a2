//! Laws of a proposal, over any peer's policy.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;
use trimtab_engine::{Policy, PolicySpec};

use super::signals::amount;
use super::translate::{LEAD_TIME_SECONDS, translate};

const NAMES: [&str; 10] = [
    "requests_in_flight",
    "requests_waiting",
    "ttft_p95",
    "kv_cache_usage_ratio",
    "DCGM_FI_DEV_GPU_UTIL",
    "tokens_per_second",
    "s0-aws-sqs-jobs",
    "queue_time",
    "orders",
    "vllm:num_requests_running",
];

/// Any metric of these names, each name at most once.
fn metrics() -> impl Strategy<Value = Vec<serde_json::Value>> {
    let metric = (0..4_u8, any::<bool>(), 1..400_000_i64);
    prop::collection::btree_map(0..NAMES.len(), metric, 1..5).prop_map(|metrics| {
        metrics.into_iter().map(|(name, (kind, average, milli))| {
            let average = average || kind == 1;
            let (type_, key) =
                if average { ("AverageValue", "averageValue") } else { ("Value", "value") };
            let target = json!({"type": type_, key: amount(milli)});
            let metric = json!({"name": NAMES[name]});
            match kind {
                0 => json!({"type": "External", "external": {"metric": metric, "target": target}}),
                1 => json!({"type": "Pods", "pods": {"metric": metric, "target": target}}),
                2 => json!({"type": "Object", "object": {"metric": metric, "target": target,
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "a"}}}),
                _ => json!({"type": "Resource", "resource": {"name": format!("r{name}"),
                    "target": {"type": "Utilization", "averageUtilization": 50}}}),
            }
        })
        .collect()
    })
}

/// A policy of each peer, with some of its settings; most are valid.
fn peers() -> impl Strategy<Value = PolicySpec> {
    let seconds = || prop::option::of(0..4000_i32);
    let numbers = (0..3_i32, 0..9_i32, seconds(), seconds(), seconds());
    (0..4_u8, metrics(), numbers, any::<bool>()).prop_map(|(peer, metrics, numbers, limits)| {
        let (min, more, one, two, window) = numbers;
        let first = |name: &str| {
            json!([{"type": "External", "external": {"metric": {"name": name},
                "target": {"type": "AverageValue", "averageValue": "7"}}}])
        };
        let policies = limits.then(|| json!([{"type": "Pods", "value": 2, "periodSeconds": 30}]));
        let behavior = json!({"scaleUp": {"policies": policies},
            "scaleDown": {"stabilizationWindowSeconds": window, "tolerance": "0.2"}});
        let gates = (min == 0).then(|| json!({"featureGates": {"HPAScaleToZero": true}}));
        let own = match peer {
            0 => json!({"strategy": "hpa", "metrics": metrics, "behavior": behavior, "hpa": gates}),
            1 => json!({"strategy": "keda", "metrics": metrics, "behavior": behavior,
                "keda": {"cooldownPeriodSeconds": one, "pollingIntervalSeconds": two,
                    "idleReplicaCount": (limits && min > 0).then_some(0)}}),
            2 => json!({"strategy": "knative", "metrics": first("concurrency"),
                "knative": {"stableWindowSeconds": one, "scaleDownDelaySeconds": two,
                    "enableScaleToZero": limits, "targetUtilizationPercentage": 65.5}}),
            _ => json!({"strategy": "rayServe", "metrics": first("ongoing_requests"),
                "rayServe": {"downscaleDelaySeconds": one, "upscalingFactor": 0.5,
                    "downscaleToZeroDelaySeconds": two}}),
        };
        let mut spec = json!({"minReplicas": min, "maxReplicas": min + more,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}});
        for (key, value) in own.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    })
}

proptest! {
    /// What is proposed is valid, within the peer's bounds, and says each metric.
    #[test]
    fn every_proposal_is_a_policy(spec in peers(), lead in prop::option::of(1..=3600_i32)) {
        let Ok(given) = Policy::new(spec) else { return Ok(()) };
        let Ok(proposal) = translate(&given, lead) else { return Ok(()) };
        let policy = Policy::new(proposal.spec.clone());
        prop_assert!(policy.is_ok(), "{policy:?}");
        let (old, new) = (given.spec(), policy.unwrap());
        let min = new.spec().min_replicas;
        prop_assert!(min >= Some(1) || old.min_replicas == Some(0) || old.keda.is_some());
        prop_assert!(old.max_replicas == 0 || new.spec().max_replicas == old.max_replicas);
        let zero = new.spec().slo.as_ref().unwrap().scale_to_zero_after_seconds;
        prop_assert_eq!(min == Some(0), zero.is_some());
        let own = lead.unwrap_or(LEAD_TIME_SECONDS).saturating_mul(5).min(3600);
        let down = new.spec().behavior.clone().unwrap().scale_down.unwrap();
        prop_assert!(down.stabilization_window_seconds >= Some(own));
        let metrics = old.metrics.as_ref().unwrap().len();
        prop_assert_eq!(proposal.places.len(), metrics);
        let placed = proposal.places.iter().flatten().count();
        prop_assert_eq!(placed, new.metrics().len());
        for (metric, place) in given.metrics().iter().zip(&proposal.places) {
            let told = |text: &String| text.contains(metric.name());
            prop_assert!(proposal.changes.iter().any(|it| told(&it.was) || told(&it.now)));
            prop_assert!(place.is_none_or(|at| new.metrics()[at].name() == metric.name()));
        }
    }

    /// The same policy makes the same proposal.
    #[test]
    fn a_proposal_is_determined(spec in peers()) {
        let Ok(given) = Policy::new(spec) else { return Ok(()) };
        let (one, two) = (translate(&given, None), translate(&given, None));
        prop_assert_eq!(one.is_ok(), two.is_ok());
        let (Ok(one), Ok(two)) = (one, two) else { return Ok(()) };
        prop_assert_eq!(one.spec, two.spec);
        prop_assert_eq!(one.changes, two.changes);
    }
}

#[test]
fn most_peers_are_valid_and_some_are_proposed() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut proposals = 0;
    for _ in 0..200 {
        let spec = peers().new_tree(&mut runner).unwrap().current();
        if let Ok(given) = Policy::new(spec) {
            proposals += usize::from(translate(&given, None).is_ok());
        }
    }
    assert!(proposals > 60, "{proposals}");
}
