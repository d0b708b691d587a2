//! The rules that the Kubernetes API server holds a new HorizontalPodAutoscaler to, and those for
//! trimtab's own fields.
//!
//! Which fields are refused and with which kind of error is the API server's, Kubernetes 1.36; the
//! words are ours.

mod anticipate;
mod apa;
mod keda;
mod metrics;
mod names;
mod retire;
mod slo;
mod strategy;
mod supply;
mod warm_pool;
mod wva;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use self::names::{api_version_problem, path_segment_problem};
use super::{
    BehaviorSpec, CrossVersionObjectReference, FieldError, FieldErrorKind, Finite, HpaSpec,
    PolicySpec, ScalingPolicyRule, ScalingRulesSpec, StrategyName,
};

/// Longest stabilization window, in seconds.
const WINDOW_MAX_SECONDS: i32 = 3600;
/// Longest period of a rate limit, in seconds.
const PERIOD_MAX_SECONDS: i32 = 1800;
/// The one kind of scale target that lives in the core API group.
const CORE_SCALE_TARGET: &str = "ReplicationController";

/// Collects what is wrong.
#[derive(Default)]
struct Errors(Vec<FieldError>);

impl Errors {
    fn add(&mut self, kind: FieldErrorKind, field: String, detail: impl Into<String>) {
        self.0.push(FieldError::new(field, kind, detail));
    }

    fn required(&mut self, field: String, detail: impl Into<String>) {
        self.add(FieldErrorKind::Required, field, detail);
    }

    fn invalid(&mut self, field: String, detail: impl Into<String>) {
        self.add(FieldErrorKind::Invalid, field, detail);
    }

    fn forbidden(&mut self, field: String, detail: impl Into<String>) {
        self.add(FieldErrorKind::Forbidden, field, detail);
    }

    fn not_supported(&mut self, field: String, value: &str, known: &[&str]) {
        let detail = format!("is `{value}` and has to be one of {}", one_of(known));
        self.add(FieldErrorKind::NotSupported, field, detail);
    }
}

/// Everything that is wrong with a spec whose defaults are filled in.
pub(super) fn validate(spec: &PolicySpec) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let gates = spec.hpa.as_ref().and_then(|hpa| hpa.feature_gates.as_ref());
    let is_hpa = spec.strategy == StrategyName::Hpa;
    let may_be_zero = !is_hpa || gates.and_then(|gates| gates.hpa_scale_to_zero).unwrap_or(false);
    let tolerance_counts = gates.and_then(|gates| gates.hpa_configurable_tolerance).unwrap_or(true);

    replicas(spec, may_be_zero, &mut errors);
    let target = &spec.scale_target_ref;
    reference(target, target.kind != CORE_SCALE_TARGET, "spec.scaleTargetRef", &mut errors);
    let given = spec.metrics.as_deref().unwrap_or_default();
    metrics::metrics(given, is_hpa && spec.min_replicas == Some(0), &mut errors);
    if let Some(given) = &spec.behavior {
        behavior(given, tolerance_counts, &mut errors);
    }
    if let Some(given) = &spec.hpa {
        hpa(given, &mut errors);
    }
    if let Some(given) = spec.manual_override
        && (given.replicas < 0 || (spec.max_replicas > 0 && given.replicas > spec.max_replicas))
    {
        let detail = format!(
            "is {} and has to be from 0 to `maxReplicas`, {}",
            given.replicas, spec.max_replicas
        );
        errors.invalid(String::from("spec.override.replicas"), detail);
    }
    if let Some(given) = &spec.warm_pool {
        warm_pool::warm_pool(given, spec, &mut errors);
    }
    if let Some(given) = &spec.retire {
        retire::retire(given, spec, &mut errors);
    }
    anticipate::anticipate(spec, &mut errors);
    strategy::strategy(spec, &mut errors);
    if let Some(given) = &spec.supply {
        supply::supply(given, &mut errors);
    }
    if let Some(given) = &spec.redundancy {
        supply::redundancy(given, &mut errors);
    }
    errors.0
}

fn replicas(spec: &PolicySpec, may_be_zero: bool, errors: &mut Errors) {
    let max = spec.max_replicas;
    let min = spec.min_replicas.unwrap_or(1);
    if min < 0 || (min == 0 && !may_be_zero) {
        let detail = match (min, may_be_zero) {
            (0, _) => String::from(
                "is 0, which needs the feature gate `HPAScaleToZero` (here \
                 `hpa.featureGates.HPAScaleToZero: true`); without it the least is 1",
            ),
            (_, true) => format!("is {min} and has to be at least 0"),
            (_, false) => format!("is {min} and has to be at least 1"),
        };
        errors.invalid(String::from("spec.minReplicas"), detail);
    }
    if max == 0 && spec.strategy == StrategyName::Knative {
        return;
    }
    let field = || String::from("spec.maxReplicas");
    if max == 0 {
        errors.required(field(), "is missing: set it to how many replicas there may be at most");
    }
    if max < 1 {
        errors.invalid(field(), format!("is {max} and has to be at least 1"));
    } else if max < min {
        errors.invalid(field(), format!("is {max} and has to be at least `minReplicas`, {min}"));
    }
}

