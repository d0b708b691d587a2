//! The port through which metrics come in.

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use trimtab_engine::{
    ObservationRecord, PodMetrics, PodRecord, Policy, PoolSupplyRecord, ReadingRecord, WarmCounts,
};
use trimtab_metric::{Span, Timestamp};

use crate::WorkloadId;

/// Where readings come from.
///
/// # How to write one
///
/// A source translates and never decides. It answers with what it saw, under the names that the policy has, and
/// leaves out what it does not know; a metric that nobody answers is *missing*, which is not zero.
///
/// - What it has but can't use is a reading with a reason: [`ReadingRecord::unavailable`]. Say in
///   [`Observed::problems`] what went wrong.
/// - Values carry the time at which they were measured, where the form has a place for it, so that stale ones are
///   known to be.
/// - If nothing can be had, it returns an error, and each metric that it [provides](MetricSource::provides) becomes a
///   failed reading. It need not keep to a deadline: the loop gives up on it, and asks again at the next tick. A
///   future that is dropped has to leave nothing behind.
/// - One source may be asked about many workloads at a time. What they have in common is best asked once.
///
/// ```
/// use async_trait::async_trait;
/// use trimtab_engine::{Policy, ReadingRecord};
/// use trimtab_metric::Quantity;
/// use trimtab_runtime::{Ask, MetricSource, Observed, Provides, SourceError};
///
/// /// The length of a queue, kept in this very process.
/// struct Queue(std::sync::atomic::AtomicU32);
///
/// #[async_trait]
/// impl MetricSource for Queue {
///     fn name(&self) -> &str {
///         "queue"
///     }
///
///     fn provides(&self, _policy: &Policy) -> Provides {
///         Provides::metrics(["requests_waiting"])
///     }
///
///     async fn observe(&self, _ask: Ask<'_>) -> Result<Observed, SourceError> {
///         let waiting = self.0.load(std::sync::atomic::Ordering::Relaxed);
///         let reading = ReadingRecord {
///             metric: String::from("requests_waiting"),
///             value: Some(Quantity::from_units(waiting.into())),
///             ..ReadingRecord::default()
///         };
///         Ok(Observed { readings: vec![reading], ..Observed::default() })
///     }
/// }
/// ```
#[async_trait]
pub trait MetricSource: Send + Sync {
    /// What it is called in messages and metrics, such as `prometheus`; not where it is.
    fn name(&self) -> &str;

    /// What it answers for a policy, so that it is known what is missing when it fails.
    fn provides(&self, policy: &Policy) -> Provides;

    /// What it sees of a workload now.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when nothing can be had.
    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError>;
}

/// What a source is asked.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The workload.
    pub workload: &'a WorkloadId,
    /// Its policy.
    pub policy: &'a Policy,
    /// The time of the observation.
    pub now: Timestamp,
    /// The time of the observation before, if there was one: counters are best read since then.
    pub since: Option<Timestamp>,
    /// The pods that the target knows, if it knows any.
    pub pods: &'a [PodRecord],
    /// How long the answer is waited for. Who knows before that time is up why there will be none says so.
    pub patience: Duration,
}

impl<'a> Ask<'a> {
    /// Asks about a workload, of which nothing else is known yet, and waits for 10 s.
    pub fn new(workload: &'a WorkloadId, policy: &'a Policy, now: Timestamp) -> Self {
        Self { workload, policy, now, since: None, pods: &[], patience: Duration::from_secs(10) }
    }
}

/// What a source answers for a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provides {
    /// Metrics, by their names in the policy.
    pub metrics: Vec<String>,
    /// It knows which pods there are. Without it then nothing is decided, as the HPA decides nothing when
    /// it can't list them.
    pub pods: bool,
}

impl Provides {
    /// Metrics of these names.
    pub fn metrics<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self { metrics: names.into_iter().map(Into::into).collect(), pods: false }
    }
}

/// What a source saw. The default is nothing, which is not an error.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Readings by metric.
    pub readings: Vec<ReadingRecord>,
    /// The pods that there are, or what is known besides of those that the target knows. Fields that several
    /// know are those of the first.
    pub pods: Option<Vec<PodRecord>>,
    /// What the resource metrics API says of pods.
    pub pod_metrics: Option<Vec<PodMetrics>>,
    /// The warm pool.
    pub warm: Option<WarmCounts>,
    /// The nodes.
    pub supply: Option<Vec<PoolSupplyRecord>>,
    /// What went wrong with single readings.
    pub problems: Vec<Problem>,
}

/// What went wrong with one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The metric's name in the policy.
    pub metric: String,
    /// What went wrong.
    pub error: SourceError,
}

/// Why a source had nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It did not answer in time.
    #[error("no answer within {}", .0)]
    TimedOut(Span),
    /// It could not be reached.
    #[error("can't be reached: {0}")]
    Unreachable(String),
    /// It does not let us in.
    #[error("access is denied: {0}")]
    Denied(String),
    /// It refused the question.
    #[error("the question is refused: {0}")]
    Refused(String),
    /// Its answer is not one.
    #[error("the answer can't be read: {0}")]
    Malformed(String),
    /// Its answer is larger than it may be.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// A part of its answer is missing, and it says so.
    #[error("a part of the answer is missing: {0}")]
    Partial(String),
    /// It answered with nothing.
    #[error("the answer is empty: {0}")]
    Empty(String),
    /// Its answer is older than it may be.
    #[error("the newest value is {age} old, and may be {limit}")]
    Stale {
        /// How old it is.
        age: Span,
        /// How old it may be.
        limit: Span,
    },
    /// Its answer is not a number, or not one that the metric can have.
    #[error("the value can't be used: {0}")]
    Invalid(String),
    /// It panicked, which is a mistake in it.
    #[error("the source panicked: {0}")]
    Panicked(String),
}

impl SourceError {
    /// A word for the kind of error, for labels of metrics.
    ///
    /// ```
    /// use trimtab_runtime::SourceError;
    /// assert_eq!(SourceError::Empty("no series".into()).cause(), "empty");
    /// ```
    pub fn cause(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::TooLarge { .. } => "too_large",
            Self::Partial(_) => "partial",
            Self::Empty(_) => "empty",
            Self::Stale { .. } => "stale",
            Self::Invalid(_) => "invalid",
            Self::Panicked(_) => "panicked",
        }
    }
}

impl From<ObservationRecord> for Observed {
    /// All of a record but its time and counts, which are the loop's and the target's.
    fn from(record: ObservationRecord) -> Self {
        let ObservationRecord { readings, pods, pod_metrics, warm, supply, .. } = record;
        let pods = Some(pods).filter(|pods| !pods.is_empty());
        Self { readings, pods, pod_metrics, warm, supply, problems: Vec::new() }
    }
}
