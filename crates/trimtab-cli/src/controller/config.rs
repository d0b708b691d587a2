//! What `trimtab controller` is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trimtab_kube::ConnectSpec;
use trimtab_kube::controller::{LeaseSettings, Settings};
use trimtab_prometheus::ServerSpec;

use crate::run::LogConfig;

/// The file as it is written. Paths in it are relative to where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ControllerConfig {
    /// Where `/healthz`, `/readyz`, `/metrics` and the status of workloads are served.
    #[serde(default)]
    pub(crate) listen: Option<String>,
    /// A kubeconfig. Default: the usual one, or the cluster that this runs in.
    #[serde(default)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A context of it.
    #[serde(default)]
    pub(crate) context: Option<String>,
    /// The namespaces whose policies are driven. Default: all.
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// Prometheus servers by the names that policies have in `sources`.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, ServerSpec>,
    /// Into how many parts policies are divided, each of which is one replica's.
    #[serde(default)]
    pub(crate) shards: Option<u32>,
    /// How replicas share the work.
    #[serde(default)]
    pub(crate) leases: LeasesConfig,
    /// So many requests for scales and their pods at a time.
    #[serde(default)]
    pub(crate) scale_requests_at_once: Option<u32>,
    /// The longest that a source, a target or the status may take.
    #[serde(default)]
    pub(crate) deadline_seconds: Option<u32>,
    /// The longest that a request for a lease or a status may take.
    #[serde(default)]
    pub(crate) request_timeout_seconds: Option<u32>,
    /// How long ticks may go on at the end.
    #[serde(default)]
    pub(crate) shutdown_seconds: Option<u32>,
    /// How often a state is saved while nothing changes.
    #[serde(default)]
    pub(crate) save_interval_seconds: Option<u32>,
    /// The most statuses that are written a second, but for those of changes of scale.
    #[serde(default)]
    pub(crate) status_writes_per_second: Option<u32>,
    /// Where decisions are logged.
    #[serde(default)]
    pub(crate) log: Option<LogConfig>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LeasesConfig {
    /// Their namespace. Default: `POD_NAMESPACE`, or that of the kubeconfig.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// What their names begin with.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// How long one lasts without being renewed.
    #[serde(default)]
    pub(crate) duration_seconds: Option<u32>,
    /// How often one is renewed.
    #[serde(default)]
    pub(crate) renew_seconds: Option<u32>,
    /// How often replicas look for what is free.
    #[serde(default)]
    pub(crate) look_seconds: Option<u32>,
}

fn seconds(seconds: Option<u32>, default: Duration) -> Duration {
    seconds.map_or(default, |seconds| Duration::from_secs(seconds.into()))
}

impl ControllerConfig {
    /// Which cluster is meant.
    pub(crate) fn connection(&self) -> ConnectSpec {
        ConnectSpec { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    /// What the controller is told; `namespace` is where leases are, unless the file says it.
    pub(crate) fn settings(&self, namespace: &str, pod: Option<&str>) -> Settings {
        let mut settings = Settings::default();
        let leases = LeaseSettings::default();
        let config = &self.leases;
        settings.leases.namespace = config.namespace.as_deref().unwrap_or(namespace).to_owned();
        settings.leases.name = config.name.clone().unwrap_or(leases.name);
        if let Some(pod) = pod {
            settings.leases.identity = LeaseSettings::identity_in(pod);
        }
        settings.leases.shards = self.shards.unwrap_or(leases.shards);
        settings.leases.duration = seconds(config.duration_seconds, leases.duration);
        settings.leases.renew = seconds(config.renew_seconds, leases.renew);
        settings.leases.look = seconds(config.look_seconds, leases.look);
        settings.leases.request_timeout =
            seconds(self.request_timeout_seconds, leases.request_timeout);
        settings.namespaces.clone_from(&self.namespaces);
        settings.scale_requests_at_once =
            self.scale_requests_at_once.unwrap_or(settings.scale_requests_at_once);
        settings.deadline = seconds(self.deadline_seconds, settings.deadline);
        settings.shutdown = seconds(self.shutdown_seconds, settings.shutdown);
        settings.save_interval = seconds(self.save_interval_seconds, settings.save_interval);
        if let Some(most) = self.status_writes_per_second {
            settings.status_writes_per_second = most;
        }
        settings
    }
}
