//! The controller against API servers.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail by panic"
)]

mod access;
mod asleep;
mod beside_hpa;
mod failover;
mod faults;
mod fleet;
mod harness;
mod memory;
mod metrics;
mod policies;
mod real;
mod scaling;
#[path = "../target/servers.rs"]
#[expect(dead_code, reason = "the tests of targets use more of it")]
mod servers;
mod takeover;
