//! `slo` with the load that is offered, learned capacity and the service model, through the whole
//! decision; and the laws of each.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::strategy::slo::SloStep;
use trimtab_engine::{
    Decision, ObservationRecord, Policy, Rule, ScaleUpdate, State, StrategyState, decide,
    decide_traced, settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::refusals::refused;
use crate::signals::{START, checked};

/// Metrics of the whole service, each with its target, and what `slo` says of them.
fn spec(metrics: &[(&str, &str)], slo: &Value) -> Value {
    let metrics: Vec<Value> = metrics
        .iter()
        .map(|(name, target)| {
            json!({"type": "External", "external": {"metric": {"name": name},
                "target": {"type": "AverageValue", "averageValue": target}}})
        })
        .collect();
    json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 60,
        "strategy": "slo",
        "behavior": {
            "scaleUp": {"policies": [{"type": "Pods", "value": 60, "periodSeconds": 15}]},
            "scaleDown": {"stabilizationWindowSeconds": 0},
        },
        "metrics": metrics,
        "slo": slo,
    })
}

/// A workload over time, of replicas that are all ready.
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

    /// A decision, so many seconds later. What is not among the values could not be read.
    fn after(&mut self, seconds: i64, replicas: i32, values: &[(&str, f64)]) -> Decision {
        self.now = self.now.saturating_add(Span::from_secs(seconds));
        let pods: Vec<Value> =
            (0..replicas).map(|pod| json!({"name": format!("llm-{pod}"), "ready": true})).collect();
        let readings: Vec<Value> = values
            .iter()
            .map(|(metric, value)| json!({"metric": metric, "value": value}))
            .collect();
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": self.now, "replicas": replicas, "pods": pods, "readings": readings}))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let (decision, after) = decide_traced(&self.policy, state.clone(), &observation);
        let text = serde_json::to_string(&state).expect("it serializes");
        let again: State = serde_json::from_str(&text).expect("it reads");
        let (other, other_after) = decide(&self.policy, again, &observation);
        assert_eq!(other, Decision { trace: None, ..decision.clone() });
        assert_eq!((&other_after, other_after.digest()), (&after, after.digest()));
        self.state = settle(&self.policy, after, &decision, ScaleUpdate::Applied);
        decision
    }

    /// What `slo` remembers beyond what it does without any of this, in bytes.
    fn sensing_bytes(&mut self) -> usize {
        let with = self.state.size_in_bytes();
        let Some(StrategyState::Slo(memory)) = &mut self.state.strategy else { return 0 };
        let sensing = memory.sensing.take();
        let without = self.state.size_in_bytes();
        if let Some(StrategyState::Slo(memory)) = &mut self.state.strategy {
            memory.sensing = sensing;
        }
        with - without
    }
}

fn in_flight() -> Value {
    spec(
        &[("running", "10"), ("waiting", "1"), ("shed", "1")],
        &json!({"leadTimeSeconds": 1, "maxSurgePercent": 0, "signals": [
            {"metric": "running", "offered":
                {"waiting": "waiting", "rejected": "shed", "censoredAt": "16"}},
            {"metric": "waiting", "role": "part"},
            {"metric": "shed", "role": "part"}]}),
    )
}

/// What waits and what was turned away are load, and a server at its limit does not tell.
#[test]
fn what_is_in_flight_waits_and_was_turned_away() {
    let once = |values: &[(&str, f64)]| Run::new(in_flight()).after(0, 4, values);
    let seen = once(&[("running", 40.0), ("waiting", 25.0), ("shed", 6.0)]);
    assert_eq!(seen.scale_to, Some(8)); // 71 of 10
    assert_snapshot!("in_flight", seen.explain());
    let full = once(&[("running", 64.0), ("waiting", 0.0), ("shed", 0.0)]);
    assert_snapshot!("censored", full.explain());
    assert_eq!(full.scale_to, Some(8)); // 64 × 1.25
    // A limit that the replicas share even though the load is small is no reason to go.
    let mut run = Run::new(in_flight());
    assert_eq!(
        run.after(0, 9, &[("running", 20.0), ("waiting", 0.0), ("shed", 0.0)]).scale_to,
        Some(2)
    );
}

