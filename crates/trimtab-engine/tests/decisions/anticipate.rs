//! Looking ahead under every strategy: schedules, starting credit, the learned lead time and the forecast; and the
//! laws that hold with all of them.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    AnticipateStep, Decision, ObservationRecord, Outcome, Policy, PolicySpec, Rule, ScaleReason,
    ScaleUpdate, State, decide, decide_traced, next_deadline, settle,
};
use trimtab_metric::{Span, Timestamp};

use crate::signals::START;

const STRATEGIES: [&str; 5] = ["hpa", "keda", "knative", "rayServe", "slo"];

/// One metric `load`, 10 for each replica.
fn spec(strategy: &str, more: Value) -> Value {
    let mut spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "strategy": strategy, "minReplicas": 1, "maxReplicas": 40,
        "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
    });
    let more = more.as_object().expect("an object").clone();
    spec.as_object_mut().expect("an object").extend(more);
    spec
}

fn policy(strategy: &str, more: Value) -> Policy {
    let spec: PolicySpec = serde_json::from_value(spec(strategy, more)).expect("it reads");
    Policy::new(spec).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn at(seconds: i64) -> Timestamp {
    START.saturating_add(Span::from_secs(seconds))
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

    fn sees(&mut self, seconds: i64, pods: Value, readings: Value) -> Decision {
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": at(seconds), "replicas": self.replicas, "pods": pods, "readings": readings,
        }))
        .expect("it reads");
        let observation = record.resolve(&self.policy).expect("it fits");
        let state = core::mem::take(&mut self.state);
        let text = serde_json::to_string(&state).expect("it writes");
        let read: State = serde_json::from_str(&text).expect("it reads");
        assert_eq!(read, state, "a state is what is written of it");
        let (untraced, after) = decide(&self.policy, read, &observation);
        let (decision, state) = decide_traced(&self.policy, state, &observation);
        assert_eq!((&Decision { trace: None, ..decision.clone() }, &after), (&untraced, &state));
        if let Some(deadline) = next_deadline(&self.policy, &state, &observation) {
            assert!(deadline > observation.now);
        }
        self.state = settle(&self.policy, state, &decision, ScaleUpdate::Applied);
        self.replicas = decision.scale_to.unwrap_or(self.replicas);
        explained(&decision);
        decision
    }

    fn load(&mut self, seconds: i64, load: f64) -> Decision {
        self.sees(seconds, json!([]), json!([{"metric": "load", "value": format!("{load:.3}")}]))
    }

    fn blind(&mut self, seconds: i64) -> Decision {
        self.sees(seconds, json!([]), json!([{"metric": "load", "unavailable": "failed"}]))
    }
}

/// Each step begins where the one before it ended, and what the steps of looking ahead say follows from their
/// numbers.
fn explained(decision: &Decision) {
    let mut now = decision.current_replicas;
    for step in decision.trace.iter().flatten() {
        if matches!(step.rule, Rule::Metric(_)) {
            continue;
        }
        assert_eq!(step.from, now, "{}", decision.explain());
        now = step.to;
        let Rule::Anticipate(rule) = &step.rule else { continue };
        let (from, current) = (step.from, decision.current_replicas);
        let replayed = match rule {
            AnticipateStep::OnTheWay { limit, .. }
            | AnticipateStep::JustReady { limit }
            | AnticipateStep::NotEnough { limit, .. }
            | AnticipateStep::BeyondTheLoad { limit, .. } => from.min((*limit).max(current)),
            AnticipateStep::Forecast { load, target, .. } => {
                let takes = (load.get() / target.get() - 1e-9).ceil();
                let takes: i64 = format!("{takes:.0}").parse().expect("a whole number");
                from.max(i32::try_from(takes.min(40)).expect("at most 40"))
            }
            AnticipateStep::Floor { min, .. } => from.max(*min),
            AnticipateStep::Ceiling { max, at_least, .. } => {
                from.min((*max).max(at_least.unwrap_or(0)))
            }
            _ => from,
        };
        assert_eq!(step.to, replayed, "{}", decision.explain());
    }
    assert_eq!(now, decision.desired_replicas, "{}", decision.explain());
}

