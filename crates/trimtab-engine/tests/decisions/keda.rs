//! KEDA through the whole decision: two loops, 0 and idle, fallbacks, formulas, pauses.

use insta::assert_snapshot;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Outcome, Policy, ScaleUpdate, State, StrategyState, decide_traced,
    settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::refusals::refused;
use crate::signals::{START, checked, merged};

/// A queue, four for each replica; active above 2.
fn queue(keda: Value, more: Value) -> Value {
    let own = json!({"triggers": [{"name": "queue", "activationThreshold": 2}]});
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 20,
        "strategy": "keda",
        "metrics": [external("queue", "4")],
        "keda": merged(own, keda),
    });
    merged(spec, more)
}

fn external(name: &str, average: &str) -> Value {
    json!({"type": "External", "external": {"metric": {"name": name},
        "target": {"type": "AverageValue", "averageValue": average}}})
}

/// A workload over time; what is decided is carried out.
struct Run {
    policy: Policy,
    state: State,
    now: Timestamp,
    replicas: i32,
}

impl Run {
    fn new(spec: Value, replicas: i32) -> Self {
        let policy = checked(spec).unwrap_or_else(|invalid| panic!("{invalid}"));
        Self { state: State::for_policy(&policy), policy, now: START, replicas }
    }

    /// All replicas are ready; the readings are a value each, or cannot be had.
    fn decide(&mut self, readings: &[(&str, Option<f64>)]) -> Decision {
        let readings: Vec<Value> = readings
            .iter()
            .map(|(metric, value)| match value {
                Some(value) => json!({"metric": metric, "value": value}),
                None => json!({"metric": metric, "unavailable": "failed"}),
            })
            .collect();
        let pods: Vec<Value> = (0..self.replicas)
            .map(|pod| json!({"name": format!("llm-{pod}"), "ready": true}))
            .collect();
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": self.now, "replicas": self.replicas, "pods": pods, "readings": readings,
        }))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        // A restart in between changes nothing.
        let text = serde_json::to_string(&state).expect("it serializes");
        let state: State = serde_json::from_str(&text).expect("it reads");
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.scale_to.unwrap_or(self.replicas);
        decision
    }

    fn at(&mut self, seconds: i64, value: Option<f64>) -> Decision {
        self.now = START.saturating_add(Span::from_secs(seconds));
        self.decide(&[("queue", value)])
    }

    /// The count after each period of 15 s, from `seconds` to before `until`.
    fn counts(&mut self, seconds: i64, until: i64, value: Option<f64>) -> Vec<i32> {
        (seconds..until)
            .step_by(15)
            .map(|at| {
                self.at(at, value);
                self.replicas
            })
            .collect()
    }

    fn failures(&self) -> i32 {
        match &self.state.strategy {
            Some(StrategyState::Keda(keda)) => keda.failures.first().copied().unwrap_or(-1),
            other => panic!("{other:?}"),
        }
    }
}

/// 0 -> 1 by the executor, 1 -> many by the HPA a sync later, many -> 0 past the HPA.
#[test]
fn from_zero_to_many_and_back() {
    let mut run = Run::new(queue(json!({}), json!({})), 0);
    assert_eq!(run.at(0, Some(2.0)).outcome, Outcome::Decided); // not above the threshold
    assert_eq!(run.at(15, Some(30.0)).outcome, Outcome::NotDue); // polled every 30 s
    assert_snapshot!("woken", run.at(30, Some(30.0)).explain());
    assert_snapshot!("sized_by_the_hpa", run.at(45, Some(30.0)).explain());
    // The HPA doubles, or adds four, at most.
    assert_eq!(run.counts(60, 120, Some(30.0)), [8, 8, 8, 8]);
    assert_snapshot!("cooling_down", run.at(120, Some(0.0)).explain());
    assert_eq!(run.counts(135, 390, Some(0.0)), [8; 17]); // the HPA's window holds
    let slept = run.at(420, Some(0.0)); // the first poll more than 300 s after the one at 90 s
    assert_eq!((run.replicas, slept.scale_to), (0, Some(0)));
    assert_snapshot!("to_zero_past_the_hpa", slept.explain());
    assert_snapshot!("asleep", run.at(450, Some(0.0)).explain());
}

