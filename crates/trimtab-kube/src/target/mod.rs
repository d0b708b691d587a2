//! What is scaled: whatever has a `scale` subresource.
//!
//! A [`KubeTarget`] reads and writes one count through `/scale`, and nothing else of the object.
//! Many share one [`Discovery`].

pub(crate) mod call;
mod count;
mod discovery;
mod fence;
mod herald;
mod order;
mod ownership;
mod retirement;
mod rivals;
mod scale;
mod sleep;
mod spec;
mod standby;

pub use discovery::{Discovery, DiscoveryError, Scalable};
pub use fence::Fence;
pub use herald::Herald;
pub use retirement::RetirementSpec;
pub use spec::KubeTargetSpec;
#[cfg(feature = "controller")]
pub(crate) use spec::longest_session;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;
use trimtab_engine::{CrossVersionObjectReference, PodRecord, Selector, WarmCounts};
use trimtab_manifest::SleepSpec;
use trimtab_metric::Span;
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};

use crate::cluster::{self, Cluster};
use count::{Count, Found, Host, count_of, selector_of};
use order::Ordinals;
use retirement::Mark;
use sleep::Sleeper;

/// The field manager, unless another is chosen.
pub const FIELD_MANAGER: &str = "trimtab";
/// Who else scales it is looked at that often while nothing is written.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Before a write it is known at least as of then.
const LOOK_BEFORE_WRITE: Duration = Duration::from_secs(10);

/// Scales one object of a cluster: a Deployment, a StatefulSet, a LeaderWorkerSet, or any other
/// kind with a `scale` subresource.
///
/// **Read** is a `GET` of the scale. **Write** is a server-side apply of `spec.replicas` to it (of
/// a custom resource, a patch, since the API server can't apply there), on the condition that the
/// object is as it was read. Whoever set the count before, `kubectl apply` or Helm, gives it up:
/// that is said once, in the log and to a [`Herald`]. Someone who takes it back again and again is not fought with
/// ([`TargetError::Contested`]), nor is an autoscaler that has the same target.
///
/// ```no_run
/// use trimtab_engine::CrossVersionObjectReference;
/// use trimtab_kube::target::{Discovery, KubeTarget};
/// use trimtab_kube::{ConnectSpec, connect};
///
/// # async fn run() -> Result<(), trimtab_kube::ConnectError> {
/// let client = connect(&ConnectSpec::default()).await?;
/// let discovery = Discovery::new(client.clone());
/// let reference = CrossVersionObjectReference {
///     api_version: "apps/v1".into(),
///     kind: "Deployment".into(),
///     name: "llm".into(),
/// };
/// let target = KubeTarget::new(client, discovery, "inference", &reference);
/// # Ok(())
/// # }
/// ```
pub struct KubeTarget {
    host: Host,
    main: Count,
    standby: Option<Count>,
    sleeper: Option<Sleeper>,
    cluster: Option<Cluster>,
    tells_requests: bool,
    retirement: RetirementSpec,
    ordinals: Ordinals,
    /// Why the warm pool was not known, as it was said last.
    told: Mutex<Option<String>>,
}

impl KubeTarget {
    /// The object that `reference` names, in a namespace.
    pub fn new(
        client: Client,
        discovery: Arc<Discovery>,
        namespace: &str,
        reference: &CrossVersionObjectReference,
    ) -> Self {
        let host = Host {
            client,
            discovery,
            namespace: namespace.to_owned(),
            manager: String::from(FIELD_MANAGER),
            policy: None,
            fence: None,
            herald: None,
            pushed_back: Mutex::default(),
        };
        Self {
            host,
            main: Count::new(namespace, reference),
            standby: None,
            sleeper: None,
            cluster: None,
            tells_requests: true,
            retirement: RetirementSpec::default(),
            ordinals: Ordinals::default(),
            told: Mutex::default(),
        }
    }

    /// Takes its pods from a cluster that is watched. Without it, nothing is known of single pods.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Does not say what its pods request: for policies that don't go by shares of that it is most of
    /// what there is to say.
    #[must_use]
    pub fn without_requests(mut self) -> Self {
        self.tells_requests = false;
        self
    }

