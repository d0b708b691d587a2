//! Arbitrary policies, states and observations, for the laws.

mod plan;
pub(crate) mod signals;
pub(crate) mod workload;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use trimtab_engine::{
    BehaviorSpec, ContainerKind, ContainerRecord, ExternalMetricSource, FeatureGatesSpec, Finite,
    HpaSpec, MetricIdentifier, MetricSpec, MetricTarget, ObjectMetricSource, ObservationRecord,
    PodPhase, PodRecord, PodSample, PodsMetricSource, PolicySpec, Readiness, ReadingRecord,
    ReadyCondition, Recommendation, ResourceMetricSource, ScaleEvent, ScalingPolicyRule,
    ScalingRulesSpec, Selector, State, Unavailable,
};
use trimtab_metric::{Quantity, Span, Timestamp};

/// The time around which everything happens.
pub(crate) const NOW: i64 = 1_700_000_000;

fn quantity(milli: impl Strategy<Value = i64>) -> impl Strategy<Value = Quantity> {
    milli.prop_map(Quantity::from_milli)
}

/// Mostly ordinary amounts, now and then an absurd one.
fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0_i64..50_000,
        2 => 0_i64..5_000_000_000,
        1 => any::<i64>(),
    ]
}

fn target_amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1_i64..20_000, 1 => 1_i64..=i64::MAX]
}

fn average() -> impl Strategy<Value = MetricTarget> {
    quantity(target_amount()).prop_map(|value| MetricTarget {
        type_: "AverageValue".into(),
        average_value: Some(value),
        ..MetricTarget::default()
    })
}

fn whole() -> impl Strategy<Value = MetricTarget> {
    quantity(target_amount()).prop_map(|value| MetricTarget {
        type_: "Value".into(),
        value: Some(value),
        ..MetricTarget::default()
    })
}

fn utilization() -> impl Strategy<Value = MetricTarget> {
    (1_i32..300).prop_map(|percent| MetricTarget {
        type_: "Utilization".into(),
        average_utilization: Some(percent),
        ..MetricTarget::default()
    })
}

fn named(index: usize) -> MetricIdentifier {
    MetricIdentifier { name: format!("m{index}"), selector: None }
}

/// A metric with the name of its place in the policy.
pub(crate) fn metric(index: usize) -> impl Strategy<Value = MetricSpec> {
    let pods = average().prop_map(move |target| MetricSpec {
        type_: "Pods".into(),
        pods: Some(PodsMetricSource { metric: named(index), target }),
        ..MetricSpec::default()
    });
    let resource =
        (prop_oneof![Just("cpu"), Just("memory")], prop_oneof![average(), utilization()]).prop_map(
            |(name, target)| MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource { name: name.into(), target }),
                ..MetricSpec::default()
            },
        );
    let object = prop_oneof![average(), whole()].prop_map(move |target| MetricSpec {
        type_: "Object".into(),
        object: Some(ObjectMetricSource {
            metric: named(index),
            target,
            described_object: trimtab_engine::CrossVersionObjectReference {
                api_version: "v1".into(),
                kind: "Service".into(),
                name: "gateway".into(),
            },
        }),
        ..MetricSpec::default()
    });
    prop_oneof![pods, resource, object, external(index)]
}

/// An External metric with the name of its place in the policy.
pub(crate) fn external(index: usize) -> impl Strategy<Value = MetricSpec> {
    prop_oneof![average(), whole()].prop_map(move |target| MetricSpec {
        type_: "External".into(),
        external: Some(ExternalMetricSource { metric: named(index), target }),
        ..MetricSpec::default()
    })
}

/// Rules of one direction, with rate limits over `period`.
pub(crate) fn rules(
    period: impl Strategy<Value = i32> + Clone,
) -> impl Strategy<Value = ScalingRulesSpec> {
    let value = prop_oneof![6 => 1_i32..20, 2 => 1_i32..300, 1 => Just(i32::MAX)];
    let rule = (prop_oneof![Just("Pods"), Just("Percent")], value, period).prop_map(
        |(type_, value, period_seconds)| ScalingPolicyRule {
            type_: type_.into(),
            value,
            period_seconds,
        },
    );
    (
        option::of(prop_oneof![Just(0_i32), 1_i32..90, 1_i32..=3600]),
        option::of(prop_oneof![4 => Just("Max"), 2 => Just("Min"), 1 => Just("Disabled")]),
        option::of(vec(rule, 1..3)),
        option::of(quantity(0_i64..1_500)),
    )
        .prop_map(|(window, select, policies, tolerance)| ScalingRulesSpec {
            stabilization_window_seconds: window,
            select_policy: select.map(Into::into),
            policies,
            tolerance,
        })
}

