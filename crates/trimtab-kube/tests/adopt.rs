//! A policy made of a HorizontalPodAutoscaler decides as it does.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use serde_json::json;
use trimtab_engine::{Policy, PolicySpec};
use trimtab_kube::crd::policy_of;

fn hpa(spec: serde_json::Value) -> HorizontalPodAutoscaler {
    let whole = json!({
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"trimtab.dev/adopt": "true"}, "resourceVersion": "7"},
        "spec": spec,
        "status": {"desiredReplicas": 3},
    });
    serde_json::from_value(whole).unwrap()
}

fn target() -> serde_json::Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})
}

#[test]
fn it_has_the_same_settings() {
    let spec = json!({
        "scaleTargetRef": target(), "minReplicas": 2, "maxReplicas": 9,
        "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests"},
            "target": {"type": "AverageValue", "averageValue": "500m"}}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [
            {"type": "Percent", "value": 20, "periodSeconds": 60}]}},
    });
    let adopted = policy_of(&hpa(spec.clone())).unwrap().policy;
    let same = Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap();
    assert_eq!(adopted.compile().unwrap(), same);
    insta::assert_yaml_snapshot!(adopted);
}

#[test]
fn a_shortest_one_says_no_more() {
    let adopted = policy_of(&hpa(json!({"scaleTargetRef": target(), "maxReplicas": 9}))).unwrap();
    let spec = &adopted.policy.spec.policy;
    assert_eq!((spec.min_replicas, spec.max_replicas), (None, 9));
    assert_eq!((&spec.metrics, &spec.behavior), (&None, &None));
}

#[test]
fn what_no_policy_can_say_is_refused_with_its_field() {
    let error = policy_of(&hpa(json!({"scaleTargetRef": target(), "maxReplicas": 0}))).unwrap_err();
    assert!(error.to_string().contains("maxReplicas"), "{error}");
}
