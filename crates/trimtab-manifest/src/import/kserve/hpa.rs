//! A component in the mode `Standard` with the HPA that KServe makes.

use trimtab_engine::{BehaviorSpec, MetricTarget};

use super::metrics::{DEFAULT_UTILIZATION, Metric, note_unread, read_of, resource};
use super::{Extension, bounds};
use crate::import::block::Field;
use crate::import::draft::{Draft, target_of};
use crate::import::hpa::utilization;
use crate::node::shortened;

pub(super) fn by_hpa<'n>(draft: &mut Draft<'n>, mut extension: Extension<'n>, name: &str) {
    draft.scales("apps/v1", "Deployment", name);
    bounds(draft, &extension, 1);
    // KServe writes an empty behavior, which is not the same as none.
    draft.spec.behavior = Some(BehaviorSpec::default());
    match extension.auto_scaling.take() {
        Some(mut block) => {
            for field in block.items("metrics", &mut draft.problems) {
                hpa_metric(draft, field);
            }
            if let Some(field) = block.field("behavior") {
                let message =
                    "KServe does not hand `autoScaling.behavior` to its HPA: the defaults count";
                draft.defect_of(&field, "spec.behavior", message);
                draft.no_counterpart(&field, "spec.behavior", "not handed on");
            }
            block.refuse_rest(&mut draft.problems);
            let target = extension.scale_target.iter().map(|(_, field)| field);
            let metric = extension.scale_metric.iter().map(|(_, field)| field);
            for field in metric.chain(target) {
                draft.no_counterpart(field, "spec.metrics", "`autoScaling` counts instead");
            }
        }
        None => scale_metric(draft, &extension),
    }
    if let Some(field) = &extension.scale_metric_type {
        draft.no_counterpart(field, "spec.metrics", "KServe takes a utilization in any case");
    }
    if let Some((_, field)) = &extension.concurrency {
        draft.no_counterpart(field, "spec.metrics", "the container's own limit");
    }
}

/// `scaleMetric` and `scaleTarget` for an HPA.
fn scale_metric<'n>(draft: &mut Draft<'n>, extension: &Extension<'n>) {
    let metric = extension.scale_metric.as_ref();
    let name = metric.map_or("cpu", |(metric, _)| metric.as_str());
    let target = extension.scale_target.as_ref();
    match (name, target) {
        ("cpu", None) if metric.is_none() => {}
        ("cpu" | "memory", Some((percent, field))) => {
            let path = draft.metric(resource(name, utilization(*percent)));
            draft.origin(&path, field.clone());
        }
        ("cpu", None) => {
            draft.metric(resource(name, utilization(DEFAULT_UTILIZATION)));
            draft.assumed("spec.metrics[0]", "80 is KServe's default");
        }
        ("memory", None) => {
            if let Some((_, field)) = metric {
                let message = "without a scaleTarget KServe's HPA looks at CPU, not at memory";
                draft.defect_of(field, "spec", message);
            }
        }
        _ => {
            if let Some((_, field)) = metric {
                let what = format!("is `{}`", shortened(name));
                let right = "in this mode it is `cpu` or `memory`; `concurrency` and `rps` need the \
                             mode `Knative`";
                draft.problems.push(field.invalid(&what, right));
            }
        }
    }
}

fn hpa_metric<'n>(draft: &mut Draft<'n>, field: Field<'n>) {
    let Some(metric) = field.decode::<Metric>(&mut draft.problems) else { return };
    let Some(given) = metric.resource.filter(|_| metric.type_ == "Resource") else {
        let what = format!("is a metric of type `{}`", shortened(&metric.type_));
        let right = "KServe's HPA takes `Resource` alone; others need the autoscalerClass `keda`";
        return draft.problems.push(field.invalid(&what, right));
    };
    let target = match (given.name.as_str(), given.target.type_.as_str()) {
        ("cpu", type_) => {
            if type_ == "AverageValue" {
                let message =
                    "KServe's HPA takes a utilization of CPU in any case, 80 where none is given";
                draft.defect_of(&field, "spec.metrics", message);
            }
            utilization(given.target.average_utilization.unwrap_or(DEFAULT_UTILIZATION))
        }
        ("memory", "AverageValue") => match given.target.average_value {
            Some(amount) => target_of("AverageValue", amount),
            None => MetricTarget::default(),
        },
        ("memory", "Utilization") => MetricTarget {
            type_: String::from("Utilization"),
            average_utilization: given.target.average_utilization,
            ..MetricTarget::default()
        },
        _ => {
            let right = "it is `cpu`, or `memory` with `Utilization` or `AverageValue`";
            let what = format!("is a resource `{}` of that target", shortened(&given.name));
            return draft.problems.push(field.invalid(&what, right));
        }
    };
    let path = draft.metric(resource(&given.name, target));
    let read = if given.name == "cpu" { "Utilization" } else { &given.target.type_ };
    note_unread(draft, &field, "resource", read_of(read), &path);
    draft.origin(&path, field);
}
