//! What reading costs: quantities, documents, observations and decision logs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use trimtab_benches::{MIXED, eventful_state, mixed_record, policy};
use trimtab_engine::{DecisionRecord, LogEntry};
use trimtab_manifest::{Source, read_policies};
use trimtab_metric::Quantity;

const HPA: &str = include_str!("../../examples/llm-inference/hpa.yaml");

fn parse(c: &mut Criterion) {
    for text in ["500m", "16Gi", "12345678901234567890"] {
        c.bench_function(&format!("quantity {text}"), |b| {
            b.iter(|| black_box(text).parse::<Quantity>());
        });
    }
    let source = Source::new("hpa.yaml", HPA);
    c.bench_function("manifest hpa.yaml", |b| b.iter(|| read_policies(black_box(&source))));

    let policy = policy(MIXED);
    let record = mixed_record(10);
    c.bench_function("resolve 10 pods", |b| b.iter(|| black_box(&record).resolve(&policy)));

    let state = eventful_state(&policy, 10);
    let made = DecisionRecord::decide(&policy, state, record);
    let Ok((record, _)) = made else { return };
    let Ok(line) = serde_json::to_string(&LogEntry::Decision(record)) else { return };
    c.bench_function("log line", |b| {
        b.iter(|| serde_json::from_str::<LogEntry>(black_box(&line)));
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);