/// What can't be read of a part is nothing where it goes up, and lets nothing go.
#[test]
fn a_part_that_is_unknown_lets_nothing_go() {
    let mut run = Run::new(in_flight());
    assert_eq!(run.after(0, 9, &[("running", 20.0), ("shed", 0.0)]).scale_to, None);
    assert_eq!(run.after(15, 9, &[("running", 100.0), ("shed", 0.0)]).scale_to, Some(10));
    let nothing = run.after(15, 9, &[("waiting", 100.0), ("shed", 0.0)]);
    assert_eq!(nothing.scale_to, None, "parts alone decide nothing");
}

/// Just after replicas became ready the reading is still of those before: it is not taken for more.
#[test]
fn a_censored_load_is_raised_once_for_each_step() {
    let mut run = Run::new(in_flight());
    let full = |run: &mut Run, seconds, replicas| {
        let running = f64::from(replicas) * 16.0;
        run.after(seconds, replicas, &[("running", running), ("waiting", 0.0), ("shed", 0.0)])
    };
    assert_eq!(full(&mut run, 0, 4).scale_to, Some(8));
    assert_eq!(full(&mut run, 15, 8).scale_to, Some(13)); // 128 of 10
    assert_eq!(full(&mut run, 60, 8).scale_to, Some(16)); // 160 of 10
}

fn completions() -> Value {
    spec(
        &[("done", "5"), ("queue", "1")],
        &json!({"leadTimeSeconds": 1, "maxSurgePercent": 0, "signals": [
            {"metric": "done", "offered": {"counts": "completions", "backlog": "queue", "drainSeconds": 120}},
            {"metric": "queue", "role": "part"}]}),
    )
}

/// An overloaded service completes what it can: what comes beyond shows in its queue.
#[test]
fn completions_are_not_what_comes() {
    let mut run = Run::new(completions());
    assert_eq!(run.after(0, 4, &[("done", 20.0), ("queue", 0.0)]).scale_to, None);
    for tick in 1..=4 {
        run.after(15, 4, &[("done", 20.0), ("queue", f64::from(tick) * 300.0)]);
    }
    // 20 done, 20 more that come, and 1500 to be worked off in 120 s.
    let grown = run.after(15, 4, &[("done", 20.0), ("queue", 1500.0)]);
    assert_snapshot!("completions", grown.explain());
    assert_eq!(grown.scale_to, Some(11));
    // While the queue falls, fewer come than are done.
    for queue in [1200.0, 900.0, 600.0, 300.0] {
        run.after(15, 11, &[("done", 55.0), ("queue", queue)]);
    }
    let drained = run.after(15, 11, &[("done", 55.0), ("queue", 0.0)]);
    assert_eq!(
        step(&drained, |step| match step {
            SloStep::Offered { load, .. } => Some(load.get()),
            _ => None,
        }),
        Some(35.0)
    ); // and 20 a second came off the queue
}

fn step<T>(decision: &Decision, of: impl Fn(&SloStep) -> Option<T>) -> Option<T> {
    decision.trace.iter().flatten().find_map(|step| match &step.rule {
        Rule::Slo(step) => of(step),
        _ => None,
    })
}

