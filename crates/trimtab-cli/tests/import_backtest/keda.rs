//! KEDA, by itself and under KServe: its executor, its fallback and its formula, around an HPA, with
//! settings that are written here.

use trimtab_engine::{FallbackBehavior, ObservationRecord, Policy, PolicySpec};

use super::keda_oracle::{Fallback, Keda, Modifiers, ScaledObject, Target, Trigger};
use super::{Case, Peer, follow, follow_where_scrapes_are_lost};

impl Peer for Keda {
    fn step(&mut self, seen: &ObservationRecord) -> i32 {
        let replicas = Keda::step(self, seen);
        self.settle(true);
        replicas
    }
}

/// The HPA that KEDA generates.
fn generated(spec: &str) -> Policy {
    let target =
        r#""scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}"#;
    let spec: PolicySpec = serde_json::from_str(&format!("{{{target}, {spec}}}")).unwrap();
    Policy::new(spec).unwrap()
}

/// KEDA's defaults, for triggers that are averages.
fn defaults(triggers: &[(&'static str, f64)]) -> ScaledObject {
    let trigger = |(metric, target): &(&'static str, f64)| Trigger {
        metric,
        target: Target::Average(*target),
        activation_threshold: 0.0,
        cached: false,
    };
    ScaledObject {
        polling_seconds: 30,
        cooldown_seconds: 300,
        triggers: triggers.iter().map(trigger).collect(),
        ..ScaledObject::default()
    }
}

fn by_one_queue() -> Keda {
    let metric = "inference_requests_waiting_total";
    let object = ScaledObject { min: 1, polling_seconds: 15, ..defaults(&[(metric, 8.0)]) };
    let hpa = generated(
        r#""minReplicas": 1, "maxReplicas": 30,
           "metrics": [{"type": "External", "external": {
             "metric": {"name": "inference_requests_waiting_total"},
             "target": {"type": "AverageValue", "averageValue": "8"}}}]"#,
    );
    Keda::new(object, hpa)
}

const BY_ONE_QUEUE: Case<'_> = Case {
    manifest: "scaledobject.yaml",
    policy: "llm-inference-scaledobject",
    metrics: &[],
    reaches: (1, 30),
};

#[test]
fn one_queue() {
    follow(&BY_ONE_QUEUE, &mut by_one_queue());
}

#[test]
fn one_queue_with_most_scrapes_lost() {
    follow_where_scrapes_are_lost(0.95, &BY_ONE_QUEUE, &mut by_one_queue());
}

/// The mean of two triggers, to 0 and back.
fn by_a_mean() -> Keda {
    let modifiers = Modifiers {
        formula: |it| Some(Some((it[0]? + it[1]?) / 2.0)),
        target: "2",
        activation_target: 2.0,
        is_value: false,
    };
    let triggers = defaults(&[("s0-workload", 1.0), ("s1-metric-api-tasks", 2.0)]);
    let object = ScaledObject { modifiers: Some(modifiers), ..triggers };
    let hpa = generated(
        r#""minReplicas": 1, "maxReplicas": 100,
           "metrics": [{"type": "External", "external": {"metric": {"name": "composite-metric"},
             "target": {"type": "AverageValue", "averageValue": "2"}}}]"#,
    );
    Keda::new(object, hpa)
}

const BY_A_MEAN: Case<'_> = Case {
    manifest: "scaledobject-modifiers.yaml",
    policy: "modifiers",
    metrics: &[("s0-workload", "requests_in_flight"), ("s1-metric-api-tasks", "requests_waiting")],
    reaches: (0, 100),
};

#[test]
fn a_mean_of_two() {
    follow(&BY_A_MEAN, &mut by_a_mean());
}

#[test]
fn a_mean_of_two_with_most_scrapes_lost() {
    follow_where_scrapes_are_lost(0.9, &BY_A_MEAN, &mut by_a_mean());
}

/// Its target of 2.5 switches the fallback off, but the executor still waits for it.
fn by_the_larger() -> Keda {
    let modifiers = Modifiers {
        formula: |it| Some(Some(it[0]?.max(it[1]? * 20.0))),
        target: "2.5",
        activation_target: 0.5,
        is_value: false,
    };
    let metrics = [
        ("s0-prometheus", 10.0),
        ("vllm:kv_cache_usage_perc", 0.8),
        ("s2-aws-sqs-batch-jobs", 5.0),
    ];
    let mut object = ScaledObject {
        polling_seconds: 10,
        cooldown_seconds: 600,
        initial_cooldown_seconds: 900,
        fallback: Some(Fallback {
            failure_threshold: 3,
            replicas: 2,
            behavior: FallbackBehavior::CurrentReplicasIfHigher,
        }),
        modifiers: Some(modifiers),
        ..defaults(&metrics)
    };
    object.triggers[0].activation_threshold = 1.0;
    object.triggers[2].cached = true;
    let hpa = generated(
        r#""minReplicas": 1, "maxReplicas": 8,
           "metrics": [{"type": "External", "external": {"metric": {"name": "composite-metric"},
             "target": {"type": "AverageValue", "averageValue": "2.5"}}}],
           "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300, "policies": [
             {"type": "Pods", "value": 1, "periodSeconds": 120}]}}"#,
    );
    Keda::new(object, hpa)
}

/// All of it is told by the gateway, which is there without replicas too.
const BY_THE_LARGER: Case<'_> = Case {
    manifest: "scaledobject-composite.yaml",
    policy: "llm-batch",
    metrics: &[
        ("s0-prometheus", "requests_in_flight"),
        ("vllm:kv_cache_usage_perc", "requests_per_second"),
        ("s2-aws-sqs-batch-jobs", "requests_waiting"),
    ],
    reaches: (0, 8),
};

#[test]
fn the_larger_of_two() {
    follow(&BY_THE_LARGER, &mut by_the_larger());
}

#[test]
fn the_larger_of_two_with_most_scrapes_lost() {
    follow_where_scrapes_are_lost(0.8, &BY_THE_LARGER, &mut by_the_larger());
}

/// With the last replica the cache's usage is gone, which is an error, and nothing wakes the workload.
#[test]
fn the_larger_of_two_by_the_servers_own_metrics() {
    let metrics =
        [("s0-prometheus", "requests_in_flight"), ("s2-aws-sqs-batch-jobs", "requests_waiting")];
    follow(&Case { metrics: &metrics, ..BY_THE_LARGER }, &mut by_the_larger());
}

#[test]
fn under_kserve() {
    let object = ScaledObject { min: 1, ..defaults(&[("vllm:num_requests_waiting", 4.0)]) };
    // Of the behavior only the window reaches KEDA.
    let hpa = generated(
        r#""minReplicas": 1, "maxReplicas": 5,
           "metrics": [{"type": "External", "external": {
             "metric": {"name": "vllm:num_requests_waiting"},
             "target": {"type": "AverageValue", "averageValue": "4"}}}],
           "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}"#,
    );
    let case = Case {
        manifest: "kserve-keda.yaml",
        policy: "llama-predictor",
        metrics: &[],
        reaches: (1, 5),
    };
    follow(&case, &mut Keda::new(object, hpa));
}
