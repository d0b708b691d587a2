#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod client;
mod connect;
mod error;
mod exposition;
mod preset;
mod query;
mod record;
mod scrape;
mod source;

pub use client::{Answer, Counts, PrometheusClient, Series, ServerSpec, Shape};
pub use connect::{AuthSpec, BasicAuthSpec, ConnectSpec, TlsSpec, use_ring};
pub use error::SpecError;
pub use exposition::{Exposition, ExpositionError, Line, TextSample};
pub use preset::{Preset, PresetArgs, PresetMetric, PresetRole};
pub use query::{Aggregate, Finding, InFlightQuery, MetricQuery, PerReplica, QueriesSpec, Rule};
pub use record::{Progress, RecordError, Recorded, Recorder};
pub use scrape::{
    GaugeTake, InFlightTake, NamesTake, QuantileTake, Replica, Replicas, ReplicasSpec,
    ScrapeMetric, ScrapeSource, ScrapeSpec, TakeSpec,
};
pub use source::PrometheusSource;
