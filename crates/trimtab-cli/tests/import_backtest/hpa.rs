//! HPAs of every version, Knative's and KServe's: `decide` with a policy that is written here.

use trimtab_engine::{ObservationRecord, Policy, PolicySpec, ScaleUpdate, State, decide, settle};

use super::{Case, Peer, follow};

/// The HPA's rule with the settings of a spec.
struct Hpa {
    policy: Policy,
    state: State,
}

impl Hpa {
    fn new(spec: &str) -> Self {
        let target =
            r#""scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}"#;
        let spec: PolicySpec = serde_json::from_str(&format!("{{{target}, {spec}}}")).unwrap();
        let policy = Policy::new(spec).unwrap();
        Self { state: State::for_policy(&policy), policy }
    }
}

impl Peer for Hpa {
    fn step(&mut self, seen: &ObservationRecord) -> i32 {
        let observation = seen.resolve(&self.policy).unwrap();
        let (decision, after) = decide(&self.policy, std::mem::take(&mut self.state), &observation);
        self.state = settle(&self.policy, after, &decision, ScaleUpdate::Applied);
        decision.desired_replicas
    }
}

const CPU: (&str, &str) = ("cpu", "gpu_utilization_ratio");

#[test]
fn v2() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 2, "maxReplicas": 20,
           "metrics": [
             {"type": "Pods", "pods": {"metric": {"name": "inference_requests_waiting"},
              "target": {"type": "AverageValue", "averageValue": "4"}}},
             {"type": "Pods", "pods": {"metric": {"name": "inference_kv_cache_usage_ratio"},
              "target": {"type": "AverageValue", "averageValue": "0.75"}}}],
           "behavior": {
             "scaleUp": {"stabilizationWindowSeconds": 30, "policies": [
               {"type": "Pods", "value": 4, "periodSeconds": 60},
               {"type": "Percent", "value": 100, "periodSeconds": 60}]},
             "scaleDown": {"stabilizationWindowSeconds": 600, "policies": [
               {"type": "Percent", "value": 20, "periodSeconds": 60}]}}"#,
    );
    let case =
        Case { manifest: "hpa.yaml", policy: "llm-inference-hpa", metrics: &[], reaches: (2, 7) };
    follow(&case, &mut hpa);
}

#[test]
fn v2_without_behavior() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 1, "maxReplicas": 10,
           "metrics": [{"type": "Resource", "resource": {"name": "cpu",
             "target": {"type": "Utilization", "averageUtilization": 50}}}]"#,
    );
    let case =
        Case { manifest: "hpa-cpu.yaml", policy: "php-apache", metrics: &[CPU], reaches: (1, 4) };
    follow(&case, &mut hpa);
}

#[test]
fn v2beta2() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 2, "maxReplicas": 10,
           "metrics": [{"type": "External", "external": {
             "metric": {"name": "queue_messages_ready",
                        "selector": {"matchLabels": {"queue": "rerank"}}},
             "target": {"type": "AverageValue", "averageValue": "30"}}}],
           "behavior": {"scaleDown": {"stabilizationWindowSeconds": 120, "selectPolicy": "Min",
             "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60},
                          {"type": "Percent", "value": 10, "periodSeconds": 60}]}}"#,
    );
    let metrics = [("queue_messages_ready", "requests_in_flight")];
    let case = Case {
        manifest: "hpa-v2beta2.yaml",
        policy: "reranker",
        metrics: &metrics,
        reaches: (2, 10),
    };
    follow(&case, &mut hpa);
}

#[test]
fn v2beta1() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 1, "maxReplicas": 6,
           "metrics": [
             {"type": "Resource", "resource": {"name": "cpu",
              "target": {"type": "Utilization", "averageUtilization": 60}}},
             {"type": "Object", "object": {
              "describedObject": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                                  "name": "tokenizer"},
              "metric": {"name": "requests_per_second"},
              "target": {"type": "Value", "value": "2k"}}}]"#,
    );
    let case = Case {
        manifest: "hpa-v2beta1.yaml",
        policy: "tokenizer",
        metrics: &[CPU],
        reaches: (1, 4),
    };
    follow(&case, &mut hpa);
}

/// Its limit of 2147483647 pods, which is meant as none, wraps and forbids scaling up.
#[test]
fn v1() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 1, "maxReplicas": 12,
           "metrics": [
             {"type": "Pods", "pods": {"metric": {"name": "requests_in_flight"},
              "target": {"type": "AverageValue", "averageValue": "16"}}},
             {"type": "Resource", "resource": {"name": "cpu",
              "target": {"type": "Utilization", "averageUtilization": 70}}}],
           "behavior": {
             "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
               {"type": "Pods", "value": 2147483647, "periodSeconds": 15}]},
             "scaleDown": {"stabilizationWindowSeconds": 300, "selectPolicy": "Max", "policies": [
               {"type": "Percent", "value": 50, "periodSeconds": 60}]}}"#,
    );
    let case =
        Case { manifest: "hpa-v1.yaml", policy: "embeddings", metrics: &[CPU], reaches: (1, 1) };
    follow(&case, &mut hpa);
}

#[test]
fn of_knative() {
    let mut hpa = Hpa::new(
        r#""minReplicas": 2, "maxReplicas": 20,
           "metrics": [{"type": "Resource", "resource": {"name": "cpu",
             "target": {"type": "Utilization", "averageUtilization": 70}}}],
           "behavior": {"scaleUp": {"stabilizationWindowSeconds": 90},
                        "scaleDown": {"stabilizationWindowSeconds": 90}}"#,
    );
    let case = Case {
        manifest: "knative-hpa.yaml",
        policy: "preprocess",
        metrics: &[CPU],
        reaches: (2, 3),
    };
    follow(&case, &mut hpa);
}

#[test]
fn of_kserve() {
    // The behavior of the manifest does not reach KServe's HPA, which has an empty one.
    let mut hpa = Hpa::new(
        r#""minReplicas": 1, "maxReplicas": 8,
           "metrics": [
             {"type": "Resource", "resource": {"name": "cpu",
              "target": {"type": "Utilization", "averageUtilization": 60}}},
             {"type": "Resource", "resource": {"name": "memory",
              "target": {"type": "AverageValue", "averageValue": "12Gi"}}}],
           "behavior": {}"#,
    );
    let case = Case {
        manifest: "kserve-hpa.yaml",
        policy: "classifier-predictor",
        metrics: &[CPU, ("memory", "kv_cache_usage_ratio")],
        reaches: (1, 4),
    };
    follow(&case, &mut hpa);
}
