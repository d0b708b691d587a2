//! What is scaled: whatever has a `scale` subresource.
//!
//! A [`KubeTarget`] reads and writes one count through `/scale`, and nothing else of the object. Many share one
//! [`Discovery`].

mod call;
mod discovery;
mod fence;
mod ownership;
mod retirement;
mod rivals;
mod scale;
mod spec;
mod standby;

pub use discovery::{Discovery, DiscoveryError, Scalable};
pub use fence::Fence;
pub use retirement::RetirementSpec;
pub use spec::KubeTargetSpec;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Client;
use tokio::time::Instant;
use trimtab_engine::{CrossVersionObjectReference, Selector};
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};

use call::Failure;
use ownership::Ownership;
use retirement::Mark;
use rivals::Scaled;
use scale::{Count, ScalePath};

/// The field manager, unless another is chosen.
pub const FIELD_MANAGER: &str = "trimtab";
/// Who else scales it is looked at that often while nothing is written.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Before a write it is known at least as of then.
const LOOK_BEFORE_WRITE: Duration = Duration::from_secs(10);

/// Scales one object of a cluster: a Deployment, a StatefulSet, a LeaderWorkerSet, or any other kind with a `scale`
/// subresource.
///
/// **Read** is a `GET` of the scale. **Write** is a server-side apply of `spec.replicas` to it, on the condition that the object is
/// as it was read. Whoever set the count before, `kubectl apply` or Helm, gives it up: that is said once, in the log. Someone who
/// takes it back again and again is not fought with ([`TargetError::Contested`]), nor is an autoscaler that has the same target.
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
    client: Client,
    discovery: Arc<Discovery>,
    namespace: String,
    reference: CrossVersionObjectReference,
    name: String,
    manager: String,
    policy: Option<String>,
    fence: Option<Arc<dyn Fence>>,
    retirement: RetirementSpec,
    standby: Option<CrossVersionObjectReference>,
    memory: Mutex<Memory>,
}

/// What one call leaves for the next.
#[derive(Default)]
struct Memory {
    /// The server asked to be left alone until then, and said why.
    pushed_back: Option<(Instant, TargetError)>,
    ownership: Ownership,
    /// What was said of others that scale it.
    told: Option<String>,
}

impl KubeTarget {
    /// The object that `reference` names, in a namespace.
    pub fn new(
        client: Client,
        discovery: Arc<Discovery>,
        namespace: &str,
        reference: &CrossVersionObjectReference,
    ) -> Self {
        let name = format!("{} {namespace}/{}", reference.kind, reference.name);
        Self {
            client,
            discovery,
            namespace: namespace.to_owned(),
            reference: reference.clone(),
            name,
            manager: String::from(FIELD_MANAGER),
            policy: None,
            fence: None,
            retirement: RetirementSpec::default(),
            standby: None,
            memory: Mutex::default(),
        }
    }

    /// Writes under this name; of several that run beside each other, each needs its own. Default: `trimtab`.
    #[must_use]
    pub fn with_field_manager(mut self, manager: impl Into<String>) -> Self {
        self.manager = manager.into();
        self
    }

    /// Writes on behalf of the ScalingPolicy of that name, in the same namespace: it is no rival of itself.
    #[must_use]
    pub fn with_policy_name(mut self, name: impl Into<String>) -> Self {
        self.policy = Some(name.into());
        self
    }

    /// Writes only while the fence lets it.
    #[must_use]
    pub fn with_fence(mut self, fence: Arc<dyn Fence>) -> Self {
        self.fence = Some(fence);
        self
    }

    /// Marks pods that drain in this way.
    #[must_use]
    pub fn with_retirement(mut self, spec: RetirementSpec) -> Self {
        self.retirement = spec;
        self
    }

    /// With a second workload of the same namespace as its warm pool: a Deployment whose pods hold what the target's need.
    #[must_use]
    pub fn with_standby(mut self, reference: &CrossVersionObjectReference) -> Self {
        self.standby = Some(reference.clone());
        self
    }

    /// Who else scales it now, as far as is known: the same that a read reports.
    pub async fn rival(&self) -> Option<String> {
        let scalable = self.discovery.find(&self.reference).await.ok()?;
        self.rival_of(&scalable, LOOK_AGAIN).await
    }

    async fn rival_of(&self, scalable: &Scalable, age: Duration) -> Option<String> {
        let scaled = Scaled {
            namespace: self.namespace.clone(),
            group: scalable.resource.group.clone(),
            kind: scalable.resource.kind.clone(),
            name: self.reference.name.clone(),
        };
        let rivals = self.discovery.rivals();
        let rival = rivals.of(&scaled, self.policy.as_deref(), age).await;
        let mut memory = self.memory();
        if memory.told != rival {
            if let Some(rival) = &rival {
                tracing::warn!(target_name = %self.name, "{rival} scales it, too: nothing is written");
            }
            memory.told.clone_from(&rival);
        }
        rival
    }

    async fn scalable(&self) -> Result<(Scalable, ScalePath), TargetError> {
        let scalable = self.discovery.find(&self.reference).await?;
        let path = ScalePath::new(&scalable, &self.namespace, &self.reference.name)?;
        Ok((scalable, path))
    }

