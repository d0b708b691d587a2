//! The strategy through `decide`: what people read, and its laws.

use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::strategy::ray_serve::{
    Load, Replicas, Sample, Streak, TimeUnit, aggregate, propose,
};
use trimtab_engine::{
    Autoscaler, Decision, MetricReading, Observation, Outcome, Point, Policy, PolicySpec,
    RayServeSettings, RayServeState, Scale, ScaleReason, ScaleUpdate, State,
    Strategy as PolicyStrategy, StrategyState, Unavailable, decide, decide_traced, next_deadline,
};
use trimtab_metric::{Span, Timestamp};

/// 2026-11-24T10:00:00Z
const START: i64 = 1_795_514_400_000;

fn spec(min: i32, max: i32, ray: &Value) -> PolicySpec {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "ray.io/v1", "kind": "RayService", "name": "llm"},
        "strategy": "rayServe",
        "minReplicas": min,
        "maxReplicas": max,
        "metrics": [{"type": "External", "external": {
            "metric": {"name": "ongoing_requests"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
        "rayServe": ray,
    });
    serde_json::from_value(spec).expect("a policy")
}

fn policy(min: i32, max: i32, ray: &Value) -> Policy {
    Policy::new(spec(min, max, ray)).expect("a valid policy")
}

fn settings(policy: &Policy) -> &RayServeSettings {
    let PolicyStrategy::RayServe(settings) = policy.strategy() else {
        unreachable!("the policy is Ray Serve's")
    };
    settings
}

/// Tenths of a second after the start.
fn at(tenths: i64) -> Timestamp {
    Timestamp::from_millis(START + tenths * 100)
}

fn seen(tenths: i64, target: i32, running: i32, requests: i64) -> Observation {
    Observation {
        readings: vec![MetricReading::Totals(vec![requests * 1000])],
        ..Observation::new(at(tenths), Scale { spec_replicas: target, status_replicas: running })
    }
}

fn streak(state: &State) -> Streak {
    match &state.strategy {
        Some(StrategyState::RayServe(memory)) => memory.streak,
        other => unreachable!("{other:?} is not Ray Serve's"),
    }
}

/// A deployment that is registered with so many replicas; replicas start and stop at once, unless
/// `running` says otherwise.
struct Run {
    autoscaler: Autoscaler,
    target: i32,
    running: Option<i32>,
    tenths: i64,
}

impl Run {
    fn new(target: i32, policy: Policy) -> Self {
        let mut state = State::default();
        state.strategy = Some(StrategyState::RayServe(Box::default()));
        let autoscaler = Autoscaler::with_state(policy, state);
        Self { autoscaler, target, running: None, tenths: 0 }
    }

    /// So many seconds of this load, ten decisions in each; the last one.
    fn decide(&mut self, seconds: i64, requests: i64) -> Decision {
        let mut last = None;
        for _ in 0..seconds * 10 {
            self.tenths += 1;
            let running = self.running.unwrap_or(self.target);
            let observation = seen(self.tenths, self.target, running, requests);
            let decision = self.autoscaler.decide_traced(&observation);
            self.autoscaler.settle(&decision, ScaleUpdate::Applied);
            self.target = decision.scale_to.unwrap_or(self.target);
            last = Some(decision);
        }
        last.expect("at least a second")
    }

    /// Until something changes, explained.
    fn until_change(&mut self, seconds: i64, requests: i64) -> String {
        let before = self.target;
        for _ in 0..seconds * 10 {
            self.tenths += 1;
            let running = self.running.unwrap_or(self.target);
            let observation = seen(self.tenths, self.target, running, requests);
            let decision = self.autoscaler.decide_traced(&observation);
            self.target = decision.scale_to.unwrap_or(self.target);
            if self.target != before {
                return decision.explain().to_string();
            }
        }
        format!("nothing in {seconds} s")
    }
}

#[test]
fn a_new_deployment_begins_with_its_initial_count() {
    let policy = policy(1, 20, &json!({"initialReplicas": 6}));
    // Whatever the load is.
    let unknown = Observation::new(at(0), Scale::steady(2));
    let (decision, state) = decide_traced(&policy, State::for_policy(&policy), &unknown);
    assert_eq!((decision.scale_to, decision.outcome), (Some(6), Outcome::Enforced));
    assert_eq!((decision.reason, decision.metric), (ScaleReason::Initial, None));
    insta::assert_snapshot!(decision.explain().to_string());
    // Once: what is there later, by whomever, stands.
    let (decision, _) = decide(&policy, state, &seen(1, 3, 3, 30));
    assert_eq!((decision.scale_to, decision.outcome), (None, Outcome::Decided));
}

#[test]
fn without_an_initial_count_it_begins_within_the_bounds() {
    let policy = policy(2, 4, &json!({}));
    let first = |replicas| {
        let state = State::for_policy(&policy);
        let (decision, after) = decide(&policy, state, &seen(0, replicas, replicas, 30));
        (decision.scale_to, decision.reason, streak(&after))
    };
    assert_eq!(first(0), (Some(2), ScaleReason::BelowMin, Streak::default()));
    assert_eq!(first(9), (Some(4), ScaleReason::AboveMax, Streak::default()));
    // One that can stay is decided on at once.
    let (scale_to, reason, streak) = first(2);
    assert_eq!((scale_to, reason, streak.counter), (None, ScaleReason::None, 1));
}

#[test]
fn more_has_to_be_wanted_for_a_while() {
    let mut run = Run::new(2, policy(1, 20, &json!({})));
    insta::assert_snapshot!("more_waits", run.decide(10, 47).explain().to_string());
    insta::assert_snapshot!("more_at_last", run.until_change(21, 47));
    run.decide(10, 60);
    run.decide(1, 50); // enough for a moment, so it begins anew
    assert_eq!(run.until_change(29, 60), "nothing in 29 s");
}

#[test]
fn the_last_count_of_a_streak_counts() {
    let mut run = Run::new(2, policy(1, 20, &json!({})));
    run.decide(29, 200);
    run.until_change(3, 25);
    assert_eq!(run.target, 3);
}

#[test]
fn the_way_to_zero_leads_over_one() {
    let delays = json!({"downscaleDelaySeconds": 60, "downscaleToZeroDelaySeconds": 300});
    let mut run = Run::new(4, policy(0, 20, &delays));
    insta::assert_snapshot!("to_one", run.until_change(61, 0));
    insta::assert_snapshot!("the_last_one_waits", run.decide(100, 0).explain().to_string());
    insta::assert_snapshot!("to_zero", run.until_change(201, 0));
    assert_eq!(run.target, 0);
}

#[test]
fn from_zero_it_starts_at_once() {
    let mut run = Run::new(0, policy(0, 20, &json!({"upscalingFactor": 2})));
    insta::assert_snapshot!("a_cold_start", run.until_change(1, 500));
    run.running = Some(0);
    insta::assert_snapshot!("starting", run.decide(1, 0).explain().to_string());
}

#[test]
fn a_factor_goes_a_part_of_the_way() {
    let mut run = Run::new(4, policy(1, 20, &json!({"upscalingFactor": 0.5})));
    insta::assert_snapshot!(run.until_change(31, 115));
}

#[test]
fn replicas_come_in_whole_gangs() {
    let mut run = Run::new(4, policy(0, 20, &json!({"gangSize": 4})));
    insta::assert_snapshot!(run.until_change(31, 47));
}

#[test]
fn a_capacity_scales_the_bounds() {
    let rollout = |direction| {
        policy(
            2,
            20,
            &json!({"initialReplicas": 8, "targetCapacityPercentage": 50,
                "targetCapacityDirection": direction, "downscaleDelaySeconds": 0}),
        )
    };
    let up = rollout("up");
    assert_eq!((up.bounds().min, up.bounds().max), (4, 10));
    let mut run = Run::new(9, up);
    insta::assert_snapshot!("a_rollout", run.decide(1, 10).explain().to_string());
    insta::assert_snapshot!("at_its_most", run.until_change(31, 500));
    let mut run = Run::new(9, rollout("down"));
    run.decide(1, 10);
    assert_eq!(run.target, 1);
    let mut run = Run::new(9, policy(0, 20, &json!({"targetCapacityPercentage": 0})));
    run.decide(1, 500);
    assert_eq!(run.target, 0);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let policy = policy(1, 20, &json!({}));
    let mut run = Run::new(2, policy.clone());
    run.decide(10, 47);
    let before = streak(run.autoscaler.state());
    assert_eq!(before.counter, 100);
    for reading in [MetricReading::Unavailable(Unavailable::Failed), MetricReading::Totals(vec![])]
    {
        let unknown = Observation { readings: vec![reading], ..seen(101, 2, 2, 0) };
        let (decision, after) = decide(&policy, run.autoscaler.state().clone(), &unknown);
        assert_eq!((decision.outcome, decision.scale_to), (Outcome::MetricsUnknown, None));
        assert_eq!(streak(&after), before);
    }
    let failed = MetricReading::Unavailable(Unavailable::Failed);
    let unknown = Observation { readings: vec![failed], ..seen(101, 2, 2, 0) };
    let decision = run.autoscaler.decide_traced(&unknown);
    insta::assert_snapshot!(decision.explain().to_string());
    // The streak is as old as before: 30 s after its begin the change comes.
    run.tenths = 299;
    assert_eq!(run.decide(1, 47).at, at(309));
    assert_eq!(run.target, 5);
}

/// Seconds with counts, as one source.
fn points(of: &[(i64, i64)]) -> Vec<Point> {
    let point = |(second, count): &(i64, i64)| Point { at: at(second * 10), milli: count * 1000 };
    of.iter().map(point).collect()
}

#[test]
fn samples_age_with_their_source() {
    let policy = policy(1, 20, &json!({"upscaleDelaySeconds": 0, "lookBackPeriodSeconds": 20}));
    let wanted = |second: i64, sources: Vec<Vec<Point>>| {
        let readings = vec![MetricReading::Series(sources)];
        let observation = Observation { readings, ..seen(second * 10, 1, 1, 0) };
        decide(&policy, State::default(), &observation).0.desired_replicas
    };
    let told = points(&[(1, 100), (12, 30), (21, 30)]);
    // The first one is 20 s older than the last, which a report would not hold any more.
    assert_eq!(wanted(22, vec![told.clone()]), 3);
    // Between two reports nothing is dropped, however old it gets.
    assert_eq!(wanted(60, vec![told.clone()]), 3);
    assert_eq!(wanted(22, vec![told, points(&[(1, 20), (11, 20)])]), 5);
    // Nothing told is nothing there.
    assert_eq!(wanted(22, vec![Vec::new()]), 1);
    assert_eq!(wanted(22, Vec::new()), 1);
}

#[test]
fn a_behavior_comes_behind_it() {
    let mut spec = spec(1, 20, &json!({"upscaleDelaySeconds": 0}));
    let behavior =
        json!({"scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}});
    spec.behavior = serde_json::from_value(behavior).expect("a behavior");
    let policy = Policy::new(spec).expect("a valid policy");
    let (decision, _) = decide(&policy, State::for_policy(&policy), &seen(0, 3, 3, 150));
    assert_eq!(decision.scale_to, Some(5));
}

/// The rate limit would leave it outside for a long time.
#[test]
fn a_behavior_does_not_hold_a_count_outside_the_bounds() {
    let mut spec = spec(1, 4, &json!({"downscaleDelaySeconds": 0}));
    let behavior =
        json!({"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}});
    spec.behavior = serde_json::from_value(behavior).expect("a behavior");
    let policy = Policy::new(spec).expect("a valid policy");
    let mut state = State::for_policy(&policy);
    state.strategy = Some(StrategyState::RayServe(Box::default()));
    let (decision, _) = decide(&policy, state, &seen(0, 9, 9, 10));
    assert_eq!((decision.scale_to, decision.outcome), (Some(4), Outcome::Enforced));
}

#[test]
fn it_is_asked_again_a_control_loop_later() {
    let policy = policy(1, 20, &json!({}));
    let observation = seen(0, 2, 2, 47);
    let (_, state) = decide(&policy, State::default(), &observation);
    assert_eq!(next_deadline(&policy, &state, &observation), Some(at(1)));
    let sampling = policy.sampling().expect("it samples");
    let spans = [sampling.interval, sampling.report_interval, sampling.look_back];
    assert_eq!(spans, [6, 10, 30].map(Span::from_secs));
}

#[test]
fn another_strategys_memory_is_dropped_and_a_state_has_a_strict_form() {
    let mut other = State::default();
    other.strategy = serde_json::from_value(json!({"apa": {}})).expect("APA's memory");
    let policy = policy(1, 20, &json!({"initialReplicas": 6}));
    let (decision, state) = decide(&policy, other, &seen(0, 2, 2, 47));
    assert_eq!(decision.reason, ScaleReason::Initial);
    let text = serde_json::to_value(&state.strategy).expect("it serializes");
    assert_eq!(text, json!({"rayServe": {"streak": {"counter": 0}}}));
    let state: Result<RayServeState, _> = serde_json::from_value(json!({"streek": {}}));
    assert!(state.is_err());
}

#[test]
fn what_ray_serve_refuses_is_refused() {
    let refused = |ray: Value| {
        let refused = Policy::new(spec(2, 8, &ray)).err();
        refused.map(|error| error.to_string())
    };
    let most = json!({"initialReplicas": 8, "gangSize": 2, "targetCapacityPercentage": 100});
    assert_eq!(refused(most), None);
    let errors = [
        refused(json!({"initialReplicas": 9})),
        refused(json!({"gangSize": 3, "initialReplicas": 4})),
        refused(json!({"upscalingFactor": 0, "downscaleDelaySeconds": -1})),
        refused(json!({"targetCapacityDirection": "up"})),
        refused(json!({"targetCapacityPercentage": 101, "lookBackPeriodSeconds": 0})),
    ];
    let errors: Vec<String> = errors.into_iter().flatten().collect();
    insta::assert_snapshot!(errors.join("\n"));
}

/// Settings, and bounds that go with them.
fn policies() -> impl Strategy<Value = Policy> {
    let delay = || prop::sample::select(vec![0.0, 0.1, 1.0, 5.0]);
    let factor = || prop::sample::select(vec![0.1, 0.5, 1.0, 2.0]);
    let moves = (delay(), delay(), delay(), factor(), factor());
    let capacity = prop_oneof![2 => Just(None), 1 => (0_u32..=100).prop_map(Some)];
    let function = prop::sample::select(vec!["mean", "max", "min"]);
    let counts = (prop::sample::select(vec![1, 1, 2, 3]), 0_i32..3, 3_i32..8, 0_i32..4);
    (moves, capacity, any::<bool>(), function, counts).prop_map(
        |((up, down, to_zero, faster, slower), capacity, rises, function, counts)| {
            let (gang, min, max, initial) = counts;
            let rises = capacity.map(|_| if rises { "up" } else { "down" });
            let ray = json!({
                "initialReplicas": (initial > 0).then(|| (min + initial).min(max) * gang),
                "targetCapacityPercentage": capacity,
                "targetCapacityDirection": rises,
                "upscaleDelaySeconds": up,
                "downscaleDelaySeconds": down,
                "downscaleToZeroDelaySeconds": to_zero,
                "upscalingFactor": faster,
                "downscalingFactor": slower,
                "aggregationFunction": function,
                "gangSize": gang,
            });
            policy(min * gang, max * gang, &ray)
        },
    )
}

/// What happens in a tick: tenths since the one before, how many of the replicas do not run, an outside
/// change of the target, and what each source counted.
type Tick = (i64, i32, Option<i32>, Vec<Vec<(i64, i64)>>);

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let count = prop_oneof![1 => Just(0_i64), 2 => 0_i64..20, 1 => 0_i64..300];
    let source = prop::collection::vec((0_i64..300, count), 0..6).prop_map(|mut points| {
        points.sort_by_key(|(ago, _)| -*ago);
        points
    });
    let sources = prop::collection::vec(source, 0..4);
    let outside = prop_oneof![8 => Just(None), 1 => (0_i32..30).prop_map(Some)];
    let tick = (1_i64..30, 0_i32..3, outside, sources);
    prop::collection::vec((tick, 1_usize..20), 1..12)
        .prop_map(|runs| runs.into_iter().flat_map(|(tick, length)| vec![tick; length]).collect())
}

fn series(now: i64, sources: &[Vec<(i64, i64)>]) -> Vec<Vec<Point>> {
    let point = |(ago, count): &(i64, i64)| Point { at: at(now - ago), milli: count * 1000 };
    sources.iter().map(|source| source.iter().map(point).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The strategy is its parts, put together by hand: registration, aggregation, policy and bounds. A
    /// state that was written down at every step goes on identically, and keeps its size.
    #[test]
    fn it_is_its_parts(policy in policies(), ticks in ticks(), start in 0_i32..20) {
        let RayServeSettings { aggregation, limits, parameters, .. } = *settings(&policy);
        let mut by_hand = Streak::default();
        let (mut state, mut now) = (State::for_policy(&policy), 0);
        let mut target = limits.register(start);
        let unknown = Observation::new(at(0), Scale::steady(start));
        let (first, registered) = decide(&policy, core::mem::take(&mut state), &unknown);
        prop_assert_eq!(first.desired_replicas, target);
        state = registered;
        let size = state.size_in_bytes();

        for (tenths, starting, outside, sources) in ticks {
            now += tenths;
            target = outside.unwrap_or(target);
            let running = (target - starting).max(0);
            let samples: Vec<Vec<Sample>> = sources
                .iter()
                .map(|source| {
                    let sample = |(ago, count): &(i64, i64)| Sample {
                        at: (START + (now - ago) * 100) as f64,
                        value: *count as f64,
                    };
                    source.iter().map(sample).collect()
                })
                .collect();
            let now_millis = (START + now * 100) as f64;
            let total = aggregate(&samples, now_millis, TimeUnit::Milliseconds, aggregation);
            let load = Load::Requests(total.unwrap_or(0.0));
            let replicas = Replicas { running, target };
            let (proposal, after) =
                propose(&parameters, replicas, load, now_millis / 1000.0, by_hand);
            by_hand = after;

            let observation = Observation {
                readings: vec![MetricReading::Series(series(now, &sources))],
                ..seen(now, target, running, 0)
            };
            let text = serde_json::to_string(&state).expect("it serializes");
            let read: State = serde_json::from_str(&text).expect("it reads");
            let (decision, after) = decide(&policy, read, &observation);
            prop_assert_eq!(decision.outcome, Outcome::Decided);
            prop_assert_eq!(decision.desired_replicas, limits.bound(proposal.replicas));
            prop_assert_eq!(streak(&after), by_hand);
            prop_assert!(after.size_in_bytes() <= size);
            (state, target) = (after, decision.desired_replicas);
        }
    }

    /// Every decision lies within the scaled bounds, wherever the target was put from outside.
    #[test]
    fn bounds_hold(policy in policies(), ticks in ticks(), start in 0_i32..20) {
        let (mut state, mut now, mut target) = (State::for_policy(&policy), 0, start);
        for (tenths, starting, outside, sources) in ticks {
            now += tenths;
            target = outside.unwrap_or(target);
            let observation = Observation {
                readings: vec![MetricReading::Series(series(now, &sources))],
                ..seen(now, target, (target - starting).max(0), 0)
            };
            let (decision, after) = decide(&policy, state, &observation);
            target = decision.desired_replicas;
            let bounds = policy.bounds();
            prop_assert!((bounds.min..=bounds.max).contains(&target), "{target} of {bounds:?}");
            state = after;
        }
    }

    /// A total is what the samples of a source that never changes come to.
    #[test]
    fn a_total_is_a_steady_source(policy in policies(), loads in prop::collection::vec(0_i64..200, 1..60)) {
        let (mut by_total, mut by_samples) = (State::default(), State::default());
        let mut target = 3;
        for (now, requests) in (0..).zip(loads) {
            let steady = vec![vec![(200, requests), (100, requests), (0, requests)]];
            let readings = vec![MetricReading::Series(series(now, &steady))];
            let observation = Observation { readings, ..seen(now, target, target, 0) };
            let (sampled, after) = decide(&policy, by_samples, &observation);
            by_samples = after;
            let (total, after) = decide(&policy, by_total, &seen(now, target, target, requests));
            by_total = after;
            prop_assert_eq!(&total, &sampled);
            target = total.desired_replicas;
        }
        prop_assert_eq!(by_total, by_samples);
    }
}
