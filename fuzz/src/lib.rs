//! Arbitrary policies, histories and observations for the fuzz targets: valid or not, sane or not.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    BehaviorSpec, ContainerResourceMetricSource, ExternalMetricSource, FeatureGatesSpec, Finite,
    HpaSpec, MetricIdentifier, MetricReading, MetricSpec, MetricTarget, ObjectMetricSource,
    Observation, PodPhase, PodReadings, PodRow, PodTable, PodsMetricSource, PolicySpec, Readiness,
    Recommendation, Requests, ResourceMetricSource, Scale, ScaleEvent, ScalingPolicyRule,
    ScalingRulesSpec, Selector, State, Unavailable,
};
use trimtab_metric::{Quantity, Reading, Sample, Span, Timestamp};

/// All that a decision depends on.
#[derive(Debug)]
pub struct Situation {
    /// A policy, perhaps one that validation refuses.
    pub policy: PolicySpec,
    /// A history.
    pub state: State,
    /// An observation with as many readings as fell out, of whatever form.
    pub observation: Observation,
}

impl<'a> Arbitrary<'a> for Situation {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self { policy: policy(u)?, state: state(u)?, observation: observation(u)? })
    }
}

fn small(u: &mut Unstructured<'_>) -> Result<i32> {
    if u.ratio(7, 8)? { u.int_in_range(0..=40) } else { i32::arbitrary(u) }
}

fn amount(u: &mut Unstructured<'_>) -> Result<i64> {
    if u.ratio(7, 8)? { u.int_in_range(0..=100_000) } else { i64::arbitrary(u) }
}

fn time(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    if u.ratio(7, 8)? {
        u.int_in_range(0..=4_000).map(Timestamp::from_secs)
    } else {
        i64::arbitrary(u).map(Timestamp::from_millis)
    }
}

fn option<T>(
    u: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if u.ratio(3, 4)? { make(u).map(Some) } else { Ok(None) }
}

fn list<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| make(u)).collect()
}

fn policy(u: &mut Unstructured<'_>) -> Result<PolicySpec> {
    let gates = FeatureGatesSpec {
        hpa_scale_to_zero: Option::arbitrary(u)?,
        hpa_configurable_tolerance: Option::arbitrary(u)?,
        pod_level_resources: Option::arbitrary(u)?,
    };
    let mut policy = PolicySpec {
        min_replicas: option(u, small)?,
        max_replicas: small(u)?,
        metrics: Some(list(u, 3, metric)?),
        behavior: option(u, |u| {
            Ok(BehaviorSpec { scale_up: option(u, rules)?, scale_down: option(u, rules)? })
        })?,
        hpa: Some(HpaSpec {
            tolerance: Finite::new(f64::arbitrary(u)?),
            sync_period_seconds: option(u, small)?,
            downscale_stabilization_seconds: option(u, small)?,
            cpu_initialization_period_seconds: option(u, small)?,
            initial_readiness_delay_seconds: option(u, small)?,
            scale_up_limit_factor: option(u, |u| Ok(Finite::from(small(u)?)))?,
            scale_up_limit_minimum: option(u, |u| Ok(Finite::from(small(u)?)))?,
            feature_gates: Some(gates),
        }),
        ..PolicySpec::default()
    };
    policy.scale_target_ref.api_version = "apps/v1".into();
    policy.scale_target_ref.kind = "Deployment".into();
    policy.scale_target_ref.name = "llm".into();
    Ok(policy)
}

fn rules(u: &mut Unstructured<'_>) -> Result<ScalingRulesSpec> {
    Ok(ScalingRulesSpec {
        stabilization_window_seconds: option(u, small)?,
        select_policy: option(u, |u| Ok(u.choose(&["Max", "Min", "Disabled", "?"])?.to_string()))?,
        policies: option(u, |u| {
            list(u, 3, |u| {
                Ok(ScalingPolicyRule {
                    type_: u.choose(&["Pods", "Percent", "?"])?.to_string(),
                    value: small(u)?,
                    period_seconds: small(u)?,
                })
            })
        })?,
        tolerance: option(u, |u| amount(u).map(Quantity::from_milli))?,
    })
}

