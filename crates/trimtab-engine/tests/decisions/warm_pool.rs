//! What comes from the warm pool and goes to it: cases, and the laws over fleets that carry out what
//! is decided.

use crate::fleet::{Fleet, Load, loads, policy, spec};
use crate::signals::{START, merged};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    Decision, ObservationRecord, Policy, PolicySpec, State, WarmPlan, decide, decide_traced,
};

/// Decides once, without history, on so many requests in flight of which 10 are one replica's.
fn once(more: Value, replicas: i32, in_flight: i32, warm: Option<(u32, u32)>) -> Decision {
    let policy = policy(spec("slo", more));
    let mut record: ObservationRecord = serde_json::from_value(json!({
        "time": START, "replicas": replicas,
        "readings": [{"metric": "in_flight", "value": in_flight}],
    }))
    .expect("it reads");
    record.warm = serde_json::from_value(
        warm.map_or(Value::Null, |(ready, starting)| json!({"ready": ready, "starting": starting})),
    )
    .expect("it reads");
    let observation = record.resolve(&policy).expect("it fits");
    decide_traced(&policy, State::for_policy(&policy), &observation).0
}

fn plan(decision: &Decision) -> WarmPlan {
    decision.warm.unwrap_or_else(|| panic!("no plan: {decision:?}"))
}

fn pool(size: Value, more: Value) -> Value {
    json!({"warmPool": merged(json!({"size": size}), more)})
}

#[test]
fn what_comes_is_promoted_first() {
    let fixed = pool(json!({"fixed": 3}), json!({}));
    let decision = once(fixed.clone(), 4, 75, Some((2, 1)));
    let expected = WarmPlan { size: 3, promote: 3, start: 1, refill: 3, ..WarmPlan::default() };
    assert_eq!((decision.scale_to, plan(&decision)), (Some(8), expected));
    assert_snapshot!("promote", decision.explain());
    let full = WarmPlan { size: 3, ..WarmPlan::default() };
    assert_eq!(plan(&once(fixed.clone(), 4, 35, Some((3, 0)))), full);
    // A pool that nobody sees is neither emptied nor filled.
    let unknown = once(fixed, 4, 75, None);
    assert_eq!(plan(&unknown), WarmPlan { size: 3, start: 4, ..WarmPlan::default() });
    assert_snapshot!("unknown_pool", unknown.explain());
}

#[test]
fn from_nothing_to_what_is_needed_in_one_step() {
    let more = merged(pool(json!({"fixed": 4}), json!({})), json!({"minReplicas": 0}));
    let rules = json!({"policies": [{"type": "Pods", "value": 20, "periodSeconds": 15}]});
    let more = merged(more, json!({"behavior": {"scaleUp": rules}}));
    let decision = once(more, 0, 58, Some((4, 0)));
    let expected = WarmPlan { size: 4, promote: 4, start: 2, refill: 4, ..WarmPlan::default() };
    assert_eq!((decision.scale_to, plan(&decision)), (Some(6), expected));
}

#[test]
fn what_leaves_returns_while_there_is_room() {
    let returns = |size: i32| pool(json!({"fixed": size}), json!({"returnOnScaleIn": true}));
    let down = plan(&once(returns(3), 6, 15, Some((1, 0))));
    assert_eq!(down, WarmPlan { size: 3, demote: 2, ..WarmPlan::default() });
    let down = plan(&once(returns(9), 6, 15, Some((1, 0))));
    assert_eq!(down, WarmPlan { size: 9, demote: 4, refill: 4, ..WarmPlan::default() });
    let down = plan(&once(pool(json!({"fixed": 3}), json!({})), 6, 15, Some((1, 0))));
    assert_eq!(down, WarmPlan { size: 3, refill: 2, ..WarmPlan::default() });
}

#[test]
fn what_the_pool_has_too_much_is_released() {
    let decision = once(pool(json!({"percent": 25}), json!({"maxSize": 2})), 4, 35, Some((2, 3)));
    assert_eq!(plan(&decision), WarmPlan { size: 1, release: 4, ..WarmPlan::default() });
    let decision = once(pool(json!({"percent": 25}), json!({"minSize": 2})), 4, 35, Some((0, 1)));
    assert_eq!(plan(&decision), WarmPlan { size: 2, refill: 1, ..WarmPlan::default() });
}

