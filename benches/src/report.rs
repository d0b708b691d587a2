//! Prints the numbers of `benches/README.md`: time per decision, time per pod, bytes of state.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

use trimtab_benches::strategies::{Case, SLO, cases};
use trimtab_benches::{
    MIXED, NOW, SIMPLE, eventful_state, mixed_observation, mixed_record, policy, simple_observation,
};
use trimtab_engine::{
    Decision, MetricReading, Observation, Policy, ScaleUpdate, State, decide, decide_traced,
    normalize, settle,
};
use trimtab_metric::Timestamp;

/// The real HPA's Go code on a 2-core machine of the same kind, in microseconds: whole decision.
const GO_MICROS: [(usize, f64); 3] = [(10, 12.6), (100, 91.0), (1_000, 1_074.0)];
const GO_NORMALIZE_MICROS: f64 = 1.3;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mixed = policy(MIXED);
    writeln!(out, "one decision: CPU + Pods metric, behaviors, 40 recommendations, 100 events\n")?;
    writeln!(
        out,
        "| pods | untraced | decisions/s | per pod | traced | names resolved first | the HPA's Go code |"
    )?;
    writeln!(out, "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
    for (pods, go) in GO_MICROS {
        let untraced = time_decisions(&mixed, pods, decide);
        let traced = time_decisions(&mixed, pods, decide_traced);
        let resolved = untraced + time_resolving(&mixed, pods);
        writeln!(
            out,
            "| {pods} | {:.0} ns | {:.0} | {:.1} ns | {:.0} ns | {:.1} µs | {go:.1} µs |",
            untraced * 1e9,
            1.0 / untraced,
            untraced * 1e9 / pods as f64,
            traced * 1e9,
            resolved * 1e6,
        )?;
    }
    let normalizing = time(
        2_000_000,
        || eventful_state(&mixed, 10),
        |state| {
            let (replicas, state) =
                normalize(&mixed, state, 10, black_box(15), Timestamp::from_secs(NOW));
            black_box(replicas);
            as_it_was(state)
        },
    );
    writeln!(
        out,
        "\nnormalizing alone: {:.0} ns; the HPA's Go code: {:.1} µs",
        normalizing * 1e9,
        GO_NORMALIZE_MICROS
    )?;
    by_strategy(&mut out)?;
    writeln!(out)?;
    million(&mut out, "simple", SIMPLE)?;
    million(&mut out, "`slo`", SLO)?;
    state_sizes(&mut out)
}

/// Every strategy on a changing load, once its windows have filled.
fn by_strategy(out: &mut impl Write) -> io::Result<()> {
    const TICKS: i64 = 2_000;
    writeln!(out, "\none decision of each strategy, ten replicas, a changing load\n")?;
    writeln!(out, "| strategy | reads | untraced | traced | state |")?;
    writeln!(out, "| --- | --- | ---: | ---: | ---: |")?;
    for case in cases() {
        let (mut state, mut largest) = (State::for_policy(&case.policy), 0);
        for tick in 0..TICKS {
            let (decision, after) = decide(&case.policy, state, &case.observation(tick));
            state = settle(&case.policy, after, &decision, ScaleUpdate::Applied);
            largest = largest.max(state.size_in_bytes());
        }
        let seen: Vec<Observation> =
            (TICKS..3 * TICKS).map(|tick| case.observation(tick)).collect();
        let untraced = time_course(&case, &state, &seen, decide);
        let traced = time_course(&case, &state, &seen, decide_traced);
        let Case { name, reads, .. } = case;
        writeln!(
            out,
            "| {name} | {reads} | {:.0} ns | {:.0} ns | {largest} bytes |",
            untraced * 1e9,
            traced * 1e9
        )?;
    }
    Ok(())
}

/// Seconds per decision over a course, the best of five.
fn time_course(
    case: &Case,
    state: &State,
    seen: &[Observation],
    decide: fn(&Policy, State, &Observation) -> (Decision, State),
) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut state = state.clone();
        let start = Instant::now();
        for observation in seen {
            let (decision, after) = decide(&case.policy, state, black_box(observation));
            black_box(decision);
            state = after;
        }
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() / seen.len() as f64
}

