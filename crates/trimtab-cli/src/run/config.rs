//! What `trimtab run` is told: one file that names workloads, where they are read, and where they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trimtab_keda::{TlsFiles, Within};
use trimtab_kube::target::KubeTargetSpec;
use trimtab_manifest::KubernetesSourceSpec;
use trimtab_prometheus::{QueriesSpec, ScrapeSpec, ServerSpec};
use trimtab_runtime::{ExecSpec, LocalSpec, Mode, WebhookSpec, WorkloadId};

/// The file as it is written. Paths in it are relative to where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RunConfig {
    /// Where `/healthz`, `/readyz`, `/metrics` and the status of workloads are served.
    #[serde(default = "default_listen")]
    pub(crate) listen: String,
    /// Where KEDA is answered.
    #[serde(default)]
    pub(crate) grpc: Option<GrpcConfig>,
    /// Where states are kept.
    #[serde(default)]
    pub(crate) state: Option<StateConfig>,
    /// Where decisions are logged.
    #[serde(default)]
    pub(crate) log: Option<LogConfig>,
    /// The longest that a source, a target or the store may take.
    #[serde(default)]
    pub(crate) deadline_seconds: Option<u32>,
    /// Prometheus servers by name; workloads share their connections and answers.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, ServerSpec>,
    /// What is scaled.
    pub(crate) workloads: Vec<WorkloadConfig>,
}

fn default_listen() -> String {
    String::from("127.0.0.1:9464")
}

/// The server that KEDA's triggers name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GrpcConfig {
    /// Host and port.
    pub(crate) listen: String,
    /// Files for TLS. Default: without.
    #[serde(default)]
    pub(crate) tls: Option<TlsFiles>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StateConfig {
    /// A directory, in which each workload has a file.
    pub(crate) directory: PathBuf,
    /// How often a state is saved while the scale does not change. Default: after every decision.
    #[serde(default)]
    pub(crate) save_interval_seconds: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// A file, which `trimtab replay` reads.
    pub(crate) file: PathBuf,
    /// A file that has grown to that is renamed. Default 64 MiB.
    #[serde(default)]
    pub(crate) max_bytes: Option<u64>,
    /// How many old files are kept. Default 8.
    #[serde(default)]
    pub(crate) keep: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WorkloadConfig {
    /// Its name, such as `inference/llm`.
    pub(crate) name: WorkloadId,
    /// The file with its policy.
    pub(crate) policy: PathBuf,
    /// Which one, where the file has several.
    #[serde(default)]
    pub(crate) policy_name: Option<String>,
    /// `active`, or `shadow`: decisions are made, told and not carried out.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// How it is scaled.
    pub(crate) target: TargetConfig,
    /// Where its metrics come from.
    #[serde(default)]
    pub(crate) sources: Vec<SourceConfig>,
}

/// How a workload is scaled. Exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TargetConfig {
    /// By commands.
    Exec(ExecSpec),
    /// By HTTP requests.
    Webhook(WebhookSpec),
    /// As processes of this machine.
    Local(LocalSpec),
    /// By the scale of an object in a cluster.
    Kubernetes(KubeTargetSpec),
    /// By KEDA, which asks for the count.
    Keda(KedaConfig),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KedaConfig {
    /// How many replicas there are.
    #[serde(default)]
    pub(crate) count: CountConfig,
    /// The only ScaledObject that may ask, as `NAMESPACE/NAME`. Default: any.
    #[serde(default)]
    pub(crate) scaled_object: Option<String>,
    /// What KEDA's HPA tolerates. Default 0, as the recommended ScaledObject has it.
    #[serde(default)]
    pub(crate) hpa_tolerance: f64,
    /// What becomes of steps up within the tolerance. Default `wait`.
    #[serde(default)]
    pub(crate) within_tolerance: Within,
}

/// Where a count is read that KEDA does not tell. Exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CountConfig {
    /// From the scale of the policy's `scaleTargetRef`.
    Kubernetes(KubeCountConfig),
    /// From a Prometheus.
    Prometheus(PrometheusCountConfig),
    /// Nowhere: it is taken for what was asked for last.
    Assumed(AssumedConfig),
}

impl Default for CountConfig {
    fn default() -> Self {
        Self::Kubernetes(KubeCountConfig::default())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KubeCountConfig {
    /// A context of the kubeconfig. Default: its current one, or the cluster that this runs in.
    #[serde(default)]
    pub(crate) context: Option<String>,
    /// Default: the policy's, else the first part of the workload's name.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PrometheusCountConfig {
    /// Its name in `servers`.
    pub(crate) server: String,
    /// How many are there to be, such as `kube_deployment_spec_replicas{…}`.
    pub(crate) replicas: String,
    /// How many there are, such as `kube_deployment_status_replicas{…}`. Default: as many.
    #[serde(default)]
    pub(crate) status_replicas: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AssumedConfig {
    /// The count at the first start. Later it is the one that was asked for last, where there is `state`.
    pub(crate) initial_replicas: i32,
}

/// Where metrics come from. Exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SourceConfig {
    /// A Prometheus server of `servers`.
    Prometheus(PrometheusConfig),
    /// The replicas themselves, without a server.
    Scrape(ScrapeSpec),
    /// The metrics APIs of the cluster that the target is in.
    Kubernetes(KubernetesSourceSpec),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PrometheusConfig {
    /// Its name in `servers`.
    pub(crate) server: String,
    /// What it is asked.
    pub(crate) queries: QueriesSpec,
}