/// A load that goes from 3 replicas to 6 and back every 20 minutes: where a lack costs 19 times what a
/// spare does, what it takes to the peak is kept, and where it costs a hundredth nothing.
#[test]
fn a_surge_is_what_was_asked_for_in_addition_within_a_lead_time() {
    let after = |miss: f64| {
        let size = json!({"surge": {"idleCost": 1, "missCost": miss}});
        let more = pool(size, json!({"leadTimeSeconds": 120, "minSize": 0}));
        let mut fleet = Fleet::new(policy(spec("slo", more)), 1);
        let tick = |tick: u32| Load {
            arrivals: if (tick / 40).is_multiple_of(2) { 30 } else { 60 },
            session_ticks: 1,
            known: true,
        };
        let ticks: Vec<Load> = (0..240).map(tick).collect();
        let mut sizes = Vec::new();
        fleet
            .run(&ticks, |_, _, _, decision, _| {
                sizes.push((decision.desired_replicas, plan(decision).size));
                Ok(())
            })
            .expect("no law is tested here");
        sizes
    };
    let kept = after(19.0);
    assert!(kept.iter().skip(80).filter(|size| **size == (3, 3)).count() > 40, "{kept:?}");
    // Beyond the most that was ever wanted, nothing ever grew.
    assert!(
        kept.iter().skip(80).filter(|(wanted, _)| *wanted == 6).any(|(_, size)| *size == 0),
        "{kept:?}"
    );
    let lean = after(0.01);
    assert!(lean.iter().all(|(_, size)| *size == 0), "{lean:?}");
}

#[test]
fn only_who_is_idle_returns() {
    let more = merged(
        pool(json!({"fixed": 4}), json!({"returnOnScaleIn": true})),
        json!({"retire": {"maxSessionSeconds": 60}}),
    );
    let policy = policy(spec("slo", more));
    let record: ObservationRecord = serde_json::from_value(json!({
        "time": START, "replicas": 4,
        "pods": [
            {"name": "a", "ready": true, "inFlight": 5},
            {"name": "b", "ready": true, "inFlight": 3, "drainingSince": "2026-11-24T09:50:00Z"},
            {"name": "c", "ready": true, "inFlight": 0, "drainingSince": "2026-11-24T09:59:50Z"},
            {"name": "d", "phase": "Pending"},
        ],
        "readings": [{"metric": "in_flight", "value": 8}], "warm": {"ready": 1},
    }))
    .expect("it reads");
    let observation = record.resolve(&policy).expect("it fits");
    let (decision, _) = decide_traced(&policy, State::for_policy(&policy), &observation);
    assert_eq!(decision.retire.as_ref().map(|plan| plan.retire.clone()), Some(vec![2, 1, 3]));
    assert_eq!(plan(&decision), WarmPlan { size: 4, demote: 1, refill: 2, ..WarmPlan::default() });
    assert_snapshot!("return", decision.explain());
}

#[test]
fn what_is_wrong_is_said() {
    let refused = |size: Value, more: Value| {
        let spec = spec("slo", pool(size, more));
        let spec: PolicySpec = serde_json::from_value(spec).expect("it reads");
        Policy::new(spec).expect_err("it is wrong").to_string()
    };
    assert_snapshot!(
        "wrong_pool",
        [
            refused(json!({"fixed": -1}), json!({"minSize": 3, "maxSize": 2})),
            refused(json!({"percent": -1}), json!({"promoteSeconds": 60, "leadTimeSeconds": 60})),
            refused(json!({"surge": {}}), json!({})),
            refused(json!({"surge": {"quantile": 1.5, "missCost": 0}}), json!({})),
            refused(json!({"surge": {"idleCost": 1}}), json!({})),
        ]
        .join("\n\n")
    );
}