#[test]
fn what_a_replica_takes_is_learned_at_a_full_queue() {
    let mut run = Run::new(spec(
        &[("tokens", "1000"), ("queue", "1")],
        &json!({"leadTimeSeconds": 1, "maxSurgePercent": 0, "signals": [
            {"metric": "tokens", "learned": {"queue": "queue", "queueAt": "4", "targetPercent": 80}},
            {"metric": "queue", "role": "part"}]}),
    ));
    // Four replicas do 8000 and not more; the policy says 1000 each.
    assert_eq!(run.after(0, 4, &[("tokens", 8000.0), ("queue", 0.0)]).scale_to, Some(8));
    for _ in 0..3 {
        run.after(15, 4, &[("tokens", 8000.0), ("queue", 40.0)]);
    }
    run.after(15, 4, &[("tokens", 8000.0), ("queue", 0.0)]);
    let learned = run.after(15, 4, &[("tokens", 8000.0), ("queue", 0.0)]);
    assert_snapshot!("learned", learned.explain());
    assert_eq!(learned.scale_to, Some(5)); // 8000 / (2000 × 80 %)
    // One wild reading is nothing.
    run.after(15, 4, &[("tokens", 900_000.0), ("queue", 40.0)]);
    run.after(15, 4, &[("tokens", 8000.0), ("queue", 0.0)]);
    assert_eq!(run.after(15, 4, &[("tokens", 8000.0), ("queue", 0.0)]).scale_to, Some(5));
    assert!(run.sensing_bytes() < 1024, "{}", run.sensing_bytes());
}

/// Llama 3.1 8B on an A100, as fitted.
fn model(more: &Value) -> Value {
    let mut model = json!({
        "rate": "arrivals",
        "inputTokens": 1024, "outputTokens": 256,
        "prefillFixedSeconds": 7.742e-3, "prefillSecondsPerToken": 5.4623e-5,
        "prefillSecondsPerTokenSquared": 1.5316e-9, "decodeFixedSeconds": 1.1679e-2,
        "decodeSecondsPerSequence": 3.045e-5, "decodeSecondsPerContextToken": 8.0599e-8,
        "kvCacheTokens": 396_848,
        "objectives": {"ttftSeconds": 2, "tpotSeconds": 0.05, "quantile": 0.99},
    });
    let more = more.as_object().expect("an object").clone();
    model.as_object_mut().expect("an object").extend(more);
    model
}

fn modeled(more: &Value) -> Value {
    spec(
        &[("arrivals", "3")],
        &json!({"leadTimeSeconds": 1, "maxSurgePercent": 0, "serviceModel": model(more)}),
    )
}

#[test]
fn the_model_stands_in_place_of_the_target() {
    let mut run = Run::new(modeled(&json!({})));
    let decision = run.after(0, 4, &[("arrivals", 40.0)]);
    assert_snapshot!("model", decision.explain());
    assert_eq!(decision.scale_to, Some(6)); // 40 at 7.89 each
    run.after(15, 4, &[("arrivals", 0.0)]);
    assert_eq!(run.after(15, 4, &[("arrivals", 0.0)]).scale_to, Some(1));
    // Nothing waits in a large pool; in a small one somebody does, and tokens are late for all.
    let slow = modeled(&json!({"objectives": {"ttftSeconds": 0.2, "quantile": 0.99}}));
    assert!(Run::new(slow).after(0, 1, &[("arrivals", 8.0)]).scale_to >= Some(3));
}

/// Lengths that are not known are what the policy says, or else the target counts; nothing goes.
#[test]
fn a_mix_that_is_unknown_lets_nothing_go() {
    let metric = json!({"inputTokensMetric": "prompt"});
    let slo = |metric: &Value| {
        json!({"leadTimeSeconds": 1, "maxSurgePercent": 0, "serviceModel": model(metric),
        "signals": [{"metric": "prompt", "role": "part"}]})
    };
    let with = |metric: &Value| spec(&[("arrivals", "3"), ("prompt", "1")], &slo(metric));
    let mut run = Run::new(with(&metric));
    let long = [("arrivals", 40.0), ("prompt", 4096.0)];
    assert_eq!(run.after(0, 20, &long).scale_to, Some(32));
    for _ in 0..3 {
        assert_eq!(run.after(15, 32, &[("arrivals", 40.0)]).scale_to, None);
    }
    let short = [("arrivals", 40.0), ("prompt", 1024.0)];
    assert_eq!(run.after(15, 32, &short).scale_to, Some(6));
    let mut alone = with(&metric);
    alone["slo"]["serviceModel"].as_object_mut().expect("an object").remove("inputTokens");
    let mut run = Run::new(alone);
    assert_eq!(run.after(0, 4, &[("arrivals", 40.0)]).scale_to, Some(14)); // 40 of 3
    assert_eq!(run.after(15, 20, &[("arrivals", 40.0)]).scale_to, None);
}

