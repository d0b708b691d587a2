#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "it runs in tests only, and a test may fail by panic"
)]
//! Kubernetes API servers for tests.
//!
//! [`ApiServer::real`] starts etcd and kube-apiserver where `KUBEBUILDER_ASSETS` says that their binaries are.
//! [`ApiServer::in_process`] needs nothing, and fails on demand ([`Faults`]). What a test leans on behaves the same in
//! both, and the conformance tests of this crate hold them to that.
//!
//! ```no_run
//! use trimtab_apiserver::{ApiServer, fixture};
//!
//! # async fn run() {
//! for server in ApiServer::both().await {
//!     let client = server.client();
//!     fixture::namespace(&client, "inference").await;
//!     fixture::deployment(&client, "inference", "llm", 3).await;
//! }
//! # }
//! ```
//!
//! Neither has a kubelet or, unless it is [asked for](ApiServer::with_controller_manager), a controller: pods,
//! their readiness and the status of workloads are what the test makes of them, with [`fixture`].

pub mod fixture;
mod memory;
mod metrics;
mod real;
mod serve;
mod server;

pub use memory::{Faults, Logged, Rule};
pub use metrics::{Metrics, MetricsApi, Sample};
pub use server::ApiServer;
