//! What is known of a cluster from watching it: pods, nodes, node pools, disruption budgets.
//!
//! [`Cluster::watch`] starts one watch for each kind, for all workloads together, and keeps what is
//! used of the objects. All questions are answered from memory. What has not been listed yet, what
//! may not be watched and what has not been heard of for too long is `None`, and never an empty
//! list.

mod budget;
mod intern;
mod karpenter;
mod lexer;
mod node;
mod picture;
mod pod;
mod pods;
#[cfg(test)]
mod pods_laws;
mod pulse;
mod scope;
mod selector;
mod supply;
mod watch;
mod watching;
mod wire;
mod workload;

pub use budget::Disruptions;
pub use karpenter::NodePool;
pub use node::Node;
pub use pod::{Owner, Pod};
pub use scope::{POOL_LABELS, Scope};
pub use selector::{Selector, SelectorError};
pub use watching::{Part, WatchHealth};
pub use workload::{ClusterSource, WorkloadPods};

pub(crate) use workload::source_error;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kube::Client;
use tokio_util::sync::CancellationToken;
use trimtab_engine::{PodRecord, Policy, PoolSupplyRecord, WarmCounts};
use trimtab_metric::Timestamp;

use picture::Picture;
use supply::Question;
use watching::Watching;

/// The label of pods that take no new work, because they are to go.
pub const DRAINING: &str = "trimtab.dev/draining";
/// The annotation that says since when, as RFC 3339.
pub const DRAINING_SINCE: &str = "trimtab.dev/draining-since";
/// The label of pods that are the warm pool of their own workload, and what becomes of them:
/// `claimed`, `idle`, `asleep`, `waking`.
pub const STANDBY: &str = "trimtab.dev/standby";
/// The annotation of pods that were told to sleep: how often their containers had started by then.
pub(crate) const SLEPT_AT: &str = "trimtab.dev/slept-at-restart";
/// The annotation by which a ReplicaSet chooses who goes.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// A cluster that is watched. Clones are handles of one and the same.
///
/// ```no_run
/// use tokio_util::sync::CancellationToken;
/// use trimtab_kube::cluster::{Cluster, Scope};
///
/// # async fn watched(client: kube::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let stop = CancellationToken::new();
/// let cluster = Cluster::watch(client, Scope::all(), stop.clone());
/// cluster.synced().await;
/// match cluster.pods("inference", &"app=llm".parse()?) {
///     Some(pods) => println!("{} pods", pods.len()),
///     None => println!("nobody knows"),
/// }
/// stop.cancel();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    scope: Scope,
    picture: RwLock<Picture>,
    watches: Vec<Arc<Watching>>,
    changes: tokio::sync::watch::Sender<()>,
}

impl Cluster {
    /// Watches a cluster until it is stopped. Answers are `None` until the first listing is
    /// complete.
    ///
    /// It has to be called within a tokio runtime, which the watches run on.
    pub fn watch(client: Client, scope: Scope, stop: CancellationToken) -> Self {
        let inner = Arc::new(Inner::new(scope));
        watch::start(&inner, &client, &stop);
        Self { inner }
    }

    /// Whether everything was listed that may be: pods certainly, and the rest, unless it is
    /// refused or not there.
    pub fn is_synced(&self) -> bool {
        self.inner.watches.iter().all(|watching| match watching.part {
            Part::Pods => watching.is_synced(),
            _ => watching.is_tried(),
        })
    }