/// Its windows begin there, with the count of then: not with the 0 before the executor's step.
#[test]
fn the_hpa_begins_when_it_first_looks() {
    let window = json!({"scaleUp": {"stabilizationWindowSeconds": 60}});
    let mut run = Run::new(queue(json!({}), json!({"behavior": window})), 0);
    assert_eq!(run.counts(0, 90, Some(12.0)), [1, 1, 1, 1, 1, 3]);
}

/// The metrics of the pods are gone with the last pod: with nothing else the executor never goes there.
#[test]
fn by_the_pods_alone_it_never_goes_to_zero() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "AverageValue", "averageValue": "4"}}});
    let cooldown = json!({"cooldownPeriodSeconds": 0});
    let mut run = Run::new(queue(cooldown, json!({"metrics": [cpu]})), 3);
    for seconds in (0..900).step_by(15) {
        run.now = START.saturating_add(Span::from_secs(seconds));
        run.decide(&[]);
    }
    assert_eq!(run.replicas, 3);
}

/// Only what is written counts as activity.
#[test]
fn a_write_that_fails_is_no_activity() {
    let run = Run::new(queue(json!({}), json!({})), 0);
    let record: ObservationRecord = serde_json::from_value(
        json!({"time": START, "replicas": 0, "readings": [{"metric": "queue", "value": 9}]}),
    )
    .expect("it reads");
    let observation = record.resolve(&run.policy).expect("it fits");
    let (decision, state) = decide_traced(&run.policy, run.state, &observation);
    assert_eq!(decision.scale_to, Some(1));
    let last_active = |state: State| match state.strategy {
        Some(StrategyState::Keda(keda)) => keda.last_active,
        _ => None,
    };
    let settled = |update| settle(&run.policy, state.clone(), &decision, update);
    assert_eq!(last_active(settled(ScaleUpdate::Rejected)), None);
    assert_eq!(last_active(settled(ScaleUpdate::Applied)), Some(START));
    assert!(settled(ScaleUpdate::Applied).status.last_scale_time.is_none(), "it is not the HPA's");
}

#[test]
fn the_minimum_is_restored_and_never_left_by_the_executor() {
    let mut run = Run::new(queue(json!({}), json!({"minReplicas": 3})), 0);
    assert_eq!(run.counts(0, 30, Some(0.0)), [3, 3]);
    assert_eq!(run.counts(30, 900, Some(0.0)).last(), Some(&3));
}

