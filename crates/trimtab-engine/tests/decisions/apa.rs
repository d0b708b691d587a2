//! APA through the whole decision: windows, limits, bounds, recommendations of before.

use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Outcome, Policy, PolicySpec, ScaleUpdate, State, decide_traced,
    settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::signals::START;

fn spec(more: Value) -> PolicySpec {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20,
        "strategy": "apa",
        "metrics": [{"type": "Pods", "pods": {"metric": {"name": "running"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
    });
    for (field, value) in more.as_object().expect("an object") {
        spec.as_object_mut().expect("an object").insert(field.clone(), value.clone());
    }
    serde_json::from_value(spec).expect("a policy")
}

fn policy(more: Value) -> Policy {
    Policy::new(spec(more)).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// `running` on each of the ready pods; of the others, `started` have an address and do not answer.
fn seen(at: Timestamp, replicas: usize, ready: usize, started: usize, running: f64) -> Value {
    let pods: Vec<Value> = (0..replicas)
        .map(|pod| {
            let since = (pod < ready + started).then(|| START.saturating_sub(Span::from_secs(9)));
            json!({"name": format!("llm-{pod}"), "ready": pod < ready, "startTime": since})
        })
        .collect();
    let values = (0..ready).map(|pod| (format!("llm-{pod}"), json!(running)));
    let values: serde_json::Map<_, _> = values.collect();
    json!({
        "time": at,
        "replicas": replicas,
        "pods": pods,
        "readings": [{"metric": "running", "pods": values}],
    })
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

    fn decide(&mut self, observation: Value) -> Decision {
        let record: ObservationRecord = serde_json::from_value(observation).expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        decision
    }

    /// All replicas are ready and run so many.
    fn after(&mut self, seconds: i64, replicas: usize, running: f64) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(seconds));
        self.decide(seen(self.now, replicas, replicas, 0, running))
    }
}

#[test]
fn a_ratio_above_the_tolerance_asks_for_more() {
    let mut run = Run::new(policy(json!({})));
    assert_eq!(run.after(0, 4, 11.0).scale_to, None);
    let decision = Run::new(policy(json!({}))).after(0, 4, 13.0);
    assert_eq!(decision.scale_to, Some(6));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn no_more_than_twice_as_many_at_once() {
    let decision = Run::new(policy(json!({}))).after(0, 4, 80.0);
    assert_eq!(decision.scale_to, Some(8));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn the_mean_of_the_window_counts() {
    let mut run = Run::new(policy(json!({})));
    assert_eq!(run.after(0, 4, 10.0).scale_to, None);
    // (10 + 11.5) / 2 is near enough.
    assert_eq!(run.after(10, 4, 11.5).scale_to, None);
    // The 10 is out of the window: (11.5 + 11.5) / 2.
    assert_eq!(run.after(171, 4, 11.5).scale_to, Some(5));
}

/// The cooldown takes the smallest recommendation on the way down, and so digs deeper.
#[test]
fn the_way_down_ends_at_the_lowest_recommendation_of_before() {
    let window = json!({"observeWindowSeconds": 1});
    let mut run = Run::new(policy(json!({"apa": window})));
    assert_eq!(run.after(0, 8, 4.0).scale_to, Some(4));
    assert_eq!(run.after(10, 4, 20.0).scale_to, Some(8));
    let decision = run.after(10, 8, 8.0);
    assert_eq!(decision.scale_to, Some(4));
    insta::assert_snapshot!(decision.explain());
    assert_eq!(run.after(300, 8, 8.0).scale_to, Some(7));
}

#[test]
fn a_started_pod_that_does_not_answer_counts_as_zero() {
    let mut run = Run::new(policy(json!({})));
    // 4 at 20, 2 at 0, 2 not started: a mean of 13.3 over 8 replicas.
    let decision = run.decide(seen(START, 8, 4, 2, 20.0));
    assert_eq!(decision.scale_to, Some(11));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn the_largest_of_several_metrics_counts_and_failing_ones_do_not() {
    let two = json!({"metrics": [
        {"type": "External", "external": {"metric": {"name": "queue"},
            "target": {"type": "Value", "value": "30"}}},
        {"type": "Pods", "pods": {"metric": {"name": "running"},
            "target": {"type": "AverageValue", "averageValue": "10"}}},
    ]});
    let with_queue = |queue: Value| {
        let mut observation = seen(START, 4, 4, 0, 5.0);
        let readings = observation["readings"].as_array_mut().expect("a list");
        readings.push(queue);
        Run::new(policy(two.clone())).decide(observation)
    };
    // The queue is held against its target undivided: 45 / 30 × 4.
    let decision = with_queue(json!({"metric": "queue", "values": [40, 5]}));
    assert_eq!((decision.scale_to, decision.metric), (Some(6), Some(0)));
    insta::assert_snapshot!("two_metrics", decision.explain());
    let decision = with_queue(json!({"metric": "queue", "unavailable": "failed"}));
    assert_eq!((decision.scale_to, decision.outcome), (Some(2), Outcome::PartiallyDecided));
    insta::assert_snapshot!("one_failed", decision.explain());
}

#[test]
fn nothing_is_decided_when_no_metric_can_be_read() {
    let mut run = Run::new(policy(json!({})));
    let mut observation = seen(START, 4, 4, 0, 0.0);
    observation["readings"] = json!([{"metric": "running", "pods": {}}]);
    let decision = run.decide(observation);
    assert_eq!((decision.outcome, decision.scale_to), (Outcome::MetricsUnknown, None));
    insta::assert_snapshot!(decision.explain());
}

#[test]
fn zero_stays_zero() {
    let mut run = Run::new(policy(json!({})));
    assert_eq!(run.after(0, 0, 0.0).outcome, Outcome::Disabled);
    let total = json!({"minReplicas": 0, "metrics": [
        {"type": "External", "external": {"metric": {"name": "running"},
            "target": {"type": "Value", "value": "1"}}}]});
    let mut observation = seen(START, 0, 0, 0, 0.0);
    observation["readings"] = json!([{"metric": "running", "value": 500}]);
    let decision = Run::new(policy(total)).decide(observation);
    assert_eq!((decision.outcome, decision.scale_to), (Outcome::Decided, None));
}

#[test]
fn a_behavior_holds_back_what_apa_does_not() {
    let behavior = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}});
    let mut run = Run::new(policy(behavior));
    run.after(0, 8, 10.0);
    assert_eq!(run.after(10, 8, 1.0).scale_to, None);
}

#[test]
fn each_error_says_what_would_be_right() {
    let refused = |more: Value| Policy::new(spec(more)).expect_err("it is wrong").to_string();
    let metric = |type_: &str, source: Value| {
        let mut metric = json!({"type": type_});
        let field = type_.chars().next().expect("a name").to_lowercase().to_string();
        metric[field + &type_[1..]] = source;
        json!({"metrics": [metric]})
    };
    let errors = [
        refused(json!({"apa": {"scaleUpTolerance": -0.1, "maxScaleUpRate": 0}})),
        refused(
            json!({"apa": {"observeWindowSeconds": 0, "scaleDownCooldownWindowSeconds": 4000}}),
        ),
        refused(json!({"apa": {"resyncIntervalSeconds": 0}})),
        refused(metric(
            "Resource",
            json!({"name": "cpu",
            "target": {"type": "Utilization", "averageUtilization": 60}}),
        )),
        refused(metric(
            "External",
            json!({"metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "6"}}),
        )),
        refused(json!({"strategy": "hpa", "apa": {}})),
    ];
    insta::assert_snapshot!(errors.join("\n"));
}
