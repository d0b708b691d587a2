//! The metrics APIs, as the HPA asks them: `metrics.k8s.io`, `custom.metrics.k8s.io` and
//! `external.metrics.k8s.io`.

mod answer;
mod apis;
mod question;

pub use apis::MetricsApis;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;
use trimtab_engine::{
    Metric, MetricIdentifier, MetricSource as Source, MetricSpec, ObjectMetricSource, Policy,
    ReadingRecord, Unavailable,
};
use trimtab_metric::Span;
use trimtab_runtime::{Ask, MetricSource, Observed, Problem, Provides, SourceError};

use crate::cluster::{Selector, WorkloadPods};
use answer::Read;

/// Metrics of a workload from the metrics APIs of its cluster, asked as the HPA asks them.
///
/// | metric | API | question |
/// | --- | --- | --- |
/// | Resource, ContainerResource | `metrics.k8s.io` | the PodMetrics of the workload's pods, once for all of them |
/// | Pods | `custom.metrics.k8s.io` | the metric of the workload's pods |
/// | Object | `custom.metrics.k8s.io` | the metric of that object |
/// | External | `external.metrics.k8s.io` | all series of the metric that its selector selects |
///
/// What can't be had is a reading with a reason, metric by metric, and never 0.
///
/// ```no_run
/// use std::sync::Arc;
/// use trimtab_engine::CrossVersionObjectReference;
/// use trimtab_kube::cluster::WorkloadPods;
/// use trimtab_kube::metrics::{KubeMetrics, MetricsApis};
/// use trimtab_kube::target::Discovery;
///
/// # fn source(client: kube::Client, reference: &CrossVersionObjectReference) {
/// // For all workloads of the cluster,
/// let discovery = Discovery::new(client.clone());
/// let apis = MetricsApis::new(client.clone());
/// // and for one of them.
/// let pods = WorkloadPods::of_scale(client, discovery, "inference", reference);
/// let source = Arc::new(KubeMetrics::new(apis, pods));
/// # }
/// ```
pub struct KubeMetrics {
    apis: Arc<MetricsApis>,
    pods: Arc<WorkloadPods>,
    others: BTreeSet<String>,
    max_age: Option<Span>,
}

impl KubeMetrics {
    /// The metrics of the workload whose pods these are, and of their namespace.
    pub fn new(apis: Arc<MetricsApis>, pods: Arc<WorkloadPods>) -> Self {
        Self { apis, pods, others: BTreeSet::new(), max_age: None }
    }

    /// Without these metrics, which another source answers: they are not asked for.
    #[must_use]
    pub fn without<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.others.extend(names.into_iter().map(Into::into));
        self
    }

    /// Values that are older than this when they come are stale. The HPA takes them however old
    /// they are, and so does this without it.
    #[must_use]
    pub fn with_max_age(mut self, age: Span) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The policy's metrics that it asks for.
    fn asked<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = Asked<'a>> {
        let specs = policy.spec().metrics.iter().flatten();
        let asked = policy.metrics().iter().zip(specs);
        let asked = asked.map(|(metric, spec)| Asked::new(metric, spec));
        asked.filter(|asked| !self.others.contains(asked.name))
    }

    async fn read(&self, asked: &Asked<'_>, ask: &Ask<'_>) -> Result<Read, SourceError> {
        let (apis, namespace) = (&self.apis, self.pods.namespace());
        let read = match &asked.of {
            Of::Resource => Read::Pods(apis.pod_metrics(namespace, &self.selector().await?).await?),
            Of::Pods(metric) => {
                let (pods, selector) = (self.selector().await?, selector(metric)?);
                apis.pods(namespace, &metric.name, &pods, &selector).await?.into_pods()
            }
            Of::Object(source) => {
                let selector = selector(&source.metric)?;
                let answer = apis.object(namespace, source, &selector).await?;
                answer.into_value()?
            }
            Of::External(metric) => {
                let selector = selector(metric)?;
                apis.external(namespace, &metric.name, &selector).await?.into_values()
            }
            Of::Nothing => {
                return Err(SourceError::Refused(format!(
                    "no API has a metric like `{}`",
                    asked.name
                )));
            }
        };
        match self.max_age {
            Some(limit) => read.no_older_than(limit, ask.now),
            None => Ok(read),
        }
    }

    /// What selects the workload's pods. Nothing at all is refused, as the HPA refuses it: it would
    /// be all pods.
    async fn selector(&self) -> Result<Selector, SourceError> {
        let selector = self.pods.selector().await?;
        if selector.is_everything() {
            return Err(SourceError::Refused(String::from("the scale's selector is empty")));
        }
        Ok(selector)
    }
}

