//! A component in the mode `Standard` with the ScaledObject that KServe makes.

use trimtab_engine::{BehaviorSpec, KedaSpec, ScalingRulesSpec, StrategyName};
use trimtab_prometheus::promql::Outline;

use super::metrics::{
    DEFAULT_UTILIZATION, Metric, Query, Resource, Target, note_unread, read_of, resource,
};
use super::{Extension, bounds};
use crate::import::block::{Block, Field};
use crate::import::draft::{Draft, target_of};
use crate::import::hpa::utilization;
use crate::import::keda;

pub(super) fn by_keda<'n>(draft: &mut Draft<'n>, mut extension: Extension<'n>, name: &str) {
    draft.spec.strategy = StrategyName::Keda;
    draft.scales("apps/v1", "Deployment", name);
    bounds(draft, &extension, 0);
    if let Some(field) = &extension.scale_metric_type {
        draft.no_counterpart(field, "spec", "KServe does not hand it to KEDA");
    }
    if let Some((_, field)) = &extension.concurrency {
        draft.no_counterpart(field, "spec", "the container's own limit");
    }
    if let Some((_, field)) = &extension.scale_metric {
        let right = "with the autoscalerClass `keda` metrics stand in `autoScaling.metrics`";
        draft.problems.push(field.invalid("is not for KEDA", right));
    }
    for (_, field) in extension.scale_target.iter() {
        draft.no_counterpart(field, "spec", "KServe does not hand it to KEDA");
    }
    let Some(mut block) = extension.auto_scaling.take() else {
        let message = "with the autoscalerClass `keda` and no `autoScaling.metrics` there is nothing to \
                       scale by";
        let problem = draft.problem_at("spec.minReplicas", message);
        return draft.problems.push(problem);
    };
    for field in block.items("metrics", &mut draft.problems) {
        keda_metric(draft, field);
    }
    if let Some(field) = block.field("behavior")
        && let Some(behavior) = field.decode::<BehaviorSpec>(&mut draft.problems)
    {
        draft.origin("spec.behavior", field.clone());
        keda_behavior(draft, behavior);
    }
    block.refuse_rest(&mut draft.problems);
    if draft.spec.metrics.is_none() && draft.problems.is_empty() {
        let problem = block.missing("metrics");
        draft.problems.push(problem);
    }
    let metrics = draft.spec.metrics.as_deref().unwrap_or_default();
    let all_resources =
        !metrics.is_empty() && metrics.iter().all(|metric| metric.resource.is_some());
    let known = keda::Known { all_resources, any_cached: false };
    keda::defects(draft, &KedaSpec::default(), &known);
}

/// Of a behavior KServe hands only the windows to KEDA.
fn keda_behavior(draft: &mut Draft<'_>, behavior: BehaviorSpec) {
    let mut dropped = false;
    let mut window = |rules: Option<ScalingRulesSpec>| {
        let rules = rules?;
        let only = ScalingRulesSpec {
            stabilization_window_seconds: rules.stabilization_window_seconds,
            ..ScalingRulesSpec::default()
        };
        dropped |= only != rules;
        only.stabilization_window_seconds.is_some().then_some(only)
    };
    let kept = BehaviorSpec {
        scale_up: window(behavior.scale_up),
        scale_down: window(behavior.scale_down),
    };
    if dropped {
        let message = "KServe hands only the stabilization windows to KEDA: rate limits, selectPolicy and \
                       tolerance do not count";
        draft.defect("spec.behavior", message);
    }
    draft.spec.behavior = Some(kept).filter(|kept| *kept != BehaviorSpec::default());
}

fn keda_metric<'n>(draft: &mut Draft<'n>, field: Field<'n>) {
    let Some(metric) = field.decode::<Metric>(&mut draft.problems) else { return };
    match (metric.type_.as_str(), metric.resource, metric.external, metric.podmetric) {
        ("Resource", Some(given), None, None) => from_resource(draft, field, given),
        ("External", None, Some(given), None) => {
            from_query(draft, &field, "external", &given.metric, &given.target);
        }
        ("PodMetric", None, None, Some(given)) => {
            from_query(draft, &field, "podmetric", &given.metric, &given.target);
        }
        _ => {
            let right = "its type is `Resource`, `External` or `PodMetric`, and the field of that name \
                         (`resource`, `external`, `podmetric`) describes it";
            draft.problems.push(field.invalid("is no metric of KServe", right));
        }
    }
}