/// Any valid policy.
pub(crate) fn policy() -> impl Strategy<Value = PolicySpec> {
    let metrics = (1_usize..4).prop_flat_map(|count| (0..count).map(metric).collect::<Vec<_>>());
    let behavior = (option::of(rules(1_i32..=600)), option::of(rules(1_i32..=600)))
        .prop_map(|(scale_up, scale_down)| BehaviorSpec { scale_up, scale_down });
    let hpa = (any::<bool>(), any::<bool>(), 0_i32..=600, 0_i32..=600, 0_i32..=60, 0_u8..30)
        .prop_map(|(zero, own_tolerance, down, cpu, delay, tolerance)| HpaSpec {
            tolerance: Finite::new(f64::from(tolerance) / 50.0),
            downscale_stabilization_seconds: Some(down),
            cpu_initialization_period_seconds: Some(cpu),
            initial_readiness_delay_seconds: Some(delay),
            feature_gates: Some(FeatureGatesSpec {
                hpa_scale_to_zero: Some(zero),
                hpa_configurable_tolerance: Some(own_tolerance),
                pod_level_resources: None,
            }),
            ..HpaSpec::default()
        });
    let bounds = (0_i32..6, 0_i32..30);
    (metrics, option::of(behavior), hpa, bounds).prop_map(|(metrics, behavior, hpa, bounds)| {
        let to_zero = hpa.feature_gates.as_ref().and_then(|gates| gates.hpa_scale_to_zero);
        let wakes = metrics.iter().any(|m| m.type_ == "Object" || m.type_ == "External");
        let least = i32::from(!(to_zero == Some(true) && wakes));
        let min = bounds.0.max(least);
        PolicySpec {
            scale_target_ref: trimtab_engine::CrossVersionObjectReference {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                name: "llm".into(),
            },
            min_replicas: Some(min),
            max_replicas: min.max(1) + bounds.1,
            metrics: Some(metrics),
            behavior,
            hpa: Some(hpa),
            ..PolicySpec::default()
        }
    })
}

fn pod(index: usize) -> impl Strategy<Value = PodRecord> {
    let phase = prop_oneof![
        8 => Just(PodPhase::Running),
        1 => Just(PodPhase::Pending),
        1 => Just(PodPhase::Failed),
        1 => Just(PodPhase::Succeeded),
    ];
    let status = prop_oneof![
        6 => Just(Readiness::True),
        2 => Just(Readiness::False),
        1 => Just(Readiness::Unknown),
    ];
    let ready = option::weighted(
        0.9,
        (status, option::of(0_i64..900)).prop_map(|(status, ago)| ReadyCondition {
            status,
            last_transition_time: ago.map(|ago| Timestamp::from_secs(NOW - ago)),
        }),
    );
    let requests = option::weighted(0.95, (1_i64..2_000, 1_i64..2_000));
    (phase, proptest::bool::weighted(0.1), option::weighted(0.95, 0_i64..900), ready, requests)
        .prop_map(move |(phase, terminating, started, ready, requests)| PodRecord {
            name: format!("p{index}"),
            phase,
            terminating,
            start_time: started.map(|ago| Timestamp::from_secs(NOW - ago)),
            ready,
            containers: vec![ContainerRecord {
                name: "server".into(),
                kind: ContainerKind::Container,
                requests: requests
                    .into_iter()
                    .flat_map(|(cpu, memory)| [("cpu", cpu), ("memory", memory)])
                    .map(|(name, milli)| (name.into(), Quantity::from_milli(milli)))
                    .collect(),
            }],
            ..PodRecord::default()
        })
}

