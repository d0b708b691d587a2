//! Law 4: making a reading unknown never wants less than there is.

use proptest::prelude::*;
use trimtab_engine::{Decision, MetricReading, Outcome, StrategyName, Unavailable, decide};

use crate::generate::situation;
use crate::generate::workload::{ALL, Run, Tick, plans, tick, ticks};
use crate::signals::{any_policy, any_seen, compare, past};
use crate::{cases, resolved, valid};

/// A count that is out of bounds comes back without a metric being asked.
fn check(decision: &Decision) -> Result<(), TestCaseError> {
    let lowers = decision.desired_replicas < decision.current_replicas;
    prop_assert!(!lowers || decision.outcome == Outcome::Enforced, "{}", decision.explain());
    Ok(())
}

fn why() -> impl Strategy<Value = Unavailable> {
    prop::sample::select(vec![
        Unavailable::Missing,
        Unavailable::Stale,
        Unavailable::Invalid,
        Unavailable::Failed,
    ])
}

proptest! {
    #![proptest_config(cases())]

    /// Any of the readings of any strategy. Of WVA's only the KV cache and the queue say what the load is:
    /// where the lengths of prompts are unknown, it takes what waits for nothing.
    #[test]
    fn no_ignorance_down(
        plan in plans(&ALL), before in ticks(), last in tick(), which in 0_usize..8, why in why(),
    ) {
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        for tick in &before {
            let unreadable = tick.load.is_none();
            let decision = run.next(tick);
            if unreadable && policy.metrics().len() == 1 {
                check(&decision)?;
            }
        }
        let mut observation = run.observe(&Tick { periods: 1, ..last });
        let loads = match plan.strategy {
            StrategyName::Wva => 2,
            _ => observation.readings.len(),
        };
        observation.readings[which % loads] = MetricReading::Unavailable(why);
        check(&run.decide(&observation))?;
    }

    #[test]
    fn no_ignorance_down_of_situations(
        (spec, state, record) in situation(), which in 0_usize..4, why in why(),
    ) {
        let policy = valid(spec);
        let mut observation = resolved(&record, &policy);
        let which = which % observation.readings.len();
        observation.readings[which] = MetricReading::Unavailable(why);
        check(&decide(&policy, state, &observation).0)?;
    }

    /// Any signal of `slo`, and any replica's part of its load.
    #[test]
    fn no_ignorance_down_of_signals(
        policy in any_policy(), before in past(), seen in any_seen(), which in 0..4,
    ) {
        let mut less = seen.clone();
        match which {
            0 => less.load = vec![None; seen.load.len()],
            1 => less.queue = None,
            2 => less.ttft = None,
            _ => less.cache = None,
        }
        let (_, decision) = compare(&policy, &before, &seen, &less);
        check(&decision)?;
    }
}
