//! Family `replica_calc`: what one metric proposes.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::strategy::hpa::{Circumstances, propose};
use trimtab_engine::{
    ContainerKind, ContainerRecord, CpuReadiness, ExternalMetricSource, FeatureGatesSpec, HpaSpec,
    MetricError, MetricIdentifier, MetricReading, MetricSpec, MetricStatus, MetricTarget,
    ObjectMetricSource, PodClass, PodPhase, PodReadings, PodRecord, PodSample, PodsMetricSource,
    Policy, PolicySpec, Readiness, ReadingRecord, ReadyCondition, ResourceList,
    ResourceMetricSource, State, Target, Tolerance, classify,
};
use trimtab_engine::{ContainerResourceMetricSource, ObservationRecord, Unavailable};
use trimtab_metric::Quantity;

use super::case::{Checks, Milli};
use super::time::Seconds;

#[derive(Deserialize)]
pub(super) struct Case {
    #[serde(rename = "fn")]
    function: String,
    now: Seconds,
    cpu_initialization_period: Seconds,
    initial_readiness_delay: Seconds,
    pod_level_resources: bool,
    tolerance_down: f64,
    tolerance_up: f64,
    current_replicas: i32,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    container: Option<String>,
    #[serde(default)]
    target_utilization: Option<i32>,
    #[serde(default)]
    target_milli: Option<Milli>,
    #[serde(default)]
    pods: Option<Vec<Pod>>,
    #[serde(default)]
    metric_error: bool,
    #[serde(default)]
    metrics: Option<Vec<PodMetric>>,
    #[serde(default)]
    object_value_milli: Option<Milli>,
    #[serde(default)]
    external_values_milli: Option<Vec<Milli>>,
    expect: Expect,
}

/// A pod as the vectors write it.
#[derive(Deserialize)]
pub(super) struct Pod {
    name: String,
    phase: String,
    #[serde(default)]
    deleting: bool,
    #[serde(default)]
    start_time: Option<Seconds>,
    #[serde(default)]
    ready: Option<Ready>,
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    pod_requests_milli: Option<BTreeMap<String, Milli>>,
    #[serde(default)]
    overhead_milli: Option<BTreeMap<String, Milli>>,
}

#[derive(Deserialize)]
struct Ready {
    status: Readiness,
    since: Seconds,
}

#[derive(Deserialize)]
struct Container {
    name: String,
    #[serde(default)]
    kind: ContainerKind,
    #[serde(default)]
    requests_milli: BTreeMap<String, Milli>,
}

/// One pod's value as the vectors write it.
#[derive(Deserialize)]
pub(super) struct PodMetric {
    pod: String,
    value_milli: Milli,
    timestamp: Seconds,
    window: Seconds,
}

