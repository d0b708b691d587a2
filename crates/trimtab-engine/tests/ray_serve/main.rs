//! The laws of Ray Serve's rules.

#![expect(clippy::expect_used, reason = "a test may fail by panic")]

mod aggregation;
mod capacity;
mod deciding;
mod proposals;