fn window(more: Value) -> Value {
    let mut window =
        json!({"name": "noon", "start": "0 12 * * *", "end": "0 14 * * *", "minReplicas": 6});
    window.as_object_mut().expect("an object").extend(more.as_object().expect("one").clone());
    window
}

const HOUR: i64 = 3600;

#[test]
fn off_it_leaves_no_trace_and_no_state() {
    for strategy in STRATEGIES {
        let mut run = Run::new(policy(strategy, json!({})), 2);
        for tick in 0..10 {
            let decision = run.load(tick * 15, 35.0);
            let steps = decision.trace.iter().flatten();
            assert!(!steps.into_iter().any(|step| matches!(step.rule, Rule::Anticipate(_))));
        }
        assert_eq!(run.state.envelope, None);
    }
}

#[test]
fn a_window_is_ready_when_it_opens() {
    for strategy in STRATEGIES {
        let mut run = Run::new(policy(strategy, json!({"schedules": [window(json!({}))]})), 1);
        let noon = 2 * HOUR;
        assert_eq!(run.load(noon - 195, 5.0).desired_replicas, 1, "{strategy}");
        let opens = run.load(noon - 180, 5.0); // the lead time is 180 s
        assert_eq!((opens.scale_to, opens.reason), (Some(6), ScaleReason::Schedule), "{strategy}");
        // Then it holds, whatever is known.
        for second in (noon - 165..noon + 2 * HOUR).step_by(300) {
            let decision = if second % 2 == 0 { run.load(second, 5.0) } else { run.blind(second) };
            assert_eq!(decision.desired_replicas, 6, "{strategy} at {second}");
        }
    }
}

#[test]
fn after_the_end_the_load_counts_again() {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 60}});
    let more = json!({"schedules": [window(json!({}))], "behavior": behavior});
    let mut run = Run::new(policy("hpa", more), 6);
    let end = 4 * HOUR;
    assert_eq!(run.load(end - 1, 5.0).desired_replicas, 6);
    assert_eq!(run.load(end + 10, 5.0).desired_replicas, 6); // its own window still holds
    assert_eq!(run.load(end + 75, 5.0).desired_replicas, 1);
}

#[test]
fn a_window_may_allow_fewer() {
    let night = window(json!({"minReplicas": null, "maxReplicas": 4}));
    for strategy in STRATEGIES {
        let mut run = Run::new(policy(strategy, json!({"schedules": [night.clone()]})), 9);
        assert!(run.load(2 * HOUR - 15, 80.0).desired_replicas > 4, "{strategy}");
        let decision = run.load(2 * HOUR, 90.0);
        assert_eq!(
            (decision.scale_to, decision.reason),
            (Some(4), ScaleReason::Schedule),
            "{strategy}"
        );
        assert_eq!(run.load(2 * HOUR + 15, 90.0).desired_replicas, 4, "{strategy}");
    }
}

/// The largest of the fewest, the smallest of the most; and where both can't be, the fewest.
#[test]
fn of_windows_that_overlap_the_strictest_counts_and_at_least_comes_first() {
    let windows = json!([
        window(json!({"name": "a", "minReplicas": 3, "maxReplicas": 12})),
        window(json!({"name": "b", "minReplicas": 5, "maxReplicas": 8})),
    ]);
    let mut run = Run::new(policy("hpa", json!({"schedules": windows})), 6);
    assert_eq!(run.load(2 * HOUR, 1.0).desired_replicas, 6); // the HPA's window of before
    assert_eq!(run.load(2 * HOUR + 400, 1.0).desired_replicas, 5);
    assert_eq!(run.load(2 * HOUR + 415, 400.0).desired_replicas, 8);
    let windows = json!([
        window(json!({"name": "few", "minReplicas": null, "maxReplicas": 2})),
        window(json!({"name": "many", "start": "2 12 * * *", "minReplicas": 7})),
    ]);
    let mut run = Run::new(policy("hpa", json!({"schedules": windows})), 3);
    assert_eq!(run.load(2 * HOUR - 120, 30.0).desired_replicas, 3);
    assert_eq!(run.load(2 * HOUR, 30.0).desired_replicas, 7); // it opens in two minutes
    assert_snapshot!(run.load(2 * HOUR + 15, 300.0).explain());
}

