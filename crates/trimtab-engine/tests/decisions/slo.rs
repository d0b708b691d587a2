//! `slo` through the whole decision: roles, what is unknown, growth, starts. Its laws are in `laws/`.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Outcome, Policy, ScaleUpdate, State, decide, decide_traced, settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::refusals::refused;
use crate::signals::{START, Seen, checked, merged, spec, with_budget};

/// A workload over time; what is decided is not carried out, the next observation says what is.
struct Run {
    policy: Policy,
    state: State,
    now: Timestamp,
}

impl Run {
    fn new(spec: Value) -> Self {
        let policy = checked(spec).unwrap_or_else(|invalid| panic!("{invalid}"));
        Self { state: State::for_policy(&policy), policy, now: START }
    }

    fn after(&mut self, seconds: i64, seen: &Seen) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(seconds));
        let observation = seen.record(self.now).resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        let text = serde_json::to_string(&state).expect("it serializes");
        let state: State = serde_json::from_str(&text).expect("it reads");
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        decision
    }
}

/// One decision of a fresh workload, without a window in the way.
fn once(seen: &Seen) -> Decision {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    Run::new(spec(json!({}), json!({"behavior": behavior}))).after(0, seen)
}

#[test]
fn the_queue_decides_whether_and_the_load_how_much() {
    assert_snapshot!("triggered", once(&Seen::busy(4, 16.0)).explain());
    assert_snapshot!("not_triggered", once(&Seen::calm(4, 16.0)).explain());
    assert_snapshot!("released", once(&Seen::calm(8, 3.0)).explain());
    let between = Seen { queue: Some(16.0), ..Seen::calm(8, 3.0) };
    assert_snapshot!("not_released", once(&between).explain());
}

/// Fewer replicas would share the queue at its activation again.
#[test]
fn a_way_down_that_would_turn_around_is_shorter() {
    let queue = Seen { queue: Some(7.0), ..Seen::calm(8, 1.0) };
    assert_eq!(once(&queue).scale_to, Some(2)); // 7 / 2 < 4, and 7 / 1 is not
    assert_eq!(once(&Seen::calm(8, 1.0)).scale_to, Some(1));
}

#[test]
fn a_latency_over_its_objective_asks_for_more_than_the_load() {
    let slow = Seen { ttft: Some(3.0), ..Seen::busy(4, 10.0) };
    assert_snapshot!("slow", once(&slow).explain());
    assert_eq!(once(&slow).scale_to, Some(5)); // 4 × sqrt(1.5)
    // Not without the queue, and not for a service with half as many again as its load needs.
    assert_eq!(once(&Seen { queue: Some(0.0), ..slow.clone() }).scale_to, None);
    let idle = Seen { ttft: Some(100.0), ..Seen::busy(10, 1.0) };
    assert_eq!(once(&idle).scale_to, None);
    let near = Seen { ttft: Some(1.7), ..Seen::calm(4, 1.0) };
    assert_snapshot!("near_its_objective", once(&near).explain());
}

/// The window of the latency still holds the time before.
#[test]
fn a_latency_waits_for_new_replicas_to_show() {
    let mut run = Run::new(spec(json!({}), json!({})));
    let slow = |replicas| Seen { ttft: Some(8.0), ..Seen::busy(replicas, 10.0) };
    assert_eq!(run.after(0, &slow(4)).scale_to, Some(6));
    assert_eq!(run.after(15, &slow(4)).scale_to, Some(6));
    assert_eq!(run.after(15, &slow(6)).scale_to, None);
    assert_eq!(run.after(60, &slow(6)).scale_to, Some(9));
}

#[test]
fn guards_only_raise() {
    let full = Seen { cache: Some(0.92), ..Seen::calm(4, 1.0) };
    assert_snapshot!("over_the_limit", once(&full).explain());
    let over = Seen { cache: Some(0.98), ..Seen::calm(4, 1.0) };
    assert_snapshot!("over_the_hard_limit", once(&over).explain());
    let on_its_way = Seen { starting: vec![Some(9)], ..over };
    assert_eq!(once(&on_its_way).scale_to, None, "one is on its way");
}

