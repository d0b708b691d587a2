//! WVA through the whole decision: what is published, and what the HPA makes of it.

use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Outcome, Policy, PolicySpec, Rule, ScaleUpdate, State, decide,
    decide_traced, settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::signals::START;

fn policy(more: Value) -> Policy {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20,
        "strategy": "wva",
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    });
    for (field, value) in more.as_object().expect("an object") {
        spec.as_object_mut().expect("an object").insert(field.clone(), value.clone());
    }
    let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn token(more: Value) -> Value {
    let mut wva = json!({"analyzer": "token", "kvCacheCapacityTokens": 100_000});
    for (field, value) in more.as_object().expect("an object") {
        wva.as_object_mut().expect("an object").insert(field.clone(), value.clone());
    }
    json!({"wva": wva})
}

/// What is seen of the replicas, all of them alike.
#[derive(Clone, Debug)]
struct Seen {
    replicas: usize,
    ready: usize,
    kv_cache: f64,
    waiting: i64,
    /// Of prompts and answers.
    lengths: (f64, f64),
    gateway: i64,
    succeeding: Option<i64>,
}

const CALM: Seen = Seen {
    replicas: 3,
    ready: 3,
    kv_cache: 0.5,
    waiting: 0,
    lengths: (1_000.0, 250.0),
    gateway: 0,
    succeeding: Some(1),
};

fn observation(policy: &Policy, at: Timestamp, seen: &Seen) -> ObservationRecord {
    let pods: Vec<Value> = (0..seen.replicas)
        .map(|pod| json!({"name": format!("llm-{pod}"), "ready": pod < seen.ready}))
        .collect();
    let by_pod = |value: f64| -> Value {
        let pods =
            (0..seen.ready.min(seen.replicas)).map(|pod| (format!("llm-{pod}"), json!(value)));
        pods.collect::<serde_json::Map<_, _>>().into()
    };
    let readings = policy.metrics().iter().map(|metric| {
        let name = metric.name();
        let per_pod = |value| json!({"metric": name, "pods": by_pod(value)});
        match name {
            "vllm:kv_cache_usage_perc" => per_pod(seen.kv_cache),
            "vllm:num_requests_waiting" => per_pod(seen.waiting as f64),
            "vllm:request_prompt_tokens" => per_pod(seen.lengths.0),
            "vllm:request_generation_tokens" => per_pod(seen.lengths.1),
            "vllm:request_success" => match seen.succeeding {
                Some(rate) => json!({"metric": name, "value": rate}),
                None => json!({"metric": name, "unavailable": "failed"}),
            },
            _ => json!({"metric": name, "value": seen.gateway}),
        }
    });
    serde_json::from_value(json!({
        "time": at,
        "replicas": seen.replicas,
        "pods": pods,
        "readings": readings.collect::<Vec<_>>(),
    }))
    .expect("an observation")
}

/// A workload over time.
struct Run {
    policy: Policy,
    state: State,
    now: Timestamp,
}

impl Run {
    fn new(policy: Policy) -> Self {
        Self { state: State::for_policy(&policy), policy, now: START }
    }

    fn decide(&mut self, seen: &Seen) -> Decision {
        let observation = observation(&self.policy, self.now, seen).resolve(&self.policy);
        let observation = observation.expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        decision
    }

    fn after(&mut self, seconds: i64, seen: &Seen) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(seconds));
        self.decide(seen)
    }
}