/// A workload that was switched off by hand stays off, one that sleeps is woken.
#[test]
fn off_is_off_and_asleep_is_awakened() {
    let more = json!({"schedules": [window(json!({}))]});
    let mut off = Run::new(policy("hpa", more.clone()), 0);
    let decision = off.load(2 * HOUR, 50.0);
    assert_eq!((decision.scale_to, decision.outcome), (None, Outcome::Disabled));
    let mut asleep =
        Run::new(policy("keda", json!({"minReplicas": 0, "schedules": more["schedules"]})), 0);
    assert_eq!(asleep.load(2 * HOUR - 180, 0.0).scale_to, Some(6));
    assert_eq!(asleep.load(2 * HOUR + 600, 0.0).desired_replicas, 6);
}

#[test]
fn what_is_set_by_hand_comes_last() {
    let more = json!({"schedules": [window(json!({}))],
        "override": {"replicas": 2, "until": at(2 * HOUR + 60)}});
    let mut run = Run::new(policy("hpa", more), 1);
    assert_eq!(run.load(2 * HOUR, 5.0).desired_replicas, 2);
    assert_eq!(run.load(2 * HOUR + 60, 5.0).desired_replicas, 6);
    let more = json!({"schedules": [window(json!({}))], "pause": {"scaleUp": true}});
    let mut run = Run::new(policy("hpa", more), 1);
    assert_eq!(run.load(2 * HOUR, 5.0).desired_replicas, 1);
}

/// Until the deadline the same observation has the same answer, and at it the window's.
#[test]
fn edges_are_deadlines() {
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
    let more = json!({"schedules": [window(json!({"maxReplicas": 6}))], "behavior": behavior});
    let policy = policy("hpa", more);
    let see = |seconds: i64, replicas: i32| {
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": at(seconds), "replicas": replicas,
            "readings": [{"metric": "load", "value": "20"}],
        }))
        .expect("it reads");
        record.resolve(&policy).expect("it fits")
    };
    let deadline = |seconds: i64| {
        let seen = see(seconds, 2);
        let (_, state) = decide(&policy, State::for_policy(&policy), &seen);
        next_deadline(&policy, &state, &seen)
    };
    let noon = 2 * HOUR;
    assert_eq!(deadline(0), Some(at(noon - 180))); // as long as a start takes
    assert_eq!(deadline(noon - 180), Some(at(noon)));
    assert_eq!(deadline(noon), Some(at(noon + 2 * HOUR)));
    let count =
        |seconds| decide(&policy, State::for_policy(&policy), &see(seconds, 2)).0.desired_replicas;
    assert_eq!([noon - 181, noon - 180, noon, 2 * noon - 1, 2 * noon].map(count), [2, 6, 6, 6, 2]);
}

/// Starts of two, three and four minutes: the slowest counts, in windows and under `slo`.
fn pods(ready_at: &[(i64, i64)], now: i64) -> Value {
    let pod = |(index, (asked, ready)): (usize, &(i64, i64))| {
        let is_ready = *ready <= now;
        json!({"name": format!("p{index}"), "creationTimestamp": at(*asked), "startTime": at(*asked + 5),
            "ready": {"status": if is_ready { "True" } else { "False" },
                "lastTransitionTime": at(if is_ready { *ready } else { *asked })}})
    };
    Value::Array(ready_at.iter().enumerate().filter(|(_, pod)| pod.0 <= now).map(pod).collect())
}

