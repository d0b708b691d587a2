//! Law 2: what is decided lies within the bounds. Where nothing is decided, nothing changes.

use proptest::prelude::*;
use trimtab_engine::{Bounds, Decision, Outcome, OverrideSpec, PauseSpec, Policy, Rule, decide};
use trimtab_metric::Span;

use crate::generate::situation;
use crate::generate::workload::{ALL, Run, START, plans, ticks};
use crate::{cases, resolved, valid};

fn check(bounds: Bounds, decision: &Decision) -> Result<(), TestCaseError> {
    match decision.outcome {
        Outcome::Decided | Outcome::PartiallyDecided | Outcome::Enforced => {
            let wanted = decision.desired_replicas;
            prop_assert!(bounds.min <= wanted && wanted <= bounds.max, "{}", decision.explain());
        }
        _ => prop_assert_eq!(decision.scale_to, None),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn bounds(plan in plans(&ALL), ticks in ticks()) {
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        for tick in &ticks {
            check(policy.bounds(), &run.next(tick))?;
        }
    }

    #[test]
    fn bounds_of_situations((spec, state, record) in situation()) {
        let policy = valid(spec);
        let (decision, _) = decide(&policy, state, &resolved(&record, &policy));
        check(policy.bounds(), &decision)?;
    }

    /// A count by hand and a pause may leave the bounds, and then the trace says so.
    #[test]
    fn bounds_are_left_by_hand_alone(
        plan in plans(&ALL), ticks in ticks(), by_hand in prop::option::of(0_i32..4),
        scale_up: bool, scale_down: bool,
    ) {
        let mut spec = plan.policy(1).spec().clone();
        let until = START.saturating_add(Span::from_secs(600));
        spec.manual_override = by_hand.map(|replicas| OverrideSpec { replicas, until });
        spec.pause = Some(PauseSpec { scale_up, scale_down });
        let policy = Policy::new(spec).expect("the generator makes valid policies");
        let mut run = Run::new(&policy);
        for tick in &ticks {
            let decision = run.next(tick);
            let by_hand = decision.trace.iter().flatten().any(|step| {
                matches!(step.rule, Rule::Override { .. } | Rule::DirectionPaused { .. })
            });
            // Once it is out of them, it may take a while until somebody looks.
            if !by_hand && decision.scale_to.is_some() {
                check(policy.bounds(), &decision)?;
            }
            prop_assert!(decision.desired_replicas <= plan.max);
        }
    }
}