#[test]
fn too_little_spare_asks_for_one_more() {
    let mut run = Run::new(policy(json!({})));
    let decision = run.decide(&Seen { kv_cache: 0.75, waiting: 1, ..CALM });
    assert_eq!(decision.scale_to, Some(4));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn a_starting_replica_blocks_both_directions() {
    let mut run = Run::new(policy(json!({})));
    run.decide(&Seen { kv_cache: 0.75, ..CALM });
    let starting = Seen { replicas: 4, ready: 3, kv_cache: 0.1, ..CALM };
    let decision = run.after(30, &starting);
    assert_eq!((decision.outcome, decision.scale_to), (Outcome::Decided, None));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn between_two_analyses_the_published_count_stands() {
    let mut run = Run::new(policy(json!({})));
    assert_eq!(run.decide(&Seen { kv_cache: 0.2, ..CALM }).scale_to, Some(2));
    let decision = run.after(15, &Seen { replicas: 2, ready: 2, kv_cache: 0.9, ..CALM });
    assert_eq!(decision.scale_to, None);
    insta::assert_snapshot!(decision.explain());
    let decision = run.after(15, &Seen { replicas: 2, ready: 2, kv_cache: 0.9, ..CALM });
    assert_eq!(decision.scale_to, Some(3));
}

/// Eleven over ten is a ratio of 1.1, which the HPA tolerates. WVA then waits for the eleventh.
#[test]
fn from_ten_on_one_more_is_within_the_hpas_tolerance() {
    let mut run = Run::new(policy(json!({})));
    let ten = Seen { replicas: 10, ready: 10, kv_cache: 0.75, ..CALM };
    let decision = run.decide(&ten);
    assert_eq!(decision.scale_to, None);
    insta::assert_snapshot!(decision.explain());
    for _ in 0..20 {
        assert_eq!(run.after(30, &Seen { kv_cache: 0.99, waiting: 50, ..ten }).scale_to, None);
    }
    let exact = policy(json!({"hpa": {"tolerance": 0}}));
    assert_eq!(Run::new(exact).decide(&ten).scale_to, Some(11));
}

/// It publishes one past the bound, which the HPA does not give: from then on it waits for that one,
/// whatever the load.
#[test]
fn at_a_bound_it_waits_for_what_never_comes() {
    let mut run = Run::new(policy(json!({"maxReplicas": 3})));
    assert_eq!(run.decide(&Seen { kv_cache: 0.75, ..CALM }).scale_to, None);
    for _ in 0..50 {
        assert_eq!(run.after(30, &Seen { kv_cache: 0.0, waiting: 0, ..CALM }).scale_to, None);
    }
}

#[test]
fn demand_over_capacity_asks_for_as_many_as_it_takes() {
    let mut run = Run::new(policy(token(json!({}))));
    let decision = run.decide(&Seen { kv_cache: 0.6, waiting: 60, ..CALM });
    // 60,000 each; 3 × 120,000 / 0.85 - 180,000 = 243,529.
    assert_eq!(decision.scale_to, Some(7), "the default rate limit allows 4 more");
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn what_is_spare_goes_at_once() {
    let mut run = Run::new(policy(token(json!({}))));
    let decision = run.decide(&Seen { replicas: 8, ready: 8, kv_cache: 0.1, ..CALM });
    // 80,000 each; 640,000 - 80,000 / 0.7.
    assert_eq!(decision.scale_to, Some(2));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn what_waits_at_the_gateway_is_demand() {
    let mut run = Run::new(policy(token(json!({}))));
    let seen = Seen { gateway: 200, ..CALM };
    // 150,000 + 200 × 1250 = 400,000; / 0.85 - 240,000.
    assert_eq!(run.decide(&seen).scale_to, Some(6));
}

#[test]
fn no_request_for_the_retention_period_and_back() {
    let more = json!({"scaleToZero": true, "retentionPeriodSeconds": 60});
    let mut run = Run::new(policy(token(more)));
    assert_eq!(run.policy.bounds().min, 0);
    let idle = Seen { replicas: 1, ready: 1, kv_cache: 0.0, succeeding: Some(0), ..CALM };
    assert_eq!(run.decide(&idle).scale_to, None);
    assert_eq!(run.after(30, &idle).scale_to, None);
    let decision = run.after(30, &idle);
    assert_eq!(decision.scale_to, Some(0));
    insta::assert_snapshot!("asleep", decision.explain());

    let none = Seen { replicas: 0, ready: 0, ..idle };
    assert_eq!(run.after(15, &none).scale_to, None);
    let decision = run.after(15, &Seen { gateway: 3, ..none });
    assert_eq!(decision.scale_to, Some(1));
    insta::assert_snapshot!("woken", decision.explain());
}

#[test]
fn what_cannot_be_asked_for_might_have_been_a_request() {
    let more = json!({"scaleToZero": true, "retentionPeriodSeconds": 60});
    let mut run = Run::new(policy(token(more)));
    let idle = Seen { replicas: 1, ready: 1, kv_cache: 0.0, succeeding: Some(0), ..CALM };
    run.decide(&idle);
    run.after(45, &Seen { succeeding: None, ..idle.clone() });
    assert_eq!(run.after(30, &idle).scale_to, None);
    assert_eq!(run.after(30, &idle).scale_to, Some(0));
}

#[test]
fn a_scale_of_zero_switches_off_what_no_gateway_wakes() {
    let mut run = Run::new(policy(json!({})));
    let decision = run.decide(&Seen { replicas: 0, ready: 0, ..CALM });
    assert_eq!(decision.outcome, Outcome::Disabled);
}

#[test]
fn a_pod_without_a_queue_counts_as_none_waiting() {
    let policy = policy(json!({}));
    let mut record = observation(&policy, START, &Seen { kv_cache: 0.7, waiting: 3, ..CALM });
    let waiting = record.readings.iter_mut().find(|r| r.metric == "vllm:num_requests_waiting");
    let pods = waiting.and_then(|reading| reading.pods.as_mut()).expect("it is there");
    pods.retain(|pod, _| pod == "llm-0");
    let seen = record.resolve(&policy).expect("it fits");
    let (decision, _) = decide_traced(&policy, State::default(), &seen);
    let queue = decision.trace.iter().flatten().find_map(|step| match step.rule {
        Rule::Wva(trimtab_engine::strategy::wva::WvaStep::Spare { queue, .. }) => Some(queue),
        _ => None,
    });
    assert_eq!(queue.map(trimtab_engine::Finite::get), Some(4.0)); // (2 + 5 + 5) / 3
}

#[test]
fn nothing_is_decided_without_readings() {
    for which in ["vllm:kv_cache_usage_perc", "vllm:num_requests_waiting"] {
        let policy = policy(json!({}));
        let mut record = observation(&policy, START, &CALM);
        for reading in record.readings.iter_mut().filter(|reading| reading.metric == which) {
            (reading.pods, reading.unavailable) = (None, Some(trimtab_engine::Unavailable::Failed));
        }
        let seen = record.resolve(&policy).expect("it fits");
        let (decision, _) = decide(&policy, State::default(), &seen);
        assert_eq!((decision.outcome, decision.scale_to), (Outcome::MetricsUnknown, None));
    }
}

#[test]
fn each_error_says_what_would_be_right() {
    let refused = |wva: Value, min: i32| {
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": min, "maxReplicas": 20, "strategy": "wva", "wva": wva,
        });
        let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
        Policy::new(spec).expect_err("it is wrong").to_string()
    };
    let errors = [
        refused(json!({"kvCacheThreshold": 1.5}), 1),
        refused(json!({"kvCacheThreshold": 0.2, "kvSpareTrigger": 0.3}), 1),
        refused(json!({"scaleUpThreshold": 0}), 1),
        refused(json!({"scaleDownBoundary": 0.9}), 1),
        refused(json!({"analyzer": "token"}), 1),
        refused(json!({"maxSequences": 0, "optimizationIntervalSeconds": 0}), 1),
        refused(json!({"scaleToZero": true}), 2),
        refused(json!({"prefixCacheHitRate": "hits"}), 1),
    ];
    insta::assert_snapshot!(errors.join("\n"));
    let by_hpa: PolicySpec = serde_json::from_value(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20, "strategy": "wva",
    }))
    .expect("a policy");
    let other = PolicySpec {
        metrics: Some(trimtab_engine::PolicySpec::default().with_defaults().metrics.expect("CPU")),
        ..by_hpa
    };
    insta::assert_snapshot!("without_its_metrics", Policy::new(other).expect_err("it is wrong"));
}
