//! Law 12: the trace's steps, calculated again, give the decision's numbers; the text fits a screen.

use proptest::prelude::*;
use trimtab_engine::strategy::slo::{LatencyRules, SloStep, stretch};
use trimtab_engine::{
    Calculation, Decision, Direction, Held, MetricResult, Policy, Rule, Step, StrategyName, Target,
    decide_traced,
};

use crate::generate::situation;
use crate::generate::workload::{ALL, Run, plans, ticks};
use crate::signals::{any_policy, any_seen, compare, past};
use crate::{cases, resolved, through_json, valid};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn explained(plan in plans(&ALL), ticks in ticks()) {
        let policy = plan.policy(1);
        let mut run = Run::new(&policy);
        for (index, tick) in ticks.iter().enumerate() {
            let decision = run.next(tick);
            check_trace(&policy, &decision)?;
            if index % 8 == 0 {
                prop_assert_eq!(&through_json(&decision), &decision);
                fits_a_screen(&decision)?;
            }
        }
    }

    #[test]
    fn explained_situations((spec, state, record) in situation()) {
        let policy = valid(spec);
        let (decision, _) = decide_traced(&policy, state, &resolved(&record, &policy));
        check_trace(&policy, &decision)?;
        fits_a_screen(&decision)?;
    }

    #[test]
    fn explained_signals(policy in any_policy(), before in past(), seen in any_seen()) {
        let (decision, _) = compare(&policy, &before, &seen, &seen);
        check_trace(&policy, &decision)?;
        fits_a_screen(&decision)?;
    }
}

fn fits_a_screen(decision: &Decision) -> Result<(), TestCaseError> {
    let text = decision.explain().to_string();
    prop_assert!(text.lines().count() < 24, "more than a screen:\n{text}");
    for (_, message) in decision.messages() {
        let message = message.to_string();
        prop_assert!(!message.is_empty() && message.len() < 120, "{message}");
    }
    Ok(())
}

/// Each step starts where the one before it ended (metrics and signals each start at the current count), does
/// what its rule says, and the last one ends at the decision.
fn check_trace(policy: &Policy, decision: &Decision) -> Result<(), TestCaseError> {
    let mut at = decision.current_replicas;
    let mut proposals = Vec::new();
    for step in decision.trace.iter().flatten() {
        if let Rule::Metric(metric) = &step.rule {
            prop_assert_eq!(step.from, decision.current_replicas);
            proposals.push((metric.index, step.to, metric.result));
            check_calculation(policy.spec().strategy, metric.target, step.to, metric.result)?;
            continue;
        }
        if let Rule::Slo(SloStep::Signal { .. }) = &step.rule {
            prop_assert_eq!([step.from, step.to], [decision.current_replicas; 2]);
            continue;
        }
        prop_assert_eq!(step.from, at, "a gap before {:?} in {:?}", step, decision);
        let expected = match &step.rule {
            Rule::LargestProposal { metric } => {
                let valid = proposals
                    .iter()
                    .filter(|(_, _, result)| matches!(result, MetricResult::Measured(_)));
                let largest = valid.map(|(_, to, _)| *to).max().unwrap_or(0).max(0);
                let winner = proposals.iter().find(|(index, ..)| index == metric);
                prop_assert_eq!(winner.map(|(_, to, _)| (*to).max(0)), Some(largest));
                largest
            }
            Rule::Windows { current, lowest, highest, held } => {
                check_held(decision, step.to, held.as_ref())?;
                (*current).max(*lowest).min(*highest)
            }
            Rule::HighestRecommendation { held } => {
                check_held(decision, step.to, held.as_ref())?;
                held.map_or(step.from, |held| held.by.replicas)
            }
            Rule::RateLimit { direction: Direction::Up, limit } | Rule::ScaleUpLimit { limit } => {
                step.from.min(*limit)
            }
            Rule::RateLimit { direction: Direction::Down, limit } => step.from.max(*limit),
            Rule::MinReplicas => least(policy),
            Rule::MaxReplicas => policy.bounds().max,
            Rule::DirectionPaused { .. } | Rule::TooLittleKnown => decision.current_replicas,
            Rule::Slo(slo) => check_slo(policy, decision, step, slo)?,
            // Their parts are recalculated in the tests of their strategies.
            Rule::Keda(_) | Rule::Knative(_) | Rule::RayServe(_) | Rule::Wva(_) | Rule::Apa(_) => {
                step.to
            }
            _ => step.from,
        };
        prop_assert_eq!(step.to, expected, "{:?}", step);
        at = step.to;
    }
    prop_assert_eq!(at, decision.desired_replicas);
    Ok(())
}

