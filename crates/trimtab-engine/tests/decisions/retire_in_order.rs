//! Who leaves where replicas leave in one order only, as those of a StatefulSet: cases, and the
//! laws over fleets.

use crate::fleet::{Fleet, loads, policy, spec};
use crate::signals::{START, merged};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{Decision, ObservationRecord, RetirePlan, State, decide_traced};
use trimtab_metric::{Span, Timestamp};

fn at(seconds: i64) -> Value {
    json!(START.saturating_add(Span::from_secs(seconds)))
}

fn pod(ordinal: u32, more: Value) -> Value {
    merged(json!({"name": format!("llm-{ordinal}"), "ready": true, "ordinal": ordinal}), more)
}

/// Decides once, without history, on requests in flight of which 10 are one replica's.
fn once(replicas: i32, pods: Value, in_flight: i32) -> Decision {
    let policy = policy(spec("slo", json!({"retire": {"maxSessionSeconds": 60}})));
    let record: ObservationRecord = serde_json::from_value(json!({
        "time": START, "replicas": replicas, "pods": pods,
        "readings": [{"metric": "in_flight", "value": in_flight}],
    }))
    .expect("it reads");
    let observation = record.resolve(&policy).expect("it fits");
    decide_traced(&policy, State::for_policy(&policy), &observation).0
}

fn plan(decision: &Decision) -> &RetirePlan {
    decision.retire.as_ref().unwrap_or_else(|| panic!("no plan: {decision:?}"))
}

#[test]
fn the_highest_drain_whoever_is_idle() {
    let pods = json!([
        pod(0, json!({"inFlight": 0})),
        pod(1, json!({"inFlight": 9})),
        pod(2, json!({"inFlight": 1})),
        pod(3, json!({"inFlight": 6})),
    ]);
    let decision = once(4, pods, 16);
    assert_eq!((decision.scale_to, &plan(&decision).drain), (None, &vec![3, 2]));
    assert_snapshot!(decision.explain());
}

#[test]
fn one_that_is_idle_waits_for_those_above() {
    let pods = |top: Value| {
        json!([
            pod(0, json!({"inFlight": 9})),
            pod(1, json!({"inFlight": 0, "drainingSince": at(-20)})),
            pod(2, merged(json!({"drainingSince": at(-30)}), top)),
        ])
    };
    let decision = once(3, pods(json!({"inFlight": 4})), 9);
    assert_eq!((decision.scale_to, plan(&decision).is_empty()), (None, true));
    let decision = once(3, pods(json!({"inFlight": 0})), 9);
    assert_eq!((decision.scale_to, &plan(&decision).retire), (Some(1), &vec![2, 1]));
    // It has had its time.
    let decision = once(3, pods(json!({"inFlight": 4, "drainingSince": at(-60)})), 9);
    assert_eq!((decision.scale_to, &plan(&decision).retire), (Some(1), &vec![2, 1]));
}

/// A pod that is made anew stands in the place of one that is not above all others: a lower count
/// would not take it.
#[test]
fn a_gap_below_is_not_what_leaves() {
    let pods = json!([pod(0, json!({"inFlight": 5})), pod(2, json!({"inFlight": 5}))]);
    let decision = once(3, pods, 10);
    assert_eq!((decision.scale_to, plan(&decision).not_created), (None, 0));
    assert_eq!(plan(&decision).drain, [1]);
    // Above all others it is.
    let pods = json!([pod(0, json!({"inFlight": 5})), pod(1, json!({"inFlight": 5}))]);
    let decision = once(4, pods, 20);
    assert_eq!((decision.scale_to, plan(&decision).not_created), (Some(2), 2));
}

#[test]
fn the_lowest_is_taken_back_first_and_one_that_drains_below_is_exchanged() {
    let drains = json!({"inFlight": 1, "drainingSince": at(-20)});
    let pods = json!([
        pod(0, json!({"inFlight": 9})),
        pod(1, drains.clone()),
        pod(2, drains.clone()),
        pod(3, drains.clone()),
    ]);
    assert_eq!(plan(&once(4, pods, 28)).take_back, [1, 2]);
    let pods =
        json!([pod(0, json!({"inFlight": 9})), pod(1, drains), pod(2, json!({"inFlight": 8}))]);
    let decision = once(3, pods, 18);
    assert_eq!((&plan(&decision).take_back, &plan(&decision).drain), (&vec![1], &vec![2]));
    assert_eq!(plan(&decision).wanted, 2);
}

/// A StatefulSet takes one away after the other: those beyond the count are still there, and are
/// none.
#[test]
fn who_stands_beyond_the_count_is_none() {
    let pods = json!([
        pod(0, json!({"inFlight": 9})),
        pod(1, json!({"inFlight": 9})),
        pod(2, json!({"inFlight": 0, "drainingSince": at(-50)})),
        pod(3, json!({"inFlight": 0, "drainingSince": at(-50)})),
    ]);
    let decision = once(2, pods.clone(), 18);
    assert_eq!((plan(&decision).serving, plan(&decision).is_empty()), (2, true));
    let more = once(2, pods, 28);
    assert_eq!((more.scale_to, plan(&more).is_empty()), (Some(3), true));
}

/// A count without end costs no time.
#[test]
fn places_are_not_counted_one_by_one() {
    let decision = once(i32::MAX, json!([pod(0, json!({"inFlight": 9}))]), 9);
    assert_eq!(plan(&decision).not_created, i32::MAX - 20);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Nobody goes with work before its time, whoever the count takes; and all that drain stand
    /// above all that serve.
    #[test]
    fn sessions(
        strategy in prop::sample::select(vec!["slo", "hpa", "keda"]),
        max_session in 0_i64..400, loads in loads(), seed in any::<u64>(),
    ) {
        let policy = policy(spec(strategy, json!({"retire": {"maxSessionSeconds": max_session}})));
        let mut fleet = Fleet::new(policy, seed);
        fleet.is_ordered = true;
        let longest = loads.iter().map(|load| load.session_ticks).max().unwrap_or(0);
        fleet.run(&loads, |fleet, observation, _, decision, _| {
            let Some(count) = decision.scale_to else { return Ok(()) };
            let count = u32::try_from(count).expect("a count");
            for pod in fleet.pods.iter().filter(|pod| pod.place >= count) {
                let pending = pod.starts_in.is_some_and(|ticks| ticks > 2);
                let idle = pod.is_told && pod.sessions.is_empty();
                let session = Span::from_secs(max_session);
                let over = |since: Timestamp| since.saturating_add(session) <= observation.now;
                let drained = pod.draining_since.is_some_and(|since| idle || over(since));
                prop_assert!(pending || drained, "{pod:?} goes: {decision:?}");
            }
            Ok(())
        })?;
        let drains = |pod: &&crate::fleet::Pod| pod.draining_since.is_some();
        let lowest = fleet.pods.iter().filter(drains).map(|pod| pod.place).min();
        let highest = fleet.pods.iter().filter(|pod| !drains(pod)).map(|pod| pod.place).max();
        prop_assert!(lowest.zip(highest).is_none_or(|(low, high)| high < low), "{:?}", fleet.pods);
        prop_assert!(fleet.draining() <= fleet.replicas);
        let room = max_session * 1000 >= i64::from(longest + 1) * fleet.period().as_millis();
        prop_assert!(!room || fleet.cut == 0, "{} cut", fleet.cut);
    }
}
