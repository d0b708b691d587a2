//! What of a cluster is watched.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Selector;

/// The labels by which nodes say which pool they are of, the one that counts first in front.
pub const POOL_LABELS: [&str; 6] = [
    "trimtab.dev/pool",
    "karpenter.sh/nodepool",
    "eks.amazonaws.com/nodegroup",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
];

/// What of a cluster is watched, and how long what was seen is believed.
///
/// ```
/// use std::time::Duration;
/// use trimtab_kube::cluster::Scope;
///
/// let all = Scope::all();
/// let team = Scope::namespaces(["inference", "batch"]).with_stale_after(Duration::from_secs(60));
/// assert!(all.includes("inference") && team.includes("batch") && !team.includes("kube-system"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// `None`: all.
    pub(super) namespaces: Option<BTreeSet<String>>,
    pub(super) pods: Selector,
    pub(super) nodes: bool,
    pub(super) pool_labels: Vec<String>,
    pub(super) watch_timeout: Duration,
    pub(super) stale_after: Duration,
    pub(super) discovery: Duration,
}

impl Scope {
    /// All namespaces.
    pub fn all() -> Self {
        Self {
            namespaces: None,
            pods: Selector::default(),
            nodes: true,
            pool_labels: POOL_LABELS.iter().map(|label| String::from(*label)).collect(),
            watch_timeout: Duration::from_secs(60),
            stale_after: Duration::from_secs(180),
            discovery: Duration::from_secs(60),
        }
    }

    /// These namespaces. What pods of others take up is not seen then, so that nothing can be said
    /// of [supply](super::Cluster::supply).
    pub fn namespaces<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        Self { namespaces: Some(names), ..Self::all() }
    }

    /// Only pods that this selects; others are as if they were not there. It saves memory, and
    /// takes [supply](super::Cluster::supply) away.
    #[must_use]
    pub fn with_pods(mut self, selector: Selector) -> Self {
        self.pods = selector;
        self
    }

    /// Without nodes, node pools and node claims, and so without zones, capacity types and supply.
    #[must_use]
    pub fn without_nodes(mut self) -> Self {
        self.nodes = false;
        self
    }

    /// Other labels that name the pool of a node. The first that a node has counts. Default:
    /// [`POOL_LABELS`].
    #[must_use]
    pub fn with_pool_labels<L: Into<String>>(
        mut self,
        labels: impl IntoIterator<Item = L>,
    ) -> Self {
        self.pool_labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// How long a picture is believed of which nothing was heard. Default 180 s.
    ///
    /// A watch that lives is heard of at least every [`watch_timeout`](Self::with_watch_timeout),
    /// also where nothing changes; so it has to be more than that.
    #[must_use]
    pub fn with_stale_after(mut self, age: Duration) -> Self {
        self.stale_after = age;
        self
    }

    /// How long a watch goes on before it is begun anew, which shows that it lives. Default 60 s,
    /// at least 1 s.
    #[must_use]
    pub fn with_watch_timeout(mut self, timeout: Duration) -> Self {
        self.watch_timeout = timeout.max(Duration::from_secs(1));
        self
    }

    /// How often it is looked whether Karpenter is there, as long as it is not. Default 60 s.
    #[must_use]
    pub fn with_discovery_every(mut self, interval: Duration) -> Self {
        self.discovery = interval;
        self
    }

    /// Whether pods of a namespace are watched.
    pub fn includes(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|names| names.contains(namespace))
    }

    /// Whether all pods are seen, so that what is left on a node is known.
    pub(super) fn sees_all_pods(&self) -> bool {
        self.namespaces.is_none() && self.pods.is_everything()
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::all()
    }
}
