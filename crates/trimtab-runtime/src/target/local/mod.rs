//! A target whose replicas are processes on this machine.

mod discovery;
mod probe;
mod replicas;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::template::{Template, TemplateError};
use super::{Change, ScaleTarget, TargetError, TargetStatus};
use crate::{Clock, WorkloadId};
use discovery::Discovery;
use replicas::Replicas;

/// How replicas of a [`LocalTarget`] are run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalSpec {
    /// What a replica runs. `{port}` is its port, `{name}` its name, such as `replica-3`.
    pub command: Vec<String>,
    /// The first and the last port; each replica has one.
    pub ports: (u16, u16),
    /// How many are started at once, when the target begins. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_replicas: Option<i32>,
    /// A replica is ready while a GET of this path answers with a status from 200 to 399. Default: while its port
    /// takes connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_path: Option<String>,
    /// How long a replica may take to end after SIGTERM, before it is killed. Default 30.
    #[serde(default = "default_grace")]
    pub termination_grace_period_seconds: u32,
    /// Variables for the command, besides those of this process; and `PORT`, unless it is among them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where it runs. Default: where this process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Where what it prints goes, into `NAME.log`. Default: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_directory: Option<PathBuf>,
    /// A file that always lists the replicas, as Prometheus' file-based service discovery reads them: each with the
    /// label `replica`, and `__meta_trimtab_ready` and `__meta_trimtab_draining` for who hands out work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets_file: Option<PathBuf>,
}

fn default_grace() -> u32 {
    30
}

impl LocalSpec {
    /// Whether replicas can be started by it. Nothing is.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for a command that can't be run as it is written.
    pub fn check(&self) -> Result<(), TemplateError> {
        self.template().map(drop)
    }

    fn template(&self) -> Result<Template, TemplateError> {
        let (first, last) = self.ports;
        if first == 0 || first > last {
            return Err(TemplateError::NoPorts { first, last });
        }
        Template::new(self.command.clone(), &["port", "name"])
    }
}

/// Runs replicas as processes on this machine: starts them, looks after them, and ends them with patience.
///
/// - A replica is started in the lowest free port. One that ends by itself is started again, after a wait that doubles from
///   a second to a minute until one becomes ready.
/// - Fewer replicas: those that drain go first, then those that are not ready, then the newest. They get SIGTERM, and are
///   killed after their grace period.
/// - With `retire` in the policy, the decision says who drains and who goes; who hands out the work asks
///   [`LocalTarget::replicas`] whom to give it to.
///
/// When the target is dropped, its processes are killed; [`LocalTarget::shutdown`] ends them in peace.
pub struct LocalTarget {
    name: String,
    state: Mutex<Replicas>,
    clock: Arc<dyn Clock>,
    grace: Duration,
    discovery: Option<Discovery>,
}

/// One replica of a [`LocalTarget`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalReplica {
    /// Its name, as in observations.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// It answers.
    pub is_ready: bool,
    /// It is to take no new work.
    pub is_draining: bool,
}

/// How often replicas are looked after.
const ROUND: Duration = Duration::from_millis(200);

impl LocalTarget {
    /// Starts the replicas to begin with, and looks after them from now on.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] for a command that can't be run as it is written.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, in which replicas are looked after.
    pub fn start(spec: LocalSpec, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TemplateError> {
        let command = spec.template()?;
        let name = format!("local {}", spec.command.first().map_or("", String::as_str));
        let grace = Duration::from_secs(spec.termination_grace_period_seconds.into());
        let discovery = spec.targets_file.clone().map(Discovery::new);
        let state = Mutex::new(Replicas::new(spec, command));
        let target = Arc::new(Self { name, state, clock, grace, discovery });
        tokio::spawn(look_after(Arc::downgrade(&target)));
        Ok(target)
    }

    /// The replicas that there are, but those that are being ended.
    pub fn replicas(&self) -> Vec<LocalReplica> {
        self.state().list()
    }

    /// Ends all replicas: SIGTERM, and SIGKILL after the grace period. None is started again.
    pub async fn shutdown(&self) {
        self.state().end_all(Instant::now() + self.grace);
        while !self.state().is_empty() {
            sleep(Duration::from_millis(20)).await;
            self.state().reap(Instant::now());
        }
    }

    fn state(&self) -> MutexGuard<'_, Replicas> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round: who has ended, who is missing, who is ready.
    async fn round(&self) {
        let probes = {
            let mut state = self.state();
            state.reap(Instant::now());
            state.start_missing(Instant::now(), self.clock.now());
            state.probes()
        };
        let probed = probes.into_iter().map(|(name, address, path)| async move {
            (name, probe::answers(address, path.as_deref()).await)
        });
        let probed = join_all(probed).await;
        self.state().note(&probed, self.clock.now());
        self.publish();
    }

    /// Tells who is there to whoever reads the file.
    fn publish(&self) {
        if let Some(discovery) = &self.discovery {
            discovery.publish(&self.replicas());
        }
    }
}

async fn look_after(target: Weak<LocalTarget>) {
    while let Some(target) = target.upgrade() {
        target.round().await;
        drop(target);
        sleep(ROUND).await;
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[async_trait]
impl ScaleTarget for LocalTarget {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, _workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        Ok(self.state().status())
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        {
            let mut state = self.state();
            let room = state.room();
            if change.replicas > room {
                return Err(TargetError::Refused(format!(
                    "{} replicas are asked for, and `ports` has room for {room}",
                    change.replicas
                )));
            }
            state.apply(change, self.clock.now(), Instant::now() + self.grace);
            state.start_missing(Instant::now(), self.clock.now());
        }
        // Who drains is known before anybody is told that it does.
        self.publish();
        Ok(())
    }
}