fn metric(u: &mut Unstructured<'_>) -> Result<MetricSpec> {
    let quantity = |u: &mut Unstructured<'_>| amount(u).map(Quantity::from_milli);
    let target = MetricTarget {
        type_: u.choose(&["Utilization", "Value", "AverageValue", ""])?.to_string(),
        value: option(u, quantity)?,
        average_value: option(u, quantity)?,
        average_utilization: option(u, small)?,
    };
    let metric = MetricIdentifier { name: "m".into(), selector: None };
    let name = u.choose(&["cpu", "memory"])?.to_string();
    let kinds = ["Resource", "ContainerResource", "Pods", "Object", "External", "?"];
    let mut spec = MetricSpec { type_: u.choose(&kinds)?.to_string(), ..MetricSpec::default() };
    match spec.type_.as_str() {
        "Resource" => spec.resource = Some(ResourceMetricSource { name, target }),
        "ContainerResource" => {
            let container = "server".into();
            spec.container_resource =
                Some(ContainerResourceMetricSource { name, target, container });
        }
        "Pods" => spec.pods = Some(PodsMetricSource { metric, target }),
        "Object" => {
            let mut source = ObjectMetricSource { metric, target, ..Default::default() };
            source.described_object.kind = "Service".into();
            source.described_object.name = "gateway".into();
            source.described_object.api_version = "v1".into();
            spec.object = Some(source);
        }
        "External" => spec.external = Some(ExternalMetricSource { metric, target }),
        _ => {}
    }
    Ok(spec)
}

fn state(u: &mut Unstructured<'_>) -> Result<State> {
    let mut state = State::default();
    let event = |u: &mut Unstructured<'_>| {
        Ok(ScaleEvent { change: small(u)?, at: time(u)?, outdated: bool::arbitrary(u)? })
    };
    state.recommendations =
        option(u, |u| list(u, 8, |u| Ok(Recommendation { replicas: small(u)?, at: time(u)? })))?;
    state.scale_ups = list(u, 4, event)?;
    state.scale_downs = list(u, 4, event)?;
    state.status.current_replicas = small(u)?;
    state.status.desired_replicas = small(u)?;
    Ok(state)
}

fn observation(u: &mut Unstructured<'_>) -> Result<Observation> {
    let mut pods = PodTable::default();
    for pod in list(u, 6, pod)? {
        pods.push(pod);
    }
    let selectors = [Selector::Ok, Selector::Ok, Selector::Empty, Selector::Ambiguous];
    Ok(Observation {
        now: time(u)?,
        scale: option(u, |u| Ok(Scale { spec_replicas: small(u)?, status_replicas: small(u)? }))?,
        selector: *u.choose(&selectors)?,
        pods,
        readings: list(u, 3, reading)?,
    })
}

fn pod(u: &mut Unstructured<'_>) -> Result<PodRow> {
    let phases = [PodPhase::Running, PodPhase::Pending, PodPhase::Failed, PodPhase::Unknown];
    let readiness = [Readiness::True, Readiness::False, Readiness::Unknown, Readiness::Absent];
    Ok(PodRow {
        phase: *u.choose(&phases)?,
        terminating: u.ratio(1, 8)?,
        start_time: option(u, time)?,
        readiness: *u.choose(&readiness)?,
        ready_since: time(u)?,
    })
}

fn reading(u: &mut Unstructured<'_>) -> Result<MetricReading> {
    Ok(match u.int_in_range(0..=3)? {
        0 => MetricReading::Unavailable(Unavailable::Missing),
        1 => MetricReading::Total(amount(u)?),
        2 => MetricReading::Totals(list(u, 4, amount)?),
        _ => {
            let mut readings = PodReadings::default();
            for sample in list(u, 7, |u| option(u, sample))? {
                readings.push(sample.map_or(Reading::Missing, Reading::Value));
            }
            for unlisted in list(u, 2, amount)? {
                readings.push_unlisted(unlisted);
            }
            readings.set_requests(match u.int_in_range(0..=2)? {
                0 => Requests::NotAsked,
                1 => Requests::Missing { row: usize::arbitrary(u)? },
                _ => Requests::Milli(list(u, 7, amount)?),
            });
            MetricReading::PerPod(readings)
        }
    })
}

fn sample(u: &mut Unstructured<'_>) -> Result<Sample> {
    let window = Span::from_secs(i64::from(small(u)?));
    Ok(Sample { milli: amount(u)?, at: time(u)?, window })
}
