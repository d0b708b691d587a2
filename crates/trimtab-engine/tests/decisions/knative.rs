//! The `knative` strategy through `decide`: what people read, and its laws.

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::strategy::knative::{AutoscalerState, Buckets, Revision, Tick};
use trimtab_engine::{
    Autoscaler, KnativeSettings, MetricReading, Observation, Outcome, Point, Policy, PolicySpec,
    Scale, ScaleReason, ScaleUpdate, State, Strategy as PolicyStrategy, StrategyState, Unavailable,
    decide,
};
use trimtab_metric::{Span, Timestamp};

/// 2026-11-24T10:00:00Z
const START: i64 = 1_795_514_400;

fn policy(min: i32, max: i32, knative: &Value) -> Policy {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": "knative",
        "minReplicas": min,
        "maxReplicas": max,
        "metrics": [{"type": "External", "external": {
            "metric": {"name": "concurrency"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
        "knative": knative,
    });
    let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
    Policy::new(spec).expect("a valid policy")
}

fn settings(policy: &Policy) -> &KnativeSettings {
    let PolicyStrategy::Knative(settings) = policy.strategy() else {
        unreachable!("the policy is Knative's")
    };
    settings
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

fn seen(second: i64, replicas: i32, load: i64) -> Observation {
    Observation {
        readings: vec![MetricReading::Totals(vec![load * 1000])],
        ..Observation::new(at(second), Scale::steady(replicas))
    }
}

/// An autoscaler whose answers are carried out at once.
struct Run {
    autoscaler: Autoscaler,
    replicas: i32,
    second: i64,
}

impl Run {
    fn new(replicas: i32, policy: Policy) -> Self {
        Self { autoscaler: Autoscaler::new(policy), replicas, second: 0 }
    }

    /// So many seconds of this load, a decision every two of them; the last one explained.
    fn load(&mut self, seconds: i64, load: i64) -> String {
        let mut text = String::new();
        for _ in 0..seconds / 2 {
            self.second += 2;
            let observation = seen(self.second, self.replicas, load);
            let decision = self.autoscaler.decide_traced(&observation);
            self.autoscaler.settle(&decision, ScaleUpdate::Applied);
            self.replicas = decision.scale_to.unwrap_or(self.replicas);
            text = decision.explain().to_string();
        }
        text
    }
}

#[test]
fn a_burst_begins_a_panic() {
    let mut run = Run::new(1, policy(0, 20, &json!({})));
    run.load(60, 6);
    insta::assert_snapshot!(run.load(2, 200));
}

#[test]
fn nothing_falls_in_panic() {
    let mut run = Run::new(1, policy(0, 20, &json!({})));
    run.load(60, 6);
    run.load(10, 100);
    insta::assert_snapshot!(run.load(20, 20));
}

#[test]
fn a_delay_holds_a_higher_count() {
    let mut run = Run::new(1, policy(1, 20, &json!({"scaleDownDelaySeconds": 30})));
    run.load(60, 6);
    run.load(10, 12);
    insta::assert_snapshot!(run.load(60, 2));
}

#[test]
fn the_last_replica_waits_for_the_grace_period() {
    let burst = json!({"targetBurstCapacity": 0});
    let mut run = Run::new(1, policy(0, 20, &burst));
    run.load(80, 6);
    run.load(58, 0);
    insta::assert_snapshot!("still_busy", run.load(2, 0));
    insta::assert_snapshot!("inactive_from_now_on", run.load(2, 0));
    insta::assert_snapshot!("in_the_grace_period", run.load(2, 0));
    run.load(24, 0);
    insta::assert_snapshot!("to_zero", run.load(2, 0));
    assert_eq!(run.replicas, 0);
}

#[test]
fn load_wakes_it_to_its_activation_scale() {
    let mut run = Run::new(1, policy(0, 20, &json!({"activationScale": 3})));
    run.load(120, 0);
    assert_eq!(run.replicas, 0);
    insta::assert_snapshot!(run.load(2, 1));
}

#[test]
fn bounds_hold() {
    let mut run = Run::new(1, policy(0, 4, &json!({"initialScale": 3})));
    insta::assert_snapshot!("the_initial_scale", run.load(2, 1));
    insta::assert_snapshot!("the_largest_count", run.load(2, 200));
    let (decision, _) = decide(&policy(2, 4, &json!({})), State::default(), &seen(0, 1, 1));
    assert_eq!((decision.scale_to, decision.reason), (Some(2), ScaleReason::BelowMin));
    let (decision, _) = decide(&policy(2, 4, &json!({})), State::default(), &seen(0, 9, 80));
    assert_eq!((decision.scale_to, decision.reason), (Some(4), ScaleReason::AboveMax));
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let policy = policy(0, 20, &json!({}));
    let (_, before) = decide(&policy, State::default(), &seen(0, 3, 20));
    let failed = Observation {
        readings: vec![MetricReading::Unavailable(Unavailable::Failed)],
        ..seen(600, 3, 0)
    };
    let mut run = Autoscaler::with_state(policy, before.clone());
    let decision = run.decide_traced(&failed);
    assert_eq!((decision.outcome, decision.scale_to), (Outcome::MetricsUnknown, None));
    assert_eq!(run.state().strategy, before.strategy);
    insta::assert_snapshot!(decision.explain().to_string());
}

#[test]
fn an_empty_window_is_no_data_unless_the_activator_would_have_told() {
    let silent = Observation { readings: vec![MetricReading::Series(Vec::new())], ..seen(0, 3, 0) };
    let outcome = |knative: &Value| decide(&policy(0, 9, knative), State::default(), &silent).0;
    assert_eq!(outcome(&json!({})).outcome, Outcome::MetricsUnknown);
    assert_eq!(outcome(&json!({"targetBurstCapacity": -1})).outcome, Outcome::Decided);
}

#[test]
fn a_changed_window_keeps_the_load_and_another_strategys_memory_is_dropped() {
    let wide = policy(0, 20, &json!({"stableWindowSeconds": 120}));
    let mut run = Run::new(1, policy(0, 20, &json!({})));
    run.load(60, 20);
    run.autoscaler.set_policy(wide);
    run.load(2, 20);
    assert_eq!(run.replicas, 3); // 20 of 7 each, as before

    let hpa: PolicySpec = serde_json::from_value(json!({"maxReplicas": 5})).expect("a policy");
    let hpa = Policy::from_stored(hpa);
    let (_, state) = decide(&hpa, run.autoscaler.state().clone(), &seen(70, 3, 20));
    assert!(matches!(state.strategy, None | Some(StrategyState::Knative(_))));
}

#[test]
fn what_knative_refuses_is_refused() {
    let refused = |target: &str, knative: Value| {
        let spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "strategy": "knative",
            "minReplicas": 3,
            "maxReplicas": 9,
            "metrics": [{"type": "External", "external": {
                "metric": {"name": "concurrency"},
                "target": {"type": "AverageValue", "averageValue": target}}}],
            "knative": knative,
        });
        let spec: PolicySpec = serde_json::from_value(spec).expect("a policy");
        Policy::new(spec).map_err(|error| error.to_string()).err()
    };
    assert_eq!(refused("0.01", json!({"activationScale": 3, "targetBurstCapacity": -1})), None);
    let errors = [
        refused("5m", json!({})),
        refused("8", json!({"activationScale": 2})),
        refused("8", json!({"activationScale": 10})),
        refused("8", json!({"targetBurstCapacity": -0.5})),
        refused("8", json!({"stableWindowSeconds": 5, "maxScaleDownRate": 1})),
    ];
    let errors: Vec<String> = errors.into_iter().flatten().collect();
    insta::assert_snapshot!(errors.join("\n"));
}

/// Seconds of load, each with a value.
fn loads() -> impl Strategy<Value = Vec<i64>> {
    let load = prop_oneof![2 => Just(0_i64), 3 => 0_i64..60, 1 => 0_i64..900];
    prop::collection::vec((load, 1_usize..50), 1..8).prop_map(|runs| {
        runs.into_iter().flat_map(|(load, length)| vec![load; length * 2]).collect()
    })
}

fn knative() -> impl Strategy<Value = Value> {
    let windows = (6_i32..90, 1_u32..=100, 0_i32..40, any::<bool>());
    let scales = (1_i32..4, 1_i32..4, prop_oneof![Just(-1), Just(0), 1_i32..300]);
    let zero = (1_i32..40, 0_i32..40);
    (windows, scales, zero).prop_map(
        |((window, panic, delay, linear), (activation, initial, burst), (grace, retention))| {
            json!({
                "stableWindowSeconds": window,
                "panicWindowPercentage": panic,
                "scaleDownDelaySeconds": delay,
                "aggregation": if linear { "linear" } else { "weightedExponential" },
                "activationScale": activation,
                "initialScale": initial,
                "targetBurstCapacity": burst,
                "scaleToZeroGracePeriodSeconds": grace,
                "scaleToZeroPodRetentionPeriodSeconds": retention,
            })
        },
    )
}

/// The samples of the last two seconds, shared out over sources.
fn samples(second: i64, loads: &[i64], sources: usize) -> MetricReading {
    let mut series = vec![Vec::new(); sources];
    for (load, at) in loads.iter().zip(second - 1..) {
        for (source, points) in (0_i64..).zip(&mut series) {
            let milli = if source == 0 { load * 1000 - (sources as i64 - 1) } else { 1 };
            points.push(Point { at: Timestamp::from_secs(START + at), milli });
        }
    }
    MetricReading::Series(series)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The strategy is its parts, put together by hand; sources add up; and a state that was written
    /// down at every step goes on identically.
    #[test]
    fn it_is_its_parts(knative in knative(), loads in loads(), sources in 1_usize..4, start in 0_i32..5) {
        let policy = policy(0, 12, &knative);
        let settings = settings(&policy);
        let aggregation = settings.aggregation;
        let window = |span: Span| u16::try_from(span.as_millis() / 1000).expect("an hour at most");
        let mut stable = Buckets::new(window(settings.autoscaler.stable_window));
        let mut panic = Buckets::new(window(settings.panic_window));
        let mut autoscaler = AutoscalerState::new(&settings.autoscaler, at(2), start);
        let mut revision = Revision::new(at(2));

        let mut state = State::for_policy(&policy);
        let mut replicas = start;
        for (pair, second) in loads.chunks(2).zip((2..).step_by(2)) {
            let now = at(second);
            for (load, at) in pair.iter().zip(second - 1..) {
                for window in [&mut stable, &mut panic] {
                    window.record(Timestamp::from_secs(START + at), 0.0);
                    let first = load * 1000 - (sources as i64 - 1);
                    window.record(Timestamp::from_secs(START + at), first as f64 / 1000.0);
                    for _ in 1..sources {
                        window.record(Timestamp::from_secs(START + at), 0.001);
                    }
                }
            }
            let tick = Tick {
                now,
                ready: replicas,
                stable: stable.average(aggregation, now),
                panic: panic.average(aggregation, now),
            };
            let proposal = autoscaler.tick(&settings.autoscaler, &tick);
            let burst = proposal.excess_burst_capacity;
            let verdict =
                revision.reconcile(&settings.scale_to_zero, now, replicas, proposal.replicas, burst);
            let applied = verdict.replicas.filter(|_| verdict.fate.is_applied());

            let observation = Observation {
                readings: vec![samples(second, pair, sources)],
                ..Observation::new(now, Scale::steady(replicas))
            };
            let text = serde_json::to_string(&state).expect("it serializes");
            let read: State = serde_json::from_str(&text).expect("it reads");
            let (decision, after) = decide(&policy, read, &observation);
            prop_assert_eq!(decision.outcome, Outcome::Decided);
            prop_assert_eq!(decision.desired_replicas, applied.unwrap_or(replicas));
            (state, replicas) = (after, decision.desired_replicas);
        }
    }

    /// A plain value for the last seconds is worth as many samples of it.
    #[test]
    fn a_total_is_a_sample_for_every_second(knative in knative(), loads in loads(), start in 0_i32..5) {
        let policy = policy(0, 12, &knative);
        let (mut by_total, mut by_sample) = (State::default(), State::default());
        let mut replicas = start;
        for (pair, second) in loads.chunks(2).zip((2..).step_by(2)) {
            let load = pair.first().copied().unwrap_or_default();
            // The first total stands for its own second alone.
            let sampled = if second == 2 { 1 } else { 2 };
            let loads = vec![load; sampled];
            let reading = samples(second + 2 - sampled as i64, &loads, 1);
            let observation = Observation { readings: vec![reading], ..seen(second, replicas, 0) };
            let (sampled, after) = decide(&policy, by_sample, &observation);
            by_sample = after;
            let (total, after) = decide(&policy, by_total, &seen(second, replicas, load));
            by_total = after;
            prop_assert_eq!(&total, &sampled);
            replicas = total.desired_replicas;
        }
        prop_assert_eq!(by_total, by_sample);
    }

    /// While there has been load within the window, the count is not brought to 0.
    #[test]
    fn demand_keeps_it_up(knative in knative(), loads in loads(), start in 1_i32..5) {
        let policy = policy(0, 12, &knative);
        let (mut state, mut replicas) = (State::default(), start);
        let window = settings(&policy).autoscaler.stable_window.as_millis() / 1000;
        let mut last_load = None;
        for (load, second) in loads.iter().zip((2..).step_by(2)) {
            let (decision, after) = decide(&policy, state, &seen(second, replicas, *load));
            if *load > 0 {
                last_load = Some(second);
            }
            if last_load.is_some_and(|last| second - last < window) {
                prop_assert!(decision.desired_replicas >= 1.min(replicas));
            }
            (state, replicas) = (after, decision.desired_replicas);
        }
    }

    /// Without a state, as after a restart that lost it, no replica that was ready goes for a stable
    /// window.
    #[test]
    fn a_restart_lowers_nothing(knative in knative(), loads in loads(), start in 2_i32..12) {
        let policy = policy(0, 12, &knative);
        let (mut state, mut replicas) = (State::default(), start);
        let window = settings(&policy).autoscaler.stable_window.as_millis() / 1000;
        for (load, second) in loads.iter().zip((0..window).step_by(2)) {
            let (decision, after) = decide(&policy, state, &seen(second, replicas, *load));
            prop_assert!(decision.desired_replicas >= start);
            (state, replicas) = (after, decision.desired_replicas);
        }
    }
}
