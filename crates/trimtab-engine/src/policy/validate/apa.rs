//! The rules for `spec.apa`, and for the targets that APA can hold a metric against.

use alloc::format;

use super::Errors;
use super::strategy::Within;
use crate::policy::{ApaSpec, MetricSpec, MetricTarget, PolicySpec};

/// AIBrix's longest window, in seconds.
const WINDOW_MAX_SECONDS: i32 = 3600;

/// Checks ranges and targets.
pub(super) fn apa(apa: &ApaSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.apa", errors };
    within.number("scaleUpTolerance", apa.scale_up_tolerance, 0.0, f64::MAX);
    within.number("scaleDownTolerance", apa.scale_down_tolerance, 0.0, f64::MAX);
    within.above("maxScaleUpRate", apa.max_scale_up_rate, 0.0);
    within.above("maxScaleDownRate", apa.max_scale_down_rate, 0.0);
    let windows = [
        ("scaleUpCooldownWindowSeconds", apa.scale_up_cooldown_window_seconds, 0),
        ("scaleDownCooldownWindowSeconds", apa.scale_down_cooldown_window_seconds, 0),
        ("observeWindowSeconds", apa.observe_window_seconds, 1),
    ];
    for (field, value, least) in windows {
        within.whole(field, value, least, WINDOW_MAX_SECONDS);
    }
    within.whole("resyncIntervalSeconds", apa.resync_interval_seconds, 1, i32::MAX);
    for (index, metric) in spec.metrics.iter().flatten().enumerate() {
        target(metric, index, errors);
    }
}

/// Values per pod have an `averageValue`, others a `value`.
fn target(metric: &MetricSpec, index: usize, errors: &mut Errors) {
    let per_pod = |target: &MetricTarget| target.average_value.is_some();
    let whole = |target: &MetricTarget| target.value.is_some() && target.average_value.is_none();
    let (field, fits) = match metric.type_.as_str() {
        "Resource" => ("resource", metric.resource.as_ref().map(|m| per_pod(&m.target))),
        "ContainerResource" => {
            let source = metric.container_resource.as_ref();
            ("containerResource", source.map(|m| per_pod(&m.target)))
        }
        "Object" => ("object", metric.object.as_ref().map(|m| whole(&m.target))),
        "External" => ("external", metric.external.as_ref().map(|m| whole(&m.target))),
        _ => return,
    };
    if fits == Some(false) {
        let detail = if field.ends_with("esource") {
            "has no `averageValue`, by which `strategy: apa` goes: AIBrix knows no utilization"
        } else {
            "has no `value` alone, by which `strategy: apa` goes: AIBrix holds what is not per pod \
             against its target undivided"
        };
        errors.invalid(format!("spec.metrics[{index}].{field}.target"), detail);
    }
}
