//! A server in this process: as much of the Kubernetes API as clients of it need, and faults on demand.

mod access;
mod apply;
mod builtin;
mod definitions;
mod discovery;
mod faults;
mod fields;
mod handle;
mod kinds;
mod list;
mod lists;
mod managed;
mod objects;
mod patch;
mod removal;
mod request;
#[cfg(feature = "rules")]
mod rules;
mod scale;
mod schema;
mod selector;
mod status;
mod store;
mod strategic;
mod update;
mod watch;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use k8s_openapi::jiff::Timestamp;
use kube::Config;
use kube::config::{AuthInfo, Kubeconfig};
use serde_json::json;
use tempfile::TempDir;

use crate::metrics::{Metrics, MetricsApi};
use crate::serve::{Handler, Serving};

pub(crate) use access::rule_allows;
pub use faults::{Faults, Logged, Rule};
pub(crate) use request::{decode, query};
pub(crate) use selector::Selector;
pub(crate) use status::{Answer, Status, json_response};

use store::Store;

/// What all requests share.
struct Shared {
    store: Arc<Store>,
    faults: Faults,
    metrics: Arc<Mutex<Metrics>>,
}

pub(crate) struct Memory {
    serving: Serving,
    shared: Arc<Shared>,
    folder: OnceLock<TempDir>,
}

impl Memory {
    pub(crate) fn start() -> Self {
        let store = Arc::new(Store::new());
        builtin::bootstrap(&store);
        let faults = Faults::new(Arc::clone(&store));
        let shared = Arc::new(Shared { store, faults, metrics: Arc::default() });
        let for_requests = Arc::clone(&shared);
        let handler: Handler = Arc::new(move |request| {
            let shared = Arc::clone(&for_requests);
            Box::pin(async move { handle::handle(&shared, request).await })
        });
        let serving = Serving::start(None, handler);
        Self { serving, shared, folder: OnceLock::new() }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.url().parse().unwrap());
        config.auth_info = self.auth_info();
        config
    }

    pub(crate) fn kubeconfig(&self) -> Kubeconfig {
        crate::real::kubeconfig(json!({"server": self.url()}), json!({"token": access::ADMIN}))
    }

    pub(crate) fn folder(&self) -> &Path {
        let make = || tempfile::Builder::new().prefix("apiserver-").tempdir().unwrap();
        self.folder.get_or_init(make).path()
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub(crate) fn metrics(&self) -> &Arc<Mutex<Metrics>> {
        &self.shared.metrics
    }

    pub(crate) fn serve_metrics(&self, apis: &[MetricsApi]) {
        self.shared.metrics.lock().unwrap().serve(apis);
    }

    pub(crate) async fn restart(&self) {
        self.shared.store.forget();
        self.serving.restart().await;
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.serving.port())
    }

    fn auth_info(&self) -> AuthInfo {
        serde_json::from_value(json!({"token": access::ADMIN})).unwrap()
    }
}

/// A time as the API has it, to the second.
pub(crate) fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time now.
fn now() -> String {
    timestamp(Timestamp::now())
}