#[test]
fn what_is_unknown_lets_nothing_go() {
    let unknown = [
        Seen { load: vec![None; 8], ..Seen::calm(8, 0.0) },
        Seen { queue: None, ..Seen::calm(8, 1.0) },
        Seen { ttft: None, ..Seen::calm(8, 1.0) },
        Seen { cache: None, ..Seen::calm(8, 1.0) },
    ];
    for seen in unknown {
        let decision = once(&seen);
        assert_eq!((decision.scale_to, decision.outcome), (None, Outcome::PartiallyDecided));
    }
    let nothing =
        Seen { load: vec![None; 8], queue: None, ttft: None, cache: None, ..Seen::calm(0, 0.0) };
    assert_snapshot!("nothing_is_known", once(&nothing).explain());
}

/// Silent replicas count as nothing on the way up, and as at their target on the way down.
#[test]
fn silent_replicas_neither_pin_nor_collapse_the_fleet() {
    let mut load = vec![Some(12.0); 8];
    load.extend([None; 2]);
    let seen = Seen { load, ..Seen::busy(0, 0.0) };
    assert_snapshot!("silent", once(&seen).explain());
    assert_eq!(once(&seen).scale_to, None); // 96 to 116 over 10
    // Half of them silent is too little to go by.
    let mut load = vec![Some(30.0); 4];
    load.extend([None; 5]);
    assert_snapshot!("too_few", once(&Seen { load, ..Seen::busy(0, 0.0) }).explain());
}

/// One replica out of its mind does not speak for the fleet.
#[test]
fn one_bad_replica_does_not_pin_the_fleet() {
    let mut load = vec![Some(9.0); 9];
    load.push(Some(1e9));
    assert_eq!(once(&Seen { load, ..Seen::busy(0, 0.0) }).scale_to, Some(13)); // 9 × 9 + 40
}