#[derive(Deserialize)]
struct Expect {
    error: Option<String>,
    #[serde(default)]
    replicas: Option<i32>,
    #[serde(default)]
    usage_milli: Option<Milli>,
    #[serde(default)]
    utilization: Option<i32>,
    #[serde(default)]
    groups: Option<Groups>,
    #[serde(default)]
    platform_defined: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Groups {
    ready_count: usize,
    unready: Vec<String>,
    missing: Vec<String>,
    ignored: Vec<String>,
}

pub(super) fn check(case: &Case, checks: &mut Checks) -> Result<(), String> {
    if !case.expect.platform_defined.is_empty() {
        checks.note_platform_defined();
    }
    let policy = Policy::from_stored(policy_spec(case)?);
    let record = observation(case);
    let observation = record.resolve(&policy).map_err(|error| error.to_string())?;
    checks.log(&policy, &State::default(), &record, None)?;
    let (Some(metric), Some(reading)) = (policy.metrics().first(), observation.readings.first())
    else {
        return Err("the case has no metric".to_owned());
    };
    // An empty list is a failed fetch to a controller; here it was handed to the calculation.
    let nobody_reported = MetricReading::PerPod(PodReadings::default());
    let nobody = case.metrics.as_ref().is_none_or(Vec::is_empty) && !case.metric_error;
    let reading = if nobody && is_per_pod(&case.function) { &nobody_reported } else { reading };
    let at = Circumstances {
        now: observation.now,
        spec_replicas: case.current_replicas,
        status_replicas: case.current_replicas,
        tolerance: Tolerance { down: case.tolerance_down, up: case.tolerance_up },
        pods: &observation.pods,
        settings: policy.hpa(),
    };
    if case.function != "group_pods" {
        let got = propose(metric.source(), target(case)?, reading, &at);
        let error = got.err().map(|error| error_name(error).to_owned());
        checks.equal("error", &case.expect.error, &error);
        if let (None, Ok(proposal)) = (&case.expect.error, got) {
            let (usage, utilization) = match proposal.status {
                MetricStatus::Utilization { percent, average_milli } => {
                    (average_milli, Some(percent))
                }
                MetricStatus::AverageValue { milli } | MetricStatus::Value { milli } => {
                    (milli, None)
                }
            };
            checks.equal("replicas", &case.expect.replicas, &Some(proposal.replicas));
            checks.equal("usage_milli", &case.expect.usage_milli, &Some(Milli(usage)));
            checks.equal("utilization", &case.expect.utilization, &utilization);
        }
    }
    if let Some(expected) = &case.expect.groups {
        let nobody = PodReadings::default();
        let readings = match reading {
            MetricReading::PerPod(readings) => readings,
            _ => &nobody,
        };
        let cpu = (case.resource.as_deref() == Some("cpu")).then_some(CpuReadiness {
            now: observation.now,
            initialization_period: case.cpu_initialization_period.span(),
            readiness_delay: case.initial_readiness_delay.span(),
        });
        let mut groups = Groups::default();
        for ((class, _), pod) in classify(&observation.pods, readings, cpu).zip(&record.pods) {
            match class {
                PodClass::Measured => groups.ready_count += 1,
                PodClass::Unready => groups.unready.push(pod.name.clone()),
                PodClass::Missing => groups.missing.push(pod.name.clone()),
                PodClass::Ignored => groups.ignored.push(pod.name.clone()),
            }
        }
        groups.unready.sort();
        groups.missing.sort();
        groups.ignored.sort();
        checks.equal("groups", expected, &groups);
    }
    Ok(())
}

fn is_per_pod(function: &str) -> bool {
    !function.starts_with("object") && !function.starts_with("external")
}

/// The target as it is, without the way through a quantity: the vectors hold targets that no API
/// server would store.
fn target(case: &Case) -> Result<Target, String> {
    let milli = case.target_milli.map(|milli| milli.0);
    match (case.function.as_str(), case.target_utilization, milli) {
        ("resource_utilization", Some(percent), _) => Ok(Target::Utilization { percent }),
        ("object_value" | "external_value", _, Some(milli)) => Ok(Target::Value { milli }),
        (_, _, Some(milli)) => Ok(Target::AverageValue { milli }),
        _ => Err("the case has no target".to_owned()),
    }
}

fn policy_spec(case: &Case) -> Result<PolicySpec, String> {
    let metric = MetricIdentifier { name: "m".to_owned(), selector: None };
    let quantity = case.target_milli.map(|milli| Quantity::from_milli(milli.0));
    let average = MetricTarget { average_value: quantity.clone(), ..MetricTarget::default() };
    let name = case.resource.clone().unwrap_or_default();
    let of_resource =
        MetricTarget { average_utilization: case.target_utilization, ..average.clone() };
    let spec = match case.function.as_str() {
        "resource_utilization" | "resource_raw" | "group_pods" => match case.container.clone() {
            None => MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource { name, target: of_resource }),
                ..MetricSpec::default()
            },
            Some(container) => MetricSpec {
                type_: "ContainerResource".to_owned(),
                container_resource: Some(ContainerResourceMetricSource {
                    name,
                    target: of_resource,
                    container,
                }),
                ..MetricSpec::default()
            },
        },
        "pods_metric" => MetricSpec {
            type_: "Pods".to_owned(),
            pods: Some(PodsMetricSource { metric, target: average }),
            ..MetricSpec::default()
        },
        "object_value" | "object_average" => MetricSpec {
            type_: "Object".to_owned(),
            object: Some(ObjectMetricSource { metric, ..ObjectMetricSource::default() }),
            ..MetricSpec::default()
        },
        "external_value" | "external_average" => MetricSpec {
            type_: "External".to_owned(),
            external: Some(ExternalMetricSource { metric, target: average }),
            ..MetricSpec::default()
        },
        other => return Err(format!("function `{other}` is not known")),
    };
    let gates = FeatureGatesSpec {
        pod_level_resources: Some(case.pod_level_resources),
        ..FeatureGatesSpec::default()
    };
    Ok(PolicySpec {
        max_replicas: 1,
        metrics: Some(vec![spec]),
        hpa: Some(HpaSpec {
            cpu_initialization_period_seconds: Some(case.cpu_initialization_period.whole()),
            initial_readiness_delay_seconds: Some(case.initial_readiness_delay.whole()),
            feature_gates: Some(gates),
            ..HpaSpec::default()
        }),
        ..PolicySpec::default()
    })
}