/// A metric of the policy, and where it is asked for.
struct Asked<'a> {
    name: &'a str,
    container: Option<&'a str>,
    of: Of<'a>,
}

enum Of<'a> {
    Resource,
    Pods(&'a MetricIdentifier),
    Object(&'a ObjectMetricSource),
    External(&'a MetricIdentifier),
    /// A type that there is not.
    Nothing,
}

impl<'a> Asked<'a> {
    fn new(metric: &'a Metric, spec: &'a MetricSpec) -> Self {
        let of = match metric.source() {
            Source::Resource { .. } | Source::ContainerResource { .. } => Some(Of::Resource),
            Source::Pods => spec.pods.as_ref().map(|pods| Of::Pods(&pods.metric)),
            Source::Object => spec.object.as_ref().map(Of::Object),
            Source::External => spec.external.as_ref().map(|metric| Of::External(&metric.metric)),
            Source::Unknown => None,
        };
        Self { name: metric.name(), container: metric.container(), of: of.unwrap_or(Of::Nothing) }
    }

    fn failed(&self, error: &SourceError) -> ReadingRecord {
        let unavailable = match error {
            SourceError::Empty(_) => Unavailable::Missing,
            SourceError::Stale { .. } => Unavailable::Stale,
            SourceError::Invalid(_) => Unavailable::Invalid,
            _ => Unavailable::Failed,
        };
        ReadingRecord {
            metric: self.name.into(),
            container: self.container.map(String::from),
            unavailable: Some(unavailable),
            ..ReadingRecord::default()
        }
    }
}

/// The selector of a metric. None at all narrows nothing down, as for the HPA.
fn selector(metric: &MetricIdentifier) -> Result<Selector, SourceError> {
    let selector = metric.selector.as_ref().map(Selector::of).transpose();
    let selector = selector.map_err(|error| SourceError::Refused(error.to_string()))?;
    Ok(selector.unwrap_or_default())
}

#[async_trait]
impl MetricSource for KubeMetrics {
    fn name(&self) -> &str {
        "kubernetes"
    }

    fn provides(&self, policy: &Policy) -> Provides {
        Provides::metrics(self.asked(policy).map(|asked| asked.name))
    }

    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError> {
        let asked: Vec<Asked<'_>> = self.asked(ask.policy).collect();
        let answers = join_all(asked.iter().map(|asked| self.read(asked, &ask))).await;
        let mut observed = Observed::default();
        for (asked, answer) in asked.iter().zip(answers) {
            match answer {
                Ok(Read::Pods(pods)) => observed.pod_metrics = Some(pods),
                Ok(Read::Metric(metric, _)) => {
                    let metric = ReadingRecord { metric: asked.name.into(), ..metric };
                    observed.readings.push(metric);
                }
                Err(error) => {
                    observed.readings.push(asked.failed(&error));
                    observed.problems.push(Problem { metric: asked.name.into(), error });
                }
            }
        }
        Ok(observed)
    }
}

impl std::fmt::Debug for KubeMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeMetrics")
            .field("namespace", &self.pods.namespace())
            .field("others", &self.others)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
