//! A service of Knative: everything is in annotations.

use super::signal::{Aim, Role, Signal, Source};
use super::{Autoscaler, Bound, Form};
use crate::lint::document::Document;
use crate::lint::field::Field;

const PREFIX: &str = "autoscaling.knative.dev/";

pub(super) fn service(document: &Document) -> Option<Autoscaler<'_>> {
    let template = document.spec()?.get("template")?;
    let spec = template.get("spec").unwrap_or(template);
    let annotation = |names: &[&str]| {
        let annotations = template.at("metadata.annotations")?;
        names.iter().find_map(|name| annotations.get(&format!("{PREFIX}{name}")))
    };
    Some(Autoscaler {
        form: Form::Knative,
        document,
        spec,
        target: None,
        min: bound(annotation(&["min-scale", "minScale"]), Some(0)),
        max: bound(annotation(&["max-scale", "maxScale"]), None),
        signals: vec![signal(annotation(&["metric"]), annotation(&["target"]), spec)],
        behavior: None,
    })
}

/// Annotations are strings, and 0 as a maximum is none.
fn bound(field: Option<Field<'_>>, default: Option<i64>) -> Bound<'_> {
    let number = field.and_then(|field| field.text()?.trim().parse::<i64>().ok());
    let value = if field.is_some() { number } else { default };
    Bound { value, field }
}

/// What it scales by: concurrency unless it says otherwise.
fn signal<'n>(metric: Option<Field<'n>>, target: Option<Field<'n>>, spec: Field<'n>) -> Signal<'n> {
    let (role, source) = match metric.and_then(|metric| metric.text()) {
        Some("cpu" | "memory") => (Some(Role::Resource), Source::Resource),
        Some("concurrency" | "rps") | None => (Some(Role::Load), Source::Object),
        Some(_) => (None, Source::Pods),
    };
    let aim = target.map(|field| (Aim::Average, field));
    let signal = Signal::new(metric.or(target).unwrap_or(spec), source, (metric, None), aim);
    match role {
        Some(role) => signal.with_role(role),
        None => signal,
    }
}
