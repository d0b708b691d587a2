//! What one decision costs, and a tick over a million workloads.

use std::hint::black_box;
use std::mem;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use trimtab_benches::{
    MIXED, NOW, SIMPLE, eventful_state, mixed_observation, policy, simple_observation,
};
use trimtab_engine::{State, decide, decide_traced, normalize};
use trimtab_metric::Timestamp;

fn one_decision(c: &mut Criterion) {
    let policy = policy(MIXED);
    let mut group = c.benchmark_group("decide");
    for pods in [10_usize, 100, 1_000] {
        let observation = mixed_observation(pods);
        let state = eventful_state(&policy, pods);
        group.throughput(Throughput::Elements(pods as u64));
        group.bench_with_input(
            BenchmarkId::new("untraced", pods),
            &observation,
            |b, observation| {
                b.iter_batched(
                    || state.clone(),
                    |state| decide(&policy, state, black_box(observation)),
                    BatchSize::SmallInput,
                );
            },
        );
        group.bench_with_input(BenchmarkId::new("traced", pods), &observation, |b, observation| {
            b.iter_batched(
                || state.clone(),
                |state| decide_traced(&policy, state, black_box(observation)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();

    let state = eventful_state(&policy, 10);
    c.bench_function("normalize", |b| {
        b.iter_batched(
            || state.clone(),
            |state| normalize(&policy, state, 10, black_box(15), Timestamp::from_secs(NOW)),
            BatchSize::SmallInput,
        );
    });
}

fn million_workloads(c: &mut Criterion) {
    const WORKLOADS: usize = 1_000_000;
    let policy = policy(SIMPLE);
    let mut states: Vec<State> = (0..WORKLOADS).map(|_| State::for_policy(&policy)).collect();
    let mut second = NOW;
    let mut group = c.benchmark_group("tick");
    group.sample_size(10).throughput(Throughput::Elements(WORKLOADS as u64));
    group.bench_function("1000000 workloads", |b| {
        b.iter(|| {
            second += 15;
            let mut observation = simple_observation(second, 5, 36);
            let mut changes = 0_usize;
            for (index, state) in states.iter_mut().enumerate() {
                if let [trimtab_engine::MetricReading::Totals(values)] =
                    observation.readings.as_mut_slice()
                {
                    values.fill(36_000 + (index as i64 & 0xfff));
                }
                let (decision, after) = decide(&policy, mem::take(state), &observation);
                *state = after;
                changes += usize::from(decision.scale_to.is_some());
            }
            black_box(changes)
        });
    });
    group.finish();
}

criterion_group!(benches, one_decision, million_workloads);
criterion_main!(benches);
