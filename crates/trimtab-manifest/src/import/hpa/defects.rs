//! What is known to go wrong with an HPA: told where a manifest meets it, reproduced by the policy.

use trimtab_engine::{MetricSpec, MetricTarget};

use crate::import::draft::Draft;

/// The defects of the HPA that a draft meets; also those of the HPAs that KEDA and Knative make.
pub(in crate::import) fn defects(draft: &mut Draft<'_>) {
    object_targets(draft);
    no_ready_pod(draft);
    limits_that_wrap(draft);
    if draft.spec.behavior.is_none() {
        legacy(draft);
    }
}

/// An HPA that goes to zero and, by its own limits, never leaves it.
pub(super) fn stays_at_zero(draft: &mut Draft<'_>) {
    let up = draft.spec.behavior.clone().unwrap_or_default().scale_up.unwrap_or_default();
    let limits = up.policies.unwrap_or_default();
    let percent = |limit: &trimtab_engine::ScalingPolicyRule| limit.type_ == "Percent";
    let stays = match up.select_policy.as_deref() {
        Some("Disabled") => false,
        // The least of several is 0 as soon as one of them is.
        Some("Min") => limits.iter().any(percent),
        _ => !limits.is_empty() && limits.iter().all(percent),
    };
    if stays {
        draft.defect(
            "spec.behavior.scaleUp.policies",
            "a percentage of 0 replicas is 0: once there, the HPA never scales up again; add a \
             policy of type Pods, with selectPolicy Max",
        );
    }
}

/// Without `behavior` a recommendation of before can scale up, and the step limit has 32 bits.
fn legacy(draft: &mut Draft<'_>) {
    draft.defect(
        "spec",
        "without `behavior` a scale-down window of 5 minutes can scale up: a spike that has passed \
         still counts, and nothing holds its recommendation to the present count; `behavior: {}` \
         does",
    );
    let most = draft.spec.max_replicas;
    // Without a limit on the replicas it is not about a real count.
    if most > i32::MAX / 2 && most < i32::MAX {
        draft.defect(
            "spec.maxReplicas",
            "twice the count exceeds 32 bits above 1073741823 replicas, where the HPA's step limit \
             turns negative",
        );
    }
}

/// Limits upward that exceed 32 bits.
fn limits_that_wrap(draft: &mut Draft<'_>) {
    let most = i64::from(draft.spec.max_replicas);
    let up = draft.spec.behavior.clone().unwrap_or_default().scale_up.unwrap_or_default();
    if up.select_policy.as_deref() == Some("Disabled") {
        return;
    }
    for (index, limit) in up.policies.unwrap_or_default().iter().enumerate() {
        let value = i64::from(limit.value);
        let reached = match limit.type_.as_str() {
            "Pods" => most.saturating_add(value),
            // Rounded up to a whole replica.
            "Percent" => most.saturating_mul(value.saturating_add(100)).saturating_add(99) / 100,
            _ => 0,
        };
        // Without a limit on the replicas every policy would be too large.
        if reached > i64::from(i32::MAX) && most < i64::from(i32::MAX) {
            draft.defect(
                &format!("spec.behavior.scaleUp.policies[{index}].value"),
                "near the maximum this limit exceeds 32 bits, where the HPA's number turns negative \
                 and forbids scaling up; a value that only has to be large enough can be a thousand",
            );
        }
    }
}

/// The API server takes an Object target whose `type` is not the field that is set; the controller
/// does not.
fn object_targets(draft: &mut Draft<'_>) {
    let mismatched = |metric: &MetricSpec| {
        let target = &metric.object.as_ref()?.target;
        let usable = match target.type_.as_str() {
            "Value" => target.value.is_some(),
            "AverageValue" => target.average_value.is_some(),
            _ => true,
        };
        let set = target.value.is_some() || target.average_value.is_some();
        (!usable && set).then_some("object.target.type")
    };
    each_metric(
        draft,
        mismatched,
        "the API server accepts this target, and the controller then fails on the metric: its type \
         does not name the field that is set",
    );
}

/// A target of `value` multiplies by the pods that are ready.
fn no_ready_pod(draft: &mut Draft<'_>) {
    let is_value = |target: &MetricTarget| target.value.is_some() && target.average_value.is_none();
    let by_value = |metric: &MetricSpec| {
        let external = metric.external.as_ref().filter(|external| is_value(&external.target));
        let object = metric.object.as_ref().filter(|object| is_value(&object.target));
        let object = object.filter(|object| object.target.type_ == "Value");
        external.map(|_| "external.target.value").or_else(|| object.map(|_| "object.target.value"))
    };
    each_metric(
        draft,
        by_value,
        "a target of type Value multiplies by the ready pods: with none ready the HPA goes to its \
         minimum, however high the metric; `averageValue` looks at no pod",
    );
}

/// A defect of every metric for which there is a field that has it.
fn each_metric(
    draft: &mut Draft<'_>,
    field: impl Fn(&MetricSpec) -> Option<&'static str>,
    message: &str,
) {
    let metrics = draft.spec.metrics.as_deref().unwrap_or_default();
    let found = metrics.iter().enumerate();
    let found: Vec<_> = found.filter_map(|(index, metric)| Some((index, field(metric)?))).collect();
    for (index, field) in found {
        draft.defect(&format!("spec.metrics[{index}].{field}"), message);
    }
}