/// Seconds per call, the best of five rounds: noise only ever adds.
fn time<S>(calls: u32, fresh: impl Fn() -> S, mut call: impl FnMut(S) -> S) -> f64 {
    let round = || {
        let mut state = fresh();
        let start = Instant::now();
        for _ in 0..calls / 5 {
            state = call(state);
        }
        let taken = start.elapsed();
        black_box(state);
        taken
    };
    let mut rounds: Vec<Duration> = Vec::new();
    let mut round = round;
    for _ in 0..5 {
        rounds.push(round());
    }
    rounds.iter().min().copied().unwrap_or_default().as_secs_f64() / f64::from(calls / 5)
}

fn time_decisions(
    policy: &Policy,
    pods: usize,
    decide: fn(&Policy, State, &Observation) -> (Decision, State),
) -> f64 {
    let observation = mixed_observation(pods);
    let fresh = eventful_state(policy, pods);
    let calls = u32::try_from(4_000_000 / pods).unwrap_or(1);
    time(
        calls,
        || fresh.clone(),
        |state| {
            let (decision, state) = decide(policy, state, black_box(&observation));
            black_box(decision);
            as_it_was(state)
        },
    )
}

/// What it takes to match a record's names with the policy.
fn time_resolving(policy: &Policy, pods: usize) -> f64 {
    let record = mixed_record(pods);
    let calls = u32::try_from(200_000 / pods).unwrap_or(1);
    time(
        calls,
        || (),
        |()| {
            let resolved = black_box(&record).resolve(policy);
            drop(black_box(resolved));
        },
    )
}

/// The clock stands still, so each call would add to the history.
fn as_it_was(mut state: State) -> State {
    state.recommendations.iter_mut().for_each(|entries| entries.truncate(40));
    state
}

fn million(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    const WORKLOADS: usize = 1_000_000;
    let policy = policy(text);
    let mut states: Vec<State> = (0..WORKLOADS).map(|_| State::for_policy(&policy)).collect();
    let mut best = Duration::MAX;
    let ticks = if text == SLO { 160 } else { 40 }; // so long until what it remembers is all there
    for tick in 0..ticks {
        let mut observation = simple_observation(NOW + 15 * tick, 5, 36);
        observation.readings.resize(policy.metrics().len(), MetricReading::Totals(vec![500]));
        let start = Instant::now();
        for (index, state) in states.iter_mut().enumerate() {
            if let Some(MetricReading::Totals(values)) = observation.readings.first_mut() {
                values.fill(36_000 + ((index as i64 + 7919 * tick) & 0xfff));
            }
            let (decision, after) = decide(&policy, mem::take(state), &observation);
            *state = after;
            black_box(decision);
        }
        if tick >= ticks - 15 {
            best = best.min(start.elapsed());
        }
    }
    let bytes: usize = states.iter().map(State::size_in_bytes).sum();
    writeln!(
        out,
        "a tick over 1,000,000 {name} workloads: {:.2} s on one core, {} bytes of state each",
        best.as_secs_f64(),
        bytes / WORKLOADS
    )
}

/// A day of load that goes up and down, decided every 15 s; the largest state on the way.
fn state_sizes(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nstate after a day of changing load:\n")?;
    writeln!(out, "| policy | in memory | as JSON |")?;
    writeln!(out, "| --- | ---: | ---: |")?;
    for (name, text) in [("CPU and queue, as in the example", MIXED), ("simple", SIMPLE)] {
        let policy = policy(text);
        let mut state = State::for_policy(&policy);
        let mut observation = mixed_observation(10);
        let (mut replicas, mut largest, mut longest) = (10, 0, 0);
        for tick in 0..5_760_i64 {
            let second = NOW + 15 * tick;
            let load = 40 + (tick * 7919) % 61 + 60 * ((tick / 480) % 3);
            if text == SIMPLE {
                observation = simple_observation(second, replicas, load);
            } else if let Some(MetricReading::PerPod(readings)) = observation.readings.get_mut(1) {
                observation.now = Timestamp::from_secs(second);
                observation.scale = Some(trimtab_engine::Scale::steady(replicas));
                readings.clear();
                (0..10).for_each(|_| readings.push_milli(load * 100));
            }
            let (decision, after) = decide(&policy, state, &observation);
            state = settle(&policy, after, &decision, ScaleUpdate::Applied);
            replicas = decision.desired_replicas;
            largest = largest.max(state.size_in_bytes());
            longest = longest.max(serde_json::to_string(&state).map_or(0, |text| text.len()));
        }
        writeln!(out, "| {name} | {largest} bytes | {longest} bytes |")?;
    }
    Ok(())
}
