//! How a reconcile vector is written, and the policy and observations that it stands for.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::{
    ContainerMetrics, ContainerResourceMetricSource, ExternalMetricSource, FeatureGatesSpec,
    Finite, HpaSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource,
    ObservationRecord, PodMetrics, PodsMetricSource, PolicySpec, ReadingRecord,
    ResourceMetricSource, Selector, Unavailable,
};
use trimtab_metric::Quantity;

use crate::conform::behavior::{Behavior, History};
use crate::conform::case::Milli;
use crate::conform::replica_calc::{Pod, PodMetric, resources, samples};
use crate::conform::time::Seconds;

#[derive(Deserialize)]
pub(in crate::conform) struct Case {
    pub(super) config: Config,
    pub(super) features: Features,
    pub(super) initial_state: Option<History>,
    pub(super) initial_status: Option<ExpectedStatus>,
    pub(super) steps: Vec<Step>,
    pub(super) final_state: History,
}

#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) tolerance: f64,
    pub(super) cpu_initialization_period: Seconds,
    pub(super) initial_readiness_delay: Seconds,
    pub(super) downscale_stabilization: Seconds,
    pub(super) upscale_limit_factor: f64,
    pub(super) upscale_limit_minimum: f64,
}

#[derive(Deserialize)]
pub(super) struct Features {
    pub(super) scale_to_zero: bool,
    pub(super) configurable_tolerance: bool,
    pub(super) pod_level_resources: bool,
}

#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) t: Seconds,
    #[serde(default)]
    pub(super) spec: Option<Spec>,
    pub(super) scale: Scale,
    #[serde(default)]
    pub(super) pods: Vec<Pod>,
    #[serde(default)]
    pub(super) resource_metrics: Option<ResourceMetrics>,
    #[serde(default)]
    pub(super) readings: Option<Vec<Option<Reading>>>,
    pub(super) expect: Expect,
}

#[derive(Deserialize)]
pub(super) struct Spec {
    pub(super) min_replicas: Option<i32>,
    pub(super) max_replicas: i32,
    pub(super) behavior: Option<Behavior>,
    pub(super) metrics: Vec<Metric>,
}

#[derive(Deserialize)]
pub(super) struct Metric {
    #[serde(rename = "type")]
    pub(super) type_: String,
    #[serde(default)]
    pub(super) resource: String,
    #[serde(default)]
    pub(super) container: String,
    pub(super) target: Target,
}

#[derive(Deserialize)]
pub(super) struct Target {
    #[serde(rename = "type")]
    pub(super) type_: String,
    #[serde(default)]
    pub(super) utilization: Option<i32>,
    #[serde(default)]
    pub(super) average_value_milli: Option<Milli>,
    #[serde(default)]
    pub(super) value_milli: Option<Milli>,
}

#[derive(Deserialize)]
pub(super) struct Scale {
    #[serde(default)]
    pub(super) get_error: bool,
    pub(super) spec_replicas: i32,
    pub(super) status_replicas: i32,
    #[serde(default)]
    pub(super) selector: Selector,
    #[serde(default)]
    pub(super) update_error: bool,
}

#[derive(Deserialize)]
pub(super) struct ResourceMetrics {
    #[serde(default)]
    pub(super) error: bool,
    #[serde(default)]
    pub(super) items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub(super) pod: String,
    pub(super) timestamp: Seconds,
    pub(super) window: Seconds,
    pub(super) containers: Vec<Usage>,
}

#[derive(Deserialize)]
pub(super) struct Usage {
    pub(super) name: String,
    pub(super) usage_milli: BTreeMap<String, Milli>,
}

#[derive(Deserialize)]
pub(super) struct Reading {
    #[serde(default)]
    pub(super) error: bool,
    #[serde(default)]
    pub(super) pods: Option<Vec<PodMetric>>,
    #[serde(default)]
    pub(super) value_milli: Option<Milli>,
    #[serde(default)]
    pub(super) values_milli: Option<Vec<Milli>>,
}

