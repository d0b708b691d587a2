//! Who leaves, and when: cases, and the laws over fleets that carry out what is decided.

use crate::fleet::{Fleet, Load, loads, policy, spec};
use crate::signals::{START, merged};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    ConditionType, Decision, ObservationRecord, Outcome, Policy, PolicySpec, RetirePlan, Rule,
    State, decide, decide_traced, next_deadline, settle,
};
use trimtab_metric::{Span, Timestamp};

/// Pods as they are seen, and the requests in flight of the whole service, of which 10 are one
/// replica's.
fn seen(seconds: i64, replicas: i32, pods: Value, in_flight: i32) -> ObservationRecord {
    serde_json::from_value(json!({
        "time": START.saturating_add(Span::from_secs(seconds)), "replicas": replicas, "pods": pods,
        "readings": [{"metric": "in_flight", "value": in_flight}],
    }))
    .expect("it reads")
}

fn pod(name: &str, more: Value) -> Value {
    merged(json!({"name": name, "ready": true}), more)
}

/// Decides once, without history.
fn once(retire: Value, record: &ObservationRecord) -> Decision {
    let policy = policy(spec("slo", json!({"retire": retire})));
    let observation = record.resolve(&policy).expect("it fits");
    decide_traced(&policy, State::for_policy(&policy), &observation).0
}

fn plan(decision: &Decision) -> &RetirePlan {
    decision.retire.as_ref().unwrap_or_else(|| panic!("no plan: {decision:?}"))
}

fn at(seconds: i64) -> Value {
    json!(START.saturating_add(Span::from_secs(seconds)))
}

#[test]
fn who_is_not_wanted_drains_and_the_count_stays() {
    let pods = json!([
        pod("a", json!({"inFlight": 9})),
        pod("b", json!({"inFlight": 2})),
        pod("c", json!({})),
        pod("d", json!({"inFlight": 5})),
    ]);
    let decision = once(json!({}), &seen(0, 4, pods, 16));
    assert_eq!(decision.scale_to, None);
    assert_eq!((plan(&decision).serving, plan(&decision).wanted), (4, 2));
    assert_eq!(plan(&decision).drain, [1, 3]); // the fewest requests; where they are unknown, last
    assert_snapshot!("drain", decision.explain());
}

#[test]
fn who_is_idle_goes_and_who_has_had_its_time() {
    let pods = json!([
        pod("a", json!({"inFlight": 9})),
        pod("b", json!({"inFlight": 1, "drainingSince": at(-20)})),
        pod("c", json!({"inFlight": 0, "drainingSince": at(-15)})),
        pod("d", json!({"inFlight": 7, "drainingSince": at(-60)})),
        pod("e", json!({"drainingSince": at(-59)})),
    ]);
    let decision = once(json!({"maxSessionSeconds": 60}), &seen(0, 5, pods, 9));
    assert_eq!(plan(&decision).retire, [2, 3]);
    assert_eq!(decision.scale_to, Some(3));
    assert_snapshot!("go", decision.explain());
}

#[test]
fn demand_that_returns_takes_back_the_last_first_and_only_then_starts() {
    let pods = json!([
        pod("a", json!({"inFlight": 10})),
        pod("b", json!({"inFlight": 1, "drainingSince": at(-60)})),
        pod("c", json!({"inFlight": 0, "drainingSince": at(-20)})),
        pod("d", json!({"inFlight": 7, "drainingSince": at(-40)})),
    ]);
    let decision = once(json!({}), &seen(0, 4, pods.clone(), 28));
    assert_eq!(plan(&decision).take_back, [2, 3]);
    assert_eq!((plan(&decision).retire.len(), decision.scale_to), (0, None));
    assert_snapshot!("take_back", decision.explain());
    let more = once(json!({}), &seen(0, 4, pods, 58));
    assert_eq!(plan(&more).take_back, [2, 3, 1]);
    assert_eq!(more.scale_to, Some(5)); // 6 are needed, and from 1 that serves 4 more are allowed
}

