//! The components of KServe's `InferenceService`.

use super::signal::{Aim, Role, Signal, Source};
use super::{Autoscaler, Bound, Form};
use crate::lint::document::Document;
use crate::lint::field::Field;

pub(super) fn components(document: &Document) -> Vec<Autoscaler<'_>> {
    let Some(spec) = document.spec() else { return Vec::new() };
    let components = ["predictor", "transformer", "explainer"];
    let there = components.into_iter().filter_map(|component| spec.get(component));
    there.map(|component| autoscaler(document, component)).collect()
}

fn autoscaler<'n>(document: &'n Document, spec: Field<'n>) -> Autoscaler<'n> {
    Autoscaler {
        form: Form::KServe,
        document,
        spec,
        target: None,
        min: Bound::of(spec, "minReplicas", Some(1)),
        max: Bound::of(spec, "maxReplicas", None),
        signals: signals(spec),
        behavior: spec.at("autoScaling.behavior"),
    }
}

fn signals(spec: Field<'_>) -> Vec<Signal<'_>> {
    let listed: Vec<Signal<'_>> = spec
        .get("autoScaling")
        .into_iter()
        .flat_map(|scaling| scaling.list("metrics"))
        .map(signal)
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let Some(metric) = spec.get("scaleMetric") else { return Vec::new() };
    let (role, source) = match metric.text() {
        Some("cpu" | "memory") => (Role::Resource, Source::Resource),
        _ => (Role::Load, Source::Object),
    };
    let aim = spec.get("scaleTarget").map(|field| (Aim::Average, field));
    vec![Signal::new(metric, source, (Some(metric), None), aim).with_role(role)]
}

/// A metric as the HPA has it, with queries for those from outside.
fn signal(field: Field<'_>) -> Signal<'_> {
    let (source, key) = match field.text_of("type") {
        Some("External") => (Source::External, "external"),
        Some("PodMetric") => (Source::Pods, "podmetric"),
        _ => (Source::Resource, "resource"),
    };
    let get = |path: &str| field.get(key).and_then(|block| block.at(path));
    let query = get("metric.query").filter(|_| {
        get("metric.backend").is_some_and(|backend| backend.text() == Some("prometheus"))
    });
    let name =
        get("metric.metricNames").and_then(|names| names.items().next()).or_else(|| get("name"));
    let aims = [
        (Aim::Utilization, "target.averageUtilization"),
        (Aim::Average, "target.averageValue"),
        (Aim::Value, "target.value"),
    ];
    let aim = aims.into_iter().find_map(|(aim, path)| Some((aim, get(path)?)));
    let signal = Signal::new(field, source, (name, query), aim);
    if source == Source::Resource { signal.with_role(Role::Resource) } else { signal }
}