#[derive(Deserialize)]
pub(super) struct Expect {
    pub(super) outcome: String,
    pub(super) returned_error: bool,
    pub(super) per_metric: Option<Vec<PerMetric>>,
    pub(super) winning_metric: Option<u32>,
    pub(super) scale_update: Option<i32>,
    #[serde(default)]
    pub(super) rescale_reason: Option<String>,
    pub(super) action: String,
    pub(super) events: Vec<String>,
    pub(super) status: ExpectedStatus,
    #[serde(default)]
    pub(super) platform_defined: Option<serde_json::Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct PerMetric {
    #[serde(default)]
    pub(super) replicas: Option<i32>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ExpectedStatus {
    pub(super) current_replicas: i32,
    pub(super) desired_replicas: i32,
    pub(super) last_scale_time: Option<Seconds>,
    pub(super) conditions: Vec<ExpectedCondition>,
    #[serde(default)]
    pub(super) current_metrics: Option<Vec<Option<CurrentMetric>>>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ExpectedCondition {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) since: Seconds,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct CurrentMetric {
    #[serde(rename = "type")]
    pub(super) type_: String,
    #[serde(default)]
    pub(super) utilization: Option<i32>,
    #[serde(default)]
    pub(super) average_value_milli: Option<Milli>,
    #[serde(default)]
    pub(super) value_milli: Option<Milli>,
}

impl Spec {
    pub(super) fn policy(&self, case: &Case) -> Result<PolicySpec, String> {
        let gates = FeatureGatesSpec {
            hpa_scale_to_zero: Some(case.features.scale_to_zero),
            hpa_configurable_tolerance: Some(case.features.configurable_tolerance),
            pod_level_resources: Some(case.features.pod_level_resources),
        };
        let hpa = HpaSpec {
            tolerance: Finite::new(case.config.tolerance),
            cpu_initialization_period_seconds: Some(case.config.cpu_initialization_period.whole()),
            initial_readiness_delay_seconds: Some(case.config.initial_readiness_delay.whole()),
            downscale_stabilization_seconds: Some(case.config.downscale_stabilization.whole()),
            scale_up_limit_factor: Finite::new(case.config.upscale_limit_factor),
            scale_up_limit_minimum: Finite::new(case.config.upscale_limit_minimum),
            feature_gates: Some(gates),
            ..HpaSpec::default()
        };
        let metrics = self.metrics.iter().enumerate().map(|(i, metric)| metric.spec(i)).collect();
        Ok(PolicySpec {
            min_replicas: self.min_replicas,
            max_replicas: self.max_replicas,
            behavior: self.behavior.as_ref().map(Behavior::spec).transpose()?,
            metrics: Some(metrics),
            hpa: Some(hpa),
            ..PolicySpec::default()
        })
    }
}

/// The vectors' metrics have no names; each gets its place for one.
fn name_of(index: usize) -> String {
    format!("m{index}")
}

impl Metric {
    fn spec(&self, index: usize) -> MetricSpec {
        let quantity = |milli: Milli| Quantity::from_milli(milli.0);
        let target = MetricTarget {
            type_: self.target.type_.clone(),
            value: self.target.value_milli.map(quantity),
            average_value: self.target.average_value_milli.map(quantity),
            average_utilization: self.target.utilization,
        };
        let metric = MetricIdentifier { name: name_of(index), selector: None };
        let mut spec = MetricSpec { type_: self.type_.clone(), ..MetricSpec::default() };
        match self.type_.as_str() {
            "Resource" => {
                spec.resource = Some(ResourceMetricSource { name: self.resource.clone(), target });
            }
            "ContainerResource" => {
                spec.container_resource = Some(ContainerResourceMetricSource {
                    name: self.resource.clone(),
                    target,
                    container: self.container.clone(),
                });
            }
            "Pods" => spec.pods = Some(PodsMetricSource { metric, target }),
            "Object" => {
                spec.object =
                    Some(ObjectMetricSource { metric, target, ..ObjectMetricSource::default() });
            }
            "External" => spec.external = Some(ExternalMetricSource { metric, target }),
            _ => {}
        }
        spec
    }
}

impl Step {
    pub(super) fn observation(&self, spec: &Spec) -> ObservationRecord {
        let metrics = self.resource_metrics.as_ref().filter(|metrics| !metrics.error);
        let items = metrics.and_then(|metrics| metrics.items.as_ref());
        let readings = self.readings.iter().flatten().enumerate().zip(&spec.metrics);
        ObservationRecord {
            time: self.t.timestamp(),
            replicas: (!self.scale.get_error).then_some(self.scale.spec_replicas),
            status_replicas: Some(self.scale.status_replicas),
            selector: self.scale.selector,
            pods: self.pods.iter().map(Pod::record).collect(),
            pod_metrics: items.map(|items| items.iter().map(Item::record).collect()),
            readings: readings
                .filter(|(_, metric)| {
                    matches!(metric.type_.as_str(), "Pods" | "Object" | "External")
                })
                .filter_map(|((index, reading), _)| Some(reading.as_ref()?.record(index)))
                .collect(),
            warm: None,
            supply: None,
        }
    }
}

impl Item {
    fn record(&self) -> PodMetrics {
        PodMetrics {
            pod: self.pod.clone(),
            timestamp: Some(self.timestamp.timestamp()),
            window_seconds: Some(self.window.span()),
            containers: self
                .containers
                .iter()
                .map(|container| ContainerMetrics {
                    name: container.name.clone(),
                    usage: resources(Some(&container.usage_milli)),
                })
                .collect(),
        }
    }
}

impl Reading {
    fn record(&self, index: usize) -> ReadingRecord {
        let quantity = |milli: &Milli| Quantity::from_milli(milli.0);
        let list = |values: &Vec<Milli>| values.iter().map(quantity).collect();
        let given =
            self.pods.is_some() || self.value_milli.is_some() || self.values_milli.is_some();
        ReadingRecord {
            metric: name_of(index),
            container: None,
            pods: self.pods.as_ref().map(|pods| samples(pods)),
            value: self.value_milli.as_ref().map(quantity),
            values: self.values_milli.as_ref().map(list),
            series: None,
            unavailable: (self.error || !given).then_some(Unavailable::Failed),
        }
    }
}