/// Replicas that are half as fast as told are seen to be.
#[test]
fn the_model_is_refitted() {
    let slo = json!({"leadTimeSeconds": 1, "maxSurgePercent": 0,
        "serviceModel": model(&json!({"refit": {"tpotMilliseconds": "itl"}})),
        "signals": [{"metric": "itl", "role": "part", "onUnknown": {"down": "ignore"}}]});
    let mut run = Run::new(spec(&[("arrivals", "3"), ("itl", "20")], &slo));
    assert_eq!(run.after(0, 12, &[("arrivals", 30.0)]).scale_to, Some(4));
    // 2.5 a second on each; a token takes 23.6 ms alone, and 23.6 / (1 - 2.5 × 0.1934) under load.
    for _ in 0..20 {
        run.after(15, 12, &[("arrivals", 30.0), ("itl", 45.7)]);
    }
    let decision = run.after(15, 12, &[("arrivals", 30.0), ("itl", 45.7)]);
    assert_snapshot!("refitted", decision.explain());
    assert_eq!(decision.scale_to, Some(11));
    assert!(run.sensing_bytes() < 1024, "{}", run.sensing_bytes());
}

/// Three demands with all that there is to remember take less than a kilobyte, and a policy without
/// any of it remembers nothing of it.
#[test]
fn what_is_remembered_is_small() {
    let demand = |name: &str| {
        json!({"metric": name,
        "offered": {"counts": "arrivals", "backlog": "queue"},
        "learned": {"queue": "queue", "queueAt": "1"}})
    };
    let metrics =
        [("a", "1"), ("b", "1"), ("c", "1"), ("queue", "1"), ("arrivals", "1"), ("itl", "1")];
    let slo = json!({"leadTimeSeconds": 1, "maxSurgePercent": 0,
        "serviceModel": model(&json!({"refit": {"tpotMilliseconds": "itl"}})),
        "signals": [demand("a"), demand("b"), demand("c"),
            {"metric": "queue", "role": "part"}, {"metric": "itl", "role": "part"}]});
    let mut run = Run::new(spec(&metrics, &slo));
    for tick in 0..200 {
        let values: Vec<(&str, f64)> =
            metrics.map(|(name, _)| (name, f64::from(50 + tick % 90))).into();
        run.after(5, 4, &values);
    }
    assert!((1..1024).contains(&run.sensing_bytes()), "{}", run.sensing_bytes());
    let mut plain = Run::new(spec(&[("a", "1")], &json!({})));
    plain.state = run.state;
    plain.now = run.now;
    plain.after(15, 4, &[("a", 4.0)]);
    assert_eq!(plain.sensing_bytes(), 0);
}

