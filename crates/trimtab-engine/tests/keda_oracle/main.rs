//! `keda` decides as KEDA's two loops do, written down a second time: for any object, course of
//! readings, pause, change by another hand and write that fails.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lint spares tests and not what they call"
)]

mod oracle;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use trimtab_engine::{
    FallbackBehavior, ObservationRecord, PodRecord, PodSample, Policy, PolicySpec, Readiness,
    ReadingRecord, ReadyCondition, ScaleUpdate, Selector, State, StrategyState, Unavailable,
    decide, settle,
};
use trimtab_metric::{Quantity, Span, Timestamp};

use oracle::{Fallback, Formula, Keda, Modifiers, ScaledObject, Target, Trigger};

/// Formulas over `a` and `b`, each with what it is.
const FORMULAS: [(&str, Formula); 6] = [
    ("a + b", |it| Some(Some(it[0]? + it[1]?))),
    ("a ?? b", |it| Some(it[0].or(it[1]))),
    ("(a ?? 3) + (b ?? 4)", |it| Some(Some(it[0].unwrap_or(3.0) + it[1].unwrap_or(4.0)))),
    ("max(a, b * 2)", |it| Some(Some(larger(it[0]?, it[1]? * 2.0)))),
    ("a > 5 ? a : b * 2", |it| Some(Some(if it[0]? > 5.0 { it[0]? } else { it[1]? * 2.0 }))),
    ("a / 4 - b", |it| Some(Some(it[0]? / 4.0 - it[1]?))),
];

fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

const EXTERNAL: [&str; 3] = ["a", "b", "c"];

/// An object with what the HPA alone looks at.
#[derive(Clone, Debug)]
struct Setup {
    object: ScaledObject,
    formula: Option<&'static str>,
    max: i32,
    behavior: Option<Value>,
    /// What the annotation says while it is there.
    paused_replicas: Option<i32>,
}

/// What is seen several times over.
#[derive(Clone, Debug)]
struct Stretch {
    looks: usize,
    spacing: Span,
    /// Thousandths, of each external trigger.
    readings: [Option<i64>; 3],
    cpu: Option<i64>,
    /// How many of all the pods are not ready, in quarters.
    unready: i32,
    paused: bool,
    /// Someone else sets this count first.
    set: Option<i32>,
    applied: bool,
}

fn triggers(modifiers: bool) -> impl Strategy<Value = Vec<Trigger>> {
    let external = if modifiers { 2..=3_usize } else { 1..=3 };
    let trigger = (any::<bool>(), 1..40_u32, 0..3_u32, prop::bool::weighted(0.3));
    (external, vec(trigger, 3), option::weighted(0.3, any::<bool>())).prop_map(
        |(external, each, cpu_first)| {
            let mut triggers: Vec<Trigger> = EXTERNAL
                .into_iter()
                .zip(each)
                .take(external)
                .map(|(metric, (whole, quarters, threshold, cached))| {
                    let target = f64::from(quarters) / 4.0;
                    let target =
                        if whole { Target::Whole(target) } else { Target::Average(target) };
                    let activation_threshold = f64::from(threshold) * 2.0;
                    Trigger { metric, target, activation_threshold, cached }
                })
                .collect();
            if let Some(first) = cpu_first {
                let cpu = Trigger {
                    metric: "cpu",
                    target: Target::Resource,
                    activation_threshold: 0.0,
                    cached: false,
                };
                triggers.insert(if first { 0 } else { triggers.len() }, cpu);
            }
            triggers
        },
    )
}

fn fallback(modifiers: bool) -> impl Strategy<Value = Fallback> {
    let behaviors = [
        FallbackBehavior::Static,
        FallbackBehavior::CurrentReplicas,
        FallbackBehavior::CurrentReplicasIfHigher,
        FallbackBehavior::CurrentReplicasIfLower,
        FallbackBehavior::ScalingModifiers,
    ];
    let known = if modifiers { 5_usize } else { 4 };
    (0..4, 0..9, 0..known).prop_map(move |(failure_threshold, replicas, behavior)| Fallback {
        failure_threshold,
        replicas,
        behavior: behaviors[behavior],
    })
}

fn modifiers() -> impl Strategy<Value = (&'static str, Modifiers)> {
    let target = prop::sample::select(vec!["2", "5", "2.5"]);
    (0..FORMULAS.len(), target, 0..3_u32, any::<bool>()).prop_map(
        |(formula, target, activation, is_value)| {
            let (text, formula) = FORMULAS[formula];
            let activation_target = f64::from(activation) * 4.0;
            (text, Modifiers { formula, target, activation_target, is_value })
        },
    )
}

fn behavior() -> impl Strategy<Value = Option<Value>> {
    prop::sample::select(vec![
        None,
        Some(json!({})),
        Some(json!({"scaleDown": {"stabilizationWindowSeconds": 0}})),
        Some(json!({"scaleUp": {"stabilizationWindowSeconds": 60}})),
        Some(json!({
            "scaleUp": {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 30,
                "policies": [{"type": "Percent", "value": 20, "periodSeconds": 60}]},
        })),
    ])
}

