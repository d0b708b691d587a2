//! How many replicas does a workload have that KEDA scales? Targets that are only read.

use std::sync::Arc;

use async_trait::async_trait;
use kube::Client;
use kube::api::{Api, DynamicObject};
use trimtab_engine::{CrossVersionObjectReference, Selector};
use trimtab_kube::target::{Discovery, Scalable};
use trimtab_metric::Timestamp;
use trimtab_prometheus::PrometheusClient;
use trimtab_runtime::{
    Change, Clock, ScaleTarget, SourceError, TargetError, TargetStatus, WorkloadId,
};

/// The `scale` of an object, which KEDA's HPA writes.
pub(super) struct KubeCount {
    client: Client,
    discovery: Arc<Discovery>,
    namespace: String,
    reference: CrossVersionObjectReference,
    name: String,
}

impl KubeCount {
    pub(super) fn new(
        client: Client,
        discovery: Arc<Discovery>,
        namespace: String,
        reference: CrossVersionObjectReference,
    ) -> Self {
        let name = format!("{} {namespace}/{}", reference.kind, reference.name);
        Self { client, discovery, namespace, reference, name }
    }
}

#[async_trait]
impl ScaleTarget for KubeCount {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let Scalable { resource, is_namespaced } = self.discovery.find(&self.reference).await?;
        let client = self.client.clone();
        let objects: Api<DynamicObject> = if is_namespaced {
            Api::namespaced_with(client, &self.namespace, &resource)
        } else {
            Api::all_with(client, &resource)
        };
        let scale = objects.get_scale(&self.reference.name).await.map_err(target_error)?;
        let status = scale.status.unwrap_or_default();
        let selector = status.selector.unwrap_or_default();
        Ok(TargetStatus {
            replicas: scale.spec.and_then(|spec| spec.replicas).unwrap_or(0),
            status_replicas: status.replicas,
            selector: if selector.is_empty() { Selector::Empty } else { Selector::Ok },
            version: scale.metadata.resource_version,
            ..TargetStatus::default()
        })
    }

    async fn write(&self, _workload: &WorkloadId, _change: &Change) -> Result<(), TargetError> {
        Err(only_read())
    }
}

fn target_error(error: kube::Error) -> TargetError {
    match error {
        kube::Error::Api(status) => match status.code {
            401 | 403 => TargetError::Denied(status.message),
            404 => TargetError::NotFound(status.message),
            _ => TargetError::Unreachable(status.message),
        },
        kube::Error::SerdeError(error) => TargetError::Malformed(error.to_string()),
        other => TargetError::Unreachable(other.to_string()),
    }
}

/// What a Prometheus knows of the count, such as from kube-state-metrics.
pub(super) struct PrometheusCount {
    client: PrometheusClient,
    clock: Arc<dyn Clock>,
    replicas: String,
    status_replicas: Option<String>,
}

impl PrometheusCount {
    pub(super) fn new(
        client: PrometheusClient,
        clock: Arc<dyn Clock>,
        replicas: String,
        status_replicas: Option<String>,
    ) -> Self {
        Self { client, clock, replicas, status_replicas }
    }

    async fn count(&self, query: &str, now: Timestamp) -> Result<i32, TargetError> {
        let answer = self.client.instant(query, now).await.map_err(not_counted)?;
        let [series] = answer.series.as_slice() else {
            let many = answer.series.len();
            return Err(TargetError::Malformed(format!(
                "`{query}` gives {many} series, and one count is asked for: name one workload in it, or sum"
            )));
        };
        let value = series.points.last().map_or(f64::NAN, |(_, value)| *value);
        if value.fract() == 0.0 && (0.0..=f64::from(i32::MAX)).contains(&value) {
            Ok(value as i32)
        } else {
            Err(TargetError::Malformed(format!("`{query}` gives {value}, which is no count")))
        }
    }
}

fn not_counted(error: SourceError) -> TargetError {
    match error {
        SourceError::Denied(why) => TargetError::Denied(why),
        SourceError::Unreachable(why) | SourceError::Partial(why) => TargetError::Unreachable(why),
        SourceError::TimedOut(after) => TargetError::TimedOut(after),
        other => TargetError::Malformed(other.to_string()),
    }
}

#[async_trait]
impl ScaleTarget for PrometheusCount {
    fn name(&self) -> &str {
        "prometheus"
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let now = self.clock.now();
        let replicas = self.count(&self.replicas, now).await?;
        let status_replicas = match &self.status_replicas {
            Some(query) => self.count(query, now).await?,
            None => replicas,
        };
        Ok(TargetStatus { status_replicas, ..TargetStatus::steady(replicas) })
    }

    async fn write(&self, _workload: &WorkloadId, _change: &Change) -> Result<(), TargetError> {
        Err(only_read())
    }
}

fn only_read() -> TargetError {
    TargetError::Refused(String::from("it is only read"))
}