    /// Waits until [`is_synced`](Self::is_synced), which may be for ever: where pods may not be
    /// listed, it never is.
    pub async fn synced(&self) {
        let mut changes = self.inner.changes.subscribe();
        while !self.is_synced() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// How the watches are, for messages and metrics.
    pub fn health(&self) -> Vec<WatchHealth> {
        self.inner.watches.iter().map(|watching| watching.health()).collect()
    }

    /// How the watch is that sees a namespace; `None` if none does.
    pub fn health_of(&self, part: Part, namespace: &str) -> Option<WatchHealth> {
        self.inner.covering(part, Some(namespace)).map(|watching| watching.health())
    }

    /// How long a picture is believed of which nothing was heard.
    pub fn stale_after(&self) -> Duration {
        self.inner.scope.stale_after
    }

    /// The pods of a namespace that are selected, as observations say them, in the order of their
    /// names. `None`: it is not known which there are.
    pub fn pods(&self, namespace: &str, selector: &Selector) -> Option<Vec<PodRecord>> {
        self.records(namespace, selector, Pod::full_record)
    }

    /// The same without what they request, which is most of it.
    pub(crate) fn lean_pods(&self, namespace: &str, selector: &Selector) -> Option<Vec<PodRecord>> {
        self.records(namespace, selector, Pod::record)
    }

    fn records(
        &self,
        namespace: &str,
        selector: &Selector,
        of: fn(&Pod) -> PodRecord,
    ) -> Option<Vec<PodRecord>> {
        if !self.inner.trusts(Part::Pods, Some(namespace)) {
            return None;
        }
        // Where nodes are not known, what was known of them is not told.
        let nodes = self.inner.trusts(Part::Nodes, None);
        let picture = self.inner.read();
        let pods = picture.pods.select(namespace, selector).into_iter();
        let record = |pod: &Pod| if nodes { picture.with_node(pod, of(pod)) } else { of(pod) };
        Some(pods.map(record).collect())
    }

    /// The same pods with all that is kept of them.
    pub fn pod_facts(&self, namespace: &str, selector: &Selector) -> Option<Vec<Pod>> {
        let known = self.inner.trusts(Part::Pods, Some(namespace));
        let picture = self.inner.read();
        let pods = || picture.pods.select(namespace, selector).into_iter().cloned().collect();
        known.then(pods)
    }

    /// A pod by its name. The outer `None`: it is not known.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Option<Pod>> {
        let known = self.inner.trusts(Part::Pods, Some(namespace));
        known.then(|| self.inner.read().pods.get(namespace, name).cloned())
    }

