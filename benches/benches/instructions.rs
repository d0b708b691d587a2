//! The same decisions in instructions, which do not depend on what else the machine does.
//!
//! Needs valgrind and `gungraun-runner` of the same version as the `gungraun` crate.

#![expect(missing_docs, reason = "gungraun makes the entry points")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use trimtab_benches::{
    MIXED, SIMPLE, eventful_state, mixed_observation, policy, simple_observation,
};
use trimtab_engine::{Decision, Observation, Policy, State, decide, decide_traced};

type Situation = (Policy, State, Observation);

/// The inputs come back out, so that freeing them is not counted.
type Decided = (Decision, Situation);

fn mixed(pods: usize) -> Situation {
    let policy = policy(MIXED);
    let state = eventful_state(&policy, pods);
    (policy, state, mixed_observation(pods))
}

fn simple(second: i64) -> Situation {
    let policy = policy(SIMPLE);
    let observation = simple_observation(second, 5, 36);
    let (_, state) = decide(&policy, State::for_policy(&policy), &observation);
    (policy, state, simple_observation(second + 15, 5, 36))
}

#[library_benchmark]
#[bench::pods_10(mixed(10))]
#[bench::pods_100(mixed(100))]
#[bench::pods_1000(mixed(1_000))]
#[bench::simple(simple(0))]
fn untraced((policy, state, observation): Situation) -> Decided {
    let (decision, state) = decide(&policy, state, black_box(&observation));
    black_box((decision, (policy, state, observation)))
}

#[library_benchmark]
#[bench::pods_10(mixed(10))]
#[bench::pods_1000(mixed(1_000))]
fn traced((policy, state, observation): Situation) -> Decided {
    let (decision, state) = decide_traced(&policy, state, black_box(&observation));
    black_box((decision, (policy, state, observation)))
}

library_benchmark_group!(name = decisions, benchmarks = [untraced, traced]);
main!(library_benchmark_groups = decisions);