    /// Takes note of a failure: a kind that is gone, a server that wants to be left alone.
    async fn failed(&self, failure: Failure) -> TargetError {
        if failure.is_path_unknown() {
            self.discovery.forget(&self.reference).await;
        }
        let wait = failure.retry_after();
        let error = TargetError::from(failure);
        if let (Some(wait), TargetError::Unreachable(_)) = (wait, &error) {
            self.memory().pushed_back = Some((Instant::now() + wait, error.clone()));
        }
        error
    }

    /// The server is left alone as long as it asked for.
    fn check_pushed_back(&self) -> Result<(), TargetError> {
        let mut memory = self.memory();
        match &memory.pushed_back {
            Some((until, error)) if Instant::now() < *until => Err(error.clone()),
            Some(_) => {
                memory.pushed_back = None;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A process that was deposed writes nothing.
    fn check_fence(&self) -> Result<(), TargetError> {
        match &self.fence {
            Some(fence) if !fence.may_write() => Err(TargetError::Denied(String::from(
                "this process no longer leads: another one may write now",
            ))),
            _ => Ok(()),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the count. Where others manage the field they give it up, unless they took it back before.
    async fn write_count(&self, path: &ScalePath, change: &Change) -> Result<(), TargetError> {
        let mut count = Count {
            replicas: change.replicas,
            version: change.version.as_deref(),
            manager: &self.manager,
            force: false,
        };
        self.check_fence()?;
        let mut written = path.write(&self.client, &count).await;
        if let Err(Failure::Answer(answer)) = &written
            && !answer.managers.is_empty()
        {
            let told = self.memory().ownership.lost_to(&answer.managers, Instant::now())?;
            tracing::info!(target_name = %self.name, "{told}");
            count.force = true;
            self.check_fence()?;
            written = path.write(&self.client, &count).await;
        }
        match written {
            Ok(_) => {}
            // An earlier try of this write, whose answer was lost, has done it; or somebody else did.
            Err(failure) if failure.has_code(409) => {
                let there = path.read(&self.client).await;
                if there.is_ok_and(|there| replicas(&there) != change.replicas) {
                    return Err(TargetError::Conflict);
                }
            }
            Err(failure) => return Err(self.failed(failure).await),
        }
        self.memory().ownership.is_ours();
        Ok(())
    }

    async fn mark(&self, pods: &[String], mark: Mark) -> Result<(), TargetError> {
        if pods.is_empty() {
            return Ok(());
        }
        self.check_fence()?;
        let Self { client, retirement, manager, namespace, .. } = self;
        retirement::mark(client, retirement, manager, namespace, pods, mark).await
    }

    /// What adds capacity first, then what takes it away.
    async fn carry_out(&self, path: &ScalePath, change: &Change) -> Result<(), TargetError> {
        if change.replicas > change.from {
            self.write_count(path, change).await?;
        }
        let marks = [(&change.take_back, Mark::Serves), (&change.drain, Mark::Drains)];
        let mut marked = Ok(());
        for (pods, mark) in marks {
            let done = self.mark(pods, mark).await;
            marked = marked.and(done);
        }
        if change.replicas < change.from {
            self.mark(&change.retire, Mark::Goes).await?;
            self.write_count(path, change).await?;
        }
        match marked {
            // The next decision sees who was not marked, and asks for it again.
            Err(error) if change.replicas != change.from => {
                tracing::warn!(target_name = %self.name, "the count is set, and not all pods are marked: {error}");
                Ok(())
            }
            marked => marked,
        }
    }
}

#[async_trait]
impl ScaleTarget for KubeTarget {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        self.check_pushed_back()?;
        let (scalable, path) = self.scalable().await?;
        let scale = match path.read(&self.client).await {
            Ok(scale) => scale,
            Err(failure) => return Err(self.failed(failure).await),
        };
        let contested = self.rival_of(&scalable, LOOK_AGAIN).await;
        Ok(TargetStatus {
            replicas: replicas(&scale),
            status_replicas: scale.status.as_ref().map_or(0, |status| status.replicas),
            selector: selector(&scale),
            pods: None,
            version: scale.metadata.resource_version,
            warm: None,
            contested,
        })
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        self.check_fence()?;
        self.check_pushed_back()?;
        let (scalable, path) = self.scalable().await?;
        if let Some(rival) = self.rival_of(&scalable, LOOK_BEFORE_WRITE).await {
            return Err(TargetError::Contested(rival));
        }
        self.memory().ownership.check(Instant::now())?;
        self.carry_out(&path, change).await
    }
}

impl std::fmt::Debug for KubeTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeTarget")
            .field("name", &self.name)
            .field("manager", &self.manager)
            .field("policy", &self.policy)
            .field("standby", &self.standby)
            .finish_non_exhaustive()
    }
}

fn replicas(scale: &Scale) -> i32 {
    scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0)
}

/// As the HPA has it: without a selector, or with one that can't be parsed, nothing is decided.
fn selector(scale: &Scale) -> Selector {
    let text = scale.status.as_ref().and_then(|status| status.selector.as_deref());
    match text.unwrap_or_default() {
        "" => Selector::Empty,
        _ => Selector::Ok,
    }
}
