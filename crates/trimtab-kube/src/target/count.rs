//! One count of a cluster: found, read, written, and defended against nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::Client;
use tokio::time::Instant;
use trimtab_engine::CrossVersionObjectReference;
use trimtab_runtime::TargetError;

use super::call::Failure;
use super::discovery::{Discovery, Scalable};
use super::fence::Fence;
use super::herald::Herald;
use super::ownership::Ownership;
use super::rivals::Scaled;
use super::scale::{ScalePath, Written};

/// What all requests of a target have in common.
pub(super) struct Host {
    pub(super) client: Client,
    pub(super) discovery: Arc<Discovery>,
    pub(super) namespace: String,
    pub(super) manager: String,
    pub(super) policy: Option<String>,
    pub(super) fence: Option<Arc<dyn Fence>>,
    pub(super) herald: Option<Arc<dyn Herald>>,
    /// The server asked to be left alone until then, and said why.
    pub(super) pushed_back: Mutex<Option<(Instant, TargetError)>>,
}

/// One object whose count is ours.
pub(super) struct Count {
    pub(super) reference: CrossVersionObjectReference,
    /// As messages call it.
    pub(super) name: String,
    memory: Mutex<Memory>,
}

/// What one call leaves for the next.
#[derive(Default)]
struct Memory {
    ownership: Ownership,
    /// What was written last.
    written: Option<i32>,
    /// What was said of others that scale it.
    told: Option<String>,
}

/// A count as it was found.
pub(super) struct Found {
    pub(super) scalable: Scalable,
    pub(super) path: ScalePath,
}

impl Host {
    /// Takes note of a failure: a server that wants to be left alone.
    fn failed(&self, failure: Failure) -> TargetError {
        let wait = failure.retry_after();
        let error = TargetError::from(failure);
        if let (Some(wait), TargetError::Unreachable(_)) = (wait, &error) {
            *self.lock() = Some((Instant::now() + wait, error.clone()));
        }
        error
    }

    /// The server is left alone as long as it asked for.
    pub(super) fn check_pushed_back(&self) -> Result<(), TargetError> {
        let mut pushed_back = self.lock();
        match &*pushed_back {
            Some((until, error)) if Instant::now() < *until => Err(error.clone()),
            _ => {
                *pushed_back = None;
                Ok(())
            }
        }
    }

    /// A process that was deposed writes nothing.
    pub(super) fn check_fence(&self) -> Result<(), TargetError> {
        match &self.fence {
            Some(fence) if !fence.may_write() => Err(TargetError::Denied(String::from(
                "this process no longer leads, another one may write now",
            ))),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, TargetError)>> {
        self.pushed_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    pub(super) fn new(namespace: &str, reference: &CrossVersionObjectReference) -> Self {
        let name = format!("{} {namespace}/{}", reference.kind, reference.name);
        Self { reference: reference.clone(), name, memory: Mutex::default() }
    }

    pub(super) async fn find(&self, host: &Host) -> Result<Found, TargetError> {
        let scalable = host.discovery.find(&self.reference).await?;
        let path = ScalePath::new(&scalable, &host.namespace, &self.reference.name)?;
        Ok(Found { scalable, path })
    }

    pub(super) async fn read(&self, host: &Host, found: &Found) -> Result<Scale, TargetError> {
        match found.path.read(&host.client).await {
            Ok(scale) => Ok(scale),
            Err(failure) => Err(self.failed(host, failure).await),
        }
    }

    /// Who else scales it, said once.
    pub(super) async fn rival(
        &self,
        host: &Host,
        scalable: &Scalable,
        age: Duration,
    ) -> Option<String> {
        let scaled = Scaled {
            namespace: host.namespace.clone(),
            group: scalable.resource.group.clone(),
            kind: scalable.resource.kind.clone(),
            name: self.reference.name.clone(),
        };
        let rival = host.discovery.rivals().of(&scaled, host.policy.as_deref(), age).await;
        let mut memory = self.memory();
        if memory.told != rival {
            match &rival {
                Some(rival) => tracing::warn!("{rival} scales {}, too", self.name),
                None => tracing::info!("nobody else scales {} any more", self.name),
            }
            memory.told.clone_from(&rival);
        }
        rival
    }

    /// Whether somebody took the count from us again and again.
    pub(super) fn check_ownership(&self) -> Result<(), TargetError> {
        self.holder().map_or(Ok(()), |who| Err(TargetError::Contested(who)))
    }

    /// Who took the count from us again and again, and has it for now.
    pub(super) fn holder(&self) -> Option<String> {
        self.memory().ownership.holder(Instant::now()).map(str::to_owned)
    }

    /// Sets the count, if the object is as of `version`. Where others manage the field they give it
    /// up, unless they took it back before.
    pub(super) async fn write(
        &self,
        host: &Host,
        found: &Found,
        (from, replicas): (i32, i32),
        version: Option<&str>,
    ) -> Result<(), TargetError> {
        let path = &found.path;
        let mut write = Written { replicas, version, manager: &host.manager, force: false };
        if !path.can_apply {
            self.ask_owners(host, path, from).await?;
        }
        host.check_fence()?;
        let mut written = path.write(&host.client, &write).await;
        if let Err(Failure::Answer(answer)) = &written
            && !answer.managers.is_empty()
        {
            self.take_over(host, &answer.managers)?;
            write.force = true;
            host.check_fence()?;
            written = path.write(&host.client, &write).await;
        }
        match written {
            Ok(_) => {}
            Err(failure) if failure.has_code(409) => {
                // Perhaps an earlier try has done it, whose answer was lost.
                let there = path.read(&host.client).await;
                if there.map_or(true, |there| count_of(&there) != replicas) {
                    return Err(TargetError::Conflict);
                }
            }
            Err(failure) => return Err(self.failed(host, failure).await),
        }
        let mut memory = self.memory();
        memory.ownership.is_ours();
        memory.written = Some(replicas);
        Ok(())
    }

    /// Where the server does not say who else manages the field: if the count is not what was
    /// written last, somebody does.
    async fn ask_owners(
        &self,
        host: &Host,
        path: &ScalePath,
        from: i32,
    ) -> Result<(), TargetError> {
        if self.memory().written == Some(from) {
            return Ok(());
        }
        let owners = path.owners(&host.client, &host.manager).await;
        let owners = owners.unwrap_or_else(|failure| {
            tracing::debug!("who set the count of {} can't be said: {failure}", self.name);
            vec![String::from("somebody")]
        });
        if owners.is_empty() { Ok(()) } else { self.take_over(host, &owners) }
    }

    fn take_over(&self, host: &Host, managers: &[String]) -> Result<(), TargetError> {
        let told = self.memory().ownership.lost_to(managers, Instant::now())?;
        tracing::info!("{}: {told}", self.name);
        if let Some(herald) = &host.herald {
            herald.took_over(&format!("{}: {told}", self.name));
        }
        Ok(())
    }

    async fn failed(&self, host: &Host, failure: Failure) -> TargetError {
        if failure.is_path_unknown() {
            host.discovery.forget(&self.reference).await;
        }
        host.failed(failure)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many were asked for.
pub(super) fn count_of(scale: &Scale) -> i32 {
    scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0)
}

/// Which pods they are, as text; empty if that is not said.
pub(super) fn selector_of(scale: &Scale) -> &str {
    let status = scale.status.as_ref();
    status.and_then(|status| status.selector.as_deref()).unwrap_or_default()
}
