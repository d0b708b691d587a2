//! A HorizontalPodAutoscaler of any version, and a `ScalingPolicy`, which is written as one.

use super::signal::{Aim, Role, Signal, Source};
use super::{Autoscaler, Bound, Form, Target};
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

pub(super) fn hpa<'n>(set: &Set<'n>, document: &'n Document) -> Option<Autoscaler<'n>> {
    let spec = document.spec()?;
    Some(Autoscaler {
        form: Form::Hpa,
        document,
        spec,
        target: spec.get("scaleTargetRef").and_then(|field| Target::of(set, field, None)),
        min: Bound::of(spec, "minReplicas", Some(1)),
        max: Bound::of(spec, "maxReplicas", None),
        signals: signals(document, spec),
        behavior: spec.get("behavior"),
    })
}

pub(super) fn scaling_policy<'n>(set: &Set<'n>, document: &'n Document) -> Option<Autoscaler<'n>> {
    let hpa = hpa(set, document)?;
    let (min, max) = match hpa.spec.text_of("strategy") {
        Some("keda") => (Some(0), Some(100)),
        Some("knative") => (Some(0), None),
        Some("rayServe") => (Some(1), Some(1)),
        _ => (Some(1), None),
    };
    Some(Autoscaler {
        form: Form::ScalingPolicy,
        min: Bound::of(hpa.spec, "minReplicas", min),
        max: Bound::of(hpa.spec, "maxReplicas", max),
        ..hpa
    })
}

fn signals<'n>(document: &'n Document, spec: Field<'n>) -> Vec<Signal<'n>> {
    let mut signals: Vec<Signal<'n>> = spec.list("metrics").map(signal).collect();
    // `autoscaling/v1` has a field for CPU.
    if document.version == "v1"
        && let Some(field) = spec.get("targetCPUUtilizationPercentage")
    {
        let aim = Some((Aim::Utilization, field));
        let signal = Signal::new(field, Source::Resource, (None, None), aim);
        signals.push(signal.with_role(Role::Resource));
    }
    signals
}

fn signal(field: Field<'_>) -> Signal<'_> {
    let type_ = field.text_of("type").unwrap_or_default();
    let (source, key) = match type_ {
        "Pods" => (Source::Pods, "pods"),
        "Object" => (Source::Object, "object"),
        "External" => (Source::External, "external"),
        "ContainerResource" => (Source::Resource, "containerResource"),
        _ => (Source::Resource, "resource"),
    };
    let block = field.get(key);
    let get = |path: &str| block.and_then(|block| block.at(path));
    let name = match source {
        Source::Resource => get("name"),
        // The older versions have it beside the target.
        _ => get("metric.name").or_else(|| get("metricName")),
    };
    let aims = [
        (Aim::Utilization, "target.averageUtilization"),
        (Aim::Utilization, "targetAverageUtilization"),
        (Aim::Average, "target.averageValue"),
        (Aim::Average, "targetAverageValue"),
        (Aim::Value, "target.value"),
        (Aim::Value, "targetValue"),
    ];
    let aim = aims.into_iter().find_map(|(aim, path)| Some((aim, get(path)?)));
    let signal = Signal::new(field, source, (name, None), aim);
    // `nvidia.com/gpu` is no resource that an HPA measures, and if it is asked for it is a GPU's.
    match source {
        Source::Resource if signal.role != Role::Gpu => signal.with_role(Role::Resource),
        _ => signal,
    }
}
