//! The rules for the settings of a strategy.

use alloc::format;
use alloc::string::String;

use trimtab_metric::Quantity;

use super::Errors;
use super::apa::apa;
use super::keda::keda;
use super::slo::slo;
use super::wva::wva;
use crate::policy::{
    Finite, KnativeSpec, PolicySpec, RayServeSpec, StrategyName, TargetCapacityDirection,
};

/// Checks the settings of the strategy, and that there are none of another.
pub(super) fn strategy(spec: &PolicySpec, errors: &mut Errors) {
    let given = [
        (StrategyName::Keda, spec.keda.is_some()),
        (StrategyName::Knative, spec.knative.is_some()),
        (StrategyName::RayServe, spec.ray_serve.is_some()),
        (StrategyName::Slo, spec.slo.is_some()),
        (StrategyName::Wva, spec.wva.is_some()),
        (StrategyName::Apa, spec.apa.is_some()),
    ];
    for (name, _) in given.into_iter().filter(|(name, given)| *given && *name != spec.strategy) {
        let detail = format!(
            "is for `strategy: {name}`, and this policy's is `{}`: leave it out, or set the strategy",
            spec.strategy
        );
        errors.forbidden(format!("spec.{name}"), detail);
    }
    match spec.strategy {
        StrategyName::Hpa => {}
        StrategyName::Keda => keda(&spec.keda.clone().unwrap_or_default(), spec, errors),
        StrategyName::Knative => {
            one_total(spec, errors);
            knative(&spec.knative.clone().unwrap_or_default(), spec, errors);
        }
        StrategyName::RayServe => {
            one_total(spec, errors);
            ray_serve(&spec.ray_serve.clone().unwrap_or_default(), spec, errors);
        }
        StrategyName::Slo => slo(&spec.slo.clone().unwrap_or_default(), spec, errors),
        StrategyName::Wva => wva(&spec.wva.clone().unwrap_or_default(), spec, errors),
        StrategyName::Apa => apa(&spec.apa.clone().unwrap_or_default(), spec, errors),
    }
}

/// These strategies know one metric, the load of the whole service.
fn one_total(spec: &PolicySpec, errors: &mut Errors) {
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    let field = String::from("spec.metrics");
    if metrics.len() > 1 {
        let detail = format!(
            "has {} metrics, and `strategy: {}` decides by one: leave the others out",
            metrics.len(),
            spec.strategy
        );
        errors.forbidden(field, detail);
        return;
    }
    let Some(metric) = metrics.first() else { return };
    let Some(external) = &metric.external else {
        let detail = format!(
            "is `{}`, and `strategy: {}` takes an `External` one: the load of the whole service",
            metric.type_, spec.strategy
        );
        errors.invalid(String::from("spec.metrics[0].type"), detail);
        return;
    };
    if external.target.average_value.is_none() && external.target.value.is_some() {
        let detail = format!(
            "has a `value`, and `strategy: {}` takes an `averageValue`: the load of one replica",
            spec.strategy
        );
        errors.invalid(String::from("spec.metrics[0].external.target"), detail);
    }
}

fn knative(knative: &KnativeSpec, spec: &PolicySpec, errors: &mut Errors) {
    let max = spec.max_replicas;
    let mut within = Within { path: "spec.knative", errors };
    within.number("targetUtilizationPercentage", knative.target_utilization_percentage, 1.0, 100.0);
    within.whole("stableWindowSeconds", knative.stable_window_seconds, 6, 3600);
    within.number("panicWindowPercentage", knative.panic_window_percentage, 1.0, 100.0);
    within.number("panicThresholdPercentage", knative.panic_threshold_percentage, 110.0, 1000.0);
    within.above("maxScaleUpRate", knative.max_scale_up_rate, 1.0);
    within.above("maxScaleDownRate", knative.max_scale_down_rate, 1.0);
    burst_capacity(knative.target_burst_capacity, within.errors);
    within.whole("activationScale", knative.activation_scale, 1, i32::MAX);
    within.whole("initialScale", knative.initial_scale, 0, i32::MAX);
    within.whole("scaleDownDelaySeconds", knative.scale_down_delay_seconds, 0, 3600);
    let grace = knative.scale_to_zero_grace_period_seconds;
    within.whole("scaleToZeroGracePeriodSeconds", grace, 1, i32::MAX);
    let retention = knative.scale_to_zero_pod_retention_period_seconds;
    within.whole("scaleToZeroPodRetentionPeriodSeconds", retention, 0, i32::MAX);
    within.whole("progressDeadlineSeconds", knative.progress_deadline_seconds, 1, i32::MAX);
    within.whole("tickIntervalSeconds", knative.tick_interval_seconds, 1, i32::MAX);
    if let Some(activation) = knative.activation_scale {
        let field = || String::from("spec.knative.activationScale");
        let min = spec.min_replicas.unwrap_or(0);
        if max > 0 && activation > max {
            let detail = format!("is {activation} and has to be at most `maxReplicas`, {max}");
            errors.invalid(field(), detail);
        }
        if activation > 1 && activation < min {
            let detail = format!("is {activation} and has to be at least `minReplicas`, {min}");
            errors.invalid(field(), detail);
        }
    }
    least_target(spec, errors);
}