/// The executor goes to idle, and the HPA does not know of idle: they take turns.
#[test]
fn idle_below_the_minimum_oscillates() {
    let settings = json!({"idleReplicaCount": 1, "cooldownPeriodSeconds": 0});
    let mut run = Run::new(queue(settings, json!({"minReplicas": 2})), 2);
    run.at(0, Some(0.0));
    assert_eq!(run.counts(15, 120, Some(0.0)), [2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn an_error_without_a_fallback_changes_nothing() {
    let mut run = Run::new(queue(json!({}), json!({})), 5);
    assert_snapshot!("a_trigger_failed", run.at(0, None).explain());
    assert_eq!(run.counts(15, 3600, None), [5; 239]);
}

/// Both loops count: the poll's and the HPA's read of the same failing source.
#[test]
fn the_fallback_begins_after_reads_of_both_loops() {
    let fallback = json!({"fallback": {"failureThreshold": 3, "replicas": 7}});
    let mut run = Run::new(queue(fallback, json!({})), 5);
    run.at(0, Some(20.0));
    assert_eq!(run.failures(), 0);
    run.at(15, None); // the HPA
    run.at(30, None); // the executor, then the HPA
    assert_eq!((run.failures(), run.replicas), (3, 5));
    assert_snapshot!("the_fallback_stands_in", run.at(45, None).explain());
    assert_eq!(run.replicas, 7);
    assert_snapshot!("the_fallback_keeps_it_active", run.at(60, None).explain());
    run.at(75, Some(20.0));
    assert_eq!(run.failures(), 0);
}

#[test]
fn fallbacks_by_the_current_count() {
    let after = |behavior: &str, current| {
        let fallback =
            json!({"fallback": {"failureThreshold": 0, "replicas": 6, "behavior": behavior}});
        let window = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        let mut run = Run::new(queue(fallback, json!({"behavior": window})), current);
        run.at(0, None);
        run.at(15, None);
        run.replicas
    };
    assert_eq!([after("static", 3), after("static", 9)], [6, 6]);
    assert_eq!([after("currentReplicas", 3), after("currentReplicas", 9)], [3, 9]);
    assert_eq!([after("currentReplicasIfHigher", 3), after("currentReplicasIfHigher", 9)], [6, 9]);
    assert_eq!([after("currentReplicasIfLower", 3), after("currentReplicasIfLower", 9)], [3, 6]);
}

/// A value for the whole is the target times the count over the ready pods; without any there is no
/// fallback.
#[test]
fn the_fallback_of_a_value_is_shared_by_the_ready_pods() {
    let metric = json!({"type": "External", "external": {"metric": {"name": "queue"},
        "target": {"type": "Value", "value": "4"}}});
    let fallback = json!({"fallback": {"failureThreshold": 0, "replicas": 6}});
    let mut run = Run::new(queue(fallback, json!({"metrics": [metric]})), 4);
    assert_snapshot!("shared", run.at(0, None).explain());
    assert_eq!(run.replicas, 6);
}

/// With a threshold of 0 replicas an error lets the executor go to 0.
#[test]
fn a_fallback_of_zero_goes_to_zero_on_an_error() {
    let fallback = json!({"fallback": {"failureThreshold": 9, "replicas": 0}});
    let mut run = Run::new(queue(fallback, json!({})), 4);
    assert_eq!(run.counts(0, 60, None), [4, 4, 0, 0]);
}

/// The HPA's look at a value that stood in at the last poll counts as a good read.
#[test]
fn a_cached_fallback_ends_the_row_of_failures() {
    let triggers = json!([{"name": "queue", "useCachedMetrics": true}]);
    let fallback = json!({"failureThreshold": 1, "replicas": 7});
    let mut run =
        Run::new(queue(json!({"triggers": triggers, "fallback": fallback}), json!({})), 5);
    run.at(0, Some(20.0));
    assert_eq!(run.at(15, None).outcome, Outcome::Decided); // as at the last poll
    run.at(30, None); // the poll, then the HPA on what it cached
    assert_eq!(run.failures(), 2);
    run.at(45, None); // too many: the fallback stands in, and is not cached
    run.at(60, None); // the poll's stands in, is cached, and the HPA's read of it is good
    assert_eq!((run.failures(), run.replicas), (0, 7));
}

#[test]
fn annotations_stop_a_direction_or_all() {
    let mut run = Run::new(queue(json!({"paused": true}), json!({})), 5);
    assert_eq!(run.at(0, Some(80.0)).outcome, Outcome::Paused);
    assert_eq!(run.counts(15, 60, Some(80.0)), [5, 5, 5]);
    let mut run = Run::new(queue(json!({"pausedReplicas": 2}), json!({})), 5);
    assert_snapshot!("paused_at_a_count", run.at(0, Some(80.0)).explain());
    assert_eq!(run.replicas, 2);
    let mut run = Run::new(queue(json!({"pausedScaleOut": true}), json!({})), 0);
    assert_eq!(run.counts(0, 60, Some(80.0)), [0; 4]);
    run.replicas = 3;
    assert_eq!(run.counts(60, 120, Some(80.0)), [3; 4]);
    let mut run = Run::new(queue(json!({"pausedScaleIn": true}), json!({})), 3);
    assert_eq!(run.counts(0, 60, Some(20.0)), [5; 4]);
    assert_eq!(run.counts(60, 1200, Some(0.0)), [5; 76]);
    let mut run = Run::new(queue(json!({"forceActivation": true}), json!({})), 0);
    assert_eq!(run.counts(0, 1200, Some(0.0)), [1; 80]);
}

/// Two triggers and a formula: the sum above 10.
fn formula(formula: &str, keda: Value) -> Value {
    let own = json!({
        "triggers": [{"name": "queue"}, {"name": "busy"}],
        "scalingModifiers": {"formula": formula, "target": "4", "activationTarget": "10"},
    });
    let own = merged(own, keda);
    let metrics = json!([external("queue", "4"), external("busy", "9")]);
    queue(own, json!({"metrics": metrics}))
}

fn both(run: &mut Run, seconds: i64, queue: Option<f64>, busy: Option<f64>) -> Decision {
    run.now = START.saturating_add(Span::from_secs(seconds));
    run.decide(&[("queue", queue), ("busy", busy)])
}

#[test]
fn a_formula_makes_one_metric_of_all() {
    let mut run = Run::new(formula("queue + busy / 2", json!({})), 0);
    both(&mut run, 0, Some(8.0), Some(4.0));
    assert_eq!(run.replicas, 0); // 10 is not above 10
    both(&mut run, 30, Some(8.0), Some(5.0));
    assert_eq!(run.replicas, 1);
    assert_snapshot!("by_formula", both(&mut run, 45, Some(8.0), Some(5.0)).explain());
    assert_eq!(run.replicas, 3); // 10.5 / 4
    let lost = both(&mut run, 60, None, Some(5.0));
    assert_snapshot!("no_formula_without_its_triggers", lost.explain());
    assert_eq!(lost.outcome, Outcome::MetricsUnknown);
}

#[test]
fn a_trigger_that_fails_too_often_is_nil_or_replaces_the_formula() {
    let fallback = |behavior: &str| json!({"fallback": {"failureThreshold": 0, "replicas": 6, "behavior": behavior}});
    let mut run = Run::new(formula("queue ?? (busy * 3)", fallback("scalingModifiers")), 1);
    assert_snapshot!("nil_in_the_formula", both(&mut run, 0, None, Some(5.0)).explain());
    assert_eq!(run.replicas, 4); // 15 / 4
    let mut run = Run::new(formula("queue ?? nil", fallback("scalingModifiers")), 5);
    assert_snapshot!("a_formula_that_is_nil", both(&mut run, 0, None, Some(5.0)).explain());
    assert_eq!(run.replicas, 6);
    let mut run = Run::new(formula("queue + busy", fallback("static")), 5);
    assert_snapshot!("past_the_formula", both(&mut run, 0, None, Some(500.0)).explain());
    assert_eq!(run.replicas, 6);
}

/// It is not in the formula, but it has to be readable.
#[test]
fn a_trigger_without_a_name_can_only_fail() {
    let unnamed = json!({"triggers": [{"name": "queue"}]});
    let mut run = Run::new(formula("queue", unnamed), 1);
    both(&mut run, 0, Some(12.0), Some(1000.0));
    assert_eq!(run.replicas, 3);
    assert_eq!(both(&mut run, 30, Some(12.0), None).outcome, Outcome::MetricsUnknown);
}

/// A target that is no whole number disables the fallback without a word.
#[test]
fn a_fractional_target_disables_the_fallback() {
    let mut spec =
        formula("queue + busy", json!({"fallback": {"failureThreshold": 0, "replicas": 6}}));
    spec["keda"]["scalingModifiers"]["target"] = json!("4.0");
    let mut run = Run::new(spec, 5);
    for seconds in (0..600).step_by(15) {
        both(&mut run, seconds, None, Some(5.0));
    }
    assert_eq!(run.replicas, 5);
}

/// A formula that fails reads as inactive to the executor, and is no error: down it goes.
#[test]
fn a_formula_that_fails_lets_the_executor_go_to_zero() {
    let mut run = Run::new(formula("[queue][int(busy)]", json!({"cooldownPeriodSeconds": 0})), 3);
    both(&mut run, 0, Some(80.0), Some(0.0));
    assert_ne!(run.replicas, 0);
    let failed = both(&mut run, 30, Some(80.0), Some(1.0));
    assert_snapshot!("a_formula_that_fails", failed.explain());
    assert_eq!(run.replicas, 0);
}

#[test]
fn what_keda_refuses_is_refused() {
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "busy"},
        "target": {"type": "AverageValue", "averageValue": "3"}}});
    let specs = [
        queue(json!({"pollingIntervalSeconds": 0, "pausedReplicas": -1}), json!({})),
        queue(json!({"idleReplicaCount": 2}), json!({"minReplicas": 2})),
        queue(json!({"triggers": [{}, {}]}), json!({})),
        queue(json!({}), json!({"metrics": [pods]})),
        queue(
            json!({"fallback":
                {"failureThreshold": -1, "replicas": 6, "behavior": "scalingModifiers"}}),
            json!({}),
        ),
        formula("queue", json!({"triggers": [{"name": "queue"}, {"name": "queue"}]})),
        formula("queue + bussy", json!({})),
        queue(
            json!({"scalingModifiers": {"formula": "queue", "target": "-1",
                "activationTarget": "some", "metricType": "Utilization"}}),
            json!({}),
        ),
    ];
    assert_snapshot!("refused", refused(specs));
}