    /// Writes under this name; of several that run beside each other, each needs its own. Default:
    /// `trimtab`.
    #[must_use]
    pub fn with_field_manager(mut self, manager: impl Into<String>) -> Self {
        self.host.manager = manager.into();
        self
    }

    /// Writes on behalf of the ScalingPolicy of that name, in the same namespace: it is no rival of
    /// itself.
    #[must_use]
    pub fn with_policy_name(mut self, name: impl Into<String>) -> Self {
        self.host.policy = Some(name.into());
        self
    }

    /// Writes only while the fence lets it.
    #[must_use]
    pub fn with_fence(mut self, fence: Arc<dyn Fence>) -> Self {
        self.host.fence = Some(fence);
        self
    }

    /// Tells somebody when it takes the count from others.
    #[must_use]
    pub fn with_herald(mut self, herald: Arc<dyn Herald>) -> Self {
        self.host.herald = Some(herald);
        self
    }

    /// Marks pods that drain in this way.
    #[must_use]
    pub fn with_retirement(mut self, spec: RetirementSpec) -> Self {
        self.retirement = spec;
        self
    }

    /// With a second workload of the same namespace as its warm pool: a Deployment whose pods hold
    /// what the target's need.
    #[must_use]
    pub fn with_standby(mut self, reference: &CrossVersionObjectReference) -> Self {
        self.standby = Some(Count::new(&self.host.namespace, reference));
        self
    }

    /// With pods of its own as its warm pool, which are put to sleep and woken over HTTP. Which pods there
    /// are is known by a [cluster](Self::with_cluster) alone. A pod may have work for `longest_session`
    /// after it was told to drain: what `retire` says, as `maxSessionSeconds`.
    #[must_use]
    pub fn with_sleep(mut self, spec: &SleepSpec, longest_session: Span) -> Self {
        self.sleeper = Some(Sleeper::new(spec, longest_session));
        self
    }

    /// Who else scales it now, as far as is known: the same that a read reports.
    pub async fn rival(&self) -> Option<String> {
        let found = self.main.find(&self.host).await.ok()?;
        self.main.rival(&self.host, &found.scalable, LOOK_AGAIN).await
    }

    /// Its pods, if it was told where to find them. A workload whose pods are not known is not one
    /// with none.
    async fn pods(
        &self,
        found: &Found,
        selector: Option<&cluster::Selector>,
    ) -> Result<Option<Vec<PodRecord>>, TargetError> {
        let (Some(cluster), Some(selector)) = (&self.cluster, selector) else { return Ok(None) };
        let Host { client, namespace, .. } = &self.host;
        let pods = if self.tells_requests {
            cluster.pods(namespace, selector)
        } else {
            cluster.lean_pods(namespace, selector)
        };
        let Some(mut pods) = pods else {
            let reason = String::from("which pods there are is not known at the moment");
            return Err(TargetError::Unreachable(reason));
        };
        if order::is_kept(&found.scalable) {
            let name = (namespace.as_str(), self.main.reference.name.as_str());
            self.ordinals.number(client, &found.scalable, name, &mut pods).await;
        }
        Ok(Some(pods))
    }

    /// How many stand by, if that can be said.
    async fn warm(&self) -> Option<WarmCounts> {
        let standby = self.standby.as_ref()?;
        let read = standby::read(&self.host, standby, self.cluster.as_ref()).await;
        let error = read.as_ref().err().map(TargetError::to_string);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != error {
            if let Some(error) = &error {
                tracing::warn!("of the warm pool {} nothing is known: {error}", standby.name);
            }
            *told = error;
        }
        read.ok()
    }

    async fn mark(&self, pods: &[String], mark: Mark) -> Result<(), TargetError> {
        if pods.is_empty() {
            return Ok(());
        }
        self.host.check_fence()?;
        let Host { client, namespace, manager, .. } = &self.host;
        retirement::mark(client, &self.retirement, manager, namespace, pods, mark).await
    }

