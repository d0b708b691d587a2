//! Which pods are a workload's, and what the cluster says of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Client;
use tokio::time::Instant;
use trimtab_engine::{CrossVersionObjectReference, Policy};
use trimtab_metric::Span;
use trimtab_runtime::{Ask, MetricSource, Observed, Provides, SourceError};

use super::{Cluster, Part, Selector};
use crate::target::Discovery;
use crate::target::call::{Failure, call};

/// A selector that was read is good for so long.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// And what was read in vain is not read again for so long.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// Which pods are a workload's: those that the `status.selector` of its scale selects.
pub struct WorkloadPods {
    namespace: String,
    from: From,
}

enum From {
    Given(Selector),
    Scale(Box<ScaleSelector>),
}

struct ScaleSelector {
    client: Client,
    discovery: Arc<Discovery>,
    reference: CrossVersionObjectReference,
    known: tokio::sync::Mutex<Option<(Instant, Result<Selector, SourceError>)>>,
}

impl WorkloadPods {
    /// Those that this selects.
    pub fn selected(namespace: &str, selector: Selector) -> Arc<Self> {
        Arc::new(Self { namespace: namespace.into(), from: From::Given(selector) })
    }

    /// Those that the scale of an object selects. It is read when it is needed, at most once a
    /// minute.
    pub fn of_scale(
        client: Client,
        discovery: Arc<Discovery>,
        namespace: &str,
        reference: &CrossVersionObjectReference,
    ) -> Arc<Self> {
        let (reference, known) = (reference.clone(), tokio::sync::Mutex::default());
        let scale = ScaleSelector { client, discovery, reference, known };
        Arc::new(Self { namespace: namespace.into(), from: From::Scale(Box::new(scale)) })
    }

    /// Their namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What selects them.
    ///
    /// # Errors
    ///
    /// [`SourceError`] where the scale can't be read, and where it says nothing that could be used.
    pub async fn selector(&self) -> Result<Selector, SourceError> {
        match &self.from {
            From::Given(selector) => Ok(selector.clone()),
            From::Scale(scale) => scale.selector(&self.namespace).await,
        }
    }
}

impl ScaleSelector {
    async fn selector(&self, namespace: &str) -> Result<Selector, SourceError> {
        let mut known = self.known.lock().await;
        if let Some((until, answer)) = &*known
            && Instant::now() < *until
        {
            return answer.clone();
        }
        let answer = self.read(namespace).await;
        let good_for = if answer.is_ok() { GOOD_FOR } else { FAILED_FOR };
        *known = Some((Instant::now() + good_for, answer.clone()));
        answer
    }

    async fn read(&self, namespace: &str) -> Result<Selector, SourceError> {
        let found = self.discovery.find(&self.reference).await;
        let found = found.map_err(|error| SourceError::Unreachable(error.to_string()))?;
        let (resource, name) = (&found.resource, &self.reference.name);
        let root = match resource.group.as_str() {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        let namespace = match found.is_namespaced {
            true => format!("/namespaces/{namespace}"),
            false => String::new(),
        };
        let path = format!("{root}{namespace}/{}/{name}/scale", resource.plural);
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest);
        let scale: Scale = call(&self.client, request).await.map_err(source_error)?;
        let text = scale.status.and_then(|status| status.selector).unwrap_or_default();
        if text.is_empty() {
            let kind = &self.reference.kind;
            return Err(SourceError::Empty(format!(
                "the scale of {kind} `{name}` has no selector"
            )));
        }
        text.parse().map_err(|error: super::SelectorError| SourceError::Invalid(error.to_string()))
    }
}

/// What a failed request is to a source.
pub(crate) fn source_error(failure: Failure) -> SourceError {
    let answer = match failure {
        Failure::Unreachable(reason) => return SourceError::Unreachable(reason),
        Failure::Malformed(reason) => return SourceError::Malformed(reason),
        Failure::Answer(answer) => *answer,
    };
    match answer.code {
        401 | 403 => SourceError::Denied(answer.message),
        404 if answer.is_of_api => SourceError::Empty(answer.message),
        404 | 408 | 429 | 500..=599 => SourceError::Unreachable(answer.message),
        _ => SourceError::Refused(answer.message),
    }
}

/// The pods of a workload and the nodes that it may run on, out of a [`Cluster`]: a source beside
/// the one of its metrics.
///
/// It says which pods there are. What is not known is an error, and then nothing is decided.
pub struct ClusterSource {
    cluster: Cluster,
    pods: Arc<WorkloadPods>,
    tells_pods: bool,
}

impl ClusterSource {
    /// What a cluster says of these pods.
    pub fn new(cluster: Cluster, pods: Arc<WorkloadPods>) -> Self {
        Self { cluster, pods, tells_pods: true }
    }

    /// Only what nodes have for them: which pods there are, the target says.
    #[must_use]
    pub fn supply_alone(mut self) -> Self {
        self.tells_pods = false;
        self
    }

    /// Why it is not known which pods there are.
    fn unknown(&self) -> SourceError {
        let namespace = self.pods.namespace();
        let Some(health) = self.cluster.health_of(Part::Pods, namespace) else {
            return SourceError::Refused(format!("namespace `{namespace}` is not watched"));
        };
        let span =
            |time: Duration| Span::from_millis(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        match (health.synced, health.age, health.error) {
            (true, Some(age), _) => {
                let limit = span(self.cluster.stale_after());
                SourceError::Stale { age: span(age), limit }
            }
            (_, _, Some(error)) => SourceError::Unreachable(format!("pods: {error}")),
            _ => SourceError::Empty(String::from("pods are not listed yet")),
        }
    }
}

#[async_trait]
impl MetricSource for ClusterSource {
    fn name(&self) -> &str {
        "cluster"
    }

    fn provides(&self, _policy: &Policy) -> Provides {
        let mut provides = Provides::default();
        provides.pods = self.tells_pods;
        provides
    }

    async fn observe(&self, ask: Ask<'_>) -> Result<Observed, SourceError> {
        let selector = self.pods.selector().await?;
        let namespace = self.pods.namespace();
        let mut pods = None;
        if self.tells_pods {
            let told = self.cluster.pods(namespace, &selector);
            pods = Some(told.ok_or_else(|| self.unknown())?);
        }
        let supply = self.cluster.supply(ask.policy, namespace, &selector, ask.now);
        Ok(Observed { pods, supply, ..Observed::default() })
    }
}
