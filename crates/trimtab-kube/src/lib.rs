#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

pub mod cluster;
mod connect;
#[cfg(feature = "controller")]
pub mod controller;
pub mod crd;
pub mod metrics;
pub mod target;

pub use connect::{ConnectError, ConnectSpec, connect, connect_with};