#[test]
fn what_never_started_goes_at_once_and_what_does_not_exist_first() {
    let pods = json!([
        pod("a", json!({"inFlight": 10})),
        pod("b", json!({"inFlight": 10})),
        {"name": "c", "phase": "Pending"},
        {"name": "d", "ready": false, "startTime": at(-30)},
    ]);
    let decision = once(json!({}), &seen(0, 6, pods, 20));
    let plan = plan(&decision);
    assert_eq!((plan.not_created, &plan.retire, &plan.drain), (0, &vec![2], &vec![3, 1, 0]));
    let mut record = seen(0, 6, json!([pod("a", json!({"inFlight": 10}))]), 10);
    record.status_replicas = Some(3);
    let decision = once(json!({}), &record);
    let plan = self::plan(&decision);
    // Three are not there yet; two are there and not listed: they stay.
    assert_eq!((plan.not_created, plan.drain.len(), plan.wanted), (3, 1, 2));
    assert_eq!(decision.scale_to, Some(3));
}

/// Nobody is known to be idle where nobody is known.
#[test]
fn without_pods_nobody_leaves() {
    let decision = once(json!({"maxSessionSeconds": 0}), &seen(0, 6, json!([]), 10));
    assert_eq!((decision.scale_to, plan(&decision).is_empty()), (None, true));
    assert_snapshot!("without_pods", decision.explain());
}

#[test]
fn victims_go_by_the_order_of_the_policy() {
    let on = |zone: &str, node: &str, capacity: &str, in_flight: u32| json!({"inFlight": in_flight, "zone": zone, "nodeName": node, "capacityType": capacity});
    let pods = json!([
        pod("a", on("x", "x1", "on-demand", 3)),
        pod("b", on("x", "x1", "on-demand", 3)),
        pod("c", on("x", "x2", "spot", 4)),
        pod("d", on("y", "y1", "on-demand", 3)),
        pod("e", on("y", "y1", "spot", 1)),
        {"name": "f", "ready": false, "startTime": at(-30)},
    ]);
    let record = seen(0, 6, pods, 20);
    let drain = |retire: Value| plan(&once(retire, &record)).drain.clone();
    assert_eq!(drain(json!({})), [5, 4, 1, 0]);
    assert_eq!(drain(json!({"preferSpot": true})), [5, 4, 2, 1]);
    // Of `x` with three, there of `x1` with two; then one zone as full as the other, and so on.
    assert_eq!(drain(json!({"victimOrder": ["spread"]})), [1, 4, 2, 3]);
    assert_eq!(drain(json!({"victimOrder": ["fewestInFlight", "spread"]})), [4, 1, 0, 3]);
}

#[test]
fn the_last_replica_drains_and_wakes() {
    let spec =
        spec("slo", json!({"retire": {}, "minReplicas": 0, "slo": {"scaleToZeroAfterSeconds": 0}}));
    let policy = policy(spec);
    let run = |state: State, record: ObservationRecord| {
        let observation = record.resolve(&policy).expect("it fits");
        let (decision, state) = decide_traced(&policy, state, &observation);
        let state = settle(&policy, state, &decision, trimtab_engine::ScaleUpdate::Applied);
        (decision, state)
    };
    let idle = |since: Value| json!([pod("a", json!({"inFlight": 0, "drainingSince": since}))]);
    let ready = json!([pod("a", json!({"inFlight": 0}))]);
    let (mut decision, mut state) = run(State::for_policy(&policy), seen(0, 1, ready.clone(), 0));
    // The window of five lead times passes.
    for tick in 1..60 {
        (decision, state) = run(state, seen(tick * 15, 1, ready.clone(), 0));
        if !plan(&decision).drain.is_empty() {
            break;
        }
    }
    assert_eq!(plan(&decision).drain, [0]);
    let (back, _) = run(state.clone(), seen(1_000, 1, idle(at(900)), 25));
    assert_eq!((plan(&back).take_back.clone(), back.scale_to), (vec![0], Some(3)));
    let (gone, _) = run(state, seen(1_000, 1, idle(at(900)), 0));
    assert_eq!((plan(&gone).retire.clone(), gone.scale_to), (vec![0], Some(0)));
}

