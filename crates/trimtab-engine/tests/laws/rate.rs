//! Law 7: a step is never larger than some rate limit allows (than every one, with `Min`), counted from
//! what there was at the start of its period.
//!
//! KEDA's executor, and a count out of bounds or at 0, go past the limits: what passed through them is
//! what is held to them. A change that they do not see is not counted by them either.

use proptest::prelude::*;
use trimtab_engine::{Decision, Policy, ScalingPolicyRule, Stage};
use trimtab_metric::Timestamp;

use crate::cases;
use crate::generate::workload::{ALL, Plan, Run, behavior, plans, ticks};

/// A change that the limits count.
type Change = (Timestamp, i32);

/// Whether the rules of its direction allow a change.
fn is_allowed(policy: &Policy, decision: &Decision, changes: &[Change]) -> bool {
    let (current, next) = (decision.current_replicas, decision.desired_replicas);
    let spec = policy.spec().behavior.as_ref().expect("it was given");
    let rules = if next > current { &spec.scale_up } else { &spec.scale_down };
    let rules = rules.as_ref().expect("it was given");
    let start = |rule: &ScalingPolicyRule| {
        let period = i64::from(rule.period_seconds) * 1000;
        let since = changes.iter().filter(|(at, _)| decision.at.since(*at).as_millis() < period);
        f64::from(current) - since.map(|(_, change)| f64::from(*change)).sum::<f64>()
    };
    let allowed = |rule: &ScalingPolicyRule| {
        let (start, value, next) = (start(rule), f64::from(rule.value), f64::from(next));
        match (rule.type_.as_str(), next > f64::from(current)) {
            ("Pods", true) => next <= start + value,
            ("Pods", false) => next >= start - value,
            (_, true) => next <= (start * (1.0 + value / 100.0)).ceil(),
            (_, false) => next >= (start * (1.0 - value / 100.0)).trunc(),
        }
    };
    let limits = rules.policies.as_ref().expect("defaults fill it in");
    match rules.select_policy.as_deref() {
        Some("Min") => limits.iter().all(allowed),
        Some("Disabled") => false,
        _ => limits.iter().any(allowed),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rate(plan in plans(&ALL), rules in behavior(1_i32..=600), ticks in ticks()) {
        let plan = Plan { behavior: Some(rules), ..plan };
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        let mut changes: Vec<Change> = Vec::new();
        for tick in &ticks {
            let before = (run.state.scale_ups.clone(), run.state.scale_downs.clone());
            let decision = run.next(tick);
            let limited =
                decision.trace.iter().flatten().any(|step| step.stage == Stage::Limit);
            let change = decision.desired_replicas - decision.current_replicas;
            if limited && change != 0 && decision.current_replicas != 0 {
                prop_assert!(
                    is_allowed(&policy, &decision, &changes), "{:?}\n{}", changes,
                    decision.explain()
                );
            }
            if before != (run.state.scale_ups.clone(), run.state.scale_downs.clone()) {
                changes.push((decision.at, change));
            }
        }
    }
}
