//! Policies with every stage that there is, or without.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    BehaviorSpec, FeatureGatesSpec, Finite, HpaSpec, PolicySpec, ScalingPolicyRule,
    ScalingRulesSpec, StrategyName,
};
use trimtab_metric::Quantity;

use crate::amounts::{amount, list, option, small};
use crate::envelope::{anticipate, redundancy, retire, schedule, supply, warm_pool};
use crate::metrics::{external, metric, metric_of, slo_metric};
use crate::peers::{apa, keda, knative, ray_serve, wva};
use crate::slo::slo;

pub(crate) fn policy(u: &mut Unstructured<'_>) -> Result<PolicySpec> {
    let gates = FeatureGatesSpec {
        hpa_scale_to_zero: Option::arbitrary(u)?,
        hpa_configurable_tolerance: Option::arbitrary(u)?,
        pod_level_resources: Option::arbitrary(u)?,
    };
    let mut policy = PolicySpec {
        min_replicas: option(u, small)?,
        max_replicas: small(u)?,
        metrics: Some(list(u, 3, metric)?),
        behavior: option(u, |u| {
            Ok(BehaviorSpec { scale_up: option(u, rules)?, scale_down: option(u, rules)? })
        })?,
        hpa: Some(HpaSpec {
            tolerance: Finite::new(f64::arbitrary(u)?),
            sync_period_seconds: option(u, small)?,
            downscale_stabilization_seconds: option(u, small)?,
            cpu_initialization_period_seconds: option(u, small)?,
            initial_readiness_delay_seconds: option(u, small)?,
            scale_up_limit_factor: option(u, |u| Ok(Finite::from(small(u)?)))?,
            scale_up_limit_minimum: option(u, |u| Ok(Finite::from(small(u)?)))?,
            feature_gates: Some(gates),
        }),
        ..PolicySpec::default()
    };
    strategy(u, &mut policy)?;
    if u.ratio(1, 2)? {
        policy.warm_pool = Some(Box::new(warm_pool(u)?));
    }
    if u.ratio(1, 2)? {
        policy.retire = Some(Box::new(retire(u)?));
    }
    if u.ratio(1, 3)? {
        policy.supply = Some(Box::new(supply(u)?));
    }
    if u.ratio(1, 3)? {
        policy.redundancy = Some(redundancy(u)?);
    }
    if u.ratio(1, 3)? {
        policy.schedules = list(u, 2, schedule)?;
        policy.anticipate = option(u, |u| anticipate(u).map(Box::new))?;
    }
    policy.scale_target_ref.api_version = "apps/v1".into();
    policy.scale_target_ref.kind = "Deployment".into();
    policy.scale_target_ref.name = "llm".into();
    Ok(policy)
}

/// A strategy with its settings. Where it takes certain metrics only, it gets them, as a rule.
fn strategy(u: &mut Unstructured<'_>, policy: &mut PolicySpec) -> Result<()> {
    let names = [
        StrategyName::Hpa,
        StrategyName::Keda,
        StrategyName::Knative,
        StrategyName::RayServe,
        StrategyName::Slo,
        StrategyName::Wva,
        StrategyName::Apa,
    ];
    policy.strategy = *u.choose(&names)?;
    match policy.strategy {
        StrategyName::Keda => policy.keda = Some(Box::new(keda(u)?)),
        StrategyName::Knative => policy.knative = Some(Box::new(knative(u)?)),
        StrategyName::RayServe => policy.ray_serve = Some(Box::new(ray_serve(u)?)),
        StrategyName::Slo => policy.slo = Some(Box::new(slo(u)?)),
        StrategyName::Wva => policy.wva = Some(Box::new(wva(u)?)),
        StrategyName::Apa => policy.apa = Some(Box::new(apa(u)?)),
        _ => {}
    }
    if u.ratio(1, 8)? {
        return Ok(());
    }
    match policy.strategy {
        StrategyName::Knative | StrategyName::RayServe => {
            policy.metrics = Some(vec![external(u, "load", "AverageValue")?]);
        }
        StrategyName::Slo => policy.metrics = Some(list(u, 4, slo_metric)?),
        // Its analyzers name what they read.
        StrategyName::Wva => policy.metrics = None,
        StrategyName::Apa => {
            let kinds = ["Resource", "Pods", "External"];
            policy.metrics = Some(list(u, 2, |u| {
                let kind = u.choose(&kinds)?;
                metric_of(u, kind)
            })?);
        }
        _ => {}
    }
    Ok(())
}

fn rules(u: &mut Unstructured<'_>) -> Result<ScalingRulesSpec> {
    Ok(ScalingRulesSpec {
        stabilization_window_seconds: option(u, small)?,
        select_policy: option(u, |u| Ok(u.choose(&["Max", "Min", "Disabled", "?"])?.to_string()))?,
        policies: option(u, |u| {
            list(u, 3, |u| {
                Ok(ScalingPolicyRule {
                    type_: u.choose(&["Pods", "Percent", "?"])?.to_string(),
                    value: small(u)?,
                    period_seconds: small(u)?,
                })
            })
        })?,
        tolerance: option(u, |u| amount(u).map(Quantity::from_milli))?,
    })
}
