//! Law 3: more load, other things equal, never makes for a smaller count, and fewer replicas on their
//! way never for fewer new ones.

use proptest::prelude::*;
use serde_json::json;
use trimtab_engine::{Decision, Policy, StrategyName};

use crate::cases;
use crate::generate::signals::Seen;
use crate::generate::workload::{Plan, Run, Tick, plans, tick, ticks};
use crate::signals::{any_policy, any_seen, compare, past};

fn is_ordered(less: &Decision, more: &Decision) -> Result<(), TestCaseError> {
    prop_assert!(
        more.desired_replicas >= less.desired_replicas,
        "less:\n{}\nmore:\n{}",
        less.explain(),
        more.explain()
    );
    Ok(())
}

/// Where the load is a total. See the book for what the HPA makes of metrics by replica.
fn applies(plan: Plan) -> Plan {
    let by_replica = plan.by_replica && plan.strategy == StrategyName::Slo;
    Plan { by_replica, ..plan }
}

proptest! {
    #![proptest_config(cases())]

    /// More load, queue, latency or cache.
    #[test]
    fn monotone(
        policy in any_policy(), before in past(), seen in any_seen(),
        load in 0.0..20.0_f64, queue in 0.0..100.0_f64, ttft in 0.0..4.0_f64, cache in 0.0..0.5_f64,
    ) {
        let more = Seen {
            load: seen.load.iter().map(|own| own.map(|own| own + load)).collect(),
            queue: seen.queue.map(|own| own + queue),
            ttft: seen.ttft.map(|own| own + ttft),
            cache: seen.cache.map(|own| own + cache),
            ..seen.clone()
        };
        let (less, more) = compare(&policy, &before, &seen, &more);
        is_ordered(&less, &more)?;
    }

    /// For every strategy whose original has the law.
    #[test]
    fn monotone_for_every_strategy(
        plan in plans(&[
            StrategyName::Hpa, StrategyName::Keda, StrategyName::Knative, StrategyName::RayServe,
            StrategyName::Slo, StrategyName::Apa,
        ]).prop_map(applies),
        before in ticks(), mut last in tick(), load in 0_i64..400_000, beside in 0_i64..4_000,
    ) {
        if plan.strategy == StrategyName::Knative {
            // Without any load it leaves what still starts alone, with a little it does not.
            last.load.iter_mut().for_each(|load| *load = (*load).max(1));
        }
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        before.iter().for_each(|tick| drop(run.next(tick)));
        let plus = |amount: Option<i64>, more: i64| amount.map(|amount| amount + more);
        let more = Tick {
            load: plus(last.load, load),
            queue: plus(last.queue, beside),
            latency: plus(last.latency, beside / 2),
            cache: plus(last.cache, beside / 8),
            ..last.clone()
        };
        let mut other = run.clone();
        is_ordered(&run.next(&last), &other.next(&more))?;
    }

    /// Without some that are on their way. Those that are overdue are not.
    #[test]
    fn monotone_in_starts(
        policy in any_policy(), before in past(), mut seen in any_seen(), kept in 0_usize..6,
    ) {
        seen.starting.iter_mut().flatten().for_each(|age| *age = 0);
        let mut spec = policy.spec().clone();
        let rules = json!({"scaleUp": {"policies": [
            {"type": "Pods", "value": 1_000, "periodSeconds": 15}]}});
        spec.behavior = Some(serde_json::from_value(rules).expect("they are rules"));
        spec.min_replicas = Some(1); // under it a count goes to it, and the load waits for the next look
        let policy = Policy::new(spec).expect("it is valid");
        let mut fewer = seen.clone();
        fewer.starting.truncate(kept);
        let (more, fewer) = compare(&policy, &before, &seen, &fewer);
        let new = |decision: &Decision| {
            (decision.desired_replicas - decision.current_replicas).max(0)
        };
        prop_assert!(
            new(&fewer) >= new(&more), "fewer:\n{}\nmore:\n{}", fewer.explain(), more.explain()
        );
    }
}