/// What the load grew by within a lead time is kept ready.
#[test]
fn growth_of_before_is_kept_ready() {
    let mut run = Run::new(spec(
        json!({"surgeQuantile": 1, "signals": []}),
        json!({"metrics": [
        {"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}]}),
    ));
    let mut at = |seconds: i64, load: f64| {
        run.now = START.saturating_add(Span::from_secs(seconds));
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": run.now, "replicas": 4, "readings": [{"metric": "load", "value": load}]}))
        .expect("it reads");
        let observation = record.resolve(&run.policy).expect("it fits");
        let (decision, state) =
            decide_traced(&run.policy, core::mem::take(&mut run.state), &observation);
        run.state = state;
        decision
    };
    for tick in 0..12 {
        at(tick * 15, if tick < 6 { 30.0 } else { 55.0 });
    }
    // 3 replicas' load became 5.5 within 120 s: 2.5 more than the present need.
    let kept = at(180, 55.0);
    assert_snapshot!("growth", kept.explain());
    assert_eq!(kept.scale_to, Some(8));
}

/// A start that takes too long is not counted on; a pod without a node is waited for.
#[test]
fn overdue_replicas_are_replaced() {
    let seen = |age| Seen { starting: vec![age; 2], ..Seen::busy(4, 15.0) };
    assert_eq!(once(&seen(Some(60))).scale_to, None); // six are enough, once they are there
    assert_snapshot!("overdue", once(&seen(Some(181))).explain());
    assert_eq!(once(&seen(Some(181))).scale_to, Some(8));
    assert_eq!(once(&seen(None)).scale_to, None);
}

/// The queue decides whether: without it there is no need to replace.
#[test]
fn overdue_replicas_are_not_replaced_while_nothing_waits() {
    let seen = |age| Seen { starting: vec![age; 2], ..Seen::calm(4, 20.0) };
    assert_eq!(once(&seen(Some(60))).scale_to, None);
    assert_eq!(once(&seen(Some(181))).scale_to, None);
}

/// An unknown load that counts as being over its limit asks for one more, and not for another one while
/// that is on its way.
#[test]
fn what_is_unknown_asks_for_one_at_a_time() {
    let signals = json!([{"metric": "load", "onUnknown": {"up": "assumeLimit"}},
        {"metric": "queue", "role": "trigger"}, {"metric": "ttft", "role": "latency"},
        {"metric": "cache", "role": "guard"}]);
    let mut run = Run::new(spec(json!({"signals": signals}), json!({})));
    let mut seen = Seen { load: vec![None; 4], ..Seen::calm(4, 0.0) };
    assert_eq!(run.after(0, &seen).scale_to, Some(5));
    seen.starting = vec![Some(15)];
    assert_eq!(run.after(15, &seen).scale_to, None);
}

/// Where a tenth misses what a hundredth may, loads come to count as more, and where none does as less; what was
/// missed now counts from the next decision on.
#[test]
fn a_budget_that_is_overspent_makes_loads_count_as_more() {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "tolerance": 0}});
    let over_an_hour = json!({"windowSeconds": 3600});
    let of = |share: f64| {
        let spec = spec(json!({"surgeQuantile": 0}), json!({"behavior": behavior}));
        let mut run = Run::new(with_budget(spec, over_an_hour.clone()));
        let seen = Seen { attained: Some(share), ..Seen::busy(10, 10.0) };
        assert_eq!(run.after(0, &seen).scale_to, None);
        (0..12).map(|_| run.after(60, &seen)).last().expect("twelve")
    };
    // Eleven minutes at nine budgets too many are 1.65 budgets; the count is e^(1.65/6) times as many.
    assert_eq!(of(0.9).scale_to, Some(14));
    assert_snapshot!("budget_overspent", of(0.9).explain());
    assert_eq!(of(0.99).scale_to, None);
    // At the release of the trigger nothing goes.
    let calm = |attained| {
        let spec = spec(json!({"surgeQuantile": 0}), json!({"behavior": behavior}));
        let mut run = Run::new(with_budget(spec, over_an_hour.clone()));
        let seen = Seen { attained, ..Seen::calm(10, 10.0) };
        (0..120).map(|_| run.after(60, &seen)).last().expect("two hours")
    };
    assert_eq!(calm(Some(1.0)).scale_to, Some(8));
    assert_snapshot!("budget_to_spare", calm(Some(1.0)).explain());
    // Nobody knows whether the promise is kept: nothing goes.
    assert_eq!(calm(None).scale_to, None);
}

#[test]
fn a_budget_says_what_is_wrong_with_it() {
    let refused = |budget: Value| match checked(with_budget(spec(json!({}), json!({})), budget)) {
        Ok(policy) => panic!("{policy:?}"),
        Err(invalid) => invalid.to_string(),
    };
    let all = [
        json!({"attained": "attaind"}),
        json!({"attained": "load"}),
        json!({"objective": null, "windowSeconds": 59}),
        json!({"objective": 1, "leastPercent": 5, "mostPercent": 99}),
    ];
    assert_snapshot!("budget_refused", all.map(refused).join("\n\n"));
    let none = merged(with_budget(spec(json!({}), json!({})), json!({})), json!({}));
    assert!(checked(none).is_ok());
}

/// Where nothing at all is known, not even that: the count stays, and the trace says so.
#[test]
fn what_is_wholly_unknown_asks_for_nothing() {
    let on_unknown = json!({"up": "assumeLimit"});
    let signals = json!([{"metric": "load", "onUnknown": on_unknown},
        {"metric": "queue", "role": "trigger"}, {"metric": "ttft", "role": "latency"},
        {"metric": "cache", "role": "guard", "onUnknown": on_unknown}]);
    let mut run = Run::new(spec(json!({"signals": signals}), json!({})));
    let dark =
        Seen { load: vec![None; 4], queue: None, ttft: None, cache: None, ..Seen::calm(4, 0.0) };
    let decision = run.after(0, &dark);
    assert_eq!((decision.scale_to, decision.outcome), (None, Outcome::MetricsUnknown));
    assert_snapshot!("wholly_unknown", decision.explain());
}

/// Of nothing, a percentage is nothing: what sleeps would never wake.
#[test]
fn rate_limits_do_not_hold_it_at_zero() {
    let rules = json!({"scaleUp": {"selectPolicy": "Min", "policies": [
        {"type": "Percent", "value": 100, "periodSeconds": 60},
        {"type": "Pods", "value": 2, "periodSeconds": 60}]}});
    let load = |strategy: &str| {
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": 0, "maxReplicas": 40, "strategy": strategy, "behavior": rules,
            "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
                "target": {"type": "AverageValue", "averageValue": "10"}}}]})
    };
    for (strategy, wanted) in [("slo", 6), ("knative", 9), ("rayServe", 1)] {
        let policy = checked(load(strategy)).unwrap_or_else(|invalid| panic!("{invalid}"));
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": START, "replicas": 0, "readings": [{"metric": "load", "value": 60}]}))
        .expect("it reads");
        let observation = record.resolve(&policy).expect("it fits");
        let (decision, _) = decide_traced(&policy, State::for_policy(&policy), &observation);
        assert_eq!(decision.scale_to, Some(wanted), "{strategy}\n{}", decision.explain());
    }
}