fn burst_capacity(burst: Option<Finite>, errors: &mut Errors) {
    let burst = burst.map(Finite::get);
    if let Some(burst) = burst.filter(|burst| *burst < 0.0 && *burst != -1.0) {
        let detail = format!("is {burst} and has to be at least 0, or -1 for any burst");
        errors.invalid(String::from("spec.knative.targetBurstCapacity"), detail);
    }
}

/// Less than a hundredth is no target for Knative.
fn least_target(spec: &PolicySpec, errors: &mut Errors) {
    let metric = spec.metrics.iter().flatten().find_map(|metric| metric.external.as_ref());
    let least = Quantity::from_milli(10);
    let target = metric.and_then(|metric| metric.target.average_value.as_ref());
    if let Some(target) = target.filter(|target| target.signum() > 0 && **target < least) {
        let detail = format!("is `{target}` and has to be at least 0.01 under `strategy: knative`");
        errors.invalid(String::from("spec.metrics[0].external.target.averageValue"), detail);
    }
}

fn ray_serve(ray: &RayServeSpec, spec: &PolicySpec, errors: &mut Errors) {
    let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    let mut within = Within { path: "spec.rayServe", errors };
    within.number("upscaleDelaySeconds", ray.upscale_delay_seconds, 0.0, f64::MAX);
    within.number("downscaleDelaySeconds", ray.downscale_delay_seconds, 0.0, f64::MAX);
    let to_zero = ray.downscale_to_zero_delay_seconds;
    within.number("downscaleToZeroDelaySeconds", to_zero, 0.0, f64::MAX);
    within.above("upscalingFactor", ray.upscaling_factor, 0.0);
    within.above("downscalingFactor", ray.downscaling_factor, 0.0);
    within.above("lookBackPeriodSeconds", ray.look_back_period_seconds, 0.0);
    within.above("metricsIntervalSeconds", ray.metrics_interval_seconds, 0.0);
    within.number("controlLoopIntervalSeconds", ray.control_loop_interval_seconds, 0.001, f64::MAX);
    within.whole("gangSize", ray.gang_size, 1, i32::MAX);
    within.number("targetCapacityPercentage", ray.target_capacity_percentage, 0.0, 100.0);
    if let Some(initial) = ray.initial_replicas.filter(|initial| !(min..=max).contains(initial)) {
        let detail = format!(
            "is {initial} and has to be from `minReplicas`, {min}, to `maxReplicas`, {max}"
        );
        errors.invalid(String::from("spec.rayServe.initialReplicas"), detail);
    }
    if ray.target_capacity_direction == Some(TargetCapacityDirection::Up)
        && ray.target_capacity_percentage.is_none()
    {
        let detail = "is `up` without a `targetCapacityPercentage` that it could be the way of";
        errors.invalid(String::from("spec.rayServe.targetCapacityDirection"), detail);
    }
    let gang = ray.gang_size.unwrap_or(1).max(1);
    let counts = [
        ("spec.minReplicas", Some(min).filter(|min| *min != 1)),
        ("spec.maxReplicas", Some(max).filter(|max| ![1, 100].contains(max))),
        ("spec.rayServe.initialReplicas", ray.initial_replicas),
    ];
    // Ray looks at counts that were set, and so its defaults pass.
    let set = counts.into_iter().filter_map(|(field, count)| Some((field, count?)));
    for (field, count) in set.filter(|(_, count)| count % gang != 0) {
        let detail = format!("is {count} and has to be a multiple of `rayServe.gangSize`, {gang}");
        errors.invalid(String::from(field), detail);
    }
}

/// Numbers that have to lie within limits.
pub(super) struct Within<'a> {
    pub(super) path: &'static str,
    pub(super) errors: &'a mut Errors,
}

impl Within<'_> {
    pub(super) fn whole(&mut self, field: &str, value: Option<i32>, least: i32, most: i32) {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            let detail = if most == i32::MAX {
                format!("is {value} and has to be at least {least}")
            } else {
                format!("is {value} and has to be from {least} to {most}")
            };
            self.errors.invalid(format!("{}.{field}", self.path), detail);
        }
    }

    pub(super) fn number(&mut self, field: &str, value: Option<Finite>, least: f64, most: f64) {
        let value = value.map(Finite::get);
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            let detail = if most == f64::MAX {
                format!("is {value} and has to be at least {least}")
            } else {
                format!("is {value} and has to be from {least} to {most}")
            };
            self.errors.invalid(format!("{}.{field}", self.path), detail);
        }
    }

    pub(super) fn above(&mut self, field: &str, value: Option<Finite>, limit: f64) {
        if let Some(value) = value.map(Finite::get).filter(|value| *value <= limit) {
            let detail = format!("is {value} and has to be above {limit}");
            self.errors.invalid(format!("{}.{field}", self.path), detail);
        }
    }

    /// Above 0, at most 1.
    pub(super) fn share(&mut self, field: &str, value: Option<Finite>) {
        let value = value.map(Finite::get);
        if let Some(value) = value.filter(|value| *value <= 0.0 || *value > 1.0) {
            let detail = format!("is {value} and has to be above 0 and at most 1");
            self.errors.invalid(format!("{}.{field}", self.path), detail);
        }
    }
}
