//! The KPA's settings, to `strategy: knative`.

use trimtab_engine::{Finite, KnativeAggregation, KnativeSpec, StrategyName};
use trimtab_metric::Quantity;

use super::knobs::Knobs;
use crate::import::block::Field;
use crate::import::draft::{Draft, target_of};
use crate::import::text;

/// The class `kpa.autoscaling.knative.dev`, to `strategy: knative`.
pub(super) fn kpa<'n>(
    knobs: &Knobs<'n>,
    concurrency: Option<(i64, Field<'n>)>,
    draft: &mut Draft<'n>,
) {
    draft.spec.strategy = StrategyName::Knative;
    draft.spec.min_replicas = knobs.whole("min-scale", "spec.minReplicas", draft);
    draft.spec.max_replicas =
        knobs.whole("max-scale", "spec.maxReplicas", draft).unwrap_or_default();
    let is_rps = metric_is_rps(knobs, draft);
    total(knobs, concurrency, is_rps, draft);
    let spec = settings(knobs, is_rps, draft);
    orders(knobs, &spec, draft);
    if spec.scale_down_delay_seconds.is_some_and(|delay| delay > 0) {
        let message = "Knative keeps the scale-down delay of a revision until its autoscaler \
                       restarts: changing it on a running one has no effect. It counts in slots of \
                       2 s, the current one included, so it may last up to 2 s less";
        draft.defect("spec.knative.scaleDownDelaySeconds", message);
    }
    draft.spec.knative = Some(spec).filter(|spec| *spec != KnativeSpec::default()).map(Box::new);
}

/// What the KPA is told besides its metric and bounds.
fn settings<'n>(knobs: &Knobs<'n>, is_rps: bool, draft: &mut Draft<'n>) -> KnativeSpec {
    let finite = |value: Option<f64>| value.and_then(Finite::new);
    let number = |name, field: &str, draft: &mut Draft<'n>| {
        finite(knobs.number(name, &format!("spec.knative.{field}"), draft))
    };
    let panic_window_percentage = number("panic-window-percentage", "panicWindowPercentage", draft);
    let panic_threshold_percentage =
        number("panic-threshold-percentage", "panicThresholdPercentage", draft);
    let max_scale_up_rate = number("max-scale-up-rate", "maxScaleUpRate", draft);
    let max_scale_down_rate = number("max-scale-down-rate", "maxScaleDownRate", draft);
    let target_burst_capacity = number("target-burst-capacity", "targetBurstCapacity", draft);
    let seconds = |name, field: &str, draft: &mut Draft<'n>| {
        knobs.seconds(name, &format!("spec.knative.{field}"), draft)
    };
    let whole = |name, field: &str, draft: &mut Draft<'n>| {
        knobs.whole(name, &format!("spec.knative.{field}"), draft)
    };
    KnativeSpec {
        target_utilization_percentage: utilization_percentage(knobs, is_rps, draft),
        stable_window_seconds: knobs.whole_seconds(
            "window",
            "spec.knative.stableWindowSeconds",
            draft,
        ),
        panic_window_percentage,
        panic_threshold_percentage,
        max_scale_up_rate,
        max_scale_down_rate,
        target_burst_capacity,
        activation_scale: whole("activation-scale", "activationScale", draft),
        initial_scale: whole("initial-scale", "initialScale", draft),
        scale_down_delay_seconds: knobs.whole_seconds(
            "scale-down-delay",
            "spec.knative.scaleDownDelaySeconds",
            draft,
        ),
        enable_scale_to_zero: knobs.read(
            "enable-scale-to-zero",
            "spec.knative.enableScaleToZero",
            "it has to be `true` or `false`",
            draft,
            text::truth,
        ),
        scale_to_zero_grace_period_seconds: seconds(
            "scale-to-zero-grace-period",
            "scaleToZeroGracePeriodSeconds",
            draft,
        ),
        scale_to_zero_pod_retention_period_seconds: retention(knobs, draft),
        progress_deadline_seconds: knobs.whole_seconds(
            "progress-deadline",
            "spec.knative.progressDeadlineSeconds",
            draft,
        ),
        aggregation: knobs.read(
            "metric-aggregation-algorithm",
            "spec.knative.aggregation",
            "it has to be `linear` or `weighted-exponential`",
            draft,
            |text| match text {
                "linear" => Some(KnativeAggregation::Linear),
                "weighted-exponential" | "weightedExponential" => {
                    Some(KnativeAggregation::WeightedExponential)
                }
                _ => None,
            },
        ),
        ..KnativeSpec::default()
    }
}