fn observation(case: &Case) -> ObservationRecord {
    let quantity = |milli: &Milli| Quantity::from_milli(milli.0);
    let metric = case.resource.clone().filter(|_| case.function.starts_with("resource"));
    let reading = ReadingRecord {
        metric: metric.unwrap_or_else(|| "m".to_owned()),
        pods: case.metrics.as_ref().map(|metrics| samples(metrics)),
        value: case.object_value_milli.as_ref().map(quantity),
        values: case
            .external_values_milli
            .as_ref()
            .map(|values| values.iter().map(quantity).collect()),
        unavailable: case.metric_error.then_some(Unavailable::Failed),
        ..ReadingRecord::default()
    };
    let given = reading.unavailable.is_some()
        || reading.pods.is_some()
        || reading.value.is_some()
        || reading.values.is_some();
    ObservationRecord {
        time: case.now.timestamp(),
        replicas: Some(case.current_replicas.max(0)),
        status_replicas: None,
        selector: trimtab_engine::Selector::Ok,
        pods: case.pods.iter().flatten().map(Pod::record).collect(),
        pod_metrics: None,
        readings: if given { vec![reading] } else { Vec::new() },
        warm: None,
        supply: None,
    }
}

pub(super) fn samples(metrics: &[PodMetric]) -> BTreeMap<String, PodSample> {
    metrics
        .iter()
        .map(|metric| {
            let sample = PodSample {
                value: Quantity::from_milli(metric.value_milli.0),
                timestamp: Some(metric.timestamp.timestamp()),
                window: Some(metric.window.span()),
            };
            (metric.pod.clone(), sample)
        })
        .collect()
}

impl Pod {
    pub(super) fn record(&self) -> PodRecord {
        PodRecord {
            name: self.name.clone(),
            phase: match self.phase.as_str() {
                "Running" => PodPhase::Running,
                "Pending" => PodPhase::Pending,
                "Failed" => PodPhase::Failed,
                "Succeeded" => PodPhase::Succeeded,
                _ => PodPhase::Unknown,
            },
            terminating: self.deleting,
            start_time: self.start_time.map(Seconds::timestamp),
            ready: self.ready.as_ref().map(|ready| ReadyCondition {
                status: ready.status,
                last_transition_time: Some(ready.since.timestamp()),
            }),
            containers: self
                .containers
                .iter()
                .map(|container| ContainerRecord {
                    name: container.name.clone(),
                    kind: container.kind,
                    requests: resources(Some(&container.requests_milli)),
                })
                .collect(),
            requests: resources(self.pod_requests_milli.as_ref()),
            overhead: resources(self.overhead_milli.as_ref()),
            ..PodRecord::default()
        }
    }
}

pub(super) fn resources(list: Option<&BTreeMap<String, Milli>>) -> ResourceList {
    list.into_iter()
        .flatten()
        .map(|(name, milli)| (name.clone(), Quantity::from_milli(milli.0)))
        .collect()
}

/// The vectors' name of an error.
pub(super) fn error_name(error: MetricError) -> &'static str {
    match error {
        MetricError::Unavailable { .. } => "metric_fetch_failed",
        MetricError::NoPods => "no_pods",
        MetricError::NoUsableReadings => "no_usable_metrics",
        MetricError::MissingRequest { .. } => "missing_request",
        MetricError::ZeroRequests => "zero_requests",
        MetricError::NoTarget => "no_target",
        MetricError::UnknownType => "invalid_metric_type",
        MetricError::WrongForm => "wrong_form",
        _ => "unknown",
    }
}
