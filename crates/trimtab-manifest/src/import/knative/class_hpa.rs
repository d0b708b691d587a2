//! The HPA that Knative makes for the class `hpa.autoscaling.knative.dev`, to `strategy: hpa`.

use trimtab_engine::{
    BehaviorSpec, MetricIdentifier, MetricSpec, PodsMetricSource, ResourceMetricSource,
    ScalingRulesSpec,
};
use trimtab_metric::Quantity;

use super::knobs::Knobs;
use crate::import::block::Field;
use crate::import::draft::{Draft, target_of};
use crate::import::hpa::{self, utilization};

/// The HPA that Knative makes for the class `hpa.autoscaling.knative.dev`.
pub(super) fn class_hpa<'n>(
    knobs: &Knobs<'n>,
    concurrency: Option<(i64, Field<'n>)>,
    draft: &mut Draft<'n>,
) {
    let least = knobs.whole("min-scale", "spec.minReplicas", draft);
    draft.spec.min_replicas = least.filter(|least| *least != 0);
    let most = knobs.whole("max-scale", "spec.maxReplicas", draft).unwrap_or(0);
    if most == 0 {
        draft.spec.max_replicas = i32::MAX;
        draft.assumed("spec.maxReplicas", "without max-scale Knative gives its HPA this");
    } else {
        draft.spec.max_replicas = most;
    }
    hpa_metric(knobs, draft);
    window(knobs, draft);
    for field in KPA_ONLY.iter().filter_map(|name| knobs.field(name)) {
        if field.path.contains("annotations") {
            draft.no_counterpart(field, "spec", "Knative's HPA class does not look at it");
        }
    }
    if let Some((_, field)) = concurrency {
        draft.no_counterpart(&field, "spec", "Knative's HPA class does not look at it");
    }
    hpa::defects(draft);
}

/// The window of both directions. The HPA class does not look at the ConfigMap's.
fn window<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) {
    let Some(field) = knobs.field("window").filter(|field| field.path.contains("annotations"))
    else {
        return;
    };
    let Some(seconds) = knobs.whole_seconds("window", "spec.behavior", draft) else { return };
    for direction in ["scaleUp", "scaleDown"] {
        let path = format!("spec.behavior.{direction}.stabilizationWindowSeconds");
        draft.origin(&path, field.clone());
    }
    let rules = || {
        let stabilization_window_seconds = Some(seconds);
        Some(ScalingRulesSpec { stabilization_window_seconds, ..ScalingRulesSpec::default() })
    };
    draft.spec.behavior = Some(BehaviorSpec { scale_up: rules(), scale_down: rules() });
}

fn hpa_metric<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) {
    let name = knobs.text("metric").unwrap_or("cpu");
    let Some(target) = knobs.number("target", "spec.metrics[0]", draft) else {
        if let Some(field) = knobs.field("metric").filter(|_| name != "cpu") {
            let message = "without a target Knative's HPA looks at CPU, not at this metric";
            draft.defect_of(field, "spec", message);
        }
        return;
    };
    let resource = |target| MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource { name: name.to_owned(), target }),
        ..MetricSpec::default()
    };
    let metric = match name {
        "cpu" => resource(utilization(to_i32(target.ceil()))),
        "memory" => {
            let mebibytes = format!("{}Mi", to_i32(target));
            match mebibytes.parse::<Quantity>() {
                Ok(amount) => resource(target_of("AverageValue", amount)),
                Err(_) => return,
            }
        }
        _ => MetricSpec {
            type_: String::from("Pods"),
            pods: Some(PodsMetricSource {
                metric: MetricIdentifier { name: name.to_owned(), selector: None },
                target: target_of("AverageValue", Quantity::from_units(to_i32(target).into())),
            }),
            ..MetricSpec::default()
        },
    };
    let path = draft.metric(metric);
    let Some(field) = knobs.field("target") else { return };
    draft.origin(&path, field.clone());
    if target.fract() != 0.0 {
        let message = format!("Knative makes a whole number of the target of {target}");
        draft.assumed(&path, message);
    }
}

/// Cut off, as Go does; what is beyond 32 bits is no target.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn to_i32(value: f64) -> i32 {
    value as i32
}

/// The settings that the HPA class of Knative does not look at.
const KPA_ONLY: [&str; 10] = [
    "target-utilization-percentage",
    "initial-scale",
    "activation-scale",
    "scale-down-delay",
    "panic-window-percentage",
    "panic-threshold-percentage",
    "target-burst-capacity",
    "scale-to-zero-pod-retention-period",
    "metric-aggregation-algorithm",
    "progress-deadline",
];
