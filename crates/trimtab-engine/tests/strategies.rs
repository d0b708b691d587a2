//! The laws that hold for every strategy, over histories that it made itself.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimtab_engine::{
    Decision, Observation, ObservationRecord, Outcome, PodRecord, Policy, PolicySpec, Readiness,
    ReadingRecord, ReadyCondition, Rule, ScaleUpdate, State, Unavailable, decide, decide_traced,
    next_deadline, settle,
};
use trimtab_metric::{Quantity, Span, Timestamp};

/// 2026-11-24T10:00:00Z
const START: Timestamp = Timestamp::from_secs(1_795_514_400);

/// What happens between two decisions, and what is then seen.
#[derive(Clone, Debug)]
struct Tick {
    /// Periods since the last decision, at least 1.
    periods: i64,
    /// The load, thousandths; `None` cannot be read.
    load: Option<i64>,
    /// The load is given as samples, where that is possible.
    sampled: bool,
    /// How many of the replicas are ready yet, in eighths.
    ready: i32,
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let load = prop_oneof![
        1 => Just(None),
        3 => Just(Some(0)),
        6 => (0_i64..400_000).prop_map(Some),
        1 => (0_i64..40_000_000).prop_map(Some),
    ];
    let tick = (prop_oneof![4 => Just(1_i64), 1 => 1_i64..200], load, any::<bool>(), 0_i32..=8);
    let tick =
        tick.prop_map(|(periods, load, sampled, ready)| Tick { periods, load, sampled, ready });
    // Loads last for a while.
    prop::collection::vec((tick, 1_usize..12), 1..12)
        .prop_map(|runs| runs.into_iter().flat_map(|(tick, length)| vec![tick; length]).collect())
}

fn spec(
    strategy: &str,
    settings: &str,
    bounds: (i32, i32),
    target: u32,
    behavior: bool,
) -> PolicySpec {
    let behavior = if behavior { r#""behavior": {},"# } else { "" };
    let text = format!(
        r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "strategy": "{strategy}", "minReplicas": {}, "maxReplicas": {}, {behavior} {settings}
            "metrics": [{{"type": "External", "external": {{"metric": {{"name": "load"}},
                "target": {{"type": "AverageValue", "averageValue": "{target}"}}}}}}]}}"#,
        bounds.0, bounds.1
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn policies() -> impl Strategy<Value = Policy> {
    let keda = (
        5_i32..40,
        0_i32..120,
        prop_oneof![
            Just(""),
            Just(
                r#""fallback":
            {"failureThreshold": 2, "replicas": 5, "behavior": "currentReplicasIfHigher"},"#
            )
        ],
    )
        .prop_map(|(polling, cooldown, fallback)| {
            (
                "keda",
                format!(
                    r#""keda": {{{fallback} "pollingIntervalSeconds": {polling},
                    "cooldownPeriodSeconds": {cooldown}}},"#
                ),
                0,
            )
        });
    let knative = (6_i32..90, 0_i32..60, 1_i32..4, any::<bool>()).prop_map(
        |(window, delay, activation, linear)| {
            let aggregation = if linear { "linear" } else { "weightedExponential" };
            ("knative", format!(
                r#""knative": {{"stableWindowSeconds": {window}, "scaleDownDelaySeconds": {delay},
                    "activationScale": {activation}, "aggregation": "{aggregation}"}},"#
            ), 0)
        },
    );
    let more = prop_oneof![
        2 => Just(String::new()),
        1 => (3_i32..=4).prop_map(|initial| format!(r#""initialReplicas": {initial},"#)),
        1 => (10_u32..=100).prop_map(|share| format!(r#""targetCapacityPercentage": {share},"#)),
    ];
    let function = prop::sample::select(vec!["mean", "max", "min"]);
    let ray = (0_u32..40, 0_u32..90, 1_u32..20, function, more).prop_map(
        |(up, down, factor, function, more)| {
            let factor = f64::from(factor) / 10.0;
            (
                "rayServe",
                format!(
                    r#""rayServe": {{"upscaleDelaySeconds": {up}, "downscaleDelaySeconds": {down},
                    "upscalingFactor": {factor}, "aggregationFunction": "{function}", {more}
                    "controlLoopIntervalSeconds": 1}},"#
                ),
                0,
            )
        },
    );
    let slo = (1_u32..400, 0_u32..=10, 1_u32..120).prop_map(|(lead, tenths, idle)| {
        let quantile = f64::from(tenths) / 10.0;
        (
            "slo",
            format!(
                r#""slo": {{"leadTimeSeconds": {lead}, "surgeQuantile": {quantile},
                "scaleToZeroAfterSeconds": {idle}}},"#
            ),
            0,
        )
    });
    let hpa = Just(("hpa", String::new(), 1));
    (prop_oneof![hpa, keda, knative, ray, slo], 0_i32..3, 4_i32..20, 1_u32..100, any::<bool>())
        .prop_map(|((strategy, settings, least), min, max, target, behavior)| {
            let spec = spec(strategy, &settings, (min.max(least), max), target, behavior);
            Policy::new(spec).expect("the generator makes valid policies")
        })
}

