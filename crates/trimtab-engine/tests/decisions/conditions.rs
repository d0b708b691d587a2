//! Conditions: which come up where, what they say, and what of them is kept.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trimtab_engine::{
    Condition, ConditionStatus, ConditionType, Decision, ObservationRecord, Policy, PolicySpec,
    ScaleUpdate, State, decide, decide_traced, settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::signals::START;

/// The HPA's own types.
const HPAS: [&str; 4] = ["AbleToScale", "ScalingActive", "ScalingLimited", "ScaledToZero"];

/// Each of trimtab's own types with its reasons.
const OWN: [(&str, &[&str]); 8] = [
    (
        "MetricsUnknown",
        &[
            "MetricMissing",
            "MetricStale",
            "MetricInvalid",
            "MetricUnreadable",
            "TooFewReplicasReport",
            "MetricsKnown",
        ],
    ),
    ("GuardActive", &["GuardAtLimit", "GuardAtHardLimit", "MetricStale", "GuardsUnderLimits"]),
    ("ColdStartOverdue", &["ReplicasOverdue", "NoneOverdue"]),
    ("Stabilized", &["ScaleDownStabilized", "ScaleUpStabilized", "ReadyForNewScale"]),
    ("RateLimited", &["ScaleUpLimit", "ScaleDownLimit", "WithinRateLimits"]),
    (
        "SupplyLimited",
        &["NoRoom", "PoolBackingOff", "NodesPending", "SupplyUnknown", "NodesAvailable"],
    ),
    ("FlapBudgetSpent", &["NoChangesLeft", "ChangesLeft"]),
    (
        "ForecastIgnored",
        &["ForecastWorseThanNaive", "TooLittleHistory", "LoadStale", "ForecastUsed"],
    ),
];

/// A state as the first release wrote it keeps its digest.
#[test]
fn a_state_of_before_reads_and_keeps_its_digest() {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason,
            "lastTransitionTime": "2026-11-24T10:21:00Z"})
    };
    let state = |conditions: Value| -> State {
        let status = json!({"currentReplicas": 3, "desiredReplicas": 7, "conditions": conditions});
        serde_json::from_value(json!({"version": 1, "status": status})).expect("it reads")
    };
    let mut conditions = vec![
        condition("AbleToScale", "True", "SucceededRescale"),
        condition("ScalingActive", "True", "ValidMetricFound"),
        condition("ScalingLimited", "False", "DesiredWithinRange"),
    ];
    let three = state(conditions.clone().into());
    conditions.push(condition("ScaledToZero", "False", "NotScaledToZero"));
    let four = state(conditions.clone().into());
    assert_eq!(three.digest().to_string(), "fb8ddfccabe4775f");
    assert_eq!(four.digest().to_string(), "92920856ddc15a95");
    conditions.push(condition("Stabilized", "True", "ScaleDownStabilized"));
    assert_ne!(state(conditions.into()).digest(), four.digest());
}

/// Every reason has its sentence, and the reference names it.
#[test]
fn what_they_say() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/reference/conditions.md");
    let page = std::fs::read_to_string(page).expect("the reference is there");
    let mut text = String::new();
    for (type_, reasons) in OWN {
        assert!(page.contains(&format!("`{type_}`")), "{type_} is not in the reference");
        for reason in reasons {
            assert!(page.contains(&format!("`{reason}`")), "{reason} is not in the reference");
            let condition: Condition = serde_json::from_value(json!({
                "type": type_, "status": "True", "reason": reason, "metric": 2, "numbers": [3, 12],
                "lastTransitionTime": START}))
            .expect("it reads");
            text += &format!("{type_} {reason}: {}\n", condition.message());
        }
    }
    assert_snapshot!("what_they_say", text);
}

fn policy(strategy: &str, more: Value) -> Policy {
    let metric = |name: &str, type_: &str, field: &str, value: &str| {
        json!({"type": "External", "external": {"metric": {"name": name},
            "target": {"type": type_, field: value}}})
    };
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 30, "strategy": strategy,
        "metrics": [metric("load", "AverageValue", "averageValue", "10")],
    });
    if strategy == "apa" {
        spec["metrics"] = json!([metric("load", "Value", "value", "10")]);
    }
    if strategy == "slo" {
        spec["metrics"] = json!([
            metric("load", "AverageValue", "averageValue", "10"),
            metric("cache", "Value", "value", "900m"),
        ]);
        spec["slo"] = json!({"leadTimeSeconds": 120, "surgeQuantile": 0, "signals": [
            {"metric": "cache", "role": "guard", "hardLimit": "950m"}]});
    }
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// A workload whose count is what was decided.
struct Run {
    policy: Policy,
    state: State,
    now: Timestamp,
    replicas: i32,
}

impl Run {
    fn new(policy: Policy, replicas: i32) -> Self {
        Self { state: State::for_policy(&policy), policy, now: START, replicas }
    }