/// The HPA that KEDA generates never goes to 0.
fn least(policy: &Policy) -> i32 {
    let min = policy.bounds().min;
    if policy.spec().strategy == StrategyName::Keda { min.max(1) } else { min }
}

/// What a step of `slo` comes to. Where it only says up to where it may go, it stays within.
fn check_slo(
    policy: &Policy,
    decision: &Decision,
    step: &Step,
    slo: &SloStep,
) -> Result<i32, TestCaseError> {
    let current = decision.current_replicas;
    Ok(match slo {
        SloStep::Need { need, headroom, grown, within_tolerance, .. } => {
            let load = grown.map_or(need.get() + headroom.get(), |grown| grown.get());
            let whole = (load - 1e-9).ceil() as i32; // -0.0 is 0
            // Silent replicas may need more on the way down, and what is unknown holds.
            prop_assert!(step.to >= whole.min(current), "{:?}", step);
            let over = load > f64::from(current) * (1.0 + policy.tolerance().up);
            prop_assert_eq!(step.to > current, over, "{:?}", step);
            prop_assert_eq!(*within_tolerance, !over && whole > current && step.to == current);
            if over { whole } else { step.to }
        }
        SloStep::NoLoad => {
            prop_assert!([0, 1].contains(&(step.to - current)), "{:?}", step);
            step.to
        }
        SloStep::NotTriggered | SloStep::HeldByLatency { .. } => current,
        SloStep::NotReleased { floor } => {
            prop_assert!(*floor <= current);
            *floor
        }
        SloStep::Latency { ratio, ready, .. } => {
            let rules = policy.spec().slo.as_ref().and_then(|slo| slo.latency.as_ref());
            let default = LatencyRules::default();
            let rules = rules.map_or(default, |own| LatencyRules {
                damping: own.damping.map_or(default.damping, |own| own.get()),
                max_stretch: own.max_stretch.map_or(default.max_stretch, |own| own.get()),
            });
            let stretched = f64::from(*ready) * stretch(ratio.get(), rules);
            let most = step.from.max((stretched - 1e-9).ceil() as i32);
            prop_assert!(step.from <= step.to && step.to <= most, "{:?}", step);
            step.to
        }
        SloStep::Unknown { .. } => {
            prop_assert!(step.to == current || step.to == current + 1, "{:?}", step);
            step.to
        }
        SloStep::Guard { one_more, .. } => current + i32::from(*one_more),
        SloStep::Overdue { replicas } => {
            prop_assert!(step.from <= step.to && step.to <= step.from + replicas, "{:?}", step);
            step.to
        }
        SloStep::LastReplica { until } => i32::from(until.is_none_or(|until| until > decision.at)),
        SloStep::Sampled { .. } => current,
        SloStep::ErrorBudget { overspent, factor, .. } => {
            let said = libm::exp(overspent.get() / 6.0);
            prop_assert!((factor.get() / said - 1.0).abs() < 1e-12, "{:?}", step);
            current
        }
        other => return Err(TestCaseError::fail(format!("no rule for {other:?}"))),
    })
}

/// What holds the count is a recommendation of that very count that is still in its window.
fn check_held(decision: &Decision, to: i32, held: Option<&Held>) -> Result<(), TestCaseError> {
    if let Some(held) = held {
        prop_assert_eq!(held.by.replicas, to);
        prop_assert!(
            held.until > decision.at && held.until >= held.by.at.saturating_add(held.window)
        );
    }
    Ok(())
}

fn check_calculation(
    strategy: StrategyName,
    target: Target,
    to: i32,
    result: MetricResult,
) -> Result<(), TestCaseError> {
    let MetricResult::Measured(measured) = result else { return Ok(()) };
    prop_assert!(target != Target::Unusable);
    let rounded = |wanted: f64| {
        if wanted.is_nan() || wanted.ceil() < f64::from(i32::MIN) {
            i32::MIN
        } else if wanted.ceil() > f64::from(i32::MAX) {
            // Where the HPA guards the conversion it stops at the largest count, elsewhere the
            // processor makes it the least one.
            if to == i32::MAX { i32::MAX } else { i32::MIN }
        } else {
            wanted.ceil() as i32
        }
    };
    match measured.calculation {
        Calculation::Ratio { ratio: Some(ratio), count }
        | Calculation::Filled { ratio: Some(ratio), count } => {
            prop_assert_eq!(to, rounded(ratio.get() * f64::from(count)));
        }
        // The others have limits of their own behind it.
        Calculation::Quotient { quotient: Some(quotient) } if strategy == StrategyName::Hpa => {
            prop_assert_eq!(to, rounded(quotient.get()));
        }
        _ => {}
    }
    Ok(())
}