/// A policy with a pool, and perhaps `retire`.
fn policies() -> impl Strategy<Value = Policy> {
    let strategy = prop::sample::select(vec!["slo", "hpa", "keda", "knative", "rayServe"]);
    let size = prop_oneof![
        (0_i32..5).prop_map(|fixed| json!({"fixed": fixed})),
        (0_i32..150).prop_map(|percent| json!({"percent": percent})),
        (0_u32..=10).prop_map(|tenths| json!({"surge": {"quantile": f64::from(tenths) / 10.0}})),
    ];
    let bounds = (0_i32..3, 0_i32..6);
    (strategy, size, bounds, any::<bool>(), any::<bool>(), 4_i32..14).prop_map(
        |(strategy, size, (least, more), returns, retires, max)| {
            let mut own = json!({"maxReplicas": max, "warmPool": {"size": size, "minSize": least,
                "maxSize": least + more, "returnOnScaleIn": returns, "leadTimeSeconds": 60}});
            if retires {
                own["retire"] = json!({"maxSessionSeconds": 120});
            }
            policy(spec(strategy, own))
        },
    )
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).expect("it serializes")).expect("it reads")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// What comes is promoted while there are any in the pool, and started else; the pool has as many
    /// as it should once the plan is carried out; its size is within its bounds; only what leaves goes
    /// back; and a restart changes nothing.
    #[test]
    fn the_books_of_the_pool_balance(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let mut fleet = Fleet::new(policy, seed);
        fleet.run(&loads, |fleet, observation, before, decision, after| {
            let policy: Policy = through_json(&fleet.policy);
            let (again, again_after) = decide(&policy, through_json(before), observation);
            prop_assert_eq!(&again, &Decision { trace: None, ..through_json(decision) });
            prop_assert_eq!(&again_after, after);
            let Some(plan) = decision.warm else {
                prop_assert_eq!(decision.scale_to, None);
                return Ok(());
            };
            let settings = fleet.policy.warm_pool().expect("it is on");
            let moved = decision.desired_replicas - decision.current_replicas;
            let there = i32::try_from(fleet.warm).expect("few") + i32::try_from(fleet.warming.len()).expect("few");
            prop_assert_eq!(plan.promote + plan.start, moved.max(0));
            prop_assert_eq!(plan.promote, there.min(moved.max(0)));
            prop_assert!(0 <= plan.demote && plan.demote <= (-moved).max(0));
            prop_assert!(plan.demote == 0 || settings.return_on_scale_in);
            prop_assert_eq!(there - plan.promote + plan.demote + plan.refill - plan.release, plan.size);
            prop_assert!(plan.refill >= 0 && plan.release >= 0 && plan.refill.min(plan.release) == 0);
            // Who drains is taken back before anyone is promoted or started.
            let back = decision.retire.as_ref().map_or(0, |plan| plan.take_back.len());
            prop_assert!(moved <= 0 || i32::try_from(back) == Ok(fleet.draining()));
            prop_assert!(settings.min_size <= plan.size && plan.size <= settings.max_size);
            Ok(())
        })?;
    }

    /// It changes no count: with the pool the decision is the same but for the plan.
    #[test]
    fn it_changes_no_count(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let mut spec = policy.spec().clone();
        spec.warm_pool = None;
        let without = Policy::new(spec).expect("it is valid");
        let mut fleet = Fleet::new(policy, seed);
        fleet.run(&loads, |_, observation, before, decision, after| {
            let mut before = before.clone();
            let forget = |state: &mut State| {
                state.envelope = state.envelope.take().filter(|envelope| envelope.retire.is_some());
            };
            forget(&mut before);
            let (same, mut same_after) = decide(&without, before, observation);
            prop_assert_eq!(same, Decision { warm: None, trace: None, ..decision.clone() });
            let mut after = after.clone();
            forget(&mut after);
            forget(&mut same_after);
            prop_assert_eq!(same_after, after);
            Ok(())
        })?;
    }

    /// A pool of which nothing is known gives nothing and gets nothing.
    #[test]
    fn what_is_unknown_stays(policy in policies(), loads in loads(), seed in any::<u64>()) {
        let mut fleet = Fleet::new(policy, seed);
        fleet.run(&loads, |fleet, observation, before, decision, _| {
            let blind = trimtab_engine::Observation { warm: None, ..observation.clone() };
            let (same, _) = decide(&fleet.policy, before.clone(), &blind);
            prop_assert_eq!(same.scale_to, decision.scale_to);
            if let Some(plan) = same.warm {
                let moved = (same.desired_replicas - same.current_replicas).max(0);
                prop_assert_eq!(plan, WarmPlan { size: plan.size, start: moved, ..WarmPlan::default() });
            }
            Ok(())
        })?;
    }
}
