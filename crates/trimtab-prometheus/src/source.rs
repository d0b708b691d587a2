//! Metrics from a Prometheus: a query for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use tracing::warn;
use trimtab_engine::{Metric, PodRecord, Policy};
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::{Ask, MetricSource, Observed, Problem, Provides, SourceError};

use crate::SpecError;
use crate::client::{Answer, PrometheusClient};
use crate::promql::Outline;
use crate::query::reading::{Beside, Read, no_histogram, pod_of, read};
use crate::query::{
    Finding, InFlightQuery, MAX_AGE, MetricQuery, POD_LABEL, PerReplica, QueriesSpec, lint,
};

/// Metrics of a workload from a Prometheus.
///
/// For each metric of the policy that it has a query for it makes one reading. What can't be used is told apart: no series
/// is *missing*, samples that are too old are *stale*, NaN and infinities are *invalid*, and a Prometheus that does not
/// answer has *failed*; with a value per pod each pod's is judged by itself.
///
/// ```no_run
/// use std::sync::Arc;
/// use trimtab_prometheus::{Preset, PrometheusClient, PrometheusSource, QueriesSpec, ServerSpec};
///
/// // One client for all workloads, and a source for each.
/// let client = PrometheusClient::new(&ServerSpec::at("http://prometheus.monitoring:9090"))?;
/// let queries = QueriesSpec {
///     preset: Some(Preset::Vllm),
///     matchers: String::from(r#"namespace="inference",pod=~"llm-.*""#),
///     ..QueriesSpec::default()
/// };
/// let source = Arc::new(PrometheusSource::new(client, &queries)?);
/// # Ok::<(), trimtab_prometheus::SpecError>(())
/// ```
pub struct PrometheusSource {
    client: PrometheusClient,
    queries: Vec<Asked>,
    in_flight: Option<InFlightQuery>,
    interval: Span,
}

/// A query, and the one that tells how old its samples are.
struct Asked {
    query: MetricQuery,
    newest: Option<String>,
    /// It was said that their age is not known.
    told: AtomicBool,
}

impl PrometheusSource {
    /// A source of these metrics.
    ///
    /// # Errors
    ///
    /// [`SpecError`] when the spec can't be meant.
    pub fn new(client: PrometheusClient, spec: &QueriesSpec) -> Result<Self, SpecError> {
        let queries = spec.resolve()?.into_iter().map(|query| {
            let newest = newest_query(&query, &Outline::of(&query.query));
            Asked { query, newest, told: AtomicBool::new(false) }
        });
        let (queries, interval) = (queries.collect(), spec.scrape_interval());
        let in_flight = spec.in_flight.clone().map(|mut query| {
            let label = spec.pod_label.clone().unwrap_or_else(|| String::from(POD_LABEL));
            query.per_replica.get_or_insert(PerReplica { label });
            query
        });
        Ok(Self { client, queries, in_flight, interval })
    }

    /// What is most likely a mistake in its queries for a policy.
    ///
    /// ```
    /// use trimtab_engine::Policy;
    /// use trimtab_prometheus::{PrometheusClient, PrometheusSource, QueriesSpec, ServerSpec};
    ///
    /// let policy = Policy::new(serde_json::from_str(
    ///     r#"{
    ///         "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    ///         "maxReplicas": 3,
    ///         "metrics": [{"type": "Pods", "pods": {
    ///             "metric": {"name": "waiting"},
    ///             "target": {"type": "AverageValue", "averageValue": "1"}
    ///         }}]
    ///     }"#,
    /// )?)?;
    /// let queries: QueriesSpec =
    ///     serde_json::from_str(r#"{"metrics": [{"metric": "waiting", "query": "sum(queue)"}]}"#)?;
    /// let client = PrometheusClient::new(&ServerSpec::at("http://prometheus:9090"))?;
    /// let findings = PrometheusSource::new(client, &queries)?.lint(&policy);
    /// assert!(findings[0].message.contains("`sum by (pod) (…)`"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lint(&self, policy: &Policy) -> Vec<Finding> {
        let queries: Vec<MetricQuery> =
            self.queries.iter().map(|asked| asked.query.clone()).collect();
        lint::lint(policy, &queries, self.interval)
    }

    /// The metrics of a policy that it has a query for.
    fn asked<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = (&'a Metric, &'a Asked)> {
        policy.metrics().iter().filter_map(|metric| {
            let asked = self.queries.iter().find(|asked| {
                let query = std::slice::from_ref(&asked.query);
                lint::query_of(metric, query).is_some()
            })?;
            Some((metric, asked))
        })
    }

    async fn ask(&self, metric: &Metric, asked: &Asked, ask: Ask<'_>, pods: &Pods<'_>) -> Asking {
        let (now, patience) = (ask.now, ask.patience);
        let newest = async {
            let query = asked.newest.as_ref()?;
            Some(self.client.instant_within(query, now, patience).await)
        };
        let answer = self.client.instant_within(&asked.query.query, now, patience);
        let (answer, newest) = futures_util::join!(answer, newest);
        let newest = match newest.transpose() {
            Ok(newest) => newest,
            // It is our own question that is refused, and not the user's.
            Err(SourceError::Refused(why)) => {
                if answer.is_ok() && !asked.told.swap(true, Ordering::Relaxed) {
                    warn!(target: "trimtab", metric = metric.name(), why, "the age of samples is unknown");
                }
                None
            }
            Err(error) if answer.is_ok() => return Asking::failed(metric, asked, error),
            Err(_) => None,
        };
        let beside = Beside {
            now,
            at: self.client.evaluation_time(now),
            newest: newest.as_deref(),
            max_age: asked.query.max_age_seconds.unwrap_or(MAX_AGE),
            pods,
        };
        let answer = answer.as_deref().map_err(SourceError::clone);
        let error = answer.as_ref().err().cloned();
        Asking { read: read(metric, &asked.query, &answer, beside), error }
    }

    /// What pods are serving. Without it they are not taken for idle.
    async fn in_flight(
        &self,
        ask: Ask<'_>,
        pods: &Pods<'_>,
    ) -> Result<Option<Vec<PodRecord>>, SourceError> {
        let Some(asked) = self.in_flight.as_ref().filter(|_| !pods.is_empty()) else {
            return Ok(None);
        };
        let answer = self.client.instant_within(&asked.query, ask.now, ask.patience).await?;
        let label = asked.per_replica.as_ref().map_or(POD_LABEL, |per| per.label.as_str());
        no_histogram(&asked.query, &answer.series)?;
        in_flight(&answer, label, pods).map(Some)
    }
}

