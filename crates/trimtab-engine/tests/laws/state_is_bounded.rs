//! A state stays small, whatever happens and in whatever rhythm.

use proptest::prelude::*;
use trimtab_engine::{
    BehaviorSpec, MetricReading, Observation, Policy, PolicySpec, Recommendation, Scale,
    ScaleEvent, ScaleUpdate, ScalingPolicyRule, ScalingRulesSpec, State, decide, next_deadline,
    settle,
};
use trimtab_metric::Timestamp;

use crate::generate::workload::{ALL, Run, START, plans, ticks};
use crate::{cases, valid};

/// A strategy that asks for no stage behind its sizing has no room for what those remember, which for Ray
/// Serve's ten decisions a second would be 48 kB.
#[test]
fn windows_that_nobody_asked_for_take_no_room() {
    for strategy in ["knative", "rayServe", "apa"] {
        for (behavior, kept) in [(false, false), (true, true)] {
            let behavior = if behavior { r#""behavior": {},"# } else { "" };
            let policy = Policy::from_stored(
                serde_json::from_str(&format!(
                    r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment",
                    "name": "llm"}}, "strategy": "{strategy}", "maxReplicas": 20, {behavior}
                    "metrics": [{{"type": "External", "external": {{"metric": {{"name": "load"}},
                        "target": {{"type": "AverageValue", "averageValue": "8"}}}}}}]}}"#
                ))
                .expect("it is a policy"),
            );
            let observation = Observation {
                readings: vec![MetricReading::Total(24_000)],
                ..Observation::new(START, Scale::steady(2))
            };
            let (_, state) = decide(&policy, State::for_policy(&policy), &observation);
            assert_eq!(state.recommendations.is_some(), kept, "{strategy}");
        }
    }
}

/// What a host that decides once per period keeps of recommendations and changes, in bytes.
fn lists(policy: &Policy) -> usize {
    let Some(behavior) = &policy.spec().behavior else { return 0 };
    let entries = |seconds: i32| {
        let kept = i64::from(seconds) * 1000 / policy.period().as_millis() + 2;
        usize::try_from(kept).expect("not negative")
    };
    let rules = || [&behavior.scale_up, &behavior.scale_down].into_iter().flatten();
    let windows = rules().map(|rules| rules.stabilization_window_seconds.unwrap_or(300));
    let longest = |rules: &ScalingRulesSpec| {
        rules.policies.iter().flatten().map(|limit| limit.period_seconds).max().unwrap_or(60)
    };
    let changes: usize = rules().map(longest).map(entries).sum();
    entries(windows.max().unwrap_or(300)) * size_of::<Recommendation>()
        + changes * size_of::<ScaleEvent>()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn state_is_bounded(plan in plans(&ALL), ticks in ticks()) {
        let policy = plan.policy(1);
        let most = (8 << 10) + lists(&policy);
        let mut run = Run::new(&policy);
        for tick in &ticks {
            let observation = run.observe(tick);
            run.decide(&observation);
            let size = run.state.size_in_bytes();
            prop_assert!(size <= most, "{size} of {most} bytes");
            if let Some(deadline) = next_deadline(&policy, &run.state, &observation) {
                prop_assert!(deadline > observation.now);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The three lists stay within their bound: a decision every millisecond, and a change of scale
    /// with most of them. A case is eight thousand decisions, so there are few.
    #[test]
    fn state_is_bounded_in_any_rhythm(
        loads in proptest::collection::vec(1_i32..60, 200), window in 0_i32..=3600,
    ) {
        let rules = |window| ScalingRulesSpec {
            policies: Some(vec![ScalingPolicyRule {
                type_: "Percent".into(),
                value: 1_000,
                period_seconds: 1_800,
            }]),
            stabilization_window_seconds: Some(window),
            ..Default::default()
        };
        let policy = valid(PolicySpec {
            behavior: Some(BehaviorSpec {
                scale_up: Some(rules(window / 60 * 60)),
                scale_down: Some(rules(0)),
            }),
            ..serde_json::from_str(
                r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                    "maxReplicas": 100,
                    "metrics": [{"type": "External", "external": {"metric": {"name": "load"},
                        "target": {"type": "AverageValue", "averageValue": "1"}}}]}"#,
            )
            .expect("it is a policy")
        });
        let mut state = State::for_policy(&policy);
        let mut current = 10;
        for tick in 0..(2 * State::MOST_ENTRIES as i64 + 300) {
            let load = loads[usize::try_from(tick).expect("it is small") % loads.len()];
            let observation = Observation {
                readings: vec![MetricReading::Totals(vec![i64::from(load) * 1000])],
                ..Observation::new(Timestamp::from_millis(tick), Scale::steady(current))
            };
            let (decision, after) = decide(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            current = decision.desired_replicas;
        }
        let kept = state.recommendations.as_ref().map_or(0, Vec::len);
        let longest = kept.max(state.scale_ups.len()).max(state.scale_downs.len());
        prop_assert!(longest <= State::MOST_ENTRIES);
    }
}
