//! The simulator, whole: what comes of requests, policies and clusters, beside what can be reckoned by hand or is
//! known of queues.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod bound;
mod cluster;
mod conservation;
mod determinism;
mod error_budget;
mod lifecycle;
mod metrics;
mod queueing;
mod report;
mod retire;
mod scarce_nodes;
mod scenarios;
mod season;
mod server;
mod service_model;
mod support;
