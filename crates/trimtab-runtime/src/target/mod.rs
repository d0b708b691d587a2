//! The port through which counts are read and written.

#[cfg(feature = "exec")]
mod exec;
#[cfg(feature = "local")]
mod local;
#[cfg(any(feature = "exec", feature = "local"))]
mod template;
#[cfg(feature = "webhook")]
mod webhook;

#[cfg(feature = "exec")]
pub use exec::{ExecSpec, ExecTarget};
#[cfg(feature = "local")]
pub use local::{LocalReplica, LocalSpec, LocalTarget};
#[cfg(any(feature = "exec", feature = "local"))]
pub use template::TemplateError;
#[cfg(feature = "webhook")]
pub use webhook::{WebhookError, WebhookSpec, WebhookTarget};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_engine::{PodRecord, Selector, WarmCounts, WarmPlan};
use trimtab_metric::Span;

use crate::WorkloadId;

/// What is scaled.
///
/// # How to write one
///
/// A target translates and never decides.
///
/// - [`read`](ScaleTarget::read) says how many replicas were asked for and how many there are. What it can say of single
///   replicas goes into [`TargetStatus::pods`]; `None` where it does not know them.
/// - [`write`](ScaleTarget::write) changes the count **only if nobody else did since it was read**, by the version that
///   it gave itself in [`TargetStatus::version`], else it fails with [`TargetError::Conflict`]. The loop then reads
///   again, and writes again if the count is still the one that was decided on. A target without versions leaves it
///   `None` and writes at once.
/// - A write that is repeated does no harm. A future that is dropped may have written or not; the loop finds out by
///   reading.
///
/// ```
/// use std::sync::atomic::{AtomicI32, Ordering};
///
/// use async_trait::async_trait;
/// use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};
///
/// /// A pool of threads in this very process.
/// struct Threads(AtomicI32);
///
/// #[async_trait]
/// impl ScaleTarget for Threads {
///     fn name(&self) -> &str {
///         "threads"
///     }
///
///     async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
///         Ok(TargetStatus::steady(self.0.load(Ordering::Relaxed)))
///     }
///
///     async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
///         self.0.store(change.replicas, Ordering::Relaxed);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait ScaleTarget: Send + Sync {
    /// What it is called in messages, such as `deployments/llm`.
    fn name(&self) -> &str;

    /// How many replicas there are.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when it can't be said; nothing is decided then.
    async fn read(&self, workload: &WorkloadId) -> Result<TargetStatus, TargetError>;

    /// Carries out a change.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when it was not carried out. Rate limits do not count it then.
    async fn write(&self, workload: &WorkloadId, change: &Change) -> Result<(), TargetError>;

    /// Sees to what goes on between changes, such as replicas that are on their way into a warm pool:
    /// called once a tick, behind what is written, and never in shadow mode. What takes long goes on by
    /// itself. Most targets have nothing to see to.
    ///
    /// # Errors
    ///
    /// [`TargetError`] of what does not go as it should. It is reported and undoes nothing.
    async fn tend(&self, _workload: &WorkloadId) -> Result<(), TargetError> {
        Ok(())
    }
}

/// What a target says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetStatus {
    /// How many replicas were asked for.
    pub replicas: i32,
    /// How many there are.
    pub status_replicas: i32,
    /// Whether its replicas can be found.
    pub selector: Selector,
    /// Its replicas, if it knows them.
    pub pods: Option<Vec<PodRecord>>,
    /// Something that changes whenever the count is written.
    pub version: Option<String>,
    /// Its warm pool, if it has one and knows it.
    pub warm: Option<WarmCounts>,
    /// The names of replicas that are no part of `pods` and that sources may see all the same, such as
    /// those of a warm pool: what is read of them is left out.
    pub apart: Vec<String>,
    /// Who else scales it, such as "the HorizontalPodAutoscaler `llm`". That is reported; to refuse
    /// to write is up to [`write`](ScaleTarget::write).
    pub contested: Option<String>,
}

impl TargetStatus {
    /// As many as were asked for, and nothing else is known.
    pub fn steady(replicas: i32) -> Self {
        Self { replicas, status_replicas: replicas, ..Self::default() }
    }
}

/// A change of the scale, and who it falls on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Change {
    /// The count that was read.
    pub from: i32,
    /// The count to set; as `from` where only replicas begin or cease to drain.
    pub replicas: i32,
    /// These take no new work from now on, and go when they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drain: Vec<String>,
    /// These go now, before any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retire: Vec<String>,
    /// These take new work again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take_back: Vec<String>,
    /// What comes from the warm pool and goes to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmPlan>,
    /// The version of the status that the decision was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Change {
    /// From one count to another.
    pub fn of(from: i32, replicas: i32) -> Self {
        Self { from, replicas, ..Self::default() }
    }
}

/// Why a target could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Somebody else wrote it since it was read.
    #[error("it was changed by somebody else since it was read")]
    Conflict,
    /// There is no such target.
    #[error("there is no such target: {0}")]
    NotFound(String),
    /// We may not.
    #[error("access is denied: {0}")]
    Denied(String),
    /// It can't take such a change, now or ever.
    #[error("the change is refused: {0}")]
    Refused(String),
    /// It could not be reached.
    #[error("can't be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time; whether it was changed will be seen when it is read.
    #[error("no answer within {}", .0)]
    TimedOut(Span),
    /// Another autoscaler writes it, too.
    #[error("{0} scales it, too: two that scale one target undo each other's work")]
    Contested(String),
    /// What it says of itself can't be read.
    #[error("its answer can't be read: {0}")]
    Malformed(String),
    /// Single replicas do not do as they are told; the count is as it should be.
    #[error("{0}")]
    Replicas(String),
}

impl TargetError {
    /// A word for the kind of error, for labels of metrics.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotFound(_) => "not_found",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timeout",
            Self::Contested(_) => "contested",
            Self::Malformed(_) => "malformed",
            Self::Replicas(_) => "replicas",
        }
    }

    /// Whether it may go better at once: a conflict, or a moment without connection.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Conflict | Self::Unreachable(_))
    }
}