fn setup() -> impl Strategy<Value = Setup> {
    option::weighted(0.5, modifiers()).prop_flat_map(|modifiers| {
        let with_formula = modifiers.is_some();
        let counts = (0..5_i32, any::<Option<u8>>(), 5..20_i32, option::of(0..6_i32));
        let times = (
            prop::sample::select(vec![5_i64, 10, 15, 30]),
            prop::sample::select(vec![0_i64, 40, 300]),
            prop::sample::select(vec![0_i64, 60]),
        );
        let flags = [0.1, 0.15, 0.15].map(prop::bool::weighted);
        let read = (triggers(with_formula), option::of(fallback(with_formula)));
        (Just(modifiers), counts, times, flags, read, behavior()).prop_map(
            |(
                modifiers,
                counts,
                times,
                [force_activation, scale_in, scale_out],
                read,
                behavior,
            )| {
                let (min, idle, max, paused_replicas) = counts;
                let idle = idle.filter(|_| min > 0).map(|idle| i32::from(idle) % min.max(1));
                let (formula, modifiers) = modifiers.unzip();
                let object = ScaledObject {
                    min,
                    idle,
                    polling_seconds: times.0,
                    cooldown_seconds: times.1,
                    initial_cooldown_seconds: times.2,
                    triggers: read.0,
                    fallback: read.1,
                    modifiers,
                    force_activation,
                    pause_scale_in: scale_in,
                    pause_scale_out: scale_out,
                };
                Setup { object, formula, max, behavior, paused_replicas }
            },
        )
    })
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let amount = prop_oneof![
        2 => Just(Some(0)),
        3 => (0_i64..12_000).prop_map(Some),
        1 => (0_i64..200_000).prop_map(Some),
        3 => Just(None),
    ];
    let spacing = prop::sample::select(vec![5_000_i64, 10_000, 15_000, 15_000, 30_000, 61_500]);
    (
        (1..7_usize, spacing),
        [amount.clone(), amount.clone(), amount.clone()],
        amount,
        0..5_i32,
        prop::bool::weighted(0.06),
        option::weighted(0.08, 0..15_i32),
        prop::bool::weighted(0.9),
    )
        .prop_map(|((looks, spacing), readings, cpu, unready, paused, set, applied)| Stretch {
            looks,
            spacing: Span::from_millis(spacing),
            readings,
            cpu,
            unready,
            paused,
            set,
            applied,
        })
}

fn policy(spec: Value) -> Policy {
    Policy::new(serde_json::from_value::<PolicySpec>(spec).unwrap()).unwrap()
}

fn metric(name: &str, target: Target) -> Value {
    let target = match target {
        Target::Average(value) => json!({"type": "AverageValue", "averageValue": value}),
        Target::Whole(value) => json!({"type": "Value", "value": value}),
        Target::Resource => {
            let target = json!({"type": "AverageValue", "averageValue": "500m"});
            return json!({"type": "Resource", "resource": {"name": name, "target": target}});
        }
    };
    json!({"type": "External", "external": {"metric": {"name": name}, "target": target}})
}

const TARGET: &str = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}"#;

/// The policy that is tested, as it is or paused.
fn by_keda(setup: &Setup, paused: bool) -> Policy {
    let object = &setup.object;
    let trigger = |it: &Trigger| {
        let mut trigger = json!({"activationThreshold": it.activation_threshold,
            "useCachedMetrics": it.cached});
        if it.metric != "c" && it.metric != "cpu" {
            trigger["name"] = json!(it.metric);
        }
        trigger
    };
    let modifiers = object.modifiers.as_ref().map(|it| {
        json!({"formula": setup.formula, "target": it.target,
            "activationTarget": it.activation_target.to_string(),
            "metricType": if it.is_value { "Value" } else { "AverageValue" }})
    });
    let fallback = object.fallback.map(|it| {
        json!({"failureThreshold": it.failure_threshold, "replicas": it.replicas,
            "behavior": it.behavior})
    });
    let keda = json!({
        "pollingIntervalSeconds": object.polling_seconds,
        "cooldownPeriodSeconds": object.cooldown_seconds,
        "initialCooldownPeriodSeconds": object.initial_cooldown_seconds,
        "idleReplicaCount": object.idle,
        "triggers": object.triggers.iter().map(trigger).collect::<Vec<_>>(),
        "fallback": fallback,
        "scalingModifiers": modifiers,
        "paused": paused,
        "pausedReplicas": setup.paused_replicas.filter(|_| paused),
        "pausedScaleIn": object.pause_scale_in,
        "pausedScaleOut": object.pause_scale_out,
        "forceActivation": object.force_activation,
    });
    let metrics: Vec<Value> =
        object.triggers.iter().map(|it| metric(it.metric, it.target)).collect();
    policy(json!({
        "scaleTargetRef": serde_json::from_str::<Value>(TARGET).unwrap(), "strategy": "keda",
        "minReplicas": object.min, "maxReplicas": setup.max, "metrics": metrics,
        "behavior": setup.behavior, "keda": keda,
    }))
}

