//! The laws that hold for every policy, history and observation.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may fail by panic")]

mod generate;

use proptest::prelude::*;
use trimtab_engine::{
    Calculation, Decision, DecisionRecord, Direction, LogEntry, MetricReading, MetricResult,
    Observation, ObservationRecord, Outcome, Policy, PolicySpec, Rule, Scale, ScaleUpdate,
    ScalingPolicyRule, State, Target, Unavailable, decide, decide_traced, next_deadline, normalize,
    settle,
};
use trimtab_metric::{Quantity, Span, Timestamp};

use generate::{NOW, external, policy, rules, situation};

fn valid(spec: PolicySpec) -> Policy {
    Policy::new(spec).expect("the generator makes valid policies")
}

fn resolved(record: &ObservationRecord, policy: &Policy) -> Observation {
    record.resolve(policy).expect("the generator makes fitting observations")
}

fn through_json<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    let text = serde_json::to_string(value).expect("it serializes");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Law 1: the same inputs give the same answer, also after state, policy and observation have
    /// been written down and read again; tracing changes nothing.
    #[test]
    fn determinism((spec, state, record) in situation()) {
        let policy = valid(spec);
        let observation = resolved(&record, &policy);
        let (decision, after) = decide_traced(&policy, state.clone(), &observation);
        let again = decide_traced(&policy, state.clone(), &observation);
        prop_assert_eq!(&again, &(decision.clone(), after.clone()));

        let policy_again = through_json(&policy);
        prop_assert_eq!(&policy_again, &policy);
        prop_assert_eq!(policy_again.digest(), policy.digest());
        let observation_again = resolved(&through_json(&record), &policy_again);
        let state_again = through_json(&state);
        prop_assert_eq!(state_again.digest(), state.digest());
        let (other, other_after) = decide_traced(&policy_again, state_again, &observation_again);
        prop_assert_eq!(&other, &decision);
        prop_assert_eq!(&other_after, &after);
        prop_assert_eq!(through_json(&decision), decision.clone());
        prop_assert_eq!(through_json(&after), after.clone());

        let (untraced, untraced_after) = decide(&policy, state, &observation);
        prop_assert_eq!(untraced, Decision { trace: None, ..decision });
        prop_assert_eq!(untraced_after, after);
    }

    /// Law 1, for logs: a record that was written down replays.
    #[test]
    fn logs_replay((spec, state, record) in situation(), update in prop_oneof![
        Just(None), Just(Some(ScaleUpdate::Applied)), Just(Some(ScaleUpdate::Rejected))
    ]) {
        let policy = valid(spec);
        let (mut record, mut after) = DecisionRecord::decide(&policy, state, record)
            .expect("the generator makes fitting observations");
        if let Some(update) = update {
            after = record.settle(&policy, after, update);
        }
        let LogEntry::Decision(read) = through_json(&LogEntry::Decision(record.clone())) else {
            panic!("another kind of entry came back")
        };
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.after, after.digest());
        prop_assert_eq!(read.again(&policy).expect("it fitted before"), record);
    }

    /// Law 2: what is decided lies within the bounds. Where nothing is decided, nothing changes.
    #[test]
    fn bounds((spec, state, record) in situation()) {
        let policy = valid(spec);
        let (decision, _) = decide(&policy, state, &resolved(&record, &policy));
        let bounds = policy.bounds();
        match decision.outcome {
            Outcome::Decided | Outcome::PartiallyDecided | Outcome::Enforced => {
                prop_assert!((bounds.min..=bounds.max).contains(&decision.desired_replicas));
            }
            _ => prop_assert_eq!(decision.scale_to, None),
        }
    }

    /// Law 4: making a reading unknown never wants less than there is.
    #[test]
    fn no_ignorance_down((spec, state, record) in situation(), which in 0_usize..4) {
        let policy = valid(spec);
        let mut observation = resolved(&record, &policy);
        let which = which % observation.readings.len();
        observation.readings[which] = MetricReading::Unavailable(Unavailable::Stale);
        let (decision, _) = decide(&policy, state, &observation);
        prop_assert!(
            decision.desired_replicas >= decision.current_replicas
                || decision.outcome == Outcome::Enforced
        );
    }

    /// Law 10, time shift: adding a constant to all times changes nothing but times.
    #[test]
    fn time_shift((spec, state, record) in situation(), shift in -1_000_000_000_i64..1_000_000_000) {
        let policy = valid(spec);
        let shift = |at: &mut Timestamp| *at = at.saturating_add(Span::from_secs(shift));
        let (decision, after) = decide(&policy, state.clone(), &resolved(&record, &policy));

        let mut later = record;
        shift(&mut later.time);
        for pod in &mut later.pods {
            pod.start_time.iter_mut().for_each(shift);
            pod.ready.iter_mut().flat_map(|ready| &mut ready.last_transition_time).for_each(shift);
        }
        for reading in &mut later.readings {
            let samples = reading.pods.iter_mut().flat_map(|pods| pods.values_mut());
            samples.flat_map(|sample| &mut sample.timestamp).for_each(shift);
        }
        let mut state_later = state;
        shift_state(&mut state_later, shift);
        let (other, other_after) = decide(&policy, state_later, &resolved(&later, &policy));

        let mut after_later = after;
        shift_state(&mut after_later, shift);
        prop_assert_eq!(other.desired_replicas, decision.desired_replicas);
        prop_assert_eq!((other.outcome, other.reason), (decision.outcome, decision.reason));
        prop_assert_eq!(other_after, after_later);
    }

    /// Law 10, scale: multiplying a total and its target by a power of two changes nothing. (The
    /// HPA cuts averages over pods to whole thousandths, so for those it does not hold.)
    #[test]
    fn scale(
        metric in external(0),
        value in 0_i64..1_000_000,
        target in 1_i64..100_000,
        replicas in 1_i32..20,
        power in 0_u32..16,
    ) {
        let propose = |factor: i64| {
            let mut metric = metric.clone();
            let source = metric.external.as_mut().expect("it is an External metric");
            let amount = Quantity::from_milli(target * factor);
            match (&mut source.target.value, &mut source.target.average_value) {
                (Some(value), _) | (_, Some(value)) => *value = amount,
                (None, None) => {}
            }
            let policy = Policy::from_stored(PolicySpec {
                max_replicas: 1_000,
                metrics: Some(vec![metric]),
                ..PolicySpec::default()
            });
            let mut pods = trimtab_engine::PodTable::default();
            for _ in 0..replicas {
                let readiness = trimtab_engine::Readiness::True;
                pods.push(trimtab_engine::PodRow { readiness, ..Default::default() });
            }
            let observation = Observation {
                pods,
                readings: vec![MetricReading::Totals(vec![value * factor])],
                ..Observation::new(Timestamp::from_secs(NOW), Scale::steady(replicas))
            };
            decide(&policy, State::default(), &observation).0
        };
        prop_assert_eq!(propose(1), propose(1 << power));
    }

    /// Law 12: the trace's steps, calculated again, give the decision's numbers.
    #[test]
    fn explained((spec, state, record) in situation()) {
        let policy = valid(spec);
        let (decision, _) = decide_traced(&policy, state, &resolved(&record, &policy));
        check_trace(&policy, &decision)?;
        let text = decision.explain().to_string();
        prop_assert!(text.lines().count() < 24, "more than a screen:\n{text}");
    }

    /// Until the next deadline, the same observation has the same answer.
    #[test]
    fn nothing_changes_before_the_deadline((spec, state, record) in situation(), part in 0.0..1.0_f64) {
        let policy = valid(spec);
        let mut observation = resolved(&record, &policy);
        let (decision, after) = decide(&policy, state, &observation);
        let deadline = next_deadline(&policy, &after, &observation);
        let until = deadline.unwrap_or(Timestamp::from_secs(NOW + 100_000));
        prop_assert!(until > observation.now);
        let wait = until.since(observation.now).as_millis() - 1;
        let wait = (wait as f64 * part) as i64;
        observation.now = observation.now.saturating_add(Span::from_millis(wait));
        let (later, _) = decide(&policy, after, &observation);
        prop_assert_eq!(later.desired_replicas, decision.desired_replicas);
    }

    /// The stages behind the sizing never turn a count that needs no change into a change, and
    /// stay between the present count and the wanted one where `behavior` is given.
    #[test]
    fn behavior_stays_between(
        mut spec in policy(),
        up in rules(1_i32..=600),
        down in rules(1_i32..=600),
        state in generate::state(),
        current in 1_i32..30,
        desired in 0_i32..40,
    ) {
        spec.behavior = Some(trimtab_engine::BehaviorSpec {
            scale_up: Some(up),
            scale_down: Some(down),
        });
        let policy = valid(spec);
        let current = current.clamp(policy.bounds().min.max(1), policy.bounds().max);
        let now = Timestamp::from_secs(NOW);
        let (replicas, _) = normalize(&policy, state, current, desired, now);
        let (low, high) = (current.min(desired), current.max(desired));
        prop_assert!((low..=high).contains(&replicas) || replicas == policy.bounds().min);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law 7: a step is never larger than some rate limit allows, counted from what there was at
    /// the start of its period.
    #[test]
    fn rate(
        up in rules(Just(60)),
        down in rules(Just(60)),
        loads in proptest::collection::vec(0_i32..60, 40),
        step in 1_i64..30,
    ) {
        let policy = valid(PolicySpec {
            behavior: Some(trimtab_engine::BehaviorSpec {
                scale_up: Some(up),
                scale_down: Some(down),
            }),
            max_replicas: 50,
            ..in_flight("1")
        });
        let mut state = State::for_policy(&policy);
        let mut counts = vec![(i64::MIN, 10)];
        for (tick, load) in loads.into_iter().enumerate() {
            let second = tick as i64 * step;
            let current = counts.last().expect("there is one").1;
            let observation = in_flight_now(second, current, load);
            let (decision, after) = decide(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            let Some(next) = decision.scale_to else { continue };
            let before = |period: i32| {
                let edge = second - i64::from(period);
                counts.iter().rev().find(|(at, _)| *at <= edge).expect("there is a first").1
            };
            let spec = policy.spec().behavior.as_ref().expect("it was given");
            let allowed = |rule: &ScalingPolicyRule| {
                let start = f64::from(before(rule.period_seconds));
                let (value, up) = (f64::from(rule.value), next > current);
                match (rule.type_.as_str(), up) {
                    ("Pods", true) => f64::from(next) <= start + value,
                    ("Pods", false) => f64::from(next) >= start - value,
                    (_, true) => f64::from(next) <= (start * (1.0 + value / 100.0)).ceil(),
                    (_, false) => f64::from(next) >= (start * (1.0 - value / 100.0)).trunc(),
                }
            };
            let rules = if next > current { &spec.scale_up } else { &spec.scale_down };
            let rules = rules.as_ref().expect("it was given");
            let limits = rules.policies.as_ref().expect("defaults fill it in");
            let within = match rules.select_policy.as_deref() {
                Some("Min") => limits.iter().all(allowed),
                Some("Disabled") => false,
                _ => limits.iter().any(allowed),
            };
            prop_assert!(within, "{current} -> {next} at {second}");
            counts.push((second, next));
        }
    }

    /// Law 11: a constant load comes to rest, and stays there.
    #[test]
    fn quiet(
        up in rules(1_i32..=60),
        down in rules(1_i32..=60),
        legacy: bool,
        load in 0_i32..40,
        start in 1_i32..12,
        max in 1_i32..12,
    ) {
        let behavior = trimtab_engine::BehaviorSpec { scale_up: Some(up), scale_down: Some(down) };
        let policy = valid(PolicySpec {
            behavior: (!legacy).then_some(behavior),
            max_replicas: max,
            ..in_flight("3")
        });
        let mut state = State::for_policy(&policy);
        let (mut current, mut last_change) = (start, 0);
        // Each direction has a window of at most an hour and then moves within each period, if ever.
        for tick in 0..400_i64 {
            let (decision, after) = decide(&policy, state, &in_flight_now(tick * 15, current, load));
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            if let Some(next) = decision.scale_to {
                (current, last_change) = (next, tick);
            }
        }
        prop_assert!(last_change < 340, "still moving at tick {last_change}, to {current}");
    }

    /// The three lists stay within their bound, whatever the rhythm: here a decision every
    /// millisecond, and a change of scale with most of them.
    #[test]
    fn state_is_bounded(loads in proptest::collection::vec(1_i32..60, 200), window in 0_i32..=3600) {
        let rules = trimtab_engine::ScalingRulesSpec {
            policies: Some(vec![ScalingPolicyRule {
                type_: "Percent".into(),
                value: 1_000,
                period_seconds: 1_800,
            }]),
            ..Default::default()
        };
        let policy = valid(PolicySpec {
            behavior: Some(trimtab_engine::BehaviorSpec {
                scale_up: Some(trimtab_engine::ScalingRulesSpec {
                    stabilization_window_seconds: Some(window / 60 * 60),
                    ..rules.clone()
                }),
                scale_down: Some(trimtab_engine::ScalingRulesSpec {
                    stabilization_window_seconds: Some(0),
                    ..rules
                }),
            }),
            max_replicas: 100,
            ..in_flight("1")
        });
        let mut state = State::for_policy(&policy);
        let mut current = 10;
        for tick in 0..(2 * State::MOST_ENTRIES as i64 + 300) {
            let load = loads[usize::try_from(tick).expect("it is small") % loads.len()];
            let now = Timestamp::from_millis(tick);
            let observation = Observation { now, ..in_flight_now(0, current, load) };
            let (decision, after) = decide(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            current = decision.desired_replicas;
        }
        let kept = state.recommendations.as_ref().map_or(0, Vec::len);
        let longest = kept.max(state.scale_ups.len()).max(state.scale_downs.len());
        prop_assert!(longest <= State::MOST_ENTRIES);
    }
}

fn shift_state(state: &mut State, shift: impl Fn(&mut Timestamp) + Copy) {
    state.recommendations.iter_mut().flatten().for_each(|entry| shift(&mut entry.at));
    state.scale_ups.iter_mut().for_each(|entry| shift(&mut entry.at));
    state.scale_downs.iter_mut().for_each(|entry| shift(&mut entry.at));
    state.status.last_scale_time.iter_mut().for_each(shift);
    let mut conditions = serde_json::to_value(state.status.conditions).expect("it serializes");
    for condition in conditions.as_array_mut().expect("it is a list") {
        let at = condition.get_mut("lastTransitionTime").expect("each has one");
        let mut time: Timestamp = serde_json::from_value(at.clone()).expect("it is a time");
        shift(&mut time);
        *at = serde_json::to_value(time).expect("it serializes");
    }
    state.status.conditions = serde_json::from_value(conditions).expect("they are conditions");
}

/// A policy with one External metric, held against an average.
fn in_flight(target: &str) -> PolicySpec {
    serde_json::from_value(serde_json::json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 1,
        "metrics": [{"type": "External", "external": {
            "metric": {"name": "requests_in_flight"},
            "target": {"type": "AverageValue", "averageValue": target},
        }}],
    }))
    .expect("it is a policy")
}