    /// What adds capacity first, then what takes it away: of a step that fails, too much is left
    /// and not too little.
    async fn carry_out(&self, found: &Found, change: &Change) -> Result<(), TargetError> {
        let (grows, shrinks) = (change.replicas > change.from, change.replicas < change.from);
        if grows {
            self.count(found, change).await?;
        }
        let taken_back = self.mark(&change.take_back, Mark::Serves).await;
        let marked = taken_back.and(self.mark(&change.drain, Mark::Drains).await);
        let mut pooled = Ok(());
        if let (Some(standby), Some(size)) = (&self.standby, standby::size(change)) {
            pooled = standby::write(&self.host, standby, size).await;
        }
        if shrinks {
            // Who goes to the pool has its place there before it goes here.
            pooled?;
            self.let_go(found, change).await?;
            pooled = Ok(());
        }
        match marked.and(pooled) {
            // The next decision sees what was not done, and asks for it again.
            Err(error) if grows || shrinks => {
                tracing::warn!(
                    "{}: the count is set, and not all else is done: {error}",
                    self.main.name
                );
                Ok(())
            }
            done => done,
        }
    }

    /// Lowers the count, once it is said who goes.
    async fn let_go(&self, found: &Found, change: &Change) -> Result<(), TargetError> {
        if order::is_kept(&found.scalable) {
            order::check(&self.main.reference.name, change)?;
        } else {
            self.mark(&change.retire, Mark::Goes).await?;
        }
        self.count(found, change).await
    }

    async fn count(&self, found: &Found, change: &Change) -> Result<(), TargetError> {
        let version = change.version.as_deref();
        self.main.write(&self.host, found, (change.from, change.replicas), version).await
    }
}

#[async_trait]
impl ScaleTarget for KubeTarget {
    fn name(&self) -> &str {
        &self.main.name
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let Self { host, main, .. } = self;
        host.check_pushed_back()?;
        let found = main.find(host).await?;
        if let Some(sleeper) = &self.sleeper {
            let contested = main.rival(host, &found.scalable, LOOK_AGAIN);
            let (seen, contested) = tokio::join!(self.see_asleep(sleeper, &found), contested);
            let sleep::Seen { replicas, status_replicas, pods, warm, apart } = seen?;
            return Ok(TargetStatus {
                replicas,
                status_replicas,
                pods: Some(pods),
                warm: Some(warm),
                apart,
                contested,
                ..TargetStatus::default()
            });
        }
        let scale = main.read(host, &found).await?;
        let (selector, text) = match selector_of(&scale).parse::<cluster::Selector>() {
            Ok(selector) if selector.is_everything() => (Selector::Empty, None),
            Ok(selector) => (Selector::Ok, Some(selector)),
            Err(_) => (Selector::Invalid, None),
        };
        let pods = self.pods(&found, text.as_ref());
        let contested = main.rival(host, &found.scalable, LOOK_AGAIN);
        let (pods, warm, contested) = tokio::join!(pods, self.warm(), contested);
        Ok(TargetStatus {
            replicas: count_of(&scale),
            status_replicas: scale.status.as_ref().map_or(0, |status| status.replicas),
            selector,
            pods: pods?,
            version: scale.metadata.resource_version,
            warm,
            apart: Vec::new(),
            contested: contested.or_else(|| main.holder()),
        })
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        let Self { host, main, .. } = self;
        host.check_fence()?;
        host.check_pushed_back()?;
        let found = main.find(host).await?;
        if let Some(rival) = main.rival(host, &found.scalable, LOOK_BEFORE_WRITE).await {
            return Err(TargetError::Contested(rival));
        }
        main.check_ownership()?;
        match &self.sleeper {
            Some(sleeper) => self.carry_out_asleep(sleeper, &found, change).await,
            None => self.carry_out(&found, change).await,
        }
    }

    async fn tend(&self, _workload: &WorkloadId) -> Result<(), TargetError> {
        match &self.sleeper {
            Some(sleeper) => self.tend_asleep(sleeper).await,
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for KubeTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeTarget")
            .field("name", &self.main.name)
            .field("manager", &self.host.manager)
            .field("policy", &self.host.policy)
            .field("standby", &self.standby.as_ref().map(|standby| &standby.name))
            .field("sleeps", &self.sleeper.is_some())
            .finish_non_exhaustive()
    }
}
