//! The port through which decisions go out.

mod broadcast;
mod jsonl;
mod tracing;

pub use broadcast::BroadcastSink;
pub use jsonl::{JsonlSink, Rotation};
pub use tracing::TracingSink;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use trimtab_engine::{DecisionRecord, Policy};

use crate::{Mode, Problem, SourceError, StoreError, TargetError, WorkloadId};

/// Where decisions are told.
///
/// # How to write one
///
/// A sink is told of each decision after it was carried out. It returns soon: the workload waits for it, though no
/// other does. What it can't take it drops, and says so by an error, which the loop counts and reports.
#[async_trait]
pub trait DecisionSink: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> &str;

    /// Takes a decision.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when it was not taken.
    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError>;

    /// Sees to it that what was taken is safe; before the process ends.
    ///
    /// # Errors
    ///
    /// [`SinkError`] when it is not.
    async fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A sink did not take a decision.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// What one tick of one workload was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tick {
    /// The workload.
    pub workload: WorkloadId,
    /// What decided.
    pub policy: Arc<Policy>,
    /// Whether the decision was to be carried out.
    pub mode: Mode,
    /// The decision, with all that it depended on.
    pub record: DecisionRecord,
    /// What could not be read, and why.
    pub missing: Vec<Missing>,
    /// Why the target could not be read or written.
    pub target_error: Option<TargetError>,
    /// Why the state was not saved.
    pub store_error: Option<Arc<StoreError>>,
    /// How long each source took, by its name.
    pub source_times: Vec<(String, Duration)>,
    /// How long the decision took, without sources and target.
    pub decision_time: Duration,
    /// How long all of it took.
    pub total_time: Duration,
    /// How much later than planned it began.
    pub late: Duration,
}

/// A metric, or all that a source provides, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The source's name.
    pub source: String,
    /// The metric's name in the policy; `None` where the source as a whole had nothing.
    pub metric: Option<String>,
    /// Why.
    pub error: SourceError,
}

impl Missing {
    pub(crate) fn one(source: &str, problem: Problem) -> Self {
        let Problem { metric, error } = problem;
        Self { source: String::from(source), metric: Some(metric), error }
    }

    pub(crate) fn all(source: &str, error: SourceError) -> Self {
        Self { source: String::from(source), metric: None, error }
    }
}