fn in_flight_now(second: i64, replicas: i32, in_flight: i32) -> Observation {
    Observation {
        readings: vec![MetricReading::Totals(vec![i64::from(in_flight) * 1000])],
        ..Observation::new(Timestamp::from_secs(second), Scale::steady(replicas))
    }
}

/// Each step starts where the one before it ended (metrics each start at the current count), does
/// what its rule says, and the last one ends at the decision.
fn check_trace(policy: &Policy, decision: &Decision) -> Result<(), TestCaseError> {
    let steps = decision.trace.as_deref().unwrap_or_default();
    let mut at = decision.current_replicas;
    let mut proposals = Vec::new();
    for step in steps {
        if let Rule::Metric(metric) = &step.rule {
            prop_assert_eq!(step.from, decision.current_replicas);
            proposals.push((metric.index, step.to, metric.result));
            check_calculation(metric.target, step.to, metric.result)?;
            continue;
        }
        prop_assert_eq!(step.from, at, "a gap before {:?}", step);
        let expected = match &step.rule {
            Rule::LargestProposal { metric } => {
                let valid = proposals
                    .iter()
                    .filter(|(_, _, result)| matches!(result, MetricResult::Measured(_)));
                let largest = valid.map(|(_, to, _)| *to).max().unwrap_or(0).max(0);
                let winner = proposals.iter().find(|(index, ..)| index == metric);
                prop_assert_eq!(winner.map(|(_, to, _)| (*to).max(0)), Some(largest));
                largest
            }
            Rule::Windows { current, lowest, highest, held } => {
                check_held(decision, step.to, held.as_ref())?;
                (*current).max(*lowest).min(*highest)
            }
            Rule::HighestRecommendation { held } => {
                check_held(decision, step.to, held.as_ref())?;
                held.map_or(step.from, |held| held.by.replicas)
            }
            Rule::RateLimit { direction: Direction::Up, limit } | Rule::ScaleUpLimit { limit } => {
                step.from.min(*limit)
            }
            Rule::RateLimit { direction: Direction::Down, limit } => step.from.max(*limit),
            Rule::MinReplicas => policy.bounds().min,
            Rule::MaxReplicas => policy.bounds().max,
            _ => step.from,
        };
        prop_assert_eq!(step.to, expected, "{:?}", step);
        at = step.to;
    }
    prop_assert_eq!(at, decision.desired_replicas);
    Ok(())
}

