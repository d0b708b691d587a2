//! Ray Serve: ongoing requests over a target, once that has been wanted for long enough.
//!
//! The rules are those of Ray 2.60, reproduced to the bit, defects included; recorded runs of its
//! controller's code are the test. Counts are `i32`: where Ray's integers go on, they stop at the
//! largest one.

mod aggregate;
mod capacity;
mod explain;
mod policy;
mod reports;
mod size;
mod state;
mod step;

pub use aggregate::{Sample, TimeUnit, aggregate};
pub use capacity::{Capacity, Limits};
pub use policy::{Course, Load, Parameters, Proposal, Replicas, Streak, Wait, propose};
pub use reports::{HandleReport, Reports};
pub use state::RayServeState;
pub use step::RayServeStep;

pub(crate) use explain::words;
pub(crate) use size::{register, size};
