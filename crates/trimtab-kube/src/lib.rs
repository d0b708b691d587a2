#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

/// What is known of a cluster from watching it: pods, nodes, node pools, disruption budgets.
pub mod cluster;
mod connect;
/// The controller of `ScalingPolicy` resources.
#[cfg(feature = "controller")]
pub mod controller;
/// The `ScalingPolicy` resource.
pub mod crd;
/// The metrics APIs, as the HPA asks them.
pub mod metrics;
/// Scale targets: whatever has a `scale` subresource.
pub mod target;

pub use connect::{ConnectError, ConnectSpec, connect, connect_with};
