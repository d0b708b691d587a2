//! Law 10, scale: multiplying what is measured and its target by a power of two changes nothing.
//!
//! Not for WVA, which measures against shares and counts of its own. And not for the HPA's metrics per
//! replica, nor AIBrix's: both cut averages to whole thousandths.

use proptest::prelude::*;
use trimtab_engine::{Policy, StrategyName};

use crate::cases;
use crate::generate::workload::{Plan, Run, START, Tick, plans, ticks};

fn wanted(policy: &Policy, ticks: &[Tick], factor: i64) -> Vec<Option<i32>> {
    let mut run = Run::at(policy, START, factor);
    ticks.iter().map(|tick| run.next(tick).scale_to).collect()
}

fn applies(plan: Plan) -> Plan {
    let by_replica = plan.by_replica && plan.strategy == StrategyName::Slo;
    let mut settings = plan.settings;
    if plan.strategy == StrategyName::Knative {
        // A number of requests that is no target, and 211 by default.
        settings["targetBurstCapacity"] = 0.into();
    }
    Plan { by_replica, settings, ..plan }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn scale(
        plan in plans(&[
            StrategyName::Hpa, StrategyName::Keda, StrategyName::Knative, StrategyName::RayServe,
            StrategyName::Slo, StrategyName::Apa,
        ]).prop_map(applies),
        ticks in ticks(), power in 1_u32..12,
    ) {
        let factor = 1 << power;
        let plain = wanted(&plan.policy(1), &ticks, 1);
        prop_assert_eq!(wanted(&plan.policy(factor), &ticks, factor), plain);
    }
}