#[test]
fn the_lead_time_is_learned_from_starts() {
    let more = json!({"schedules": [window(json!({}))],
        "anticipate": {"leadTimeSeconds": 60, "learnLeadTime": {}}});
    let mut run = Run::new(policy("hpa", more), 3);
    let starts = [(0, 120), (60, 240), (100, 340)];
    let load = json!([{"metric": "load", "value": "30"}]);
    let noon = 2 * HOUR;
    for now in [0, 130, 250, noon - 300, noon - 241] {
        assert_eq!(run.sees(now, pods(&starts, now), load.clone()).desired_replicas, 3, "{now}");
    }
    let decision = run.sees(noon - 240, pods(&starts, noon - 240), load);
    assert_eq!(decision.desired_replicas, 6);
    assert_snapshot!(decision.explain());
    // Each start was counted once.
    let envelope = serde_json::to_value(&run.state.envelope).expect("it writes");
    assert_eq!(envelope["anticipate"]["starts"]["took"].as_array().map(Vec::len), Some(3));
}

/// A pod that becomes ready again after an hour is no start.
#[test]
fn what_is_learned_stays_within_its_limits() {
    let learn = json!({"minSeconds": 30, "maxSeconds": 200, "quantile": 0.5});
    let more = json!({"schedules": [window(json!({}))], "anticipate": {"learnLeadTime": learn}});
    let mut run = Run::new(policy("hpa", more), 3);
    let starts = [(0, 10), (20, 32), (40, 55), (60, 3000)];
    let load = json!([{"metric": "load", "value": "30"}]);
    let noon = 2 * HOUR;
    assert_eq!(run.sees(noon - 31, pods(&starts, noon), load.clone()).desired_replicas, 3);
    assert_eq!(run.sees(noon - 30, pods(&starts, noon), load).desired_replicas, 6);
}

#[test]
fn slo_goes_by_what_was_learned() {
    let learned = |more: Value| {
        let slo = json!({"leadTimeSeconds": 600, "maxSurgePercent": 0});
        let mut run = Run::new(policy("slo", json!({"slo": slo, "anticipate": more})), 4);
        let starts = [(0, 60), (60, 120), (120, 180), (200, 9999)];
        let load = json!([{"metric": "load", "value": "35"}]);
        let now = 340; // 140 s old: overdue after one and a half minutes
        run.sees(now, pods(&starts, now), load).desired_replicas
    };
    assert_eq!((learned(json!({})), learned(json!({"learnLeadTime": {}}))), (4, 5));
}

/// A service that works at a rate, whose requests wait while its replicas start.
struct Plant {
    run: Run,
    /// When each replica was asked for.
    pods: Vec<i64>,
    lead: i64,
    backlog: f64,
    most: i32,
}

/// Requests per second and replica; each takes 4 s, so that 8 are in flight.
const RATE: f64 = 2.0;

impl Plant {
    fn new(anticipate: Value, with_rate: bool, lead: i64, ready: i32) -> Self {
        let external = |name: &str, average: &str| {
            json!({"type": "External", "external": {"metric": {"name": name},
                "target": {"type": "AverageValue", "averageValue": average}}})
        };
        let mut metrics = vec![external("in_flight", "8")];
        if with_rate {
            metrics.push(external("rate", "2"));
        }
        let more = json!({"maxReplicas": 1000, "metrics": metrics, "anticipate": anticipate,
            "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1000, "periodSeconds": 15}]},
                "scaleDown": {"stabilizationWindowSeconds": 300}}});
        let pods = (0..ready).map(|_| -lead - 100).collect();
        Self { run: Run::new(policy("hpa", more), ready), pods, lead, backlog: 0.0, most: 0 }
    }

    fn tick(&mut self, now: i64, rate: f64) -> Decision {
        let ready = self.pods.iter().filter(|asked| **asked + self.lead <= now).count();
        let capacity = RATE * f64::from(i32::try_from(ready).expect("few"));
        let served = at_most(capacity, rate + self.backlog / 15.0);
        self.backlog = -at_most(-(self.backlog + (rate - served) * 15.0), 0.0);
        let starts: Vec<(i64, i64)> =
            self.pods.iter().map(|asked| (*asked, asked + self.lead)).collect();
        let mut readings = vec![
            json!({"metric": "in_flight", "value": format!("{:.3}", served * 4.0 + self.backlog)}),
        ];
        if self.run.policy.metrics().len() > 1 {
            readings.push(json!({"metric": "rate", "value": format!("{rate:.3}")}));
        }
        let decision = self.run.sees(now, pods(&starts, now), Value::Array(readings));
        let wanted = usize::try_from(self.run.replicas).expect("not negative");
        self.pods.sort_unstable();
        self.pods.truncate(wanted);
        self.pods.resize(wanted, now);
        self.most = self.most.max(self.run.replicas);
        decision
    }
}