/// An override drains, too; a pause of the way down keeps even those that are idle.
#[test]
fn by_hand() {
    let pods = json!([
        pod("a", json!({"inFlight": 3})),
        pod("b", json!({"inFlight": 0, "drainingSince": at(-30)})),
        pod("c", json!({"inFlight": 4})),
    ]);
    let record = seen(0, 3, pods, 20);
    let decided = |more: Value| {
        let policy = policy(spec("slo", merged(json!({"retire": {}}), more)));
        let observation = record.resolve(&policy).expect("it fits");
        decide(&policy, State::for_policy(&policy), &observation).0
    };
    let held = decided(json!({"pause": {"scaleDown": true}}));
    assert_eq!((held.scale_to, plan(&held).is_empty()), (None, true));
    let given = decided(json!({"override": {"replicas": 1, "until": at(600)},
        "retire": {"flapBudget": {"changes": 2, "periodSeconds": 60}}}));
    assert_eq!((given.scale_to, plan(&given).drain.clone()), (Some(2), vec![0]));
    assert!(!given.conditions.is_true(ConditionType::FlapBudgetSpent));
}

/// 2.6 each of 4: with three of four, 3.5; with two, 5.2.
#[test]
fn no_step_down_to_where_a_trigger_per_replica_opens_again() {
    let per_pod = |name: &str, average: &str| {
        json!({"type": "Pods", "pods": {"metric": {"name": name},
            "target": {"type": "AverageValue", "averageValue": average}}})
    };
    let decided = |retire: Value| {
        let spec = spec(
            "slo",
            json!({
                "metrics": [per_pod("load", "10"), per_pod("queue", "4")], "retire": retire,
                "slo": {"signals": [{"metric": "queue", "role": "trigger", "release": "3"}]},
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
            }),
        );
        let policy = policy(spec);
        let names = ["a", "b", "c", "d"];
        let each = |value: &str| -> Value {
            names
                .iter()
                .map(|name| (name.to_string(), json!(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let record: ObservationRecord = serde_json::from_value(json!({
            "time": START, "replicas": 4,
            "pods": names.iter().map(|name| pod(name, json!({"inFlight": 0}))).collect::<Vec<_>>(),
            "readings": [{"metric": "load", "pods": each("2")}, {"metric": "queue", "pods": each("2.6")}],
        }))
        .expect("it reads");
        let observation = record.resolve(&policy).expect("it fits");
        decide_traced(&policy, State::for_policy(&policy), &observation).0
    };
    assert_eq!(plan(&decided(json!({}))).wanted, 3);
    assert_eq!(plan(&decided(json!({"projection": false}))).wanted, 1);
}

#[test]
fn a_budget_lets_half_of_it_stop() {
    let pods: Vec<Value> = (0..8)
        .map(|pod| json!({"name": format!("p{pod}"), "ready": true, "inFlight": pod}))
        .collect();
    let budget = json!({"flapBudget": {"changes": 5, "periodSeconds": 600}});
    let decision = once(budget, &seen(0, 8, json!(pods), 10));
    assert_eq!((plan(&decision).drain.len(), plan(&decision).wanted), (2, 6));
    assert!(decision.conditions.is_true(ConditionType::FlapBudgetSpent));
    assert_snapshot!("budget", decision.explain());
}

#[test]
fn what_is_wrong_is_said() {
    let refused = |retire: Value| {
        let spec = spec("hpa", json!({"retire": retire}));
        let spec: PolicySpec = serde_json::from_value(spec).expect("it reads");
        Policy::new(spec).expect_err("it is wrong").to_string()
    };
    assert_snapshot!(
        "wrong",
        [
            refused(
                json!({"maxSessionSeconds": -1, "flapBudget": {"changes": 1, "periodSeconds": 0}})
            ),
            refused(json!({"victimOrder": [], "preferSpot": true, "projection": true})),
            refused(json!({"victimOrder": ["spot", "notReady", "spot"]})),
        ]
        .join("\n\n")
    );
}

/// A policy of any strategy with `retire`, and perhaps a budget.
fn policies() -> impl Strategy<Value = Policy> {
    let strategy = prop::sample::select(vec![
        "slo",
        "hpa",
        "hpa by pod",
        "keda",
        "knative",
        "rayServe",
        "apa",
    ]);
    let order =
        prop::sample::subsequence(vec!["notReady", "spot", "fewestInFlight", "spread"], 1..=4);
    let budget = prop::option::of((2_i32..12, 60_i32..900));
    (strategy, 0_i32..3, 4_i32..14, 0_i32..400, order, budget, any::<bool>()).prop_map(
        |(strategy, min, max, session, order, budget, behavior)| {
            let mut retire = json!({"maxSessionSeconds": session, "victimOrder": order});
            if let Some((changes, period)) = budget {
                retire["flapBudget"] = json!({"changes": changes, "periodSeconds": period});
            }
            let least = i32::from(matches!(strategy, "hpa" | "hpa by pod" | "apa" | "rayServe"));
            let mut more =
                json!({"retire": retire, "minReplicas": min.max(least), "maxReplicas": max});
            if behavior {
                let rules = json!({"stabilizationWindowSeconds": 30, "policies": [
                    {"type": "Pods", "value": 2, "periodSeconds": 30}]});
                more["behavior"] = json!({"scaleDown": rules});
            }
            policy(spec(strategy, more))
        },
    )
}

/// What every plan has to be.
fn holds(fleet: &Fleet, decision: &Decision, plan: &RetirePlan) -> Result<(), TestCaseError> {
    let session = fleet.policy.retire().expect("it is on").max_session;
    for row in &plan.retire {
        let pod = &fleet.pods[*row as usize];
        let ends = pod.draining_since.map(|since| since.saturating_add(session));
        let may = pod.starts_in.is_some_and(|ticks| ticks > 2)
            || (pod.draining_since.is_some() && pod.sessions.is_empty() && pod.is_told)
            || ends.is_some_and(|at| at <= fleet.now);
        prop_assert!(may, "{pod:?} at {}", fleet.now);
    }
    prop_assert!(plan.drain.iter().all(|row| fleet.pods[*row as usize].draining_since.is_none()));
    prop_assert!(
        plan.take_back.iter().all(|row| fleet.pods[*row as usize].draining_since.is_some())
    );
    let mut rows: Vec<u32> =
        [&plan.drain, &plan.retire, &plan.take_back].into_iter().flatten().copied().collect();
    rows.sort_unstable();
    rows.dedup();
    prop_assert_eq!(rows.len(), plan.drain.len() + plan.retire.len() + plan.take_back.len());

    // It moves one way, and no further than is wanted.
    let (current, draining) = (decision.current_replicas, fleet.draining());
    let back = i32::try_from(plan.take_back.len()).expect("few");
    let gone = i32::try_from(plan.retire.len()).expect("few") + plan.not_created;
    prop_assert_eq!(plan.serving, current - draining);
    if plan.wanted >= plan.serving {
        prop_assert!(plan.drain.is_empty() && back == draining.min(plan.wanted - plan.serving));
    } else {
        prop_assert_eq!(back, 0);
    }
    // First those that drain, then new ones.
    let expected = if plan.wanted > current { plan.wanted } else { current - gone };
    prop_assert_eq!(decision.desired_replicas, expected);
    prop_assert!(decision.desired_replicas >= plan.wanted);
    let bounds = fleet.policy.bounds();
    let above = matches!(decision.reason, trimtab_engine::ScaleReason::AboveMax);
    prop_assert!(above || plan.wanted <= bounds.max.max(plan.serving), "{:?}", plan);
    prop_assert!(bounds.min <= plan.wanted.max(plan.serving) || plan.wanted == 0, "{:?}", plan);
    Ok(())
}

fn explained(decision: &Decision) -> Result<(), TestCaseError> {
    let mut at = decision.current_replicas;
    for step in decision.trace.iter().flatten() {
        if !matches!(step.rule, Rule::Metric(_)) {
            prop_assert_eq!(step.from, at, "{:#?}", decision);
            at = step.to;
        }
    }
    prop_assert_eq!(at, decision.desired_replicas, "{:#?}", decision);
    let _text = decision.explain().to_string();
    Ok(())
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).expect("it serializes")).expect("it reads")
}

/// As many as of every law, unless `TRIMTAB_LAW_CASES` says otherwise.
fn cases() -> ProptestConfig {
    let asked = std::env::var("TRIMTAB_LAW_CASES").ok();
    ProptestConfig::with_cases(asked.map_or(10_000, |asked| asked.parse().expect("a number")))
}

proptest! {
    #![proptest_config(cases())]

    /// Law 9: nobody goes with work before its time, and nobody loses a session who has not had the
    /// time for it.
    #[test]
    fn sessions(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let session = policy.retire().expect("it is on").max_session.as_millis();
        let mut fleet = Fleet::new(policy, seed);
        let longest = loads.iter().map(|load| load.session_ticks).max().unwrap_or(0);
        fleet.run(&loads, |fleet, _, _, decision, _| match &decision.retire {
            Some(plan) => holds(fleet, decision, plan),
            None => Ok(()),
        })?;
        let room = session >= i64::from(longest + 1) * fleet.period().as_millis();
        prop_assert!(!room || fleet.cut == 0, "{} cut", fleet.cut);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// What every plan is: nobody goes with work before its time, unless it never
    /// started; demand takes back before it starts; one that drains drains until it goes or is taken
    /// back; each step begins where the one before it ended; and a restart changes nothing.
    #[test]
    fn nobody_goes_with_work_before_its_time(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let mut fleet = Fleet::new(policy, seed);
        fleet.run(&loads, |fleet, observation, before, decision, after| {
            explained(decision)?;
            let policy: Policy = through_json(&fleet.policy);
            let (again, again_after) = decide(&policy, through_json(before), observation);
            prop_assert_eq!(&again, &Decision { trace: None, ..through_json(decision) });
            prop_assert_eq!(&again_after, after);
            match &decision.retire {
                Some(plan) => holds(fleet, decision, plan)?,
                None => prop_assert_eq!(decision.scale_to, None),
            }
            Ok(())
        })?;
    }

    /// Starts and stops within any period: at most the budget, and what the fleet grew by.
    #[test]
    fn a_budget_bounds_starts_and_stops(
        policy in policies(), changes in 2_i32..12, period in 60_i32..900, loads in loads(), seed in any::<u64>(),
    ) {
        let mut spec = policy.spec().clone();
        let retire = spec.retire.as_mut().expect("it is on");
        retire.flap_budget = serde_json::from_value(json!({"changes": changes, "periodSeconds": period})).expect("it reads");
        let mut fleet = Fleet::new(Policy::new(spec).expect("it is valid"), seed);
        let mut moves: Vec<(Timestamp, i32)> = Vec::new();
        fleet.run(&loads, |_, observation, _, decision, _| {
            let by = decision.desired_replicas - decision.current_replicas;
            moves.push((observation.now, by));
            let from = observation.now.saturating_sub(Span::from_secs(i64::from(period)));
            let recent = moves.iter().filter(|(at, _)| *at > from).map(|(_, by)| *by);
            let (sum, grown) = recent.fold((0, 0), |(sum, grown), by| (sum + by.abs(), grown + by));
            prop_assert!(sum <= changes + grown.max(0), "{sum} changes, {grown} grown, of {changes}: {moves:?}");
            Ok(())
        })?;
    }

    /// Law 10, and that nothing changes before the deadline.
    #[test]
    fn time_shift_and_deadlines(policy in policies(), loads in loads(), seed in any::<u64>(), early in 0.0..1.0_f64) {
        let later = |policy: &Policy| {
            let mut fleet = Fleet::new(policy.clone(), seed);
            fleet.now = fleet.now.saturating_add(Span::from_secs(86_400 * 365));
            fleet
        };
        let (mut one, mut counts) = (Fleet::new(policy.clone(), seed), Vec::new());
        one.run(&loads, |fleet, observation, _, decision, after| {
            counts.push(decision.desired_replicas);
            let Some(deadline) = next_deadline(&fleet.policy, after, observation) else { return Ok(()) };
            prop_assert!(deadline > observation.now);
            let span = deadline.since(observation.now).as_millis();
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "milliseconds")]
            let part = ((span as f64) * early) as i64;
            let now = observation.now.saturating_add(Span::from_millis(part.min(span - 1)));
            if fleet.policy.spec().strategy == trimtab_engine::StrategyName::Hpa {
                let (same, _) = decide(&fleet.policy, after.clone(), &trimtab_engine::Observation { now, ..observation.clone() });
                prop_assert_eq!(&same.retire, &decision.retire);
            }
            Ok(())
        })?;
        let mut shifted = Vec::new();
        later(&policy).run(&loads, |_, _, _, decision, _| {
            shifted.push(decision.desired_replicas);
            Ok(())
        })?;
        prop_assert_eq!(shifted, counts);
    }

    /// Off, it changes nothing: whatever the pods say, the decision and the state are those of pods
    /// that say nothing.
    #[test]
    fn off_it_changes_nothing(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let mut spec = policy.spec().clone();
        spec.retire = None;
        let mut fleet = Fleet::new(Policy::new(spec).expect("it is valid"), seed);
        fleet.run(&loads, |fleet, observation, before, decision, after| {
            prop_assert!(decision.retire.is_none() && after.envelope.is_none());
            let mut silent = fleet.record();
            for pod in &mut silent.pods {
                (pod.in_flight, pod.zone, pod.node_name, pod.draining_since) = (None, None, None, None);
            }
            let silent = silent.resolve(&fleet.policy).expect("it fits");
            let (same, same_after) = decide(&fleet.policy, before.clone(), &silent);
            prop_assert_eq!(&same, &Decision { trace: None, ..decision.clone() });
            prop_assert_eq!(&same_after, after);
            prop_assert_eq!(silent.now, observation.now);
            Ok(())
        })?;
    }

    /// A constant load comes to rest: nobody drains, and nothing moves.
    #[test]
    fn quiet(arrivals in 0_u32..30, seed in any::<u64>(), session in 1_u32..8) {
        for strategy in ["slo", "hpa"] {
            let mut fleet = Fleet::new(policy(spec(strategy, json!({"retire": {}}))), seed);
            let load = Load { arrivals, session_ticks: session, known: true };
            let ticks = vec![load; 200];
            let mut moves = 0;
            fleet.run(&ticks, |_, _, _, decision, _| {
                let moved = decision.retire.as_ref().is_none_or(|plan| !plan.is_empty() || plan.serving != plan.wanted);
                moves = if moved { 0 } else { moves + 1 };
                Ok(())
            })?;
            prop_assert!(moves >= 60, "{strategy}: at rest for {moves}");
            prop_assert_eq!(fleet.draining(), 0);
        }
    }

    /// What cannot be read takes nobody.
    #[test]
    fn nobody_begins_to_drain_on_what_is_unknown(policy in policies(), mut loads in loads(), seed in any::<u64>()) {
        loads.iter_mut().rev().take(6).for_each(|load| load.known = false);
        let mut fleet = Fleet::new(policy, seed);
        fleet.run(&loads, |_, observation, _, decision, _| {
            let unknown = observation.readings.iter().all(|reading| {
                matches!(reading, trimtab_engine::MetricReading::Unavailable(_))
            });
            let drains = decision.retire.as_ref().is_some_and(|plan| !plan.drain.is_empty());
            prop_assert!(!(unknown && drains) || decision.outcome == Outcome::Enforced, "{decision:?}");
            Ok(())
        })?;
    }
}
