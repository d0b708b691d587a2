//! The real servers, started as controller-runtime's envtest starts them.

mod aggregate;
mod certificates;
mod process;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kube::config::{AuthInfo, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::metrics::{Metrics, MetricsApi};
use aggregate::Aggregated;
use certificates::Certificates;
use process::Process;

/// How long they may take to start: a machine that builds at the same time is slow.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Real {
    // In the order in which they are dropped.
    controller_manager: Option<Process>,
    apiserver: Mutex<Option<Process>>,
    aggregated: Mutex<Option<Aggregated>>,
    _etcd: Process,
    assets: PathBuf,
    port: u16,
    etcd_url: String,
    certificates: Certificates,
    metrics: Arc<Mutex<Metrics>>,
    _sweep: Process,
    folder: TempDir,
}

impl Real {
    pub(crate) async fn start() -> Option<Self> {
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty())
        else {
            eprintln!("skipped: KUBEBUILDER_ASSETS is not set");
            return None;
        };
        let assets = PathBuf::from(assets);
        let folder = tempfile::Builder::new().prefix("apiserver-").tempdir().unwrap();
        let certificates = Certificates::write(folder.path());
        let (etcd, etcd_url) = start_etcd(&assets, folder.path()).await;
        let mut real = Self {
            controller_manager: None,
            apiserver: Mutex::new(None),
            aggregated: Mutex::new(None),
            _etcd: etcd,
            assets,
            port: free_port(),
            etcd_url,
            certificates,
            metrics: Arc::default(),
            _sweep: Process::sweep(folder.path()),
            folder,
        };
        while !real.start_apiserver().await {
            real.port = free_port();
        }
        Some(real)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn metrics(&self) -> &Arc<Mutex<Metrics>> {
        &self.metrics
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.url().parse().unwrap());
        config.root_cert = Some(vec![self.certificates.ca_der.clone()]);
        config.auth_info = self.auth_info();
        config
    }

    pub(crate) fn kubeconfig(&self) -> Kubeconfig {
        let ca = self.certificates.ca.display().to_string();
        kubeconfig(
            json!({"server": self.url(), "certificate-authority": ca}),
            json!({
                "client-certificate": self.certificates.admin,
                "client-key": self.certificates.admin_key,
            }),
        )
    }

    pub(crate) async fn restart(&self) {
        drop(self.apiserver.lock().unwrap().take());
        while !self.start_apiserver().await {}
    }

    pub(crate) async fn serve_metrics(&self, apis: &[MetricsApi]) {
        let port = {
            let mut aggregated = self.aggregated.lock().unwrap();
            let start =
                || Aggregated::start(&self.certificates, Arc::clone(&self.metrics), self.config());
            aggregated.get_or_insert_with(start).port()
        };
        self.metrics.lock().unwrap().serve(apis);
        aggregate::register(&self.client(), port, apis).await;
    }

    pub(crate) async fn start_controller_manager(&mut self, flags: &[&str]) -> bool {
        let binary = self.assets.join("kube-controller-manager");
        if !binary.exists() {
            eprintln!("skipped: kube-controller-manager is not in KUBEBUILDER_ASSETS");
            return false;
        }
        let kubeconfig = self.folder().join("controller-manager.kubeconfig");
        std::fs::write(&kubeconfig, serde_json::to_string(&self.kubeconfig()).unwrap()).unwrap();
        let mut all = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            format!(
                "--service-account-private-key-file={}",
                self.certificates.account_key.display()
            ),
            format!("--root-ca-file={}", self.certificates.ca.display()),
            String::from("--leader-elect=false"),
            String::from("--secure-port=0"),
        ];
        all.extend(flags.iter().map(|flag| String::from(*flag)));
        let log = self.folder().join("controller-manager.log");
        let mut process = Process::start(&binary, &all, &log);
        // Without a port there is nobody to ask; what it can't do with its flags it says at once.
        tokio::time::sleep(Duration::from_millis(500)).await;
        process.must_run();
        self.controller_manager = Some(process);
        true
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn client(&self) -> Client {
        crate::server::use_ring();
        Client::try_from(self.config()).unwrap()
    }

    fn auth_info(&self) -> AuthInfo {
        AuthInfo {
            client_certificate: Some(self.certificates.admin.display().to_string()),
            client_key: Some(self.certificates.admin_key.display().to_string()),
            ..AuthInfo::default()
        }
    }

    /// Whether it got its port.
    async fn start_apiserver(&self) -> bool {
        let flags = self.apiserver_flags();
        let log = self.folder().join("kube-apiserver.log");
        let mut process = Process::start(&self.assets.join("kube-apiserver"), &flags, &log);
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready().await {
            if process.lost_its_port() {
                return false;
            }
            process.must_run();
            assert!(Instant::now() < deadline, "kube-apiserver is not ready: {}", process.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        *self.apiserver.lock().unwrap() = Some(process);
        true
    }

    async fn is_ready(&self) -> bool {
        let get = |path: &str| hyper::Request::get(path).body(Vec::new()).unwrap();
        let client = self.client();
        client.request_text(get("/readyz")).await.is_ok()
            // Objects go into this one by default, and it comes a moment later.
            && client.request_text(get("/api/v1/namespaces/default")).await.is_ok()
    }

    fn apiserver_flags(&self) -> Vec<String> {
        let Certificates {
            ca,
            server,
            server_key,
            account_key,
            account_public,
            proxy,
            proxy_key,
            ..
        } = &self.certificates;
        let path = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
        let mut flags = vec![
            format!("--etcd-servers={}", self.etcd_url),
            format!("--secure-port={}", self.port),
            path("cert-dir", self.folder()),
            path("tls-cert-file", server),
            path("tls-private-key-file", server_key),
            path("client-ca-file", ca),
            path("requestheader-client-ca-file", ca),
            path("proxy-client-cert-file", proxy),
            path("proxy-client-key-file", proxy_key),
            path("service-account-key-file", account_public),
            path("service-account-signing-key-file", account_key),
        ];
        let fixed = [
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            // There is nobody who would make the accounts of namespaces.
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://localhost",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--requestheader-allowed-names=proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        ];
        flags.extend(fixed.map(String::from));
        flags
    }
}

/// A kubeconfig of one cluster and one user.
pub(crate) fn kubeconfig(cluster: Value, auth: Value) -> Kubeconfig {
    let parts = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": auth}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    serde_json::from_value(parts).unwrap()
}

/// The running etcd, and where it is.
async fn start_etcd(assets: &Path, folder: &Path) -> (Process, String) {
    loop {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let flags = [
            format!("--data-dir={}", folder.join("etcd").display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            String::from("--listen-peer-urls=http://127.0.0.1:0"),
            String::from("--unsafe-no-fsync=true"),
            String::from("--log-level=warn"),
        ];
        let mut process = Process::start(&assets.join("etcd"), &flags, &folder.join("etcd.log"));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() && !process.lost_its_port() {
            process.must_run();
            assert!(Instant::now() < deadline, "etcd does not listen: {}", process.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if !process.lost_its_port() {
            return (process, url);
        }
    }
}

/// A port that nobody listens at. Each is given once per process.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if !given.contains(&port) {
            given.push(port);
            return port;
        }
    }
}