/// What is seen of a tick.
fn seen(policy: &Policy, now: Timestamp, replicas: i32, tick: &Tick) -> ObservationRecord {
    let ready = replicas * tick.ready / 8;
    let pods = (0..replicas)
        .map(|pod| PodRecord {
            name: format!("llm-{pod}"),
            ready: Some(ReadyCondition {
                status: if pod < ready { Readiness::True } else { Readiness::False },
                last_transition_time: None,
            }),
            ..PodRecord::default()
        })
        .collect();
    let mut reading = ReadingRecord { metric: String::from("load"), ..ReadingRecord::default() };
    match (tick.load, policy.sampling()) {
        (None, _) => reading.unavailable = Some(Unavailable::Failed),
        (Some(load), Some(sampling)) if tick.sampled => {
            let count = sampling.look_back.as_millis() / sampling.interval.as_millis();
            let sample = |back: i64| {
                let ago = Span::from_millis(sampling.interval.as_millis() * back);
                (now.saturating_sub(ago), Quantity::from_milli(load))
            };
            let samples = (0..count).rev().map(sample).collect();
            reading.series = Some(BTreeMap::from([(String::from("gateway"), samples)]));
        }
        (Some(load), _) => reading.value = Some(Quantity::from_milli(load)),
    }
    ObservationRecord {
        time: now,
        replicas: Some(replicas),
        status_replicas: None,
        selector: trimtab_engine::Selector::Ok,
        pods,
        pod_metrics: None,
        readings: vec![reading],
        warm: None,
        supply: None,
    }
}

