//! The rules for `spec.metrics`.

use alloc::format;
use alloc::string::String;

use super::names::{container_resource_problem, dns_label_problem};
use super::{Errors, one_of, path_segment, reference};
use crate::policy::{
    ContainerResourceMetricSource, ExternalMetricSource, MetricIdentifier, MetricSpec,
    MetricTarget, ObjectMetricSource, PodsMetricSource, ResourceMetricSource,
};

const METRIC_TYPES: [&str; 5] = ["Object", "Pods", "Resource", "ContainerResource", "External"];
const TARGET_TYPES: [&str; 3] = ["Utilization", "Value", "AverageValue"];

/// Checks every metric, and that one of them can be read while there is no replica.
pub(super) fn metrics(metrics: &[MetricSpec], down_to_zero: bool, errors: &mut Errors) {
    for (index, spec) in metrics.iter().enumerate() {
        metric(spec, &format!("spec.metrics[{index}]"), errors);
    }
    let outlives_pods = |spec: &MetricSpec| matches!(spec.type_.as_str(), "Object" | "External");
    if down_to_zero && !metrics.iter().any(outlives_pods) {
        errors.forbidden(
            String::from("spec.metrics"),
            "cannot do without a metric of type `Object` or `External` where `minReplicas` is 0: \
             the others are read from pods, and without any nothing tells that load is back",
        );
    }
}

fn metric(spec: &MetricSpec, path: &str, errors: &mut Errors) {
    let type_ = spec.type_.as_str();
    if type_.is_empty() {
        let detail = format!("is missing: it has to be one of {}", one_of(&METRIC_TYPES));
        errors.required(format!("{path}.type"), detail);
    }
    if !METRIC_TYPES.contains(&type_) {
        errors.not_supported(format!("{path}.type"), type_, &METRIC_TYPES);
    }
    let present = sources(spec);
    let given = || present.iter().copied().filter(|(_, _, given)| *given);

    // Only the first source is looked into; the others are refused as such.
    if let Some((_, field, _)) = given().next() {
        first_source(spec, &format!("{path}.{field}"), errors);
    }
    if let Some((_, field, false)) = present.iter().find(|(name, _, _)| *name == type_) {
        let detail = format!("is missing: a metric of type `{type_}` is described in `{field}`");
        errors.required(format!("{path}.{field}"), detail);
    }
    if given().count() > 1 {
        for (_, field, _) in given().filter(|(name, _, _)| *name != type_) {
            let detail = format!(
                "does not go with type `{type_}`: a metric has one source, so leave this out or \
                 make it a metric of its own"
            );
            errors.forbidden(format!("{path}.{field}"), detail);
        }
    }
}

/// The sources in the order in which the API server looks at them: type, field, and if it is set.
fn sources(spec: &MetricSpec) -> [(&'static str, &'static str, bool); 5] {
    [
        ("Object", "object", spec.object.is_some()),
        ("External", "external", spec.external.is_some()),
        ("Pods", "pods", spec.pods.is_some()),
        ("Resource", "resource", spec.resource.is_some()),
        ("ContainerResource", "containerResource", spec.container_resource.is_some()),
    ]
}

fn first_source(spec: &MetricSpec, path: &str, errors: &mut Errors) {
    if let Some(source) = &spec.object {
        object(source, path, errors);
    } else if let Some(source) = &spec.external {
        external(source, path, errors);
    } else if let Some(source) = &spec.pods {
        pods(source, path, errors);
    } else if let Some(source) = &spec.resource {
        resource(source, path, errors);
    } else if let Some(source) = &spec.container_resource {
        container_resource(source, path, errors);
    }
}

fn object(source: &ObjectMetricSource, path: &str, errors: &mut Errors) {
    reference(&source.described_object, false, &format!("{path}.describedObject"), errors);
    identifier(&source.metric, path, errors);
    target(&source.target, path, errors);
    if source.target.value.is_none() && source.target.average_value.is_none() {
        errors.required(
            format!("{path}.target.averageValue"),
            "is missing: set it to the value per replica, or `value` to the whole, and `type` to \
             which of them it is",
        );
    }
}

