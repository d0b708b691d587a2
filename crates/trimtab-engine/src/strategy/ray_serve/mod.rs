//! Ray Serve: ongoing requests over a target, once that has been wanted for long enough.
//!
//! The rules are those of Ray 2.60, reproduced to the bit, defects included; recorded runs of its
//! controller's code are the test. Counts are `i32`: where Ray's integers go on, they stop at the
//! largest one.

mod aggregate;
mod capacity;
mod policy;
mod reports;

pub use aggregate::{Sample, TimeUnit, aggregate};
pub use capacity::{Capacity, Limits};
pub use policy::{Course, Load, Parameters, Proposal, Replicas, Streak, Wait, propose};
pub use reports::{HandleReport, Reports};
