//! The rules for `keda`: those of KEDA's admission, and what the strategy can stand for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Errors;
use super::strategy::Within;
use crate::policy::{
    FallbackBehavior, KedaSpec, MetricSpec, PolicySpec, ScalingModifiersSpec, strategy,
};
use crate::strategy::keda::{Formula, FormulaError};

pub(super) fn keda(keda: &KedaSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.keda", errors };
    within.whole("pollingIntervalSeconds", keda.polling_interval_seconds, 1, i32::MAX);
    within.whole("cooldownPeriodSeconds", keda.cooldown_period_seconds, 0, i32::MAX);
    within.whole("initialCooldownPeriodSeconds", keda.initial_cooldown_period_seconds, 0, i32::MAX);
    within.whole("pausedReplicas", keda.paused_replicas, 0, i32::MAX);
    if let Some(fallback) = &keda.fallback {
        within.whole("fallback.failureThreshold", Some(fallback.failure_threshold), 0, i32::MAX);
        within.whole("fallback.replicas", Some(fallback.replicas), 0, i32::MAX);
    }
    let min = spec.min_replicas.unwrap_or(0);
    if let Some(idle) = keda.idle_replica_count
        && !(0..min).contains(&idle)
    {
        let detail =
            format!("is {idle} and has to be at least 0 and less than `minReplicas`, {min}");
        errors.invalid(String::from("spec.keda.idleReplicaCount"), detail);
    }
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    triggers(keda, metrics, errors);
    match &keda.scaling_modifiers {
        Some(modifiers) => scaling_modifiers(modifiers, keda, metrics, errors),
        None => without_formula(keda, errors),
    }
}

/// Each trigger is a metric that KEDA can make: its own, or the resources of the pods.
fn triggers(keda: &KedaSpec, metrics: &[MetricSpec], errors: &mut Errors) {
    for (index, metric) in metrics.iter().enumerate() {
        if matches!(metric.type_.as_str(), "Pods" | "Object") {
            let detail = format!(
                "is `{}`, and a trigger of KEDA is `External`, or `Resource` or `ContainerResource` \
                 for cpu and memory",
                metric.type_
            );
            errors.invalid(format!("spec.metrics[{index}].type"), detail);
        }
    }
    let (given, known) = (keda.triggers.len(), metrics.len());
    if given > known {
        let detail = format!(
            "has {given} entries for {known} metrics: each is what a trigger has beside its metric"
        );
        errors.invalid(String::from("spec.keda.triggers"), detail);
    }
}

fn scaling_modifiers(
    modifiers: &ScalingModifiersSpec,
    keda: &KedaSpec,
    metrics: &[MetricSpec],
    errors: &mut Errors,
) {
    let field = |name: &str| format!("spec.keda.scalingModifiers.{name}");
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if number(&modifiers.target).is_none_or(|target| target <= 0.0) {
        let detail = format!("is `{}` and has to be a number above 0", modifiers.target);
        errors.invalid(field("target"), detail);
    }
    if let Some(text) = modifiers.activation_target.as_deref().filter(|text| number(text).is_none())
    {
        let detail = format!("is `{text}` and has to be a number");
        errors.invalid(field("activationTarget"), detail);
    }
    let known = ["AverageValue", "Value"];
    if let Some(type_) = modifiers.metric_type.as_deref().filter(|type_| !known.contains(type_)) {
        errors.not_supported(field("metricType"), type_, &known);
    }
    if names_are_usable(keda, metrics, errors) {
        let names = strategy::formula_names(keda, metrics);
        if let Err(error) = Formula::parse(&modifiers.formula, &names) {
            errors.invalid(field("formula"), unusable(&error, &modifiers.formula));
        }
    }
}

/// Why a formula can't be used, and at which character of it.
fn unusable(error: &FormulaError, formula: &str) -> String {
    let before = formula.get(..error.span().start).unwrap_or(formula);
    let character = before.chars().count().saturating_add(1);
    let help = error.what_would_be_right().map(|help| format!(" ({help})")).unwrap_or_default();
    format!("can't be used: at character {character}, {error}{help}")
}

/// A trigger without a name is not in the formula; of two with one name KEDA takes either.
fn names_are_usable(keda: &KedaSpec, metrics: &[MetricSpec], errors: &mut Errors) -> bool {
    let names = strategy::formula_names(keda, metrics);
    let twice = |(index, name): &(usize, &&str)| {
        !name.is_empty() && names.iter().take(*index).any(|other| other == *name)
    };
    let found: Vec<&str> = names.iter().enumerate().filter(twice).map(|(_, name)| *name).collect();
    for name in &found {
        let detail = format!("has two triggers named `{name}`: the formula could mean either");
        errors.invalid(String::from("spec.keda.triggers"), detail);
    }
    found.is_empty()
}

fn without_formula(keda: &KedaSpec, errors: &mut Errors) {
    let nil = FallbackBehavior::ScalingModifiers;
    if keda.fallback.as_ref().is_some_and(|fallback| fallback.behavior == nil) {
        let detail = "is `scalingModifiers` without a formula: KEDA would report -1, which its HPA \
                      takes for an overflow and scales to `maxReplicas`";
        errors.invalid(String::from("spec.keda.fallback.behavior"), detail);
    }
}
