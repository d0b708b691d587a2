//! Law 11: a constant load comes to rest within a bounded time, and stays there.
//!
//! Not under AIBrix's APA, which averages over a window in which the count changed, and then goes to the
//! smallest recommendation of another: it can go around for ever.

use proptest::prelude::*;
use trimtab_engine::{BehaviorSpec, ScalingRulesSpec, StrategyName};

use crate::cases;
use crate::generate::workload::{Plan, Run, Tick, behavior, plans, tick};

/// Ticks of 15 s until everything has come to rest: windows of two minutes, at most seven steps with
/// a minute each, and what the strategies themselves wait for.
const REST: usize = 110;
const STAY: usize = 20;

fn short(rules: ScalingRulesSpec) -> ScalingRulesSpec {
    let window = rules.stabilization_window_seconds.unwrap_or(60).min(120);
    ScalingRulesSpec { stabilization_window_seconds: Some(window), ..rules }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn quiet(
        plan in plans(&[
            StrategyName::Hpa, StrategyName::Keda, StrategyName::Knative, StrategyName::RayServe,
            StrategyName::Slo, StrategyName::Wva,
        ]),
        rules in behavior(1_i32..=60), tick in tick(), max in 3_i32..8,
    ) {
        let behavior = Some(BehaviorSpec {
            scale_up: rules.scale_up.map(short),
            scale_down: rules.scale_down.map(short),
        });
        let plan = Plan { behavior, max: max.max(plan.min).max(4), ..plan };
        let policy = plan.policy(1);
        let periods = (15_000 / policy.period().as_millis()).max(1);
        // Samples would have gaps between these looks, and a load that is not told is not constant.
        let tick = Tick { periods, ready: 8, sampled: false, silent: usize::MAX, ..tick };
        let mut run = Run::new(&policy);
        for _ in 0..REST {
            run.next(&tick);
        }
        let at_rest = run.replicas;
        for _ in 0..STAY {
            let decision = run.next(&tick);
            prop_assert_eq!(run.replicas, at_rest, "{}", decision.explain());
        }
    }
}
