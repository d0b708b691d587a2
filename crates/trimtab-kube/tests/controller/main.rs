//! The controller against API servers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

mod access;
mod failover;
mod faults;
mod fleet;
mod harness;
mod policies;
mod scaling;
