//! Family `reconcile`: whole decisions over several steps, with status, conditions and events.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::{
    Autoscaler, Condition, ContainerMetrics, ContainerResourceMetricSource, Decision,
    ExternalMetricSource, FeatureGatesSpec, Finite, HpaSpec, MetricIdentifier, MetricResult,
    MetricSource, MetricSpec, MetricStatus, MetricTarget, ObjectMetricSource, ObservationRecord,
    Outcome, PodMetrics, PodsMetricSource, Policy, PolicySpec, ReadingRecord, ResourceMetricSource,
    ScaleReason, ScaleUpdate, Selector, State, Status, Unavailable,
};
use trimtab_metric::Quantity;

use super::behavior::{Behavior, History};
use super::case::{Checks, Milli};
use super::replica_calc::{Pod, PodMetric, error_name, resources, samples};
use super::time::Seconds;

#[derive(Deserialize)]
pub(super) struct Case {
    config: Config,
    features: Features,
    initial_state: Option<History>,
    initial_status: Option<ExpectedStatus>,
    steps: Vec<Step>,
    final_state: History,
}

#[derive(Deserialize)]
struct Config {
    tolerance: f64,
    cpu_initialization_period: Seconds,
    initial_readiness_delay: Seconds,
    downscale_stabilization: Seconds,
    upscale_limit_factor: f64,
    upscale_limit_minimum: f64,
}

#[derive(Deserialize)]
struct Features {
    scale_to_zero: bool,
    configurable_tolerance: bool,
    pod_level_resources: bool,
}

#[derive(Deserialize)]
struct Step {
    t: Seconds,
    #[serde(default)]
    spec: Option<Spec>,
    scale: Scale,
    #[serde(default)]
    pods: Vec<Pod>,
    #[serde(default)]
    resource_metrics: Option<ResourceMetrics>,
    #[serde(default)]
    readings: Option<Vec<Option<Reading>>>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Spec {
    min_replicas: Option<i32>,
    max_replicas: i32,
    behavior: Option<Behavior>,
    metrics: Vec<Metric>,
}

#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "type")]
    type_: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    container: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "type")]
    type_: String,
    #[serde(default)]
    utilization: Option<i32>,
    #[serde(default)]
    average_value_milli: Option<Milli>,
    #[serde(default)]
    value_milli: Option<Milli>,
}

#[derive(Deserialize)]
struct Scale {
    #[serde(default)]
    get_error: bool,
    spec_replicas: i32,
    status_replicas: i32,
    #[serde(default)]
    selector: Selector,
    #[serde(default)]
    update_error: bool,
}

#[derive(Deserialize)]
struct ResourceMetrics {
    #[serde(default)]
    error: bool,
    #[serde(default)]
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    pod: String,
    timestamp: Seconds,
    window: Seconds,
    containers: Vec<Usage>,
}

#[derive(Deserialize)]
struct Usage {
    name: String,
    usage_milli: BTreeMap<String, Milli>,
}

#[derive(Deserialize)]
struct Reading {
    #[serde(default)]
    error: bool,
    #[serde(default)]
    pods: Option<Vec<PodMetric>>,
    #[serde(default)]
    value_milli: Option<Milli>,
    #[serde(default)]
    values_milli: Option<Vec<Milli>>,
}