#[test]
fn what_is_wrong_is_refused() {
    let metrics = [("running", "10"), ("waiting", "1"), ("tokens", "1")];
    let with = |slo: Value| spec(&metrics, &slo);
    let demand = |offered: Value| {
        with(json!({"signals": [
        {"metric": "running", "offered": offered}, {"metric": "waiting", "role": "trigger"}]}))
    };
    let remembering =
        |name: &str| json!({"metric": name, "learned": {"queue": "q", "queueAt": "1"}});
    let specs = [
        with(json!({"signals": [{"metric": "waiting", "role": "part"}]})),
        with(json!({"signals": [
            {"metric": "waiting", "role": "trigger", "offered": {}},
            {"metric": "tokens", "role": "part", "onUnknown": {"up": "assumeLimit"}},
            {"metric": "running", "learned": {"queue": "tokens", "queueAt": "0", "targetPercent": 101}}]})),
        demand(json!({"waiting": "running", "rejected": "shed"})),
        demand(json!({"counts": "completions", "waiting": "waiting"})),
        demand(json!({"rejected": "tokens", "rejectedPerSecond": "tokens", "backlog": "waiting"})),
        demand(json!({"counts": "arrivals", "residenceSeconds": 0, "queueCensoredAt": "0",
            "censoredAt": "-1", "drainSeconds": -1, "censoredGrowthPercent": -1})),
        spec(
            &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("q", "1")],
            &json!({"signals": (["a", "b", "c", "d"].map(remembering))}),
        ),
        with(json!({"serviceModel": {"rate": ""}})),
        with(json!({"serviceModel": {"rate": "arrivals", "inputTokensMetric": "tokens",
            "outputTokens": 0, "prefillSecondsPerToken": 0, "decodeFixedSeconds": 1e9,
            "maxSequences": 0, "objectives": {"ttftSeconds": 0, "quantile": 1}}})),
        with(json!({"serviceModel": {"rate": "waiting", "inputTokens": 1, "outputTokens": 1,
            "prefillSecondsPerToken": 1, "decodeFixedSeconds": 1,
            "objectives": {"ttftSeconds": 0.5, "tpotSeconds": 0.5}},
            "signals": [{"metric": "waiting", "role": "trigger"}]})),
        with(json!({"serviceModel": {"rate": "running", "inputTokens": 1, "outputTokens": 1,
            "prefillSecondsPerToken": 1, "decodeFixedSeconds": 1, "objectives": {"ttftSeconds": 9}},
            "signals": [{"metric": "running", "offered": {},
                "learned": {"queue": "waiting", "queueAt": "1"}}]})),
    ];
    assert_snapshot!("refused", refused(specs));
}