    /// After 15 s, what is decided on these readings, with some replicas starting for so long.
    fn next(&mut self, readings: Value, starting: &[i64]) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(15));
        let pods: Vec<Value> = (0..self.replicas)
            .map(|pod| {
                let age = usize::try_from(pod).ok().and_then(|pod| starting.get(pod));
                let since = age.map(|age| self.now.saturating_sub(Span::from_secs(*age)));
                json!({"name": format!("llm-{pod}"), "ready": age.is_none(), "startTime": since})
            })
            .collect();
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": self.now, "replicas": self.replicas, "pods": pods, "readings": readings}))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let (decision, state) =
            decide_traced(&self.policy, core::mem::take(&mut self.state), &observation);
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.desired_replicas;
        decision
    }

    fn load(&mut self, load: f64) -> Decision {
        self.next(json!([{"metric": "load", "value": load}]), &[])
    }

    fn slo(&mut self, load: f64, cache: f64) -> Decision {
        let cache = json!({"metric": "cache", "value": cache});
        self.next(json!([{"metric": "load", "value": load}, cache]), &[])
    }
}

/// The condition of a type, with its sentence.
fn told(decision: &Decision, type_: ConditionType) -> Option<String> {
    let (condition, message) =
        decision.messages().find(|(condition, _)| condition.type_ == type_)?;
    Some(format!("{:?} ({:?}): {message}", condition.status, condition.reason))
}

#[test]
fn metrics_unknown() {
    let type_ = ConditionType::MetricsUnknown;
    let mut run = Run::new(policy("slo", json!({})), 4);
    assert_eq!(told(&run.slo(30.0, 0.5), type_), None, "it has never held");
    let stale = json!([{"metric": "load", "value": 30},
        {"metric": "cache", "unavailable": "stale"}]);
    let decision = run.next(stale, &[]);
    let text = "True (MetricStale): 1 of 2 metrics is unknown: `cache` is stale";
    assert_eq!(told(&decision, type_).as_deref(), Some(text));
    let text = "Unknown (MetricStale): 1 of 1 metrics is unknown: `cache` is stale";
    assert_eq!(told(&decision, ConditionType::GuardActive).as_deref(), Some(text));
    let none = json!([{"metric": "load", "unavailable": "failed"}, {"metric": "cache", "unavailable": "missing"}]);
    let text = "True (MetricUnreadable): 2 of 2 metrics are unknown; the first, `load`, could not \
        be read";
    assert_eq!(told(&run.next(none, &[]), type_).as_deref(), Some(text));
    let since = run.now;
    let decision = run.slo(30.0, 0.5);
    let text = "False (MetricsKnown): every metric is known";
    assert_eq!(told(&decision, type_).as_deref(), Some(text));
    let condition = decision.conditions.get(type_).expect("it has held");
    assert_eq!(condition.last_transition_time, since.saturating_add(Span::from_secs(15)));
}

#[test]
fn guard_active() {
    let type_ = ConditionType::GuardActive;
    let mut run = Run::new(policy("slo", json!({})), 4);
    let text = "True (GuardAtLimit): `cache` is at its limit: at least 4 replicas stay";
    assert_eq!(told(&run.slo(10.0, 0.92), type_).as_deref(), Some(text));
    let text = "True (GuardAtHardLimit): `cache` is at its hard limit: at least 5 replicas are \
        asked for";
    assert_eq!(told(&run.slo(10.0, 0.96), type_).as_deref(), Some(text));
    let text = "False (GuardsUnderLimits): every guard is under its limit";
    assert_eq!(told(&run.slo(10.0, 0.5), type_).as_deref(), Some(text));
}

#[test]
fn cold_start_overdue() {
    let type_ = ConditionType::ColdStartOverdue;
    let mut run = Run::new(policy("slo", json!({})), 4);
    let readings = json!([{"metric": "load", "value": 40}, {"metric": "cache", "value": 0.5}]);
    assert_eq!(told(&run.next(readings.clone(), &[179]), type_), None);
    let decision = run.next(readings.clone(), &[181, 500]);
    let text = "True (ReplicasOverdue): 2 overdue, 2 asked for in their place";
    assert_eq!(told(&decision, type_).as_deref(), Some(text));
    assert_eq!(decision.scale_to, Some(6));
    let text = "False (NoneOverdue): no start takes longer than it may";
    assert_eq!(told(&run.next(readings, &[]), type_).as_deref(), Some(text));
}

#[test]
fn stabilized_and_rate_limited() {
    let rules = json!({"behavior": {"scaleUp": {"policies": [
        {"type": "Pods", "value": 2, "periodSeconds": 60}]}}});
    let (held, cut) = (ConditionType::Stabilized, ConditionType::RateLimited);
    let mut run = Run::new(policy("slo", rules), 4);
    let decision = run.slo(120.0, 0.5);
    let text = "True (ScaleUpLimit): the rate limits allow 6 for now, not the 12 wanted";
    assert_eq!(told(&decision, cut).as_deref(), Some(text));
    assert_eq!(told(&decision, held), None);
    for _ in 0..9 {
        run.slo(0.0, 0.5); // nothing is kept for growth
    }
    let decision = run.slo(0.0, 0.5);
    let text = "True (ScaleDownStabilized): a higher recommendation within the window holds 6, not \
        the 0 wanted";
    assert_eq!(told(&decision, held).as_deref(), Some(text));
    let text = "False (WithinRateLimits): no rate limit holds the count";
    assert_eq!(told(&decision, cut).as_deref(), Some(text));
    assert_snapshot!("in_an_explanation", decision.explain());
}

