//! Rust's own time for what `benches/python.py` measures from Python: one decision of the article's policy, and a tick over a
//! million workloads, as one JSON document.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool speaks on stdout")]
#![expect(clippy::expect_used, reason = "a bench without its inputs has nothing to measure")]

use std::hint::black_box;
use std::mem;
use std::time::{Duration, Instant};

use trimtab_benches::{NOW, SIMPLE, policy, simple_observation};
use trimtab_engine::{
    MetricReading, ObservationRecord, Policy, ScaleUpdate, State, decide, decide_traced, settle,
};
use trimtab_manifest::{Source, read_policies};

const ROUNDS: usize = 200;
const DECISIONS: usize = 2_000;
const WORKLOADS: usize = 1_000_000;

fn main() {
    let (decide_seconds, resolved_seconds) = one();
    println!(
        "{{\"decide_seconds\": {decide_seconds:e}, \"resolve_and_decide_seconds\": \
         {resolved_seconds:e}, \"million_seconds\": {}}}",
        million()
    );
}

/// The article's policy, and what two of its replicas report.
fn article() -> (Policy, ObservationRecord) {
    let text = include_str!("../../examples/llm-inference/hpa.yaml");
    let read = read_policies(&Source::new("hpa.yaml", text)).expect("the example is valid");
    let policy = read.policies.into_iter().next().expect("it holds a policy").policy;
    let record = serde_json::from_str(
        r#"{"time": 1800000000, "replicas": 2,
            "pods": [{"name": "a", "ready": true}, {"name": "b", "ready": true}],
            "readings": [
                {"metric": "inference_requests_waiting", "pods": {"a": "9", "b": "7.5"}},
                {"metric": "inference_kv_cache_usage_ratio", "pods": {"a": "0.5", "b": "0.6"}}]}"#,
    );
    (policy, record.expect("it is an observation"))
}

/// Seconds of a traced decision from a state that stays, without and with matching the names; the best of some rounds.
fn one() -> (f64, f64) {
    let (policy, record) = article();
    let state = State::for_policy(&policy);
    let seen = record.resolve(&policy).expect("it fits the policy");
    let time = |work: &dyn Fn()| {
        let rounds = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            (0..DECISIONS).for_each(|_| work());
            start.elapsed()
        });
        rounds.min().unwrap_or(Duration::MAX).as_secs_f64() / DECISIONS as f64
    };
    let decided = time(&|| {
        black_box(decide_traced(&policy, state.clone(), black_box(&seen)));
    });
    let resolved = time(&|| {
        let seen = black_box(&record).resolve(&policy).expect("it fits the policy");
        black_box(decide_traced(&policy, state.clone(), &seen));
    });
    (decided, resolved)
}

/// Seconds of a tick over a million workloads on one core, each settled, once their windows have filled.
fn million() -> f64 {
    let policy = policy(SIMPLE);
    let mut states: Vec<State> = (0..WORKLOADS).map(|_| State::for_policy(&policy)).collect();
    let mut best = Duration::MAX;
    for tick in 0..40 {
        let loads: Vec<f64> = (0..WORKLOADS)
            .map(|row| 36.0 + ((row as i64 + 7919 * tick) & 0xfff) as f64 / 1000.0)
            .collect();
        let mut observation = simple_observation(NOW + 15 * tick, 5, 36);
        let mut desired = vec![0; WORKLOADS];
        let start = Instant::now();
        for ((state, load), desired) in states.iter_mut().zip(&loads).zip(&mut desired) {
            if let Some(MetricReading::Totals(values)) = observation.readings.first_mut() {
                values.fill((load * 1000.0) as i64);
            }
            let (decision, after) = decide(&policy, mem::take(state), &observation);
            *state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            *desired = decision.desired_replicas;
        }
        black_box(desired);
        if tick >= 30 {
            best = best.min(start.elapsed());
        }
    }
    best.as_secs_f64()
}