/// The HPA that KEDA generates.
fn generated(setup: &Setup) -> Policy {
    let object = &setup.object;
    let of = |resource: bool| {
        let is = move |it: &&Trigger| (it.target == Target::Resource) == resource;
        object.triggers.iter().filter(is).map(|it| metric(it.metric, it.target))
    };
    let metrics: Vec<Value> = match &object.modifiers {
        None => of(false).chain(of(true)).collect(),
        Some(modifiers) => {
            let target = modifiers.target.parse().unwrap();
            let target =
                if modifiers.is_value { Target::Whole(target) } else { Target::Average(target) };
            of(true).chain([metric("composite-metric", target)]).collect()
        }
    };
    let mut behavior = setup.behavior.clone();
    let pauses = [("scaleDown", object.pause_scale_in), ("scaleUp", object.pause_scale_out)];
    for (direction, _) in pauses.into_iter().filter(|(_, paused)| *paused) {
        behavior.get_or_insert(json!({}))[direction]["selectPolicy"] = json!("Disabled");
    }
    policy(json!({
        "scaleTargetRef": serde_json::from_str::<Value>(TARGET).unwrap(),
        "minReplicas": object.min.max(1), "maxReplicas": setup.max, "metrics": metrics,
        "behavior": behavior,
    }))
}

fn seen(setup: &Setup, stretch: &Stretch, now: Timestamp, replicas: i32) -> ObservationRecord {
    let unready = replicas * stretch.unready / 4;
    let pod = |number: i32| {
        let status = if number < unready { Readiness::False } else { Readiness::True };
        let ready = Some(ReadyCondition { status, last_transition_time: None });
        PodRecord { name: format!("llm-{number}"), ready, ..PodRecord::default() }
    };
    let reading = |trigger: &Trigger| {
        let mut reading =
            ReadingRecord { metric: trigger.metric.into(), ..ReadingRecord::default() };
        let place = EXTERNAL.iter().position(|metric| *metric == trigger.metric);
        let milli = place.map_or(stretch.cpu, |place| stretch.readings[place]);
        match (milli, place) {
            (None, _) => reading.unavailable = Some(Unavailable::Failed),
            (Some(milli), Some(_)) => reading.value = Some(Quantity::from_milli(milli)),
            (Some(milli), None) => {
                let value = Quantity::from_milli(milli);
                let sample = PodSample { value, timestamp: None, window: None };
                let sample = |number| (format!("llm-{number}"), sample.clone());
                reading.pods = Some((0..replicas).map(sample).collect());
            }
        }
        reading
    };
    ObservationRecord {
        time: now,
        replicas: Some(replicas),
        pods: (0..replicas).map(pod).collect(),
        readings: setup.object.triggers.iter().map(reading).collect(),
        status_replicas: None,
        selector: Selector::Ok,
        pod_metrics: None,
        warm: None,
        supply: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn it_decides_as_kedas_two_loops_do(
        setup in setup(), start in prop_oneof![Just(0_i64), 0_i64..2000], first in 0..8_i32, course in vec(stretch(), 1..10),
    ) {
        let (policy, paused) = (by_keda(&setup, false), by_keda(&setup, true));
        let mut keda = Keda::new(setup.object.clone(), generated(&setup));
        let mut state = State::for_policy(&policy);
        let (mut now, mut replicas) = (Timestamp::from_millis(1_795_514_400_000 + start), first);
        for stretch in &course {
            replicas = stretch.set.unwrap_or(replicas);
            for _ in 0..stretch.looks {
                let seen = seen(&setup, stretch, now, replicas);
                let policy = if stretch.paused { &paused } else { &policy };
                let (decision, after) = decide(policy, state, &seen.resolve(policy).unwrap());
                let expected = match stretch.paused {
                    true => keda.step_paused(&seen, setup.paused_replicas),
                    false => keda.step(&seen),
                };
                prop_assert_eq!(decision.desired_replicas, expected, "at {} from {}", now, replicas);
                keda.settle(stretch.applied);
                let update =
                    if stretch.applied { ScaleUpdate::Applied } else { ScaleUpdate::Rejected };
                state = settle(policy, after, &decision, update);
                if let Some(StrategyState::Keda(memory)) = &state.strategy {
                    let last = memory.last_active.map(Timestamp::as_millis);
                    prop_assert_eq!((&*memory.failures, last), keda.memory());
                }
                replicas = if stretch.applied { expected } else { replicas };
                now = now.saturating_add(stretch.spacing);
            }
        }
    }
}
