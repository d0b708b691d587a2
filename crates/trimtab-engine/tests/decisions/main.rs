//! Whole decisions of every strategy and stage, by hand and by chance, and what they say of themselves.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

#[path = "../generate/signals.rs"]
mod signals;

mod admission;
mod anticipate;
mod apa;
mod conditions;
mod corners;
mod deadlines;
mod explanations;
mod field_failures;
mod fleet;
mod formula;
mod formula_laws;
mod hold;
mod keda;
mod knative;
mod redundancy;
mod refusals;
mod resolving;
mod retire;
mod retire_in_order;
mod schedules;
mod slo;
mod slo_sensing;
mod supply;
mod supply_laws;
mod warm_pool;
mod wva;
