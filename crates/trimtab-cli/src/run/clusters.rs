//! The clusters that workloads are in: each is connected to and watched once, for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use trimtab_engine::Policy;
use trimtab_kube::cluster::{Cluster, ClusterSource, Scope, WorkloadPods};
use trimtab_kube::metrics::{KubeMetrics, MetricsApis};
use trimtab_kube::target::{Discovery, KubeTarget, KubeTargetSpec};
use trimtab_kube::{ConnectSpec, connect};
use trimtab_runtime::MetricSource;

use super::config::{RunConfig, TargetConfig};
use crate::error::CommandError;

/// Clusters by the context of the kubeconfig.
#[derive(Clone, Default)]
pub(super) struct Clusters(BTreeMap<Option<String>, Arc<Connected>>);

/// A cluster that is connected to.
pub(super) struct Connected {
    client: kube::Client,
    namespaces: BTreeSet<String>,
    discovery: Arc<Discovery>,
    apis: Arc<MetricsApis>,
    cluster: Cluster,
    /// The watches end with the last that uses them.
    _watching: DropGuard,
}

impl Clusters {
    /// Those that a config needs; of before where they are the same.
    pub(super) async fn of(config: &RunConfig, before: &Self) -> Result<Self, CommandError> {
        let mut specs: BTreeMap<Option<String>, Vec<&KubeTargetSpec>> = BTreeMap::new();
        for workload in &config.workloads {
            if let TargetConfig::Kubernetes(spec) = &workload.target {
                specs.entry(spec.context.clone()).or_default().push(spec);
            }
        }
        let mut clusters = Self::default();
        for (context, specs) in specs {
            let known = before.0.get(&context);
            let client = match known {
                Some(known) => known.client.clone(),
                None => {
                    let spec = ConnectSpec { context: context.clone(), ..ConnectSpec::default() };
                    let connected = connect(&spec).await;
                    connected.map_err(|error| CommandError::argument(error.to_string()))?
                }
            };
            let namespaces: BTreeSet<String> =
                specs.iter().map(|spec| spec.namespace(&client).to_owned()).collect();
            let same = known.filter(|known| known.namespaces == namespaces).cloned();
            let connected = same.unwrap_or_else(|| Arc::new(Connected::new(client, namespaces)));
            clusters.0.insert(context, connected);
        }
        Ok(clusters)
    }

    /// The one that a target is in.
    pub(super) fn get(&self, spec: &KubeTargetSpec) -> Result<Arc<Connected>, CommandError> {
        let connected = self.0.get(&spec.context).cloned();
        connected.ok_or_else(|| CommandError::argument(String::from("there is no such cluster")))
    }
}

impl Connected {
    fn new(client: kube::Client, namespaces: BTreeSet<String>) -> Self {
        let stop = CancellationToken::new();
        let scope = Scope::namespaces(namespaces.iter().cloned());
        Self {
            discovery: Discovery::new(client.clone()),
            apis: MetricsApis::new(client.clone()),
            cluster: Cluster::watch(client.clone(), scope, stop.clone()),
            _watching: stop.drop_guard(),
            client,
            namespaces,
        }
    }

    pub(super) fn target(&self, spec: &KubeTargetSpec, policy: &Policy) -> KubeTarget {
        let target = spec.target(&self.client, &self.discovery, policy);
        target.with_cluster(self.cluster.clone())
    }

    fn pods(&self, spec: &KubeTargetSpec) -> Arc<WorkloadPods> {
        let (client, discovery) = (self.client.clone(), Arc::clone(&self.discovery));
        let namespace = spec.namespace(&self.client);
        WorkloadPods::of_scale(client, discovery, namespace, &spec.reference())
    }

    /// The pods of a workload and their nodes.
    pub(super) fn observation(&self, spec: &KubeTargetSpec) -> Arc<dyn MetricSource> {
        Arc::new(ClusterSource::new(self.cluster.clone(), self.pods(spec)))
    }

    /// The metrics APIs about a workload.
    pub(super) fn metrics(&self, spec: &KubeTargetSpec) -> Arc<dyn MetricSource> {
        Arc::new(KubeMetrics::new(Arc::clone(&self.apis), self.pods(spec)))
    }
}
