//! A count that is set by hand, and ways that are paused: under every strategy.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Policy, PolicySpec, Rule, ScaleUpdate, State, decide_traced,
    next_deadline, settle,
};
use trimtab_metric::Span;

use crate::signals::START;

const STRATEGIES: [&str; 5] = ["hpa", "keda", "knative", "rayServe", "slo"];

fn policy(strategy: &str, field: &str, value: Value) -> Policy {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": strategy, "minReplicas": 1, "maxReplicas": 20,
        "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
    });
    spec.as_object_mut().expect("an object").insert(field.to_owned(), value);
    let spec: PolicySpec = serde_json::from_value(spec).expect("it reads");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// At a load of 150; Knative aims at 70 % of the target.
fn wanted(strategy: &str) -> i32 {
    if strategy == "knative" { 20 } else { 15 }
}

/// A workload over time; what is decided is carried out.
struct Run {
    policy: Policy,
    state: State,
    replicas: i32,
}

impl Run {
    fn new(policy: Policy, replicas: i32) -> Self {
        Self { state: State::for_policy(&policy), policy, replicas }
    }

    fn at(&mut self, seconds: i64, load: i32) -> Decision {
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": START.saturating_add(Span::from_secs(seconds)), "replicas": self.replicas,
            "readings": [{"metric": "load", "value": load}],
        }))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        if let Some(deadline) = next_deadline(&self.policy, &state, &observation) {
            assert!(deadline > observation.now);
        }
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.scale_to.unwrap_or(self.replicas);
        explained(&decision);
        decision
    }
}

/// Each step begins where the one before it ended.
fn explained(decision: &Decision) {
    let mut at = decision.current_replicas;
    for step in decision.trace.iter().flatten() {
        if !matches!(step.rule, Rule::Metric(_)) {
            assert_eq!(step.from, at, "{}", decision.explain());
            at = step.to;
        }
    }
    assert_eq!(at, decision.desired_replicas, "{}", decision.explain());
}

#[test]
fn a_count_by_hand_holds_until_it_expires() {
    for strategy in STRATEGIES {
        let until = START.saturating_add(Span::from_secs(600));
        let given = json!({"replicas": 7, "until": until});
        let mut run = Run::new(policy(strategy, "override", given), 2);
        for seconds in (0..600).step_by(5) {
            run.at(seconds, 150);
            assert_eq!(run.replicas, 7, "{strategy}");
        }
        for seconds in (600..900).step_by(5) {
            run.at(seconds, 150);
        }
        assert_eq!(run.replicas, wanted(strategy), "{strategy}");
    }
}

#[test]
fn a_way_that_is_paused_is_not_gone() {
    for strategy in STRATEGIES {
        let mut run = Run::new(policy(strategy, "pause", json!({"scaleUp": true})), 3);
        for seconds in (0..600).step_by(5) {
            run.at(seconds, 150);
            assert_eq!(run.replicas, 3, "{strategy}");
        }
        let mut run = Run::new(policy(strategy, "pause", json!({"scaleDown": true})), 3);
        for seconds in (0..3600).step_by(5) {
            run.at(seconds, if seconds < 600 { 150 } else { 0 });
        }
        assert_eq!(run.replicas, wanted(strategy), "{strategy}");
    }
}

#[test]
fn it_is_told() {
    let until = START.saturating_add(Span::from_secs(600));
    let given = json!({"replicas": 7, "until": until});
    let mut run = Run::new(policy("hpa", "override", given), 2);
    assert_snapshot!("by_hand", run.at(0, 35).explain());
    let mut run = Run::new(policy("hpa", "pause", json!({"scaleUp": true})), 2);
    assert_snapshot!("paused", run.at(0, 35).explain());
}

/// KEDA's executor did not write its count, so nothing was active.
#[test]
fn an_executor_that_is_held_did_not_write() {
    let mut run = Run::new(policy("keda", "pause", json!({"scaleUp": true})), 0);
    run.at(0, 150);
    assert_eq!(run.replicas, 0);
    let text = serde_json::to_string(&run.state).expect("it serializes");
    assert!(!text.contains("lastActive") && !text.contains("change"), "{text}");
}

#[test]
fn a_count_by_hand_is_within_the_largest() {
    let spec: PolicySpec = serde_json::from_value(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 5, "override": {"replicas": 6, "until": START},
    }))
    .expect("it reads");
    let refused = Policy::new(spec).expect_err("6 is more than 5");
    assert_eq!(
        refused.to_string(),
        "the policy breaks a rule\n  spec.override.replicas is 6 and has to be from 0 to `maxReplicas`, 5"
    );
}
