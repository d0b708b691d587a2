//! The metrics of `autoScaling`, as KServe writes them for an HPA and for KEDA.

use serde::{Deserialize, Deserializer};
use trimtab_engine::{MetricSpec, MetricTarget, ResourceMetricSource};
use trimtab_metric::Quantity;

use crate::import::block::{Block, Field};
use crate::import::draft::Draft;

/// CPU in percent of the request, where nothing is said.
pub(super) const DEFAULT_UTILIZATION: i32 = 80;

/// A metric of `autoScaling.metrics`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metric {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) resource: Option<Resource>,
    pub(super) external: Option<External>,
    pub(super) podmetric: Option<PodMetric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resource {
    pub(super) name: String,
    #[serde(default)]
    pub(super) target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct External {
    pub(super) metric: Query,
    #[serde(default)]
    pub(super) target: Target,
    #[expect(dead_code, reason = "noted from the tree; here it only has to be known")]
    pub(super) authentication_ref: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodMetric {
    pub(super) metric: Query,
    #[serde(default)]
    pub(super) target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "noted from the tree; here they only have to be known")]
pub(super) struct Query {
    pub(super) backend: String,
    pub(super) server_address: Option<String>,
    #[serde(default)]
    pub(super) query: String,
    pub(super) namespace: Option<String>,
    pub(super) metric_names: Option<Vec<String>>,
    pub(super) operation_over_time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Target {
    #[serde(default, rename = "type", deserialize_with = "target_type")]
    pub(super) type_: String,
    #[expect(dead_code, reason = "KEDA is handed its text; here it only has to be an amount")]
    pub(super) value: Option<Quantity>,
    pub(super) average_value: Option<Quantity>,
    pub(super) average_utilization: Option<i32>,
}

fn target_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const TYPES: &[&str] = &["Utilization", "Value", "AverageValue"];
    let type_ = String::deserialize(deserializer)?;
    if TYPES.contains(&type_.as_str()) {
        return Ok(type_);
    }
    Err(serde::de::Error::unknown_variant(&type_, TYPES))
}

/// The fields of a target of this type that KServe looks at.
pub(super) fn read_of(type_: &str) -> &'static [&'static str] {
    match type_ {
        "Utilization" => &["type", "averageUtilization"],
        _ => &["type", "averageValue"],
    }
}

/// Notes the fields of a metric's target that KServe does not look at.
pub(super) fn note_unread<'n>(
    draft: &mut Draft<'n>,
    metric: &Field<'n>,
    source: &'static str,
    read: &[&str],
    beside: &str,
) {
    let problems = &mut draft.problems;
    let target = Block::new(metric.clone(), problems)
        .and_then(|mut block| block.block(source, problems))
        .and_then(|mut block| block.block("target", problems));
    for (_, field) in target.iter().flat_map(Block::all).filter(|(key, _)| !read.contains(key)) {
        draft.no_counterpart(&field, beside, "KServe does not look at it");
    }
}

pub(super) fn resource(name: &str, target: MetricTarget) -> MetricSpec {
    MetricSpec {
        type_: String::from("Resource"),
        resource: Some(ResourceMetricSource { name: name.to_owned(), target }),
        ..MetricSpec::default()
    }
}
