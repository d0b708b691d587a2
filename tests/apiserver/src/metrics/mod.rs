//! What the metrics APIs answer: the values that a test sets.

mod answer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub(crate) use answer::{Pod, answer, discovery};

/// An API of metrics, as the HPA asks them.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricsApi {
    /// `metrics.k8s.io/v1beta1`.
    Resource,
    /// `custom.metrics.k8s.io/v1beta2`.
    Custom,
    /// `external.metrics.k8s.io/v1beta1`.
    External,
}

impl MetricsApi {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Resource, Self::Custom, Self::External];

    /// Its group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Resource => "metrics.k8s.io",
            Self::Custom => "custom.metrics.k8s.io",
            Self::External => "external.metrics.k8s.io",
        }
    }

    /// Its version.
    pub fn version(self) -> &'static str {
        match self {
            Self::Custom => "v1beta2",
            Self::Resource | Self::External => "v1beta1",
        }
    }
}

/// A value, as of when and over which time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// As Kubernetes writes quantities.
    pub value: String,
    /// When it was measured. `None` is the moment at which it is asked for.
    pub at: Option<Timestamp>,
    /// The time that it is an average over.
    pub window: Option<Duration>,
    /// What the metric's own selector looks at.
    pub labels: BTreeMap<String, String>,
}

impl Sample {
    /// A value as of now, whenever that is, over 30 s.
    pub fn new(value: &str) -> Self {
        let window = Some(Duration::from_secs(30));
        Self { value: value.into(), at: None, window, labels: BTreeMap::new() }
    }

    /// Measured at a time.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// An average over a time.
    #[must_use]
    pub fn over(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// With a label of the metric.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }
}

impl From<&str> for Sample {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// Use of a pod, by container and resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) at: Option<Timestamp>,
    pub(crate) window: Option<Duration>,
    pub(crate) containers: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the metrics APIs answer. Nothing is set at first, and an API is there only when it is
/// [served](crate::ApiServer::serve_metrics).
///
/// What is said of a pod is answered as long as the server has that pod.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) served: BTreeSet<MetricsApi>,
    pub(crate) failing: BTreeMap<MetricsApi, u16>,
    pub(crate) usage: BTreeMap<(String, String), Usage>,
    /// By namespace, resource (`pods`, `services`, `deployments.apps`), object and metric.
    pub(crate) objects: BTreeMap<(String, String, String, String), Vec<Sample>>,
    /// By namespace and metric.
    pub(crate) external: BTreeMap<(String, String), Vec<Sample>>,
}

impl Metrics {
    /// What one container of a pod uses now, such as `&[("cpu", "250m"), ("memory", "1Gi")]`, over
    /// 30 s.
    pub fn usage(&mut self, namespace: &str, pod: &str, container: &str, used: &[(&str, &str)]) {
        let usage = self.usage.entry((namespace.into(), pod.into())).or_default();
        let used = used.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        usage.containers.insert(container.into(), used);
    }

    /// When the use of a pod was measured, and over which time.
    pub fn usage_at(&mut self, namespace: &str, pod: &str, at: Timestamp, window: Duration) {
        let usage = self.usage.entry((namespace.into(), pod.into())).or_default();
        usage.at = Some(at);
        usage.window = Some(window);
    }

    /// A custom metric of a pod.
    pub fn pod_metric(
        &mut self,
        namespace: &str,
        pod: &str,
        metric: &str,
        sample: impl Into<Sample>,
    ) {
        self.object_metric(namespace, "pods", pod, metric, sample);
    }

    /// A custom metric of an object, of which the resource is said as in `services` or
    /// `deployments.apps`.
    pub fn object_metric(
        &mut self,
        namespace: &str,
        resource: &str,
        object: &str,
        metric: &str,
        sample: impl Into<Sample>,
    ) {
        let key = (namespace.into(), resource.into(), object.into(), metric.into());
        self.objects.insert(key, vec![sample.into()]);
    }

    /// The series of an external metric.
    pub fn external_metric(
        &mut self,
        namespace: &str,
        metric: &str,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        self.external.insert((namespace.into(), metric.into()), samples.into_iter().collect());
    }

    /// An API answers everything with an error, such as 503, or again as it should (`None`).
    pub fn fail(&mut self, api: MetricsApi, code: Option<u16>) {
        match code {
            Some(code) => self.failing.insert(api, code),
            None => self.failing.remove(&api),
        };
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.usage.clear();
        self.objects.clear();
        self.external.clear();
    }

    pub(crate) fn serve(&mut self, apis: &[MetricsApi]) {
        self.served = apis.iter().copied().collect();
    }
}
