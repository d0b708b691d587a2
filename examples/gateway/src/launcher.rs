//! How a replica is started and stopped: the one thing that differs between a laptop and a cluster.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::config::ReplicaConfig;

/// Starts replicas.
///
/// One that the gateway can use answers on an address that is known once it was started; whether it is ready it is
/// asked over HTTP.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts one by that name, and returns as soon as it is known where it will be.
    ///
    /// # Errors
    ///
    /// [`LaunchError`] if it can't be started. It is tried again later.
    async fn start(&self, name: &str) -> Result<Box<dyn Instance>, LaunchError>;
}

/// A replica that was started. Dropping it ends it at once.
#[async_trait]
pub trait Instance: Send {
    /// Where it answers.
    fn address(&self) -> SocketAddr;

    /// Waits until it is no more, and says how it ended. It may be called again after it was dropped half way.
    async fn ended(&mut self) -> String;

    /// Tells it to end, and waits for that; for so long at most, then it ends it.
    async fn stop(&mut self, grace: Duration);
}

/// A replica can't be started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LaunchError(pub String);

/// Replicas that are processes of this machine.
#[derive(Clone, Debug)]
pub struct LocalProcesses {
    command: Vec<String>,
    env: BTreeMap<String, String>,
    ports: Option<(u16, u16)>,
}

impl LocalProcesses {
    /// Those of a config.
    pub fn new(config: &ReplicaConfig) -> Self {
        Self { command: config.command.clone(), env: config.env.clone(), ports: config.ports }
    }

    /// A port that nobody listens on now.
    async fn free_port(&self) -> Result<u16, LaunchError> {
        let (first, last) = self.ports.unwrap_or((0, 0));
        for port in first..=last {
            // What has just been let go may be taken again at once: by the replica, most likely.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            if let Ok(address) = listener.and_then(|listener| listener.local_addr()) {
                return Ok(address.port());
            }
        }
        Err(LaunchError(format!("no port from {first} to {last} is free")))
    }
}

#[async_trait]
impl Launcher for LocalProcesses {
    async fn start(&self, name: &str) -> Result<Box<dyn Instance>, LaunchError> {
        let port = self.free_port().await?;
        let mut words = self
            .command
            .iter()
            .map(|word| word.replace("{port}", &port.to_string()).replace("{name}", name));
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(&program);
        command.args(words).envs(&self.env).env("PORT", port.to_string());
        command.stdin(Stdio::null()).kill_on_drop(true);
        let child = command
            .spawn()
            .map_err(|error| LaunchError(format!("`{program}` can't be run: {error}")))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Box::new(LocalProcess { child, address }))
    }
}

struct LocalProcess {
    child: Child,
    address: SocketAddr,
}

#[async_trait]
impl Instance for LocalProcess {
    fn address(&self) -> SocketAddr {
        self.address
    }

    async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    async fn stop(&mut self, grace: Duration) {
        // One without an id has ended; one that can't be signalled has, too.
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _told = id.map(|id| kill_process(id, Signal::TERM));
        if timeout(grace, self.child.wait()).await.is_err() {
            // It ended by itself if this fails.
            let _killed = self.child.kill().await;
        }
    }
}
