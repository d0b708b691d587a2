//! What a policy would have seen in the past: observations from a Prometheus' history.

mod file;
mod frames;

use std::path::PathBuf;

use thiserror::Error;
use trimtab_engine::{ObservationRecord, Policy};
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::SourceError;

pub use file::{Progress, Recorded};

use crate::SpecError;
use crate::client::{Answer, PrometheusClient};
use crate::promql::Outline;
use crate::query::{MAX_AGE, MetricQuery, QueriesSpec, lint};
use frames::Frames;

/// Reads history, and makes of it what a policy would have seen: one observation for each time at which it would have
/// decided.
///
/// The same queries and the same translation as [`PrometheusSource`](crate::PrometheusSource)'s, so that what is missing, stale or
/// invalid then is so here. `trimtab evaluate --series` tries policies on the result.
///
/// ```no_run
/// # async fn record(policy: trimtab_engine::Policy) -> Result<(), Box<dyn std::error::Error>> {
/// use trimtab_metric::{Span, Timestamp};
/// use trimtab_prometheus::{Preset, PrometheusClient, QueriesSpec, Recorder, ServerSpec};
///
/// let client = PrometheusClient::new(&ServerSpec::at("http://prometheus:9090"))?;
/// let queries = QueriesSpec { preset: Some(Preset::Vllm), ..QueriesSpec::default() };
/// let recorder = Recorder::new(client, policy, &queries)?;
/// let end = Timestamp::from_secs(1_800_000_000);
/// let start = end.saturating_sub(Span::from_secs(14 * 86_400));
/// let done = recorder
///     .to_file("trace.jsonl.gz".as_ref(), start, end, &mut |progress| {
///         println!("{} of {}", progress.done, progress.total);
///     })
///     .await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }
/// ```
pub struct Recorder {
    client: PrometheusClient,
    policy: Policy,
    queries: Vec<(usize, MetricQuery)>,
    replicas: Option<String>,
    step: Span,
    /// Of the queries, so that a recording goes on as it began.
    fingerprint: String,
}

/// Times that are asked about at once; a server gives 11 000 at most.
const STEPS_AT_ONCE: i64 = 1_000;

/// Why history could not be recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A query had no answer. What was recorded before it is kept.
    #[error("`{query}` from {start} to {end}: {error}")]
    Query {
        /// The query.
        query: String,
        /// The first time.
        start: Timestamp,
        /// The last time.
        end: Timestamp,
        /// Why.
        error: SourceError,
    },
    /// There is no time between start and end.
    #[error("{start} to {end} is no range: it has to start before it ends")]
    NoRange {
        /// Where it starts.
        start: Timestamp,
        /// Where it ends.
        end: Timestamp,
    },
    /// None of the policy's metrics has a query.
    #[error("there is no query for any metric of the policy: it has {0}")]
    NoQueries(String),
    /// The file is there, and is not one that was begun.
    #[error("`{}` is there already: remove it, or name another", .0.display())]
    Exists(PathBuf),
    /// The file was begun with something else.
    #[error("`{}` was begun with another policy, other queries or another step: remove it and `{}`, or name another", .file.display(), .resume.display())]
    Different {
        /// The file.
        file: PathBuf,
        /// What tells how far it is.
        resume: PathBuf,
    },
    /// A file can't be read or written.
    #[error("`{}`: {error}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The spec can't be meant.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl Recorder {
    /// A recorder of what a policy would have seen.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the spec can't be meant, or has no query for any metric of the policy.
    pub fn new(
        client: PrometheusClient,
        policy: Policy,
        spec: &QueriesSpec,
    ) -> Result<Self, RecordError> {
        let resolved = spec.resolve()?;
        let metrics = policy.metrics().iter().enumerate();
        let queries: Vec<_> = metrics
            .filter_map(|(index, metric)| Some((index, lint::query_of(metric, &resolved)?.clone())))
            .collect();
        if queries.is_empty() {
            let names: Vec<String> =
                policy.metrics().iter().map(|metric| format!("`{}`", metric.name())).collect();
            return Err(RecordError::NoQueries(names.join(", ")));
        }
        let step = whole_seconds(policy.period());
        let fingerprint = serde_json::to_string(&(policy.digest().to_string(), &resolved));
        let fingerprint = fingerprint.unwrap_or_default();
        Ok(Self { client, policy, queries, replicas: None, step, fingerprint })
    }

    /// With a query for how many replicas were asked for, such as `kube_deployment_spec_replicas{deployment="llm"}`. Default: as many
    /// as there are pods with values.
    #[must_use]
    pub fn with_replicas(mut self, query: impl Into<String>) -> Self {
        self.replicas = Some(query.into());
        self
    }

    /// With another time between two observations than the policy's period; whole seconds.
    #[must_use]
    pub fn with_step(mut self, step: Span) -> Self {
        self.step = whole_seconds(step);
        self
    }

    /// The time between two observations.
    pub fn step(&self) -> Span {
        self.step
    }

    /// What was seen from `start` up to `end`, both included, every step.
    ///
    /// # Errors
    ///
    /// [`RecordError::Query`] for the first query without an answer.
    pub async fn observations(
        &self,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<ObservationRecord>, RecordError> {
        let mut frames = Frames::new(&self.policy, start, end, self.step);
        for (index, query) in &self.queries {
            let answer = self.range(&query.query, start, end).await?;
            let newest = match newest(query) {
                Some(newest) => Some(self.range(&newest, start, end).await?),
                None => None,
            };
            frames.add(*index, query, answer, newest);
        }
        if let Some(query) = &self.replicas {
            frames.replicas(self.range(query, start, end).await?);
        }
        Ok(frames.into_observations())
    }

    async fn range(
        &self,
        query: &str,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Answer, RecordError> {
        let answer = self.client.range(query, start, end, self.step).await;
        answer.map_err(|error| RecordError::Query { query: query.into(), start, end, error })
    }
}

/// A query that is asked for the times of samples, as the source does.
fn newest(query: &MetricQuery) -> Option<String> {
    crate::source::newest_query(query, &Outline::of(&query.query))
}

/// How old samples may be.
fn max_age(query: &MetricQuery) -> Span {
    query.max_age_seconds.unwrap_or(MAX_AGE)
}

fn whole_seconds(span: Span) -> Span {
    Span::from_secs((span.as_millis() / 1000).max(1))
}
