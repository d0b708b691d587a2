//! Whatever the policy, the history and the observations: a decision is made, it is made again the
//! same, and the laws hold that need no assumptions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_engine::{
    Decision, Observation, Outcome, Policy, ScaleReason, ScaleUpdate, State, StrategyName, decide,
    decide_traced, next_deadline, settle,
};
use trimtab_fuzz::Situation;

fuzz_target!(|situation: Situation| {
    let Situation { policy, mut state, observations } = situation;
    // A policy that a person would not get past validation is decided with all the same.
    let checked = Policy::new(policy.clone());
    let valid = checked.is_ok();
    let policy = checked.unwrap_or_else(|_| Policy::from_stored(policy));
    for observation in &observations {
        state = step(&policy, valid, state, observation);
    }
});

fn step(policy: &Policy, valid: bool, state: State, observation: &Observation) -> State {
    let (decision, after) = decide_traced(policy, state.clone(), observation);
    let (untraced, same) = decide(policy, state, observation);
    assert_eq!(untraced, Decision { trace: None, ..decision.clone() });
    assert_eq!(after, same);
    let _text = decision.explain().to_string();
    let _events = decision.events(Some(ScaleUpdate::Applied));

    let bounds = policy.bounds();
    match decision.outcome {
        Outcome::Decided | Outcome::PartiallyDecided | Outcome::Enforced => {
            let wanted = decision.desired_replicas;
            let inside = match policy.spec().strategy {
                // Above the most it falls as its replicas drain.
                StrategyName::Hpa if policy.retire().is_none() => {
                    bounds.min <= wanted && wanted <= bounds.max
                }
                // The others have their own words for fewer than the least, and more than the most.
                _ => wanted >= 0,
            };
            // With millions of replicas the HPA's own arithmetic overflows, and is reproduced.
            let sane = valid && (0..1 << 24).contains(&decision.current_replicas);
            assert!(inside || !sane, "{decision:?}");
        }
        // An annotation of KEDA's may name a count.
        Outcome::Paused => assert!(decision.scale_to.is_none_or(|to| to >= 0 || !valid)),
        // A window holds whatever is known.
        _ => assert!(decision.scale_to.is_none() || decision.reason == ScaleReason::Schedule),
    }
    if let Some(plan) = &decision.retire {
        let fallen = i64::from(decision.current_replicas) - i64::from(decision.desired_replicas);
        let gone = plan.retire.len() as i64 + i64::from(plan.not_created);
        assert!(!valid || fallen <= 0 || fallen == gone, "{decision:?}");
    }
    if let Some(deadline) = next_deadline(policy, &after, observation) {
        assert!(deadline > observation.now);
    }
    let settled = settle(policy, after, &decision, ScaleUpdate::Applied);
    let kept = settled.recommendations.as_ref().map_or(0, Vec::len);
    assert!(kept <= State::MOST_ENTRIES);

    // A state survives being written down.
    let text = serde_json::to_string(&settled).expect("a state serializes");
    let read: State = serde_json::from_str(&text).expect("and reads back");
    assert_eq!(read, settled);
    assert_eq!(read.digest(), settled.digest());
    settled
}