fn at_most(value: f64, most: f64) -> f64 {
    if value < most { value } else { most }
}

fn needed(rate: f64) -> i32 {
    format!("{}", (rate / RATE).ceil()).parse().expect("a whole number")
}

/// What a cold start looks like without the credit: a backlog that waits for replicas asks for more of them.
#[test]
fn without_credit_a_cold_start_winds_up() {
    let mut plant = Plant::new(json!({}), true, 240, 1);
    (0..80).for_each(|tick| drop(plant.tick(tick * 15, 10.0)));
    assert!(plant.most > 100, "{}", plant.most);
}

#[test]
fn replicas_on_the_way_count() {
    let anticipate =
        json!({"leadTimeSeconds": 240, "startingCredit": true, "forecast": {"metric": "rate"}});
    let mut plant = Plant::new(anticipate, true, 240, 1);
    let first = plant.tick(0, 10.0).explain().to_string();
    let second = plant.tick(15, 10.0).explain().to_string();
    assert_snapshot!(first + "\n" + &second);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Law 6, no wind-up: at a constant load, however long a start takes, the count never exceeds the need
    /// by more than the factor, and comes to rest.
    #[test]
    fn no_wind_up(
        rate in 1.0..60.0_f64, lead in 15_i64..600, ready in 1_i32..8, factor in 1.0..3.0_f64,
    ) {
        let anticipate = json!({"leadTimeSeconds": lead, "startingCredit": true, "creditFactor": factor,
            "forecast": {"metric": "rate"}});
        let mut plant = Plant::new(anticipate, true, lead, ready);
        let need = needed(rate);
        let most = needed(f64::from(need) * RATE * factor).max(need + 1).max(ready + 1);
        let mut last = Vec::new();
        for tick in 0..800 {
            plant.tick(tick * 15, rate);
            prop_assert!(plant.run.replicas <= most, "{} of {need} at tick {tick}", plant.run.replicas);
            last.push(plant.run.replicas);
        }
        prop_assert!(plant.backlog < 1.0, "{} wait at the end", plant.backlog);
        let end = &last[last.len() - 60..];
        prop_assert!(end.iter().all(|count| *count == end[0]), "{end:?}");
        prop_assert!(end[0] >= need);
    }

    /// The same where no load is known: then the first want is what the credit goes by.
    #[test]
    fn no_wind_up_without_a_load(rate in 1.0..60.0_f64, lead in 30_i64..600, ready in 1_i32..8) {
        let anticipate = json!({"leadTimeSeconds": lead, "startingCredit": true});
        let mut plant = Plant::new(anticipate, false, lead, ready);
        let first = plant.tick(0, rate).desired_replicas;
        let most = 2 * needed(rate).max(first).max(ready);
        for tick in 1..800 {
            plant.tick(tick * 15, rate);
            prop_assert!(plant.run.replicas <= most, "{} of {most} at {tick}", plant.run.replicas);
        }
        prop_assert!(plant.backlog < 1.0, "{} wait at the end", plant.backlog);
    }

    /// More load while replicas start still gets through: at once if the load is known, and then at least
    /// as much as it takes.
    #[test]
    fn growth_gets_through(rate in 4.0..30.0_f64, growth in 1.1..8.0_f64, lead in 60_i64..900) {
        let anticipate = json!({"leadTimeSeconds": lead, "startingCredit": true,
            "forecast": {"metric": "rate"}});
        let mut plant = Plant::new(anticipate, true, lead, 1);
        (0..3).for_each(|tick| drop(plant.tick(tick * 15, rate)));
        plant.tick(45, rate * growth);
        prop_assert!(plant.run.replicas >= needed(rate * growth));
    }
}