fn reading(metric: &MetricSpec, pods: usize) -> BoxedStrategy<ReadingRecord> {
    let unavailable = prop_oneof![
        Just(Unavailable::Missing),
        Just(Unavailable::Stale),
        Just(Unavailable::Invalid),
        Just(Unavailable::Failed),
    ];
    let sample = (quantity(amount()), option::of(0_i64..120), option::of(0_i64..90)).prop_map(
        |(value, ago, window)| PodSample {
            value,
            timestamp: ago.map(|ago| Timestamp::from_secs(NOW - ago)),
            window: window.map(Span::from_secs),
        },
    );
    let name = match metric.type_.as_str() {
        "Resource" => metric.resource.as_ref().map(|metric| metric.name.clone()),
        "Pods" => metric.pods.as_ref().map(|metric| metric.metric.name.clone()),
        "Object" => metric.object.as_ref().map(|metric| metric.metric.name.clone()),
        _ => metric.external.as_ref().map(|metric| metric.metric.name.clone()),
    }
    .unwrap_or_default();
    let empty = ReadingRecord { metric: name, ..ReadingRecord::default() };
    let given = match metric.type_.as_str() {
        "Object" => {
            let empty = empty.clone();
            quantity(amount())
                .prop_map(move |value| ReadingRecord { value: Some(value), ..empty.clone() })
                .boxed()
        }
        "External" => {
            let empty = empty.clone();
            vec(quantity(amount()), 0..4)
                .prop_map(move |values| ReadingRecord { values: Some(values), ..empty.clone() })
                .boxed()
        }
        _ => {
            let empty = empty.clone();
            vec(option::weighted(0.9, sample), pods + 1)
                .prop_map(move |samples| {
                    let by_pod = samples.into_iter().enumerate();
                    let pods = by_pod
                        .filter_map(|(index, sample)| Some((format!("p{index}"), sample?)))
                        .collect();
                    ReadingRecord { pods: Some(pods), ..empty.clone() }
                })
                .boxed()
        }
    };
    prop_oneof![
        9 => given,
        1 => unavailable.prop_map(move |why| ReadingRecord {
            unavailable: Some(why),
            ..empty.clone()
        }),
    ]
    .boxed()
}

/// Any observation that fits the policy.
pub(crate) fn observation(spec: &PolicySpec) -> impl Strategy<Value = ObservationRecord> + use<> {
    let metrics: Vec<MetricSpec> = spec.metrics.iter().flatten().cloned().collect();
    let replicas = option::weighted(0.97, 0..spec.max_replicas.saturating_add(3));
    (replicas, 0_usize..9).prop_flat_map(move |(replicas, pods)| {
        let readings: Vec<_> = metrics.iter().map(|metric| reading(metric, pods)).collect();
        let selector = prop_oneof![
            20 => Just(Selector::Ok),
            1 => Just(Selector::Invalid),
            1 => Just(Selector::Empty),
        ];
        let pods: Vec<_> = (0..pods).map(pod).collect();
        (pods, readings, selector, -2_i32..3).prop_map(move |(pods, readings, selector, extra)| {
            ObservationRecord {
                time: Timestamp::from_secs(NOW),
                replicas,
                status_replicas: replicas.map(|replicas| (replicas + extra).max(0)),
                selector,
                pods,
                pod_metrics: None,
                readings,
                warm: None,
                supply: None,
            }
        })
    })
}

/// Any history of the last hour.
pub(crate) fn state() -> impl Strategy<Value = State> {
    let at = (0_i64..4_000).prop_map(|ago| Timestamp::from_secs(NOW - ago));
    let recommendation =
        (0_i32..40, at.clone()).prop_map(|(replicas, at)| Recommendation { replicas, at });
    let event = (1_i32..10, at, any::<bool>()).prop_map(|(change, at, outdated)| ScaleEvent {
        change,
        at,
        outdated,
    });
    (option::of(vec(recommendation, 0..12)), vec(event.clone(), 0..6), vec(event, 0..6)).prop_map(
        |(recommendations, scale_ups, scale_downs)| {
            let mut state = State::default();
            state.recommendations = recommendations;
            state.scale_ups = scale_ups;
            state.scale_downs = scale_downs;
            state
        },
    )
}

/// A policy, a history and an observation that fit each other.
pub(crate) fn situation() -> impl Strategy<Value = (PolicySpec, State, ObservationRecord)> {
    (policy(), state()).prop_flat_map(|(policy, state)| {
        let observation = observation(&policy);
        (Just(policy), Just(state), observation)
    })
}
