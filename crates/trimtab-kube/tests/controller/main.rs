//! The controller against API servers.

mod access;
mod failover;
mod faults;
mod fleet;
mod harness;
mod policies;
mod scaling;
