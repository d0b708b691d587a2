//! What a simulated request costs.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use trimtab_benches::Fleet;
use trimtab_sim::{Workload, survey};

const REQUESTS: f64 = 100_000.0;

fn simulate(c: &mut Criterion) {
    let fleet = Fleet::of(10);
    let workload = fleet.steady(REQUESTS);
    let mut group = c.benchmark_group("simulate");
    group.throughput(Throughput::Elements(REQUESTS as u64)).sample_size(20);
    group.bench_function("generate", |b| {
        b.iter(|| black_box(workload.requests().map(Iterator::count).is_ok()));
    });
    group.bench_function("survey", |b| {
        b.iter(|| black_box(survey(&workload, &fleet.profile, &fleet.objectives).is_ok()));
    });
    group.bench_function("ten replicas", |b| b.iter(|| black_box(fleet.simulate(&workload, None))));
    group.bench_function("ten replicas, with a timeline", |b| {
        b.iter(|| black_box(fleet.simulate(&workload, Some(60.0))));
    });
    let many = Fleet::of(200);
    let workload = many.steady(REQUESTS);
    group.bench_function("200 replicas", |b| b.iter(|| black_box(many.simulate(&workload, None))));
    group.finish();
}

criterion_group!(benches, simulate);
criterion_main!(benches);
