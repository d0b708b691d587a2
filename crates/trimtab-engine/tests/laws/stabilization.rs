//! Law 8: stabilization never crosses the present count: a window for the way down does not cause a way
//! up, nor the other way round.
//!
//! An HPA without `behavior` breaks it, and is reproduced.

use proptest::prelude::*;
use trimtab_engine::{BehaviorSpec, Decision, Rule, StrategyName, normalize};
use trimtab_metric::Timestamp;

use crate::generate::workload::{ALL, Plan, Run, behavior, plans, ticks};
use crate::generate::{NOW, policy, rules, state};
use crate::{cases, valid};

fn check(strategy: StrategyName, decision: &Decision) -> Result<(), TestCaseError> {
    let current = decision.current_replicas;
    for step in decision.trace.iter().flatten() {
        match step.rule {
            Rule::Windows { .. } => {
                let (low, high) = (current.min(step.from), current.max(step.from));
                prop_assert!((low..=high).contains(&step.to), "{}", decision.explain());
            }
            Rule::HighestRecommendation { .. } => prop_assert!(strategy != StrategyName::Slo),
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn stabilization_never_crosses(
        plan in plans(&ALL), rules in behavior(1_i32..=600), ticks in ticks(),
    ) {
        // `slo` has windows also where none are written.
        let behavior = match plan.strategy {
            StrategyName::Slo => plan.behavior.clone(),
            _ => Some(rules),
        };
        let plan = Plan { behavior, ..plan };
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        for tick in &ticks {
            check(plan.strategy, &run.next(tick))?;
        }
    }

    /// The stages behind the sizing never turn a count that needs no change into a change, and
    /// stay between the present count and the wanted one where `behavior` is given.
    #[test]
    fn behavior_stays_between(
        mut spec in policy(),
        up in rules(1_i32..=600),
        down in rules(1_i32..=600),
        state in state(),
        current in 1_i32..30,
        desired in 0_i32..40,
    ) {
        spec.behavior = Some(BehaviorSpec { scale_up: Some(up), scale_down: Some(down) });
        let policy = valid(spec);
        let current = current.clamp(policy.bounds().min.max(1), policy.bounds().max);
        let now = Timestamp::from_secs(NOW);
        let (replicas, _) = normalize(&policy, state, current, desired, now);
        let (low, high) = (current.min(desired), current.max(desired));
        prop_assert!((low..=high).contains(&replicas) || replicas == policy.bounds().min);
    }
}