#[derive(Deserialize)]
struct Expect {
    outcome: String,
    returned_error: bool,
    per_metric: Option<Vec<PerMetric>>,
    winning_metric: Option<u32>,
    scale_update: Option<i32>,
    #[serde(default)]
    rescale_reason: Option<String>,
    action: String,
    events: Vec<String>,
    status: ExpectedStatus,
    #[serde(default)]
    platform_defined: Option<serde_json::Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct PerMetric {
    #[serde(default)]
    replicas: Option<i32>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ExpectedStatus {
    current_replicas: i32,
    desired_replicas: i32,
    last_scale_time: Option<Seconds>,
    conditions: Vec<ExpectedCondition>,
    #[serde(default)]
    current_metrics: Option<Vec<Option<CurrentMetric>>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct ExpectedCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    reason: String,
    since: Seconds,
}

#[derive(Debug, PartialEq, Deserialize)]
struct CurrentMetric {
    #[serde(rename = "type")]
    type_: String,
    #[serde(default)]
    utilization: Option<i32>,
    #[serde(default)]
    average_value_milli: Option<Milli>,
    #[serde(default)]
    value_milli: Option<Milli>,
}

pub(super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    let mut state = case.initial_state.as_ref().map(History::state).unwrap_or_default();
    if let Some(status) = &case.initial_status {
        state.status = status.status()?;
    }
    let mut running: Option<(Autoscaler, &Spec)> = None;
    let mut current_metrics = None;
    for (index, step) in case.steps.iter().enumerate() {
        let field = |name: &str| format!("steps[{index}].{name}");
        if step.expect.platform_defined.is_some() {
            checks.note_platform_defined();
        }
        if let Some(spec) = &step.spec {
            let policy = Policy::from_stored(spec.policy(case)?);
            let state = running.take().map_or(state.clone(), |(old, _)| old.state().clone());
            running = Some((Autoscaler::with_state(policy, state), spec));
        }
        let (autoscaler, spec) = running.as_mut().ok_or("the first step has no spec")?;
        let record = step.observation(spec);
        let observation = record.resolve(autoscaler.policy()).map_err(|error| error.to_string())?;
        let decision = autoscaler.decide_traced(&observation);
        let update =
            if step.scale.update_error { ScaleUpdate::Rejected } else { ScaleUpdate::Applied };
        autoscaler.settle(&decision, update);
        step.compare(&decision, update, &field, checks);
        let mut status = ExpectedStatus::of(autoscaler.policy(), autoscaler.state(), &decision);
        if decision.outcome == Outcome::ScaleUnavailable {
            status.current_metrics = current_metrics; // nothing was written over them
        }
        let expected = &step.expect.status;
        checks.equal(
            field("status.current_metrics"),
            &expected.current_metrics,
            &status.current_metrics,
        );
        checks.equal(field("status.conditions"), &expected.conditions, &status.conditions);
        checks.equal(field("status"), expected, &status);
        current_metrics = status.current_metrics;
    }
    if let Some((autoscaler, _)) = &running {
        checks.equal("final_state", &case.final_state, &History::of(autoscaler.state()));
    }
    Ok(())
}

impl Spec {
    fn policy(&self, case: &Case) -> Result<PolicySpec, String> {
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
    fn observation(&self, spec: &Spec) -> ObservationRecord {
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
        }
    }

    fn compare(
        &self,
        decision: &Decision,
        update: ScaleUpdate,
        field: &impl Fn(&str) -> String,
        checks: &mut Checks,
    ) {
        let expect = &self.expect;
        let rejected = decision.scale_to.is_some() && update == ScaleUpdate::Rejected;
        let outcome = match decision.outcome {
            _ if rejected => "scale_update_failed",
            Outcome::PartiallyDecided => "ok_partial_metrics",
            Outcome::MetricsUnknown => "metrics_failed",
            Outcome::SelectorUnusable => "selector_failed",
            Outcome::ScaleUnavailable => "scale_get_failed",
            _ => "ok",
        };
        let asked = matches!(
            decision.outcome,
            Outcome::Decided | Outcome::PartiallyDecided | Outcome::MetricsUnknown
        );
        let per_metric = asked.then(|| {
            decision
                .metrics()
                .zip(metric_steps(decision))
                .map(|(metric, to)| match metric.result {
                    MetricResult::Measured(_) => PerMetric { replicas: Some(to), error: None },
                    MetricResult::Failed { error, .. } => {
                        PerMetric { replicas: None, error: Some(error_name(error).to_owned()) }
                    }
                })
                .collect::<Vec<_>>()
        });
        checks.equal(field("outcome"), &expect.outcome.as_str(), &outcome);
        checks.equal(field("returned_error"), &expect.returned_error, &(outcome != "ok"));
        checks.equal(field("per_metric"), &expect.per_metric, &per_metric);
        checks.equal(field("winning_metric"), &expect.winning_metric, &decision.metric);
        checks.equal(field("scale_update"), &expect.scale_update, &decision.scale_to);
        let reason = decision.scale_to.map(|_| {
            match decision.reason {
                ScaleReason::AboveMax => "above_max",
                ScaleReason::BelowMin => "below_min",
                ScaleReason::MetricAbove => "metric_above",
                ScaleReason::AllMetricsBelow => "all_metrics_below",
                ScaleReason::None => "empty",
            }
            .to_owned()
        });
        checks.equal(field("rescale_reason"), &expect.rescale_reason, &reason);
        let action = match decision.scale_to.filter(|_| !rejected) {
            Some(to) if to > decision.current_replicas => "scale_up",
            Some(_) => "scale_down",
            None => "none",
        };
        checks.equal(field("action"), &expect.action.as_str(), &action);
        let events: Vec<String> =
            decision.events(Some(update)).iter().map(|event| format!("{event:?}")).collect();
        checks.equal(field("events"), &expect.events, &events);
    }
}

fn metric_steps(decision: &Decision) -> impl Iterator<Item = i32> + '_ {
    decision
        .trace
        .iter()
        .flatten()
        .filter(|step| matches!(step.rule, trimtab_engine::Rule::Metric(_)))
        .map(|step| step.to)
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
            unavailable: (self.error || !given).then_some(Unavailable::Failed),
        }
    }
}

