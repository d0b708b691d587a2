//! `autoscaling_config`, field by field.

use trimtab_engine::{Finite, RayServeAggregation, RayServeSpec};
use trimtab_metric::Quantity;

use crate::Problem;
use crate::import::block::{Block, Field};
use crate::import::draft::{Draft, target_of};
use crate::node::shortened;

/// `autoscaling_config`; says whether it has a target.
pub(super) fn autoscaling<'n>(
    draft: &mut Draft<'n>,
    ray: &mut RayServeSpec,
    config: &mut Block<'n>,
    is_auto: bool,
) -> bool {
    draft.spec.min_replicas = draft.take(config, "min_replicas", "spec.minReplicas");
    match config.get::<i32>("max_replicas", &mut draft.problems) {
        Some((0, field)) => draft.problems.push(field.invalid("is 0", "it has to be at least 1")),
        Some((most, field)) => {
            draft.spec.max_replicas = most;
            draft.origin("spec.maxReplicas", field);
        }
        None if is_auto => {
            draft.assumed("spec.maxReplicas", "100 is Ray's default for `num_replicas: auto`");
        }
        None => {}
    }
    let path = "spec.metrics[0].external.target.averageValue";
    let old_target = config.field("target_num_ongoing_requests_per_replica");
    let target = config.field("target_ongoing_requests");
    if let Some(field) = &old_target {
        let message = "Ray 2.60 knows this name no more and takes `target_ongoing_requests`, or 2; \
                       the policy has what is written here if that is not there";
        draft.defect_of(field, path, message);
    }
    let target = target.or(old_target);
    let has_target = target.is_some();
    if let Some(field) = target
        && let Some(amount) = field.decode::<Quantity>(&mut draft.problems)
    {
        draft.external("ongoing_requests", target_of("AverageValue", amount));
        draft.origin(path, field);
    }
    let mut take = |key, field: &str, draft: &mut Draft<'n>| {
        draft.take::<Finite>(config, key, &format!("spec.rayServe.{field}"))
    };
    ray.upscale_delay_seconds = take("upscale_delay_s", "upscaleDelaySeconds", draft);
    ray.downscale_delay_seconds = take("downscale_delay_s", "downscaleDelaySeconds", draft);
    ray.downscale_to_zero_delay_seconds =
        take("downscale_to_zero_delay_s", "downscaleToZeroDelaySeconds", draft);
    ray.look_back_period_seconds = take("look_back_period_s", "lookBackPeriodSeconds", draft);
    ray.metrics_interval_seconds = take("metrics_interval_s", "metricsIntervalSeconds", draft);
    let up = ["upscaling_factor", "upscale_smoothing_factor", "smoothing_factor"];
    ray.upscaling_factor = factor(draft, config, up, "spec.rayServe.upscalingFactor");
    let down = ["downscaling_factor", "downscale_smoothing_factor", "smoothing_factor"];
    ray.downscaling_factor = factor(draft, config, down, "spec.rayServe.downscalingFactor");
    ray.initial_replicas = draft.take(config, "initial_replicas", "spec.rayServe.initialReplicas");
    ray.aggregation_function = aggregation(draft, config);
    if let Some(policy) = config.field("policy").or_else(|| config.field("_policy")) {
        own_policy(&policy, &mut draft.problems);
        draft.no_counterpart(&policy, "spec.rayServe", "Ray's own policy, which `rayServe` is");
    }
    for (key, field) in config.rest() {
        draft.no_counterpart(&field, "spec.rayServe", "");
        if let Some(known) = config.nearest(key) {
            let message =
                format!("Ray knows no such field and ignores it: did you mean `{known}`?");
            draft.defect_of(&field, "spec.rayServe", message);
        }
    }
    has_target
}

/// The share of the way, by its name of today or one of before: the first that is there counts.
fn factor<'n>(
    draft: &mut Draft<'n>,
    config: &mut Block<'n>,
    names: [&'static str; 3],
    policy_field: &str,
) -> Option<Finite> {
    let mut given = names.into_iter().filter_map(|name| config.field(name)).collect::<Vec<_>>();
    if given.is_empty() {
        return None;
    }
    let field = given.remove(0);
    for other in given {
        let why = format!("`{}` is there, and counts", field.key());
        draft.no_counterpart(&other, policy_field, &why);
    }
    let value = field.decode(&mut draft.problems)?;
    draft.origin(policy_field, field);
    Some(value)
}

fn aggregation<'n>(draft: &mut Draft<'n>, config: &mut Block<'n>) -> Option<RayServeAggregation> {
    let (text, field) = config.get::<String>("aggregation_function", &mut draft.problems)?;
    match text.to_ascii_lowercase().as_str() {
        "mean" => Some(RayServeAggregation::Mean),
        "max" => Some(RayServeAggregation::Max),
        "min" => Some(RayServeAggregation::Min),
        _ => {
            let what = format!("is `{}`", shortened(&text));
            draft.problems.push(field.invalid(&what, "it has to be `mean`, `max` or `min`"));
            None
        }
    }
}

/// A policy that is code cannot be a policy here.
fn own_policy(policy: &Field<'_>, problems: &mut Vec<Problem>) {
    let function = match policy.node.entries() {
        Some(_) => ["policy_function", "name"].iter().find_map(|key| policy.node.get(key)),
        None => Some(policy.node),
    };
    let function = function.map(Field::root).and_then(|function| function.text());
    if function.is_none_or(|function| !OWN_POLICIES.contains(&function)) {
        let message = format!(
            "the policy `{}` is code that decides by its own rules",
            shortened(function.unwrap_or_default())
        );
        problems.push(policy.refused(message, "only Ray's own policy can be imported"));
    }
}

/// The policies that come with Ray and do what `strategy: rayServe` does.
const OWN_POLICIES: [&str; 2] = [
    "ray.serve.autoscaling_policy:default_autoscaling_policy",
    "ray.serve.autoscaling_policy:replica_queue_length_autoscaling_policy",
];
