#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

pub use trimtab_engine::*;
/// What was measured: quantities, readings, windows and histogram quantiles.
pub use trimtab_metric as metric;

/// Documents in, policies out, with the place of every mistake.
#[cfg(feature = "manifest")]
pub use trimtab_manifest as manifest;

/// Policy tests: what has to be decided on which readings, and the runner that says whether it is.
#[cfg(feature = "test")]
pub use trimtab_test as test;

/// The control loop around the decision, and its ports.
#[cfg(feature = "runtime")]
pub use trimtab_runtime as runtime;

/// Metrics from a Prometheus, and from the pages of replicas.
#[cfg(feature = "prometheus")]
pub use trimtab_prometheus as prometheus;

/// Kubernetes: scale targets, metrics, watched clusters, and the ScalingPolicy resource with its controller.
#[cfg(feature = "kube")]
pub use trimtab_kube as kube;

/// KEDA's external scaler: an existing KEDA scales as is decided here.
#[cfg(feature = "keda")]
pub use trimtab_keda as keda;

#[cfg(feature = "tracing")]
mod emit;
#[cfg(feature = "tracing")]
pub use emit::emit;