fn reference(
    reference: &CrossVersionObjectReference,
    needs_group: bool,
    path: &str,
    errors: &mut Errors,
) {
    if let Some(problem) = api_version_problem(&reference.api_version, needs_group) {
        let detail = match reference.api_version.as_str() {
            "" => format!("is missing: {problem}"),
            version => format!("is `{version}`: {problem}"),
        };
        errors.invalid(format!("{path}.apiVersion"), detail);
    }
    let kind = "the kind of the object, such as `Deployment`";
    path_segment(&reference.kind, &format!("{path}.kind"), kind, errors);
    path_segment(&reference.name, &format!("{path}.name"), "the name of the object", errors);
}

/// A name that must be there and fit in a URL path; `meaning` is what it names.
fn path_segment(name: &str, field: &str, meaning: &str, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(String::from(field), format!("is missing: set it to {meaning}"));
    } else if let Some(problem) = path_segment_problem(name) {
        errors.invalid(String::from(field), format!("is `{name}`: {problem}"));
    }
}

fn behavior(behavior: &BehaviorSpec, tolerance_counts: bool, errors: &mut Errors) {
    let up = ("spec.behavior.scaleUp", &behavior.scale_up);
    let down = ("spec.behavior.scaleDown", &behavior.scale_down);
    for (path, rules) in [up, down] {
        if let Some(rules) = rules {
            scaling_rules(rules, tolerance_counts, path, errors);
        }
    }
}

fn scaling_rules(
    rules: &ScalingRulesSpec,
    tolerance_counts: bool,
    path: &str,
    errors: &mut Errors,
) {
    if let Some(window) = rules.stabilization_window_seconds
        && !(0..=WINDOW_MAX_SECONDS).contains(&window)
    {
        let detail = format!("is {window} and has to be from 0 to {WINDOW_MAX_SECONDS} seconds");
        errors.invalid(format!("{path}.stabilizationWindowSeconds"), detail);
    }
    let known = ["Max", "Min", "Disabled"];
    if let Some(select) = rules.select_policy.as_deref()
        && !known.contains(&select)
    {
        errors.not_supported(format!("{path}.selectPolicy"), select, &known);
    }
    let limits = rules.policies.as_deref().unwrap_or_default();
    if limits.is_empty() {
        errors.required(
            format!("{path}.policies"),
            "is empty: give at least one rate limit, or leave the field out for the default ones; \
             to stop this direction altogether set `selectPolicy: Disabled`",
        );
    }
    for (index, limit) in limits.iter().enumerate() {
        rate_limit(limit, &format!("{path}.policies[{index}]"), errors);
    }
    // With its gate off the API server drops the field unread.
    if let Some(tolerance) = rules.tolerance.as_ref()
        && tolerance_counts
        && tolerance.signum() < 0
    {
        errors.invalid(
            format!("{path}.tolerance"),
            format!("is `{tolerance}` and cannot be below 0: 0.1, for instance, tolerates 10 %"),
        );
    }
}

fn rate_limit(limit: &ScalingPolicyRule, path: &str, errors: &mut Errors) {
    let known = ["Pods", "Percent"];
    if !known.contains(&limit.type_.as_str()) {
        errors.not_supported(format!("{path}.type"), &limit.type_, &known);
    }
    if limit.value < 1 {
        let detail = format!("is {} and has to be at least 1", limit.value);
        errors.invalid(format!("{path}.value"), detail);
    }
    let period = limit.period_seconds;
    if !(1..=PERIOD_MAX_SECONDS).contains(&period) {
        let detail = format!("is {period} and has to be from 1 to {PERIOD_MAX_SECONDS} seconds");
        errors.invalid(format!("{path}.periodSeconds"), detail);
    }
}

