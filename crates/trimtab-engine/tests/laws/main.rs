//! The laws, each a property test that has its name. Ten thousand cases each, or as many as
//! `TRIMTAB_LAW_CASES` says.
//!
//! What holds for one decision is tested on *situations*: policies of the HPA with metrics of every
//! type, any history, any observation. What holds for every strategy is tested on *workloads*: a
//! policy of any strategy, and what happens to it over time, with the history that it makes itself.
//! What `slo` makes of its signals is tested on *signals* of every role.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panic"
)]

#[path = "../generate/mod.rs"]
mod generate;

mod bounds;
mod deadline;
mod determinism;
mod explained;
mod guards_only_raise;
mod monotone;
mod no_ignorance_down;
mod no_wind_up;
mod quiet;
mod rate;
mod scale;
mod signals;
mod stabilization;
mod state_is_bounded;
mod time_shift;

use proptest::prelude::ProptestConfig;
use trimtab_engine::{Observation, ObservationRecord, Policy, PolicySpec};

/// As many cases as are asked for.
fn cases() -> ProptestConfig {
    let asked = std::env::var("TRIMTAB_LAW_CASES").ok();
    let cases = asked.map_or(10_000, |asked| asked.parse().expect("a number of cases"));
    ProptestConfig { cases, ..ProptestConfig::default() }
}

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
