#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

pub mod cluster;
mod connect;
/// The controller of `ScalingPolicy` resources.
#[cfg(feature = "controller")]
pub mod controller;
/// The `ScalingPolicy` resource.
pub mod crd;
/// The metrics APIs, as the HPA asks them.
pub mod metrics;
pub mod target;

pub use connect::{ConnectError, ConnectSpec, connect, connect_with};
