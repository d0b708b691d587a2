#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod connect;
#[cfg(feature = "queries")]
mod error;
mod exposition;
#[cfg(feature = "queries")]
mod preset;
#[cfg(feature = "queries")]
pub mod promql;
#[cfg(feature = "queries")]
mod query;
#[cfg(feature = "client")]
mod record;
#[cfg(feature = "client")]
mod scrape;
#[cfg(feature = "client")]
mod source;

#[cfg(feature = "client")]
pub use client::{Answer, Counts, PrometheusClient, Series, ServerSpec, Shape};
#[cfg(feature = "client")]
pub use connect::{AuthSpec, BasicAuthSpec, ConnectSpec, TlsSpec};
#[cfg(feature = "queries")]
pub use error::SpecError;
pub use exposition::{Exposition, ExpositionError, Line, TextSample};
#[cfg(feature = "queries")]
pub use preset::{Preset, PresetArgs, PresetMetric, PresetRole};
#[cfg(feature = "queries")]
pub use query::{Aggregate, InFlightQuery, MetricQuery, PerReplica, QueriesSpec};
#[cfg(feature = "client")]
pub use query::{Finding, Rule};
#[cfg(feature = "client")]
pub use record::{Progress, RecordError, Recorded, Recorder};
#[cfg(feature = "client")]
pub use scrape::{
    GaugeTake, InFlightTake, NamesTake, QuantileTake, Replica, Replicas, ReplicasSpec,
    ScrapeMetric, ScrapeSource, ScrapeSpec, TakeSpec,
};
#[cfg(feature = "client")]
pub use source::PrometheusSource;
