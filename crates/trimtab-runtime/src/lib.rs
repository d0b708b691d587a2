#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod clock;
mod controller;
mod gather;
#[cfg(feature = "health")]
pub mod health;
mod metrics;
mod pace;
mod settings;
mod sink;
mod source;
mod status;
mod store;
mod target;
mod tick;
#[cfg(feature = "tls")]
mod tls;
mod worker;
mod workload;

pub use clock::{Clock, SystemClock};
pub use controller::{Controller, ControllerBuilder};
pub use settings::Settings;
pub use sink::{
    BroadcastSink, DecisionSink, JsonlSink, Missing, Rotation, SinkError, Tick, TracingSink,
};
pub use source::{Ask, MetricSource, Observed, Problem, Provides, SourceError};
pub use status::{ReplicaCounts, WorkloadStatus};
pub use store::{FileStore, MemoryStore, StateStore, StoreError, Stored};
#[cfg(any(feature = "exec", feature = "local"))]
pub use target::TemplateError;
pub use target::{Change, ScaleTarget, TargetError, TargetStatus};
#[cfg(feature = "exec")]
pub use target::{ExecSpec, ExecTarget};
#[cfg(feature = "local")]
pub use target::{LocalReplica, LocalSpec, LocalTarget};
#[cfg(feature = "webhook")]
pub use target::{WebhookError, WebhookSpec, WebhookTarget};
#[cfg(feature = "tls")]
pub use tls::use_ring;
pub use workload::{InvalidWorkloadId, Mode, Workload, WorkloadId};