fn external(source: &ExternalMetricSource, path: &str, errors: &mut Errors) {
    identifier(&source.metric, path, errors);
    target(&source.target, path, errors);
    match (&source.target.value, &source.target.average_value) {
        (None, None) => errors.required(
            format!("{path}.target.averageValue"),
            "is missing: set it to the sum per replica, or `value` to the sum",
        ),
        (Some(_), Some(_)) => errors.forbidden(
            format!("{path}.target.value"),
            "cannot stand beside `averageValue`: an External metric has one of the two",
        ),
        _ => (),
    }
}

fn pods(source: &PodsMetricSource, path: &str, errors: &mut Errors) {
    identifier(&source.metric, path, errors);
    target(&source.target, path, errors);
    if source.target.average_value.is_none() {
        errors.required(
            format!("{path}.target.averageValue"),
            "is missing: set it to what the average over the pods should be",
        );
    }
}

fn resource(source: &ResourceMetricSource, path: &str, errors: &mut Errors) {
    if source.name.is_empty() {
        resource_name_missing(path, errors);
    }
    resource_target(&source.target, path, errors);
}

fn container_resource(source: &ContainerResourceMetricSource, path: &str, errors: &mut Errors) {
    let name = source.name.as_str();
    if name.is_empty() {
        resource_name_missing(path, errors);
    } else if let Some(problem) = container_resource_problem(name) {
        let detail = format!("is `{name}`, which no container can request: {problem}");
        errors.invalid(format!("{path}.name"), detail);
    }
    let container = source.container.as_str();
    if container.is_empty() {
        let detail = "is missing: set it to the container whose resource counts";
        errors.required(format!("{path}.container"), detail);
    } else if let Some(problem) = dns_label_problem(container) {
        let detail = format!("is `{container}`, which no container can be called: {problem}");
        errors.invalid(format!("{path}.container"), detail);
    }
    resource_target(&source.target, path, errors);
}

fn resource_name_missing(path: &str, errors: &mut Errors) {
    let detail = "is missing: set it to the resource, such as `cpu`";
    errors.required(format!("{path}.name"), detail);
}

/// A resource is held against a share of the request or against an amount, never both.
fn resource_target(spec: &MetricTarget, path: &str, errors: &mut Errors) {
    target(spec, path, errors);
    match (spec.average_utilization, &spec.average_value) {
        (None, None) => errors.required(
            format!("{path}.target.averageUtilization"),
            "is missing: set it to percent of the request, or `averageValue` to an amount per pod",
        ),
        (Some(_), Some(_)) => errors.forbidden(
            format!("{path}.target.averageValue"),
            "cannot stand beside `averageUtilization`: a resource has one of the two",
        ),
        _ => (),
    }
}

/// What holds for the target of every source. That `type` agrees with the value is not asked.
fn target(target: &MetricTarget, source: &str, errors: &mut Errors) {
    let path = format!("{source}.target");
    let type_ = target.type_.as_str();
    if type_.is_empty() {
        let detail = format!("is missing: it has to be one of {}", one_of(&TARGET_TYPES));
        errors.required(format!("{path}.type"), detail);
    }
    if !TARGET_TYPES.contains(&type_) {
        let detail = format!("is `{type_}` and has to be one of {}", one_of(&TARGET_TYPES));
        errors.invalid(format!("{path}.type"), detail);
    }
    for (field, value) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(value) = value.as_ref().filter(|value| value.signum() <= 0) {
            let detail = format!("is `{value}` and has to be above 0");
            errors.invalid(format!("{path}.{field}"), detail);
        }
    }
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        let detail = format!("is {percent} and has to be at least 1 percent");
        errors.invalid(format!("{path}.averageUtilization"), detail);
    }
}

fn identifier(metric: &MetricIdentifier, source: &str, errors: &mut Errors) {
    path_segment(&metric.name, &format!("{source}.metric.name"), "the name of the metric", errors);
}