/// Without a load, what is asked for in the middle of a start waits, unless it is out of all proportion.
#[test]
fn without_a_load_growth_waits_for_the_start() {
    let wants = |strategy: &str, load: f64| {
        let more = json!({"anticipate": {"startingCredit": true}});
        let mut run = Run::new(policy(strategy, more), 1);
        let starting = [(-500, -300), (5, 200), (5, 200), (5, 200)];
        let see = |run: &mut Run, now: i64, load: f64| {
            let reading = json!([{"metric": "load", "value": format!("{load:.0}")}]);
            run.sees(now, pods(&starting, now), reading).desired_replicas
        };
        assert_eq!(see(&mut run, 0, 40.0), 4);
        see(&mut run, 15, load)
    };
    for strategy in ["hpa", "keda", "slo"] {
        let wants = [60.0, 80.0, 90.0, 300.0].map(|load| wants(strategy, load));
        assert_eq!(wants, [4, 4, 8, 8], "{strategy}");
    }
}

/// A start that takes too long is no credit.
#[test]
fn overdue_starts_are_not_waited_for() {
    let more = json!({"maxReplicas": 40, "anticipate": {"startingCredit": true, "overdueAfterSeconds": 100}});
    let mut run = Run::new(policy("hpa", more), 1);
    let starting = [(-500, -300), (5, 9999), (5, 9999), (5, 9999)];
    let mut see = |now: i64, load: i64| {
        let reading = json!([{"metric": "load", "value": load}]);
        run.sees(now, pods(&starting, now), reading).desired_replicas
    };
    assert_eq!([(0, 40), (90, 70), (106, 70)].map(|(now, load)| see(now, load)), [4, 4, 7]);
}

/// A load that rises in the hour before noon each day, by a tenth each five minutes.
fn daily(second: i64) -> f64 {
    let minute = second.div_euclid(60).rem_euclid(120); // a day of two hours
    if (60..72).contains(&minute) {
        20.0 + 5.0 * f64::from(i32::try_from(minute).expect("small") - 60)
    } else {
        20.0
    }
}

#[test]
fn a_season_is_known_before_it_comes() {
    let forecast = json!({"metric": "load", "seasonSeconds": 7200, "stepSeconds": 60});
    let ahead = json!({"anticipate": {"leadTimeSeconds": 240, "forecast": forecast}});
    let mut with = Run::new(policy("hpa", ahead), 2);
    let mut without = Run::new(policy("hpa", json!({})), 2);
    let mut earlier = 0;
    for tick in 0..2400 {
        let now = tick * 15;
        let (seen, plain) = (with.load(now, daily(now)), without.load(now, daily(now)));
        assert!(seen.desired_replicas >= plain.desired_replicas, "it only raises");
        let minute = now / 60 % 120;
        if now > 4 * 7200 && minute == 58 {
            assert!(seen.desired_replicas > 2 && plain.desired_replicas == 2, "{}", seen.explain());
            if earlier == 0 {
                assert_snapshot!("a_forecast_raises", seen.explain());
            }
            earlier += 1;
        }
    }
    assert!(earlier > 0);
    assert!(with.state.size_in_bytes() < without.state.size_in_bytes() + (6 << 10));
}

#[test]
fn a_constant_load_is_no_reason_for_more() {
    for strategy in STRATEGIES {
        let forecast = json!({"metric": "load", "seasonSeconds": 600});
        let ahead = json!({"anticipate": {"forecast": forecast, "startingCredit": true, "learnLeadTime": {}}});
        let (mut with, mut without) =
            (Run::new(policy(strategy, ahead), 4), Run::new(policy(strategy, json!({})), 4));
        for tick in 0..300 {
            let (seen, plain) = (with.load(tick * 15, 35.0), without.load(tick * 15, 35.0));
            assert_eq!(
                seen.desired_replicas,
                plain.desired_replicas,
                "{strategy} {}",
                seen.explain()
            );
        }
    }
}

