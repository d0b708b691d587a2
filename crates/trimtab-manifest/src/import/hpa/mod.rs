//! HorizontalPodAutoscalers of every version, as the API server converts them to `autoscaling/v2`.

mod defects;

use std::rc::Rc;

use serde::Deserialize;
use trimtab_engine::{
    BehaviorSpec, ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource,
    FeatureGatesSpec, HpaSpec, LabelSelector, MetricIdentifier, MetricSpec, MetricTarget,
    ObjectMetricSource, PodsMetricSource, ResourceMetricSource, ScalingPolicyRule,
    ScalingRulesSpec,
};
use trimtab_metric::Quantity;

pub(super) use self::defects::defects;
use self::defects::stays_at_zero;
use super::block::{Block, Field};
use super::draft::{Draft, target_of};
use super::{Import, PeerKind, inner, kept};
use crate::node::Node;

/// The versions of `autoscaling`, by the form of their `spec`.
#[derive(Copy, Clone, PartialEq)]
pub(super) enum Version {
    /// CPU in the spec, everything else in annotations.
    V1,
    /// Metrics with their targets beside them, the behavior in an annotation.
    V2Beta1,
    /// `v2beta2` and `v2`.
    V2,
}

impl Version {
    pub(super) fn of(version: &str) -> Option<Self> {
        match version {
            "v1" => Some(Self::V1),
            "v2beta1" => Some(Self::V2Beta1),
            "v2beta2" | "v2" => Some(Self::V2),
            _ => None,
        }
    }
}

/// Annotations in which `autoscaling/v1` and `v2beta1` keep what they have no fields for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const PREFIX: &str = "autoscaling.alpha.kubernetes.io/";

pub(super) fn import(import: &mut Import<'_>, root: &Node, version: Version) {
    let root = Field::root(root);
    let Some((metadata, mut spec)) = import.open(root.node) else { return };
    let annotated = version != Version::V2;
    let mut read = |key: &str| annotated.then(|| in_annotation(import, &root, key)).flatten();
    let (metrics, behavior) = (read(METRICS), read(BEHAVIOR));
    let mut draft = Draft::default();
    let reference = draft.take(&mut spec, "scaleTargetRef", "spec.scaleTargetRef");
    draft.spec.scale_target_ref = reference.unwrap_or_default();
    draft.spec.min_replicas = draft.take(&mut spec, "minReplicas", "spec.minReplicas");
    draft.spec.max_replicas =
        draft.take(&mut spec, "maxReplicas", "spec.maxReplicas").unwrap_or_default();
    match version {
        Version::V1 => {
            // The API server puts them in this order, by which a tie between metrics is told.
            if let Some(metrics) = &metrics {
                old_metrics(&mut draft, &annotation(METRICS, metrics));
            }
            cpu(&mut draft, &mut spec);
        }
        Version::V2Beta1 => {
            if let Some(metrics) = spec.field("metrics") {
                old_metrics(&mut draft, &metrics);
            }
        }
        Version::V2 => {
            draft.spec.metrics = draft.take(&mut spec, "metrics", "spec.metrics");
            draft.spec.behavior = draft.take(&mut spec, "behavior", "spec.behavior");
        }
    }
    if let Some(behavior) = &behavior {
        capital_behavior(&mut draft, annotation(BEHAVIOR, behavior));
    }
    spec.refuse_rest(&mut draft.problems);
    if draft.spec.min_replicas == Some(0) {
        scale_to_zero(&mut draft);
        stays_at_zero(&mut draft);
    }
    defects(&mut draft);
    let metadata = kept(metadata, if annotated { &[PREFIX] } else { &[] });
    draft.finish(import, PeerKind::HorizontalPodAutoscaler, metadata, &root);
}