/// What holds the count is a recommendation of that very count that is still in its window.
fn check_held(
    decision: &Decision,
    to: i32,
    held: Option<&trimtab_engine::Held>,
) -> Result<(), TestCaseError> {
    if let Some(held) = held {
        prop_assert_eq!(held.by.replicas, to);
        prop_assert!(
            held.until > decision.at && held.until >= held.by.at.saturating_add(held.window)
        );
    }
    Ok(())
}

fn check_calculation(target: Target, to: i32, result: MetricResult) -> Result<(), TestCaseError> {
    let MetricResult::Measured(measured) = result else { return Ok(()) };
    prop_assert!(target != Target::Unusable);
    let rounded = |wanted: f64| {
        if wanted.is_nan() || wanted.ceil() < f64::from(i32::MIN) {
            i32::MIN
        } else if wanted.ceil() > f64::from(i32::MAX) {
            // Where the HPA guards the conversion it stops at the largest count, elsewhere the
            // processor makes it the least one.
            if to == i32::MAX { i32::MAX } else { i32::MIN }
        } else {
            wanted.ceil() as i32
        }
    };
    match measured.calculation {
        Calculation::Ratio { ratio: Some(ratio), count }
        | Calculation::Filled { ratio: Some(ratio), count } => {
            prop_assert_eq!(to, rounded(ratio.get() * f64::from(count)));
        }
        Calculation::Quotient { quotient: Some(quotient) } => {
            prop_assert_eq!(to, rounded(quotient.get()));
        }
        _ => {}
    }
    Ok(())
}