#[test]
fn the_last_replica_goes_after_its_own_time_and_all_come_back_at_once() {
    let one = json!({"minReplicas": 0, "metrics": [
        {"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}]});
    let mut run = Run::new(spec(json!({"signals": [], "scaleToZeroAfterSeconds": 900}), one));
    let mut at = |seconds: i64, replicas: i32, load: f64| {
        run.now = START.saturating_add(Span::from_secs(seconds));
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": run.now, "replicas": replicas, "readings": [{"metric": "load", "value": load}]}))
        .expect("it reads");
        let observation = record.resolve(&run.policy).expect("it fits");
        let (decision, state) =
            decide_traced(&run.policy, core::mem::take(&mut run.state), &observation);
        run.state = state;
        decision
    };
    assert_eq!(at(0, 3, 0.0).scale_to, None);
    assert_eq!(at(600, 3, 0.0).scale_to, Some(1));
    assert_snapshot!("the_last_replica", at(615, 1, 0.0).explain());
    assert_eq!(at(899, 1, 0.0).scale_to, None);
    assert_eq!(at(900, 1, 0.0).scale_to, Some(0));
    assert_eq!(at(915, 0, 0.0).scale_to, None);
    assert_eq!(at(930, 0, 35.0).scale_to, Some(4));
}

#[test]
fn what_is_wrong_is_refused() {
    let metric = |type_: &str, target: Value| {
        let source = json!({"metric": {"name": "load"}, "target": target});
        match type_ {
            "Pods" => json!([{"type": "Pods", "pods": source}]),
            _ => json!([{"type": "External", "external": source}]),
        }
    };
    let specs = [
        spec(json!({}), json!({"metrics": []})),
        spec(
            json!({"leadTimeSeconds": 0, "surgeQuantile": 2, "latency": {"damping": 0}}),
            json!({}),
        ),
        spec(json!({"signals": [{"metric": "lode"}]}), json!({})),
        spec(json!({"signals": [{"metric": "load"}, {"metric": "load"}]}), json!({})),
        spec(
            json!({"signals": [{"metric": "queue", "role": "trigger", "release": "4"},
            {"metric": "cache", "role": "guard", "hardLimit": "0.8"},
            {"metric": "ttft", "role": "latency", "release": "1",
             "onUnknown": {"down": "assumeLimit"}}]}),
            json!({}),
        ),
        spec(
            json!({"signals": []}),
            json!({"metrics": metric("External", json!({"type": "Value", "value": "1"}))}),
        ),
        spec(
            json!({"signals": [{"metric": "load", "role": "latency"}]}),
            json!({"metrics": metric("External", json!({"type": "AverageValue", "averageValue": "1"}))}),
        ),
        spec(
            json!({"signals": [{"metric": "load", "role": "guard"}]}),
            json!({"metrics": metric("Pods", json!({"type": "AverageValue", "averageValue": "1"}))}),
        ),
    ];
    assert_snapshot!("refused", refused(specs));
}

/// What four replicas share, as a series of two-second samples, the newest first.
fn sampled(now: Timestamp, samples: &[f64]) -> ObservationRecord {
    let sample = |(back, value): (i64, &f64)| {
        json!([now.saturating_sub(Span::from_secs(back * 2)), value.to_string()])
    };
    let mut points: Vec<Value> = (0_i64..).zip(samples).map(sample).collect();
    points.reverse();
    let pods: Vec<Value> =
        (0..4).map(|pod| json!({"name": format!("llm-{pod}"), "ready": true})).collect();
    serde_json::from_value(json!({"time": now, "replicas": 4, "pods": pods,
        "readings": [{"metric": "arrivals", "series": {"gateway": points}}]}))
    .expect("it reads")
}

/// The average counts, and what the last seconds say for sure.
#[test]
fn a_demand_that_is_sampled() {
    let policy = checked(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 40, "strategy": "slo",
        "metrics": [{"type": "External", "external": {"metric": {"name": "arrivals"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
        "slo": {"leadTimeSeconds": 60, "surgeQuantile": 0, "sampling": {}},
    }))
    .expect("a policy");
    assert_eq!(policy.period(), Span::from_secs(2));
    let explained = |samples: &[f64]| {
        let observation = sampled(START, samples).resolve(&policy).expect("it fits");
        let (decision, state) = decide_traced(&policy, State::for_policy(&policy), &observation);
        let text = serde_json::to_string(&state).expect("it serializes");
        assert_eq!(serde_json::from_str::<State>(&text).expect("it reads"), state);
        decision.explain().to_string()
    };
    let jump: Vec<f64> = (0..30).map(|back| if back < 3 { 120.0 } else { 38.0 }).collect();
    let ripple: Vec<f64> = (0..30).map(|back| if back < 3 { 44.0 } else { 38.0 }).collect();
    assert_snapshot!("sampled_jump", explained(&jump));
    assert_snapshot!("sampled_ripple", explained(&ripple));
    assert_snapshot!("sampled_nothing", explained(&[]));
}

/// What only the last seconds say counts while it lasts, and is no growth that is kept ready from then on: a burst of
/// 6 s comes to less than a replica in the average of a minute.
#[test]
fn a_burst_is_served_and_not_remembered() {
    let policy = checked(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 40, "strategy": "slo",
        "behavior": {"scaleUp": {"policies": [{"type": "Percent", "value": 900, "periodSeconds": 15}]}},
        "metrics": [{"type": "External", "external": {"metric": {"name": "arrivals"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
        "slo": {"leadTimeSeconds": 60, "surgeQuantile": 1, "sampling": {}},
    }))
    .expect("a policy");
    let load = |second: i64| if (600..606).contains(&second) { 120.0 } else { 38.0 };
    let mut state = State::for_policy(&policy);
    let mut wanted = BTreeMap::new();
    for second in (60..1800).step_by(2) {
        let samples: Vec<f64> = (0..30).map(|back| load(second - 2 * back)).collect();
        let now = START.saturating_add(Span::from_secs(second));
        let observation = sampled(now, &samples).resolve(&policy).expect("it fits");
        let (decision, after) = decide(&policy, state, &observation);
        state = after;
        wanted.insert(second, decision.desired_replicas);
    }
    assert_eq!((wanted[&598], wanted[&604]), (4, 12));
    assert_eq!(wanted[&1798], 5);
}

/// A burst that the ready replicas bear asks for nothing, and one that they don't counts as it would without: three
/// times what they should have, where twice that is borne, and four times.
#[test]
fn a_burst_below_the_threshold_is_borne() {
    let policy = |threshold: u32| {
        checked(json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 40, "strategy": "slo",
            "behavior": {"scaleUp": {"policies":
                [{"type": "Percent", "value": 900, "periodSeconds": 15}]}},
            "metrics": [{"type": "External", "external": {"metric": {"name": "arrivals"},
                "target": {"type": "AverageValue", "averageValue": "10"}}}],
            "slo": {"leadTimeSeconds": 60, "surgeQuantile": 0,
                "sampling": {"noise": 0, "burstThresholdPercent": threshold}},
        }))
        .expect("a policy")
    };
    let wanted = |threshold: u32, burst: f64| {
        let policy = policy(threshold);
        let samples: Vec<f64> = (0..30).map(|back| if back < 3 { burst } else { 30.0 }).collect();
        let observation = sampled(START, &samples).resolve(&policy).expect("it fits");
        decide(&policy, State::for_policy(&policy), &observation).0.desired_replicas
    };
    assert_eq!([100, 200].map(|threshold| wanted(threshold, 78.0)), [8, 4]);
    assert_eq!([100, 200].map(|threshold| wanted(threshold, 120.0)), [12, 12]);
}

#[test]
fn a_sampling_that_is_wrong_is_refused() {
    let refused = |sampling: Value| {
        checked(spec(json!({"sampling": sampling}), json!({}))).expect_err("refused").to_string()
    };
    assert_snapshot!(
        "sampling_refused",
        [
            refused(json!({"intervalSeconds": 0})),
            refused(json!({"intervalSeconds": 10, "windowSeconds": 5})),
            refused(json!({"recentSeconds": 90, "noise": -1})),
            refused(json!({"burstThresholdPercent": 50})),
        ]
        .join("\n\n")
    );
}