/// A cluster stores `minReplicas: 0` only if its gate is open.
fn scale_to_zero(draft: &mut Draft<'_>) {
    let feature_gates =
        Some(FeatureGatesSpec { hpa_scale_to_zero: Some(true), ..FeatureGatesSpec::default() });
    draft.spec.hpa = Some(HpaSpec { feature_gates, ..HpaSpec::default() });
    draft.assumed(
        "spec.hpa",
        "the cluster has the feature gate HPAScaleToZero open, without which it refuses a \
         minReplicas of 0",
    );
}

/// `targetCPUUtilizationPercentage`
fn cpu<'n>(draft: &mut Draft<'n>, spec: &mut Block<'n>) {
    let key = "targetCPUUtilizationPercentage";
    let Some((percent, field)) = spec.get::<i32>(key, &mut draft.problems) else { return };
    let path = draft.metric(MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource {
            name: String::from("cpu"),
            target: utilization(percent),
        }),
        ..MetricSpec::default()
    });
    draft.origin(&path, field);
}

pub(super) fn utilization(percent: i32) -> MetricTarget {
    MetricTarget {
        type_: String::from("Utilization"),
        average_utilization: Some(percent),
        ..MetricTarget::default()
    }
}

/// What an annotation holds, at its place.
fn annotation<'n>(key: &str, node: &'n Node) -> Field<'n> {
    Field { path: format!("metadata.annotations.{key}"), ..Field::root(node) }
}

/// What a version that has no field for it keeps in an annotation.
fn in_annotation(import: &mut Import<'_>, root: &Field<'_>, key: &str) -> Option<Rc<Node>> {
    let entry = root.node.get("metadata")?.get("annotations")?.entry(key)?;
    let path = format!("metadata.annotations.{key}");
    let field = Field { node: &entry.value, path, span: entry.key_span };
    inner::document(import.source, &field, &import.limits, &mut import.problems)
}