fn from_resource<'n>(draft: &mut Draft<'n>, field: Field<'n>, given: Resource) {
    let target = match (given.name.as_str(), given.target.type_.as_str()) {
        ("cpu", "Utilization") => {
            Some(utilization(given.target.average_utilization.unwrap_or(DEFAULT_UTILIZATION)))
        }
        ("memory", "Utilization") => given.target.average_utilization.map(utilization),
        ("memory", "AverageValue") => {
            given.target.average_value.map(|amount| target_of("AverageValue", amount))
        }
        _ => None,
    };
    let Some(target) = target else {
        let right = "it is `cpu` or `memory` with a `Utilization` and `averageUtilization`, or \
                     `memory` with an `AverageValue` and `averageValue`";
        return draft.problems.push(field.invalid("has no target that KServe takes", right));
    };
    let path = draft.metric(resource(&given.name, target));
    note_unread(draft, &field, "resource", read_of(&given.target.type_), &path);
    draft.origin(&path, field);
}

/// A query, whose threshold KServe writes into a trigger as it stands.
fn from_query<'n>(
    draft: &mut Draft<'n>,
    field: &Field<'n>,
    key: &'static str,
    query: &Query,
    target: &Target,
) {
    let Some(mut source) = Block::new(field.clone(), &mut draft.problems)
        .and_then(|mut block| block.block(key, &mut draft.problems))
    else {
        return;
    };
    let given = source.block("target", &mut draft.problems);
    let threshold = given.as_ref().and_then(|target| target.all().find(|(key, _)| *key == "value"));
    let Some((_, threshold)) = threshold else {
        let right = "`target.value` is the only target that KServe hands to KEDA";
        return draft.problems.push(field.invalid("has no threshold", right));
    };
    let kept = threshold.text().and_then(keda::as_keda_keeps_it);
    let Some(amount) = kept.and_then(|kept| kept.parse().ok()) else {
        let right = "KEDA reads a number without a suffix, such as `8` or `2.5`";
        return draft.problems.push(threshold.invalid("is no number", right));
    };
    let index = draft.spec.metrics.as_ref().map_or(0, Vec::len);
    let name = match Outline::of(&query.query).metrics().as_slice() {
        [name] => name.replace(['/', '%'], "-"),
        _ => format!("s{index}-{}", query.backend.replace(['/', '%'], "-")),
    };
    // KServe sets no metricType, so KEDA takes it as an average whatever its type says.
    let path = draft.external(&name, target_of("AverageValue", amount));
    draft.origin(&path, field.clone());
    draft.origin(&format!("{path}.external.target.averageValue"), threshold);
    notes(draft, &mut source, &path);
    note_unread(draft, field, key, &["type", "value"], &path);
    if target.type_ == "Value" {
        let message =
            "KServe does not hand the target's type to KEDA, which takes it for an average";
        draft.defect_of(field, &path, message);
    }
    backend(draft, field, key, query, &path);
}

/// Where the number comes from, as it is written.
fn notes<'n>(draft: &mut Draft<'n>, source: &mut Block<'n>, path: &str) {
    if let Some(metric) = source.block("metric", &mut draft.problems) {
        for (_, setting) in metric.all() {
            draft.no_counterpart(&setting, path, "");
        }
    }
    if let Some(field) = source.field("authenticationRef") {
        draft.no_counterpart(&field, path, "how KEDA signs in there");
    }
}

/// What KEDA's scaler of that backend is known for.
fn backend<'n>(draft: &mut Draft<'n>, field: &Field<'n>, key: &str, query: &Query, path: &str) {
    match (key, query.backend.as_str()) {
        ("external", "prometheus") => keda::null_is_zero(draft, field, path),
        ("external", "graphite") | ("podmetric", "opentelemetry") => {}
        _ => {
            let right = "it is `prometheus` or `graphite` for `External`, and `opentelemetry` for \
                         `PodMetric`";
            draft.problems.push(field.invalid("has no backend that KServe knows", right));
        }
    }
}