type Pods<'a> = BTreeSet<&'a str>;

/// A reading, and why the question had no answer.
struct Asking {
    read: Read,
    error: Option<SourceError>,
}

impl Asking {
    fn failed(metric: &Metric, asked: &Asked, error: SourceError) -> Self {
        let none = BTreeSet::new();
        let (now, max_age) = (Timestamp::UNIX_EPOCH, Span::ZERO);
        let beside = Beside { now, at: now, newest: None, max_age, pods: &none };
        let answer = Err(error.clone());
        Self { read: read(metric, &asked.query, &answer, beside), error: Some(error) }
    }
}

#[async_trait]
impl MetricSource for PrometheusSource {
    fn name(&self) -> &str {
        "prometheus"
    }

    fn provides(&self, policy: &Policy) -> Provides {
        Provides::metrics(self.asked(policy).map(|(metric, _)| metric.name()))
    }

    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError> {
        let pods: Pods<'_> = ask.pods.iter().map(|pod| pod.name.as_str()).collect();
        let asking = self.asked(ask.policy);
        let asking = asking.map(|(metric, asked)| self.ask(metric, asked, ask, &pods));
        let (all, in_flight) = futures_util::join!(join_all(asking), self.in_flight(ask, &pods));
        // If it said nothing at all, that is one failure and not many.
        if let Some(Some(first)) = all.first().map(|asking| &asking.error)
            && all.iter().all(|asking| asking.error.is_some())
            && !matches!(first, SourceError::Refused(_))
        {
            return Err(first.clone());
        }
        let mut observed = Observed::default();
        match in_flight {
            Ok(pods) => observed.pods = pods,
            Err(error) => {
                observed.problems.push(Problem { metric: String::from("inFlight"), error });
            }
        }
        for Asking { read: Read { reading, problems }, .. } in all {
            observed.readings.push(reading);
            observed.problems.extend::<Vec<Problem>>(problems);
        }
        Ok(observed)
    }
}

/// What asks when the newest samples were taken that a query reads, if it reads any and their age matters.
pub(crate) fn newest_query(query: &MetricQuery, outline: &Outline<'_>) -> Option<String> {
    if query.max_age_seconds.unwrap_or(MAX_AGE) <= Span::ZERO {
        return None;
    }
    let mut texts: Vec<&str> = outline.selectors.iter().map(|selector| selector.text).collect();
    texts.sort_unstable();
    texts.dedup();
    let times: Vec<String> = texts.iter().map(|text| format!("timestamp({text})")).collect();
    let by = query.per_replica.as_ref().map_or(POD_LABEL, |per| per.label.as_str());
    (!times.is_empty()).then(|| format!("max by ({by}) ({})", times.join(" or ")))
}

/// The pods with what they are serving.
fn in_flight(answer: &Answer, label: &str, pods: &Pods<'_>) -> Result<Vec<PodRecord>, SourceError> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for series in &answer.series {
        let pod = pod_of(series, label)?;
        if let Some((_, value)) = series.points.last()
            && pods.contains(pod)
        {
            *counts.entry(pod).or_insert(0.0) += value;
        }
    }
    Ok(counts.into_iter().filter_map(|(pod, count)| pod_in_flight(pod, count)).collect())
}

/// A pod that is serving so much; nothing where that is no count.
pub(crate) fn pod_in_flight(pod: &str, count: f64) -> Option<PodRecord> {
    let whole = count.ceil();
    if !(0.0..=f64::from(u32::MAX)).contains(&whole) {
        return None;
    }
    Some(PodRecord {
        name: String::from(pod),
        in_flight: Some(whole as u32),
        ..PodRecord::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerSpec;

    #[test]
    fn what_is_in_flight_belongs_to_pods_as_everything_else_does() {
        let client = PrometheusClient::new(&ServerSpec::at("http://127.0.0.1:9")).unwrap();
        let label = |text: &str| {
            let spec: QueriesSpec = serde_json::from_str(text).unwrap();
            let source = PrometheusSource::new(client.clone(), &spec).unwrap();
            source.in_flight.unwrap().per_replica.unwrap().label
        };
        assert_eq!(label(r#"{"inFlight": {"query": "running"}}"#), "pod");
        assert_eq!(
            label(r#"{"podLabel": "replica", "inFlight": {"query": "running"}}"#),
            "replica"
        );
        let own = r#"{"podLabel": "pod", "inFlight": {"query": "running", "perReplica": {"label": "name"}}}"#;
        assert_eq!(label(own), "name");
    }
}
