//! The controller against API servers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

mod access;
mod asleep;
mod failover;
mod faults;
mod fleet;
mod harness;
mod policies;
mod scaling;
#[path = "../target/servers.rs"]
#[expect(dead_code, reason = "the tests of targets use more of it")]
mod servers;