    /// A node by its name. The outer `None`: it is not known.
    pub fn node(&self, name: &str) -> Option<Option<Node>> {
        let known = self.inner.trusts(Part::Nodes, None);
        known.then(|| self.inner.read().nodes.get(name).map(|node| node.it.clone()))
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> Option<Vec<Node>> {
        if !self.inner.trusts(Part::Nodes, None) {
            return None;
        }
        let picture = self.inner.read();
        let mut nodes: Vec<Node> = picture.nodes.values().map(|node| node.it.clone()).collect();
        nodes.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Some(nodes)
    }

    /// A Karpenter NodePool by its name. The outer `None`: it is not known.
    pub fn node_pool(&self, name: &str) -> Option<Option<NodePool>> {
        let known = self.inner.trusts(Part::NodePools, None);
        known.then(|| self.inner.read().karpenter.pools.get(name).map(|pool| pool.it.clone()))
    }

    /// What the pools of a policy have for the workload whose pods are selected. `None`: the policy
    /// asks for none, or nothing is known, since nodes or pods of other namespaces are not seen. A
    /// pool of which nothing is known has no `freeGpus`.
    ///
    /// A GPU is what pods of the workload request: a whole card, or a slice of it such as
    /// `nvidia.com/mig-1g.10gb`.
    pub fn supply(
        &self,
        policy: &Policy,
        namespace: &str,
        selector: &Selector,
        now: Timestamp,
    ) -> Option<Vec<PoolSupplyRecord>> {
        let inner = &self.inner;
        let known = inner.scope.sees_all_pods()
            && inner.trusts(Part::Pods, Some(namespace))
            && inner.trusts(Part::Nodes, None);
        if !known {
            return None;
        }
        let (knows_pools, knows_claims) =
            (inner.trusts(Part::NodePools, None), inner.knows_claims());
        let picture = inner.read();
        let pods = &picture.pods.select(namespace, selector);
        picture.supply(policy, &Question { now, pods, knows_pools, knows_claims })
    }

    /// The accelerators that the newest of the selected pods requests, such as `nvidia.com/gpu`.
    pub fn accelerator(&self, namespace: &str, selector: &Selector) -> Option<String> {
        let known = self.inner.trusts(Part::Pods, Some(namespace));
        let picture = known.then(|| self.inner.read())?;
        let pods = picture.pods.select(namespace, selector);
        supply::accelerator_of(&pods).map(|name| String::from(&*name))
    }

    /// How many of the selected pods are ready, and how many are on their way: the counts of a warm
    /// pool whose pods they are. Pods that go count for neither.
    pub fn warm(&self, namespace: &str, selector: &Selector) -> Option<WarmCounts> {
        if !self.inner.trusts(Part::Pods, Some(namespace)) {
            return None;
        }
        let picture = self.inner.read();
        let mut counts = WarmCounts::default();
        for pod in picture.pods.select(namespace, selector) {
            if pod.is_ready() {
                counts.ready = counts.ready.saturating_add(1);
            } else if pod.holds_resources() && pod.terminating_since().is_none() {
                counts.starting = counts.starting.saturating_add(1);
            }
        }
        Some(counts)
    }

    /// What disruption budgets allow for the selected pods.
    pub fn disruptions(&self, namespace: &str, selector: &Selector) -> Option<Disruptions> {
        let inner = &self.inner;
        let known = inner.trusts(Part::Pods, Some(namespace))
            && inner.trusts(Part::Budgets, Some(namespace));
        let picture = known.then(|| inner.read())?;
        Some(picture.budgets.of(namespace, &picture.pods.select(namespace, selector)))
    }
}

impl Inner {
    fn new(scope: Scope) -> Self {
        let namespaces: Vec<Option<String>> = match &scope.namespaces {
            Some(names) => names.iter().cloned().map(Some).collect(),
            None => vec![None],
        };
        let watching =
            |part, namespace: &Option<String>| Arc::new(Watching::new(part, namespace.clone()));
        let mut watches = Vec::new();
        for part in [Part::Pods, Part::Budgets] {
            watches.extend(namespaces.iter().map(|namespace| watching(part, namespace)));
        }
        if scope.nodes {
            let parts = [Part::Nodes, Part::NodePools, Part::NodeClaims];
            watches.extend(parts.map(|part| watching(part, &None)));
        }
        let (changes, _) = tokio::sync::watch::channel(());
        Self { scope, picture: RwLock::default(), watches, changes }
    }

    /// Whether what was seen of a kind, in a namespace, can be believed.
    fn trusts(&self, part: Part, namespace: Option<&str>) -> bool {
        let watching = self.covering(part, namespace);
        watching.is_some_and(|watching| watching.is_trusted(self.scope.stale_after))
    }

    fn covering(&self, part: Part, namespace: Option<&str>) -> Option<&Arc<Watching>> {
        self.watches.iter().find(|watching| {
            watching.part == part
                && watching.namespace.as_deref().is_none_or(|name| Some(name) == namespace)
        })
    }

    /// Whether it is known which nodes were asked for. Where there is no Karpenter, nobody asks by
    /// claims.
    fn knows_claims(&self) -> bool {
        let claims = self.watches.iter().find(|watching| watching.part == Part::NodeClaims);
        claims.is_some_and(|claims| claims.is_absent()) || self.trusts(Part::NodeClaims, None)
    }

    fn changed(&self) {
        self.changes.send_replace(());
    }

    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn read(&self) -> RwLockReadGuard<'_, Picture> {
        self.picture.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Picture> {
        self.picture.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("health", &self.health()).finish_non_exhaustive()
    }
}