/// A metric as `v2beta1` writes it, and the annotation of `v1`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldMetric {
    #[serde(rename = "type")]
    type_: String,
    object: Option<OldObject>,
    pods: Option<OldPods>,
    resource: Option<OldResource>,
    container_resource: Option<OldResource>,
    external: Option<OldExternal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldObject {
    target: CrossVersionObjectReference,
    metric_name: String,
    target_value: Option<Quantity>,
    average_value: Option<Quantity>,
    selector: Option<LabelSelector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldPods {
    metric_name: String,
    target_average_value: Option<Quantity>,
    selector: Option<LabelSelector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldResource {
    name: String,
    container: Option<String>,
    target_average_utilization: Option<i32>,
    target_average_value: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OldExternal {
    metric_name: String,
    metric_selector: Option<LabelSelector>,
    target_value: Option<Quantity>,
    target_average_value: Option<Quantity>,
}

fn old_metrics<'n>(draft: &mut Draft<'n>, list: &Field<'n>) {
    for item in list.items(&mut draft.problems) {
        if let Some(old) = item.decode::<OldMetric>(&mut draft.problems) {
            let path = draft.metric(old.into());
            old_targets(draft, &item, &path);
            draft.origin(&path, item);
        }
    }
}

/// Where the old versions have targets: beside the metric's name.
fn old_targets<'n>(draft: &mut Draft<'n>, item: &Field<'n>, path: &str) {
    const VALUE: [&str; 4] =
        ["targetAverageValue", "targetValue", "averageValue", "targetAverageUtilization"];
    for source in item.node.entries().unwrap_or_default() {
        let field = item.child(source);
        if let Some(target) = VALUE.iter().find_map(|key| field.node.entry(key)) {
            draft.origin(&format!("{path}.{}.target", source.key), field.child(target));
        }
    }
}

impl From<OldMetric> for MetricSpec {
    fn from(old: OldMetric) -> Self {
        let identifier = |name, selector| MetricIdentifier { name, selector };
        Self {
            type_: old.type_,
            object: old.object.map(|object| ObjectMetricSource {
                described_object: object.target,
                metric: identifier(object.metric_name, object.selector),
                target: either(object.average_value, object.target_value),
            }),
            pods: old.pods.map(|pods| PodsMetricSource {
                metric: identifier(pods.metric_name, pods.selector),
                target: either(pods.target_average_value, None),
            }),
            container_resource: old.container_resource.map(|mut resource| {
                ContainerResourceMetricSource {
                    container: resource.container.take().unwrap_or_default(),
                    name: std::mem::take(&mut resource.name),
                    target: resource_target(resource),
                }
            }),
            resource: old.resource.map(|mut resource| ResourceMetricSource {
                name: std::mem::take(&mut resource.name),
                target: resource_target(resource),
            }),
            external: old.external.map(|external| ExternalMetricSource {
                metric: identifier(external.metric_name, external.metric_selector),
                target: either(external.target_average_value, external.target_value),
            }),
        }
    }
}

fn either(average_value: Option<Quantity>, value: Option<Quantity>) -> MetricTarget {
    let type_ = if average_value.is_some() { "AverageValue" } else { "Value" };
    MetricTarget { type_: type_.to_owned(), value, average_value, average_utilization: None }
}

fn resource_target(resource: OldResource) -> MetricTarget {
    match (resource.target_average_utilization, resource.target_average_value) {
        (Some(percent), average_value) => MetricTarget { average_value, ..utilization(percent) },
        (None, Some(amount)) => target_of("AverageValue", amount),
        (None, None) => {
            MetricTarget { type_: String::from("Utilization"), ..MetricTarget::default() }
        }
    }
}

/// The behavior of a `v1` object, which the API server writes with the names of its Go fields.
fn capital_behavior<'n>(draft: &mut Draft<'n>, field: Field<'n>) {
    let Some(mut behavior) = Block::new(field.clone(), &mut draft.problems) else { return };
    let mut direction = |capital, small, draft: &mut Draft<'n>| {
        let field = behavior.field(capital).or_else(|| behavior.field(small))?;
        let rules = Block::new(field.clone(), &mut draft.problems)?;
        draft.origin(&format!("spec.behavior.{small}"), field);
        Some(capital_rules(draft, rules))
    };
    let scale_up = direction("ScaleUp", "scaleUp", draft);
    let scale_down = direction("ScaleDown", "scaleDown", draft);
    behavior.refuse_rest(&mut draft.problems);
    draft.origin("spec.behavior", field);
    draft.spec.behavior = Some(BehaviorSpec { scale_up, scale_down });
}

fn capital_rules<'n>(draft: &mut Draft<'n>, mut rules: Block<'n>) -> ScalingRulesSpec {
    fn get<'n, T: serde::de::DeserializeOwned>(
        draft: &mut Draft<'n>,
        block: &mut Block<'n>,
        capital: &'static str,
        small: &'static str,
    ) -> Option<T> {
        let field = block.field(capital).or_else(|| block.field(small))?;
        field.decode(&mut draft.problems)
    }
    let window = ("StabilizationWindowSeconds", "stabilizationWindowSeconds");
    let list = rules.field("Policies").or_else(|| rules.field("policies"));
    let policies = list.map(|list| {
        let mut policies = Vec::new();
        for item in list.items(&mut draft.problems) {
            let Some(mut block) = Block::new(item, &mut draft.problems) else { continue };
            policies.push(ScalingPolicyRule {
                type_: get(draft, &mut block, "Type", "type").unwrap_or_default(),
                value: get(draft, &mut block, "Value", "value").unwrap_or_default(),
                period_seconds: get(draft, &mut block, "PeriodSeconds", "periodSeconds")
                    .unwrap_or_default(),
            });
            block.refuse_rest(&mut draft.problems);
        }
        policies
    });
    let spec = ScalingRulesSpec {
        stabilization_window_seconds: get(draft, &mut rules, window.0, window.1),
        select_policy: get(draft, &mut rules, "SelectPolicy", "selectPolicy"),
        policies,
        tolerance: get(draft, &mut rules, "Tolerance", "tolerance"),
    };
    rules.refuse_rest(&mut draft.problems);
    spec
}