/// Runs a history; `each` sees every decision with what it was made of.
fn run(
    policy: &Policy,
    ticks: &[Tick],
    start: Timestamp,
    mut each: impl FnMut(&State, &Observation, &Decision, &State) -> Result<(), TestCaseError>,
) -> Result<(Vec<i32>, State), TestCaseError> {
    let (mut state, mut now) = (State::for_policy(policy), start);
    let mut replicas = policy.bounds().min.max(1);
    let mut wanted = Vec::new();
    for tick in ticks {
        now = now.saturating_add(Span::from_millis(policy.period().as_millis() * tick.periods));
        let record = seen(policy, now, replicas, tick);
        let observation = record.resolve(policy).expect("the generator makes fitting observations");
        let (decision, after) = decide_traced(policy, state.clone(), &observation);
        each(&state, &observation, &decision, &after)?;
        state = settle(policy, after, &decision, ScaleUpdate::Applied);
        replicas = decision.scale_to.unwrap_or(replicas);
        wanted.push(decision.desired_replicas);
    }
    Ok((wanted, state))
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it serializes");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// A strategy that asks for no stage behind its sizing has no room for what those remember, which for Ray
/// Serve's ten decisions a second would be 48 kB.
#[test]
fn windows_that_nobody_asked_for_take_no_room() {
    for strategy in ["knative", "rayServe", "apa"] {
        for (behavior, kept) in [(false, false), (true, true)] {
            let policy = Policy::from_stored(spec(strategy, "", (1, 20), 8, behavior));
            let observation = Observation {
                readings: vec![trimtab_engine::MetricReading::Total(24_000)],
                ..Observation::new(START, trimtab_engine::Scale::steady(2))
            };
            let (_, state) = decide(&policy, State::for_policy(&policy), &observation);
            assert_eq!(state.recommendations.is_some(), kept, "{strategy}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Law 1: tracing changes nothing, and neither does a restart in between.
    #[test]
    fn determinism(policy in policies(), ticks in ticks()) {
        let policy_again: Policy = through_json(&policy);
        prop_assert_eq!(policy_again.digest(), policy.digest());
        run(&policy, &ticks, START, |before, observation, decision, after| {
            let (other, other_after) = decide(&policy_again, through_json(before), observation);
            prop_assert_eq!(&other, &Decision { trace: None, ..decision.clone() });
            prop_assert_eq!(&other_after, after);
            prop_assert_eq!(other_after.digest(), through_json(after).digest());
            Ok(())
        })?;
    }

    /// Law 2: what is decided lies within the bounds; below the least only under a strategy that
    /// may scale to zero, and then at 0. Where nothing is decided nothing changes.
    #[test]
    fn bounds(policy in policies(), ticks in ticks()) {
        let bounds = policy.bounds();
        run(&policy, &ticks, START, |_, _, decision, _| {
            match decision.outcome {
                Outcome::Decided | Outcome::PartiallyDecided | Outcome::Enforced => {
                    let wanted = decision.desired_replicas;
                    prop_assert!(bounds.min <= wanted && wanted <= bounds.max, "{decision:?}");
                }
                _ => prop_assert_eq!(decision.scale_to, None),
            }
            Ok(())
        })?;
    }

    /// Law 4: what cannot be read never lowers the count.
    #[test]
    fn no_ignorance_down(policy in policies(), mut ticks in ticks(), at in any::<prop::sample::Index>()) {
        let at = at.index(ticks.len());
        ticks.truncate(at + 1);
        ticks.iter_mut().skip(at).for_each(|tick| tick.load = None);
        let (wanted, _) = run(&policy, &ticks, START, |_, observation, decision, _| {
            let unreadable = observation.readings.iter().all(|reading| {
                matches!(reading, trimtab_engine::MetricReading::Unavailable(_))
            });
            prop_assert!(!unreadable || decision.desired_replicas >= decision.current_replicas);
            Ok(())
        })?;
        prop_assert_eq!(wanted.len(), at + 1);
    }

    /// Law 10: adding a constant to all times changes nothing but times. Knative counts in slots of
    /// two seconds.
    #[test]
    fn time_shift(policy in policies(), ticks in ticks(), shift in -100_000_000_i64..100_000_000) {
        let (wanted, _) = run(&policy, &ticks, START, |_, _, _, _| Ok(()))?;
        let later = START.saturating_add(Span::from_secs(shift * 2));
        let (shifted, _) = run(&policy, &ticks, later, |_, _, _, _| Ok(()))?;
        prop_assert_eq!(shifted, wanted);
    }

    /// Law 12: each step begins where the one before it ended, and the last one ends at what was
    /// decided; the text fits a screen.
    #[test]
    fn explained(policy in policies(), ticks in ticks()) {
        run(&policy, &ticks, START, |_, _, decision, _| {
            let mut at = decision.current_replicas;
            for step in decision.trace.iter().flatten() {
                if matches!(step.rule, Rule::Metric(_)) {
                    prop_assert_eq!(step.from, decision.current_replicas);
                    continue;
                }
                prop_assert_eq!(step.from, at, "{:?}", decision);
                at = step.to;
            }
            prop_assert_eq!(at, decision.desired_replicas, "{:?}", decision);
            prop_assert_eq!(&through_json(decision), decision);
            let text = decision.explain().to_string();
            prop_assert!(text.lines().count() < 24, "more than a screen:\n{}", text);
            Ok(())
        })?;
    }

    /// A state stays small, whatever happened.
    #[test]
    fn state_is_bounded(policy in policies(), ticks in ticks()) {
        run(&policy, &ticks, START, |_, observation, _, after| {
            prop_assert!(after.size_in_bytes() < 8 << 10, "{} bytes", after.size_in_bytes());
            if let Some(deadline) = next_deadline(&policy, after, observation) {
                prop_assert!(deadline > observation.now);
            }
            Ok(())
        })?;
    }
}