fn everything() -> impl Strategy<Value = Value> {
    let window = (0..24, 1..600_i32, prop::option::of(1..12_i32), prop::option::of(12..40_i32)).prop_map(
        |(hour, minutes, min, max)| {
            json!({"name": "w", "start": format!("*/20 {hour}-23 * * *"), "durationSeconds": minutes * 60,
                "timeZone": "America/New_York", "minReplicas": min.unwrap_or(1), "maxReplicas": max})
        },
    );
    let forecast = (prop::option::of(Just(600)), 0.0..=1.0_f64)
        .prop_map(|(season, quantile)| json!({"metric": "load", "seasonSeconds": season, "quantile": quantile}));
    (prop::option::of(window), prop::option::of(forecast), any::<bool>(), any::<bool>()).prop_map(
        |(window, forecast, credit, learn)| {
            let window: Vec<Value> = window.into_iter().collect();
            json!({"schedules": window, "anticipate": {"forecast": forecast, "startingCredit": credit,
                "learnLeadTime": if learn { Some(json!({})) } else { None }}})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Under every strategy and with every part of it: within the bounds, explained, deterministic after a
    /// round trip of the state (all in `Run`), bounded in size, and the same at another time of the same clock.
    #[test]
    fn the_laws_hold_with_it(
        more in everything(), strategy in prop::sample::select(&STRATEGIES[..]),
        ticks in prop::collection::vec((1_i64..400, prop::option::weighted(0.9, 0.0..300.0_f64)), 1..80),
    ) {
        let policy = policy(strategy, more);
        let (mut run, mut weeks_later) = (Run::new(policy.clone(), 3), Run::new(policy, 3));
        let mut now = 0;
        for (gap, load) in ticks {
            now += gap;
            let see = |run: &mut Run, now: i64| match load {
                Some(load) => run.load(now, load),
                None => run.blind(now),
            };
            let decision = see(&mut run, now);
            prop_assert!((1..=40).contains(&decision.desired_replicas), "{}", decision.explain());
            if load.is_none() {
                let lowered = decision.desired_replicas < decision.current_replicas;
                prop_assert!(!lowered || decision.reason == ScaleReason::Schedule || decision.reason == ScaleReason::AboveMax || strategy == "knative");
            }
            let later = see(&mut weeks_later, now + 4 * 7 * 86_400); // before the clocks change
            prop_assert_eq!(later.desired_replicas, decision.desired_replicas);
            prop_assert!(run.state.size_in_bytes() < 16 << 10);
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = json!({
        "minReplicas": 2,
        "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
            "target": {"type": "Value", "value": "10"}}}],
        "schedules": [
            {"name": "a", "start": "61 * * * *", "end": "@reboot", "minReplicas": 3},
            {"name": "a", "start": "0 8 * * *", "timeZone": "Mars/Olympus"},
            {"name": "", "start": "0 8 * * *", "end": "0 9 * * *", "durationSeconds": 0, "minReplicas": 1, "maxReplicas": 41},
            {"name": "b", "start": "0 8 * * *", "durationSeconds": 60, "minReplicas": 9, "maxReplicas": 8},
        ],
        "anticipate": {"leadTimeSeconds": 0, "creditFactor": 0.5, "overdueAfterSeconds": 0,
            "learnLeadTime": {"quantile": 0, "minSeconds": 100, "maxSeconds": 50},
            "forecast": {"metric": "load", "models": ["holtWinters"], "quantile": 1.5, "stepSeconds": 0}},
    });
    let told = |more: Value| {
        let spec: PolicySpec = serde_json::from_value(spec("hpa", more)).expect("it reads");
        Policy::new(spec).expect_err("it is wrong").to_string()
    };
    let season = json!({"anticipate": {"forecast": {"metric": "lod", "seasonSeconds": 100, "stepSeconds": 30}}});
    assert_snapshot!(told(wrong) + "\n" + &told(season));
}