/// How long the last replica stays; Knative bounds it where it is an annotation.
fn retention<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) -> Option<i32> {
    const HOUR: i32 = 3600;
    let name = "scale-to-zero-pod-retention-period";
    let seconds =
        knobs.seconds(name, "spec.knative.scaleToZeroPodRetentionPeriodSeconds", draft)?;
    let annotated = knobs.field(name).filter(|field| field.path.contains("annotations"));
    if let Some(field) = annotated.filter(|_| seconds > HOUR) {
        let problem =
            field.invalid(&format!("is {seconds} s"), "as an annotation it is at most 1h");
        draft.problems.push(problem);
    }
    Some(seconds)
}

/// `concurrency` or `rps`: the only ones that the KPA has.
fn metric_is_rps<'n>(knobs: &Knobs<'n>, draft: &mut Draft<'n>) -> bool {
    let right = "the KPA scales by `concurrency` or `rps`; others need the class \
                 hpa.autoscaling.knative.dev";
    let read = |text: &str| match text {
        "concurrency" => Some(false),
        "rps" => Some(true),
        _ => None,
    };
    let path = "spec.metrics[0].external.metric.name";
    knobs.read("metric", path, right, draft, read).unwrap_or(false)
}

/// What a replica may have in all: the target, at most the container's limit.
fn total<'n>(
    knobs: &Knobs<'n>,
    concurrency: Option<(i64, Field<'n>)>,
    is_rps: bool,
    draft: &mut Draft<'n>,
) {
    let path = "spec.metrics[0].external.target.averageValue";
    let default = if is_rps {
        "requests-per-second-target-default"
    } else {
        "container-concurrency-target-default"
    };
    let target = knobs.number("target", path, draft);
    if let Some((_, field)) = concurrency.as_ref().filter(|_| is_rps) {
        draft.no_counterpart(field, "spec.metrics", "the container's own limit");
    }
    let concurrency = concurrency.filter(|_| !is_rps);
    let amount = match (target, concurrency) {
        (Some(target), Some((limit, field))) if target > float(limit) => {
            draft.origin(path, field);
            draft.assumed(
                path,
                format!("the target of {target} is more than containerConcurrency, which counts"),
            );
            Some(float(limit))
        }
        (Some(target), _) => Some(target),
        (None, Some((limit, field))) => {
            draft.origin(path, field);
            Some(float(limit))
        }
        (None, None) => knobs.number(default, path, draft),
    };
    if amount.is_none() && !is_rps {
        // A policy has the same default.
        return;
    }
    if amount.is_none() && draft.problems.is_empty() {
        draft.assumed(path, "200 is Knative's default for rps");
    }
    let amount = amount.unwrap_or(200.0);
    match amount.to_string().parse::<Quantity>() {
        Ok(quantity) => {
            let name = if is_rps { "rps" } else { "concurrency" };
            draft.external(name, target_of("AverageValue", quantity));
        }
        Err(error) => {
            if let Some(field) = knobs.field("target").or_else(|| knobs.field(default)) {
                let problem = field.invalid("is no amount", &error.to_string());
                draft.problems.push(problem);
            }
        }
    }
}

/// Concurrency limits are counts, far below where floats skip whole numbers.
#[expect(clippy::cast_precision_loss, reason = "a limit beyond 2^53 is none")]
fn float(value: i64) -> f64 {
    value as f64
}

/// The ConfigMap's share is for concurrency alone, and may be written as a fraction.
fn utilization_percentage<'n>(
    knobs: &Knobs<'n>,
    is_rps: bool,
    draft: &mut Draft<'n>,
) -> Option<Finite> {
    let path = "spec.knative.targetUtilizationPercentage";
    if knobs.has("target-utilization-percentage") {
        return knobs.number("target-utilization-percentage", path, draft).and_then(Finite::new);
    }
    if is_rps {
        return None;
    }
    let share = knobs.number("container-concurrency-target-percentage", path, draft)?;
    Finite::new(if share > 0.0 && share <= 1.0 { share * 100.0 } else { share })
}

/// What Knative's own validation asks of several settings together.
fn orders<'n>(knobs: &Knobs<'n>, spec: &KnativeSpec, draft: &mut Draft<'n>) {
    let mut refuse = |name: &str, what: String, right: &str| {
        if let Some(field) = knobs.field(name) {
            draft.problems.push(field.invalid(&what, right));
        }
    };
    let least = draft.spec.min_replicas.unwrap_or(0);
    match spec.activation_scale {
        Some(scale) if scale < 2 => {
            refuse("activation-scale", format!("is {scale}"), "it has to be at least 2");
        }
        Some(scale) if scale < least => {
            let right = format!("it has to be at least min-scale, {least}");
            refuse("activation-scale", format!("is {scale}"), &right);
        }
        _ => {}
    }
    let allowed = knobs.text("allow-zero-initial-scale").and_then(text::truth).unwrap_or(false);
    if spec.initial_scale == Some(0) && !allowed {
        let message = "the cluster allows it by `allow-zero-initial-scale`, without which it \
                       refuses an initial scale of 0";
        draft.assumed("spec.knative.initialScale", message);
    }
}
