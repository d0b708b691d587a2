//! One type for both kinds of servers.

use std::path::PathBuf;
use std::sync::Arc;

use kube::config::Kubeconfig;
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::memory::{Faults, Memory};
use crate::metrics::{Metrics, MetricsApi};
use crate::real::Real;

/// A Kubernetes API server. What it started stops when it is dropped, or when the test dies.
pub struct ApiServer {
    kind: Kind,
}

enum Kind {
    Memory(Memory),
    Real(Box<Real>),
}

impl ApiServer {
    /// A server in this process, on a thread of its own. Whoever has no token is anonymous; [`Self::client`] has one.
    #[expect(clippy::unused_async, reason = "as the real one is started")]
    pub async fn in_process() -> Self {
        Self { kind: Kind::Memory(Memory::start()) }
    }

    /// etcd and kube-apiserver from `KUBEBUILDER_ASSETS`, with RBAC, their own certificates and free ports. Without
    /// that it says that it is skipped.
    ///
    /// # Panics
    ///
    /// If they can't be started, with what they logged.
    pub async fn real() -> Option<Self> {
        let real = Real::start().await?;
        Some(Self { kind: Kind::Real(Box::new(real)) })
    }

    /// The one in process, and the real one if it can be had.
    pub async fn both() -> Vec<Self> {
        let mut servers = vec![Self::in_process().await];
        servers.extend(Self::real().await);
        servers
    }

    /// One in process, and the real one that all tests of this binary share, if it can be had. Keep to namespaces of
    /// your own, and don't restart it.
    pub async fn shared() -> Vec<Arc<Self>> {
        static SHARED: OnceCell<Option<Arc<ApiServer>>> = OnceCell::const_new();
        let real = SHARED.get_or_init(|| async { Self::real().await.map(Arc::new) }).await;
        let mut servers = vec![Arc::new(Self::in_process().await)];
        servers.extend(real.clone());
        servers
    }

    /// With kube-controller-manager and more flags of it, such as
    /// `--controllers=horizontal-pod-autoscaler-controller` or `--horizontal-pod-autoscaler-sync-period=1s`.
    /// `None`, said on stderr, where its binary is not there and in process.
    pub async fn with_controller_manager(self, flags: &[&str]) -> Option<Self> {
        match self.kind {
            Kind::Real(mut real) => real
                .start_controller_manager(flags)
                .await
                .then_some(Self { kind: Kind::Real(real) }),
            Kind::Memory(_) => {
                eprintln!("skipped: a server in process has no controllers");
                None
            }
        }
    }

    /// How to connect as an administrator.
    pub fn config(&self) -> Config {
        match &self.kind {
            Kind::Memory(memory) => memory.config(),
            Kind::Real(real) => real.config(),
        }
    }

    /// How to connect as somebody else, by impersonation.
    pub fn config_of(&self, user: &str, groups: &[&str]) -> Config {
        let mut config = self.config();
        config.auth_info.impersonate = Some(user.into());
        config.auth_info.impersonate_groups =
            (!groups.is_empty()).then(|| groups.iter().map(|group| (*group).into()).collect());
        config
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        client(self.config())
    }

    /// A client of somebody who may do what RBAC allows to that name and groups.
    pub fn client_of(&self, user: &str, groups: &[&str]) -> Client {
        client(self.config_of(user, groups))
    }

    /// A kubeconfig of the administrator, for commands that are tested as processes of their own.
    pub fn kubeconfig(&self) -> Kubeconfig {
        match &self.kind {
            Kind::Memory(memory) => memory.kubeconfig(),
            Kind::Real(real) => real.kubeconfig(),
        }
    }

    /// The same in a file, which is there as long as the server is.
    pub fn kubeconfig_file(&self) -> PathBuf {
        let file = match &self.kind {
            Kind::Memory(memory) => memory.folder().join("kubeconfig"),
            Kind::Real(real) => real.folder().join("kubeconfig"),
        };
        // JSON is YAML.
        let text = serde_json::to_string_pretty(&self.kubeconfig()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Whether it is a real one.
    pub fn is_real(&self) -> bool {
        matches!(self.kind, Kind::Real(_))
    }

    /// What goes wrong.
    ///
    /// # Panics
    ///
    /// With a real one, which does not fail on demand.
    pub fn faults(&self) -> &Faults {
        match &self.kind {
            Kind::Memory(memory) => memory.faults(),
            Kind::Real(_) => panic!("a real server does not fail on demand"),
        }
    }

    /// Serves metrics APIs, which then are in the discovery; on a real one through its aggregation layer.
    pub async fn serve_metrics(&self, apis: &[MetricsApi]) {
        match &self.kind {
            Kind::Memory(memory) => memory.serve_metrics(apis),
            Kind::Real(real) => real.serve_metrics(apis).await,
        }
    }

    /// Changes what the metrics APIs answer.
    pub fn set_metrics(&self, change: impl FnOnce(&mut Metrics)) {
        change(&mut self.metrics().lock().unwrap());
    }

    fn metrics(&self) -> &Arc<std::sync::Mutex<Metrics>> {
        match &self.kind {
            Kind::Memory(memory) => memory.metrics(),
            Kind::Real(real) => real.metrics(),
        }
    }

    /// Stops the API server, which breaks all connections, and starts it at the same address. Its data are kept.
    pub async fn restart(&self) {
        match &self.kind {
            Kind::Memory(memory) => memory.restart().await,
            Kind::Real(real) => real.restart().await,
        }
    }
}

fn client(config: Config) -> Client {
    use_ring();
    Client::try_from(config).unwrap()
}

/// Several versions of the cryptography may be linked, and one has to be chosen.
pub(crate) fn use_ring() {
    // Somebody else's choice is as good.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}
