//! The laws of Ray Serve's rules.

mod aggregation;
mod capacity;
mod proposals;