impl ExpectedStatus {
    /// The status to start from.
    fn status(&self) -> Result<Status, String> {
        let conditions: Vec<serde_json::Value> = self
            .conditions
            .iter()
            .map(|condition| {
                serde_json::json!({
                    "type": condition.type_,
                    "status": condition.status,
                    "reason": condition.reason,
                    "lastTransitionTime": condition.since.timestamp(),
                })
            })
            .collect();
        let conditions = serde_json::from_value(conditions.into());
        Ok(Status {
            current_replicas: self.current_replicas,
            desired_replicas: self.desired_replicas,
            last_scale_time: self.last_scale_time.map(Seconds::timestamp),
            conditions: conditions.map_err(|error| error.to_string())?,
        })
    }

    fn of(policy: &Policy, state: &State, decision: &Decision) -> Self {
        let condition = |condition: &Condition| ExpectedCondition {
            type_: format!("{:?}", condition.type_),
            status: format!("{:?}", condition.status),
            reason: format!("{:?}", condition.reason),
            since: condition.last_transition_time.into(),
        };
        let asked = decision.metrics().next().is_some();
        let metrics = decision.metrics().zip(policy.metrics()).map(|(step, metric)| {
            let MetricResult::Measured(measured) = step.result else {
                return None;
            };
            let type_ = type_of(metric.source()).to_owned();
            let (utilization, average, value) = match measured.status {
                MetricStatus::Utilization { percent, average_milli } => {
                    (Some(percent), Some(average_milli), None)
                }
                MetricStatus::AverageValue { milli } => (None, Some(milli), None),
                MetricStatus::Value { milli } => (None, None, Some(milli)),
            };
            Some(CurrentMetric {
                type_,
                utilization,
                average_value_milli: average.map(Milli),
                value_milli: value.map(Milli),
            })
        });
        Self {
            current_replicas: state.status.current_replicas,
            desired_replicas: state.status.desired_replicas,
            last_scale_time: state.status.last_scale_time.map(Seconds::from),
            conditions: state.status.conditions.iter().map(condition).collect(),
            current_metrics: asked.then(|| metrics.collect()),
        }
    }
}

fn type_of(source: &MetricSource) -> &'static str {
    match source {
        MetricSource::Resource { .. } => "Resource",
        MetricSource::ContainerResource { .. } => "ContainerResource",
        MetricSource::Pods => "Pods",
        MetricSource::Object => "Object",
        MetricSource::External => "External",
        MetricSource::Unknown => "Unknown",
    }
}