/// What reproduces the HPA has the HPA's conditions, and nothing beside them; another strategy has
/// trimtab's where the policy turned the stage on.
#[test]
fn peers_keep_their_own() {
    let rules = json!({"scaleUp": {"policies": [
        {"type": "Pods", "value": 1, "periodSeconds": 600}]}});
    for (strategy, behavior, own) in [
        ("hpa", true, false),
        ("keda", true, false),
        ("knative", false, false),
        ("knative", true, true),
        ("rayServe", false, false),
        ("rayServe", true, true),
        ("apa", false, false),
        ("apa", true, true),
    ] {
        let more = if behavior { json!({"behavior": rules}) } else { json!({}) };
        let mut run = Run::new(policy(strategy, more), 4);
        let mut types = std::collections::BTreeSet::new();
        for tick in 0..40 {
            let decision = run.load(if tick < 20 { 300.0 } else { 1.0 });
            types.extend(decision.conditions.iter().map(|c| format!("{:?}", c.type_)));
        }
        let found = types.iter().any(|type_| !HPAS.contains(&type_.as_str()));
        assert_eq!(found, own, "{strategy}, behavior {behavior}: {types:?}");
    }
}

/// A decision is written with its messages; what is read is the same, with or without them. A state
/// is written without.
#[test]
fn written_and_read() {
    let mut run = Run::new(policy("slo", json!({})), 4);
    let decision = run.slo(10.0, 0.92);
    let mut written = serde_json::to_value(&decision).expect("it serializes");
    let last = written["conditions"].as_array().and_then(|list| list.last()).expect("there is one");
    let guard = json!({
        "type": "GuardActive", "status": "True", "reason": "GuardAtLimit", "metric": 1,
        "numbers": [4, 0], "message": "metric 1 is at its limit: at least 4 replicas stay",
        "lastTransitionTime": decision.at,
    });
    assert_eq!(*last, guard);
    let read: Decision = serde_json::from_value(written.clone()).expect("it reads");
    assert_eq!(read, decision);
    for condition in written["conditions"].as_array_mut().expect("a list") {
        condition.as_object_mut().expect("an object").remove("message");
    }
    let read: Decision = serde_json::from_value(written).expect("it reads");
    assert_eq!(read, decision);
    let state = serde_json::to_string(&run.state).expect("it serializes");
    assert!(!state.contains("message"), "{state}");
    let state: State = serde_json::from_str(&state).expect("it reads");
    assert_eq!((state.digest(), &state), (run.state.digest(), &run.state));
}

/// A number that does not fit says so.
#[test]
fn numbers_beyond_16_bits() {
    let mut run = Run::new(
        policy(
            "slo",
            json!({"maxReplicas": 200_000, "behavior": {"scaleUp": {"policies": [
            {"type": "Pods", "value": 100_000, "periodSeconds": 60}]}}}),
        ),
        4,
    );
    let decision = run.slo(1_500_000.0, 0.5);
    let text = "True (ScaleUpLimit): the rate limits allow 65535 or more for now, not the 65535 or \
        more wanted";
    assert_eq!(told(&decision, ConditionType::RateLimited).as_deref(), Some(text));
}

#[test]
fn a_type_is_listed_once() {
    let condition = json!({"type": "Stabilized", "status": "True", "reason": "ScaleUpStabilized",
        "lastTransitionTime": 0});
    let status = json!({"currentReplicas": 3, "desiredReplicas": 7,
        "conditions": [condition, condition]});
    let error = serde_json::from_value::<State>(json!({"version": 1, "status": status}));
    let error = error.expect_err("twice is too often").to_string();
    assert_eq!(error, "condition `Stabilized` is listed twice");
}

/// Untraced decisions say the same conditions.
#[test]
fn tracing_adds_names_alone() {
    let policy = policy("slo", json!({}));
    let record: ObservationRecord = serde_json::from_value(json!({"time": START, "replicas": 4,
        "readings": [{"metric": "load", "value": 10}, {"metric": "cache", "value": 0.92}]}))
    .expect("it reads");
    let observation = record.resolve(&policy).expect("it fits");
    let (untraced, _) = decide(&policy, State::for_policy(&policy), &observation);
    let guard = untraced.conditions.get(ConditionType::GuardActive).expect("it holds");
    assert_eq!(guard.status, ConditionStatus::True);
    assert_eq!((guard.metric(), guard.numbers()), (Some(1), [4, 0]));
    assert_eq!(guard.message().to_string(), "metric 1 is at its limit: at least 4 replicas stay");
}