/// The fields that stand for a cluster's flags. Their ranges are on [`HpaSpec`].
fn hpa(hpa: &HpaSpec, errors: &mut Errors) {
    let whole = [
        ("syncPeriodSeconds", hpa.sync_period_seconds, 1),
        ("downscaleStabilizationSeconds", hpa.downscale_stabilization_seconds, 0),
        ("cpuInitializationPeriodSeconds", hpa.cpu_initialization_period_seconds, 0),
        ("initialReadinessDelaySeconds", hpa.initial_readiness_delay_seconds, 0),
    ];
    for (name, value, least) in whole {
        if let Some(value) = value.filter(|value| *value < least) {
            let unit = if least == 1 { "second" } else { "seconds" };
            let detail = format!("is {value} and has to be at least {least} {unit}");
            errors.invalid(format!("spec.hpa.{name}"), detail);
        }
    }
    let numbers = [
        ("tolerance", hpa.tolerance, 0.0, f64::MAX),
        ("scaleUpLimitFactor", hpa.scale_up_limit_factor, 1.0, 100.0),
        ("scaleUpLimitMinimum", hpa.scale_up_limit_minimum, 1.0, 1e6),
    ];
    for (name, value, least, most) in numbers {
        let Some(value) = value.map(Finite::get) else { continue };
        let detail = if value < least {
            format!("is {value} and has to be at least {least}")
        } else if value > most {
            format!("is {value} and has to be at most {most}")
        } else {
            continue;
        };
        errors.invalid(format!("spec.hpa.{name}"), detail);
    }
}

/// The known values as people list them: `a`, `b` or `c`.
fn one_of(known: &[&str]) -> String {
    match known.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("`{}` and `{last}`", rest.join("`, `")),
        _ => format!("`{}`", known.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{FeatureGatesSpec, MetricSpec};

    fn spec() -> PolicySpec {
        PolicySpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: String::from("apps/v1"),
                kind: String::from("Deployment"),
                name: String::from("llm"),
            },
            max_replicas: 3,
            ..PolicySpec::default()
        }
    }

    fn found(spec: PolicySpec) -> Vec<(String, &'static str)> {
        let errors = validate(&spec.with_defaults());
        errors.iter().map(|e| (String::from(e.field()), e.kind().api_type())).collect()
    }

    fn gates(gates: FeatureGatesSpec) -> Option<HpaSpec> {
        Some(HpaSpec { feature_gates: Some(gates), ..HpaSpec::default() })
    }

    #[test]
    fn the_shortest_policy_is_valid() {
        assert_eq!(found(spec()), []);
    }

    #[test]
    fn zero_replicas_need_the_gate_and_a_metric_that_outlives_the_pods() {
        let zero = PolicySpec { min_replicas: Some(0), ..spec() };
        let invalid = (String::from("spec.minReplicas"), "FieldValueInvalid");
        let forbidden = (String::from("spec.metrics"), "FieldValueForbidden");
        assert_eq!(found(zero.clone()), [invalid, forbidden.clone()]);

        let gate = FeatureGatesSpec { hpa_scale_to_zero: Some(true), ..Default::default() };
        assert_eq!(found(PolicySpec { hpa: gates(gate), ..zero }), [forbidden]);
    }

    #[test]
    fn a_tolerance_behind_a_closed_gate_is_not_looked_at() {
        let rules: ScalingRulesSpec = serde_json::from_str(r#"{"tolerance": "-1"}"#).unwrap();
        let behavior = Some(BehaviorSpec { scale_up: Some(rules), scale_down: None });
        let open = PolicySpec { behavior, ..spec() };
        let field = String::from("spec.behavior.scaleUp.tolerance");
        assert_eq!(found(open.clone()), [(field, "FieldValueInvalid")]);

        let gate =
            FeatureGatesSpec { hpa_configurable_tolerance: Some(false), ..Default::default() };
        assert_eq!(found(PolicySpec { hpa: gates(gate), ..open }), []);
    }

    #[test]
    fn the_flags_of_a_cluster_have_ranges() {
        let hpa: HpaSpec = serde_json::from_str(
            r#"{"syncPeriodSeconds": 0, "tolerance": -0.1, "downscaleStabilizationSeconds": -1,
                "cpuInitializationPeriodSeconds": 0, "initialReadinessDelaySeconds": -2,
                "scaleUpLimitFactor": 0.5, "scaleUpLimitMinimum": 0}"#,
        )
        .unwrap();
        let fields: Vec<String> =
            found(PolicySpec { hpa: Some(hpa), ..spec() }).into_iter().map(|(f, _)| f).collect();
        let names = [
            "syncPeriodSeconds",
            "downscaleStabilizationSeconds",
            "initialReadinessDelaySeconds",
            "tolerance",
            "scaleUpLimitFactor",
            "scaleUpLimitMinimum",
        ];
        assert_eq!(fields, names.map(|name| format!("spec.hpa.{name}")));
    }

    #[test]
    fn an_unknown_type_is_named_with_the_known_ones() {
        let metrics =
            Some(alloc::vec![MetricSpec { type_: String::from("pods"), ..MetricSpec::default() }]);
        let errors = validate(&PolicySpec { metrics, ..spec() }.with_defaults());
        assert_eq!(
            errors.first().map(FieldError::detail),
            Some(
                "is `pods` and has to be one of `Object`, `Pods`, `Resource`, `ContainerResource` and `External`"
            )
        );
    }
}