/// A policy of everything at once, with the names of its metrics.
fn everything() -> (Value, [&'static str; 7]) {
    let names = ["running", "waiting", "shed", "arrivals", "queue", "tokens", "itl"];
    let metrics = [
        ("running", "10"),
        ("waiting", "1"),
        ("shed", "1"),
        ("arrivals", "3"),
        ("queue", "1"),
        ("tokens", "1000"),
        ("itl", "20"),
    ];
    let slo = json!({"surgeQuantile": 0.9, "leadTimeSeconds": 120,
        "serviceModel": model(&json!({"refit": {"tpotMilliseconds": "itl"}})),
        "signals": [
            {"metric": "running", "offered":
                {"waiting": "waiting", "rejectedPerSecond": "shed", "residenceSeconds": 8,
                 "censoredAt": "16", "queueCensoredAt": "100"}},
            {"metric": "arrivals", "offered": {"counts": "completions", "backlog": "queue", "rejected": "shed"}},
            {"metric": "tokens", "learned": {"queue": "queue", "queueAt": "4"}},
            {"metric": "waiting", "role": "part"}, {"metric": "shed", "role": "part"},
            {"metric": "queue", "role": "part"}, {"metric": "itl", "role": "part"}]});
    (spec(&metrics, &slo), names)
}

/// Values of all, each of which may be missing.
fn any_values() -> impl Strategy<Value = [Option<f64>; 7]> {
    let amount = |most: f64| prop_oneof![1 => Just(None), 3 => Just(Some(0.0)), 9 => (0.0..most).prop_map(Some)];
    let values = (
        amount(300.0),
        amount(200.0),
        amount(20.0),
        amount(120.0),
        amount(900.0),
        amount(60_000.0),
        amount(90.0),
    );
    values.prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
}

fn named(names: [&'static str; 7], values: [Option<f64>; 7]) -> Vec<(&'static str, f64)> {
    names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
}

fn any_history() -> impl Strategy<Value = Vec<([Option<f64>; 7], i32)>> {
    prop::collection::vec((any_values(), 1..12_i32), 0..12)
}

fn after(history: &[([Option<f64>; 7], i32)]) -> (Run, [&'static str; 7]) {
    let (spec, names) = everything();
    let mut run = Run::new(spec);
    for (values, replicas) in history {
        run.after(15, *replicas, &named(names, *values));
    }
    (run, names)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Laws 2, 3, 4 and 12: within the bounds, more of any load is never fewer replicas, what is
    /// unknown lowers nothing, and each step begins where the one before it ended.
    #[test]
    fn laws(
        history in any_history(), values in any_values(), replicas in 1..20_i32,
        which in 0..6_usize, more in 0.0..100.0_f64,
    ) {
        let (run, names) = after(&history);
        let decide = |values| {
            let mut run = Run { policy: run.policy.clone(), state: run.state.clone(), now: run.now };
            let decision = run.after(15, replicas, &named(names, values));
            assert!(run.sensing_bytes() < 1024);
            decision
        };
        let decision = decide(values);
        prop_assert!((1..=60).contains(&decision.desired_replicas));
        let mut at = replicas;
        for step in decision.trace.iter().flatten() {
            prop_assert_eq!(step.from, at, "{}", decision.explain());
            at = step.to;
        }
        prop_assert_eq!(at, decision.desired_replicas);
        let text = serde_json::to_string(&decision).expect("it serializes");
        prop_assert_eq!(&serde_json::from_str::<Decision>(&text).expect("it reads"), &decision);
        let mut other = values;
        if let Some(value) = &mut other[which] {
            *value += more;
            let heavier = decide(other);
            prop_assert!(decision.desired_replicas <= heavier.desired_replicas,
                "{}\n{}", decision.explain(), heavier.explain());
        }
        other[which] = None;
        let unknown = decide(other);
        prop_assert!(unknown.desired_replicas >= replicas.min(decision.desired_replicas),
            "{}\n{}", decision.explain(), unknown.explain());
        prop_assert!(unknown.desired_replicas >= replicas, "{}", unknown.explain());
    }

    /// Law 10: loads and targets in other units come to the same counts.
    #[test]
    fn scale(history in any_history(), power in 0..3_i32) {
        let times = f64::from(1_i32 << power);
        let policy = |times: f64| {
            let of = |target: f64| (target * times).to_string();
            let (running, tokens, most, full) = (of(10.0), of(1000.0), of(16.0), of(4.0));
            spec(
                &[("running", &running), ("waiting", "1"), ("tokens", &tokens)],
                &json!({"signals": [
                    {"metric": "running", "offered": {"waiting": "waiting", "censoredAt": most}},
                    {"metric": "tokens", "learned": {"queue": "waiting", "queueAt": full}},
                    {"metric": "waiting", "role": "part"}]}),
            )
        };
        let (mut one, mut other) = (Run::new(policy(1.0)), Run::new(policy(times)));
        for (values, replicas) in history {
            let whole = |value: Option<f64>| value.map(f64::round);
            let [running, waiting, _, _, _, tokens, _] = values.map(whole);
            let of = |times: f64| -> Vec<(&str, f64)> {
                [("running", running), ("waiting", waiting), ("tokens", tokens)]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value? * times)))
                    .collect()
            };
            let one = one.after(15, replicas, &of(1.0));
            let other = other.after(15, replicas, &of(times));
            prop_assert_eq!(one.desired_replicas, other.desired_replicas);
        }
    }

    /// Law 6: a constant load, whatever the state, is at a fixed point after some hours. What is learned fades by halves, and may
    /// pass a whole replica late.
    #[test]
    fn quiet(history in any_history(), values in any_values(), replicas in 1..20_i32) {
        let (mut run, names) = after(&history);
        let mut counts = Vec::new();
        for _ in 0..640 {
            counts.push(run.after(15, replicas, &named(names, values)).desired_replicas);
        }
        prop_assert!(counts.iter().rev().take(20).all(|count| counts.last() == Some(count)), "{counts:?}");
    }
}
