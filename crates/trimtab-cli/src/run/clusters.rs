//! The clusters that workloads are in: each is connected to once, and watched once, for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use trimtab_engine::Policy;
use trimtab_kube::cluster::{Cluster, ClusterSource, Scope, WorkloadPods};
use trimtab_kube::metrics::{KubeMetrics, MetricsApis};
use trimtab_kube::target::{Discovery, KubeTarget, KubeTargetSpec};
use trimtab_kube::{ConnectError, ConnectSpec, connect};
use trimtab_runtime::{MetricSource, WorkloadId};

use super::config::{CountConfig, KubeCountConfig, RunConfig, TargetConfig, WorkloadConfig};
use super::count::KubeCount;
use super::load::Named;
use crate::error::CommandError;

/// A context of the kubeconfig; none: its current one, or the cluster that this runs in.
type Context = Option<String>;

/// Clusters by context.
#[derive(Clone, Default)]
pub(super) struct Clusters(BTreeMap<Context, Connected>);

/// A cluster that is connected to.
#[derive(Clone)]
struct Connected {
    client: kube::Client,
    discovery: Arc<Discovery>,
    apis: Arc<MetricsApis>,
    /// Where a target is in it.
    watched: Option<Arc<Watched>>,
}

/// What is watched in it.
struct Watched {
    namespaces: BTreeSet<String>,
    cluster: Cluster,
    /// The watches end with the last that uses them.
    _watching: DropGuard,
}

impl Clusters {
    /// Those that a config needs; of before where they are the same.
    pub(super) async fn of(config: &RunConfig, before: &Self) -> Result<Self, CommandError> {
        let mut clusters = Self::default();
        for workload in &config.workloads {
            let Some(context) = context(workload) else { continue };
            if clusters.0.contains_key(context) {
                continue;
            }
            let mut connected = match before.0.get(context) {
                Some(known) => known.clone(),
                None => Connected::to(context, workload).await?,
            };
            connected.watch(config, context);
            clusters.0.insert(context.clone(), connected);
        }
        Ok(clusters)
    }

    fn get(&self, context: &Context) -> Result<&Connected, CommandError> {
        let connected = self.0.get(context);
        connected.ok_or_else(|| CommandError::argument(String::from("there is no such cluster")))
    }

    /// The scale of an object.
    pub(super) fn target(
        &self,
        spec: &KubeTargetSpec,
        policy: &Policy,
    ) -> Result<KubeTarget, CommandError> {
        let connected = self.get(&spec.context)?;
        let target = spec.target(&connected.client, &connected.discovery, policy);
        Ok(match &connected.watched {
            Some(watched) => target.with_cluster(watched.cluster.clone()),
            None => target,
        })
    }

    /// The pods of a workload and their nodes.
    pub(super) fn observation(
        &self,
        spec: &KubeTargetSpec,
    ) -> Result<Option<Arc<dyn MetricSource>>, CommandError> {
        let connected = self.get(&spec.context)?;
        Ok(connected.watched.as_ref().map(|watched| {
            let source = ClusterSource::new(watched.cluster.clone(), connected.pods(spec));
            Arc::new(source) as Arc<dyn MetricSource>
        }))
    }

    /// The metrics APIs about a workload.
    pub(super) fn metrics(
        &self,
        spec: &KubeTargetSpec,
    ) -> Result<Arc<dyn MetricSource>, CommandError> {
        let connected = self.get(&spec.context)?;
        Ok(Arc::new(KubeMetrics::new(Arc::clone(&connected.apis), connected.pods(spec))))
    }

    /// How many replicas a workload has that KEDA scales.
    pub(super) fn count(
        &self,
        workload: &WorkloadId,
        spec: &KubeCountConfig,
        named: &Named,
    ) -> Result<KubeCount, CommandError> {
        let Connected { client, discovery, .. } = self.get(&spec.context)?;
        let of_name = || workload.as_str().split_once('/').map(|(first, _)| first.to_owned());
        let namespace = spec.namespace.clone().or_else(|| named.namespace.clone());
        let namespace = namespace.or_else(of_name);
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        let reference = named.policy.spec().scale_target_ref.clone();
        Ok(KubeCount::new(client.clone(), Arc::clone(discovery), namespace, reference))
    }
}

impl Connected {
    async fn to(context: &Context, workload: &WorkloadConfig) -> Result<Self, CommandError> {
        let spec = ConnectSpec { context: context.clone(), ..ConnectSpec::default() };
        let client = connect(&spec).await.map_err(|error| unmet(workload, &error))?;
        Ok(Self {
            discovery: Discovery::new(client.clone()),
            apis: MetricsApis::new(client.clone()),
            watched: None,
            client,
        })
    }

    /// Watches the namespaces that targets are in; goes on with what it watches where they are the same.
    fn watch(&mut self, config: &RunConfig, context: &Context) {
        let targets = config.workloads.iter().filter_map(|workload| match &workload.target {
            TargetConfig::Kubernetes(spec) if spec.context == *context => Some(spec),
            _ => None,
        });
        let namespaces: BTreeSet<String> =
            targets.map(|spec| spec.namespace(&self.client).to_owned()).collect();
        if self.watched.as_ref().is_some_and(|watched| watched.namespaces == namespaces) {
            return;
        }
        self.watched = (!namespaces.is_empty()).then(|| {
            let stop = CancellationToken::new();
            let scope = Scope::namespaces(namespaces.iter().cloned());
            let cluster = Cluster::watch(self.client.clone(), scope, stop.clone());
            Arc::new(Watched { namespaces, cluster, _watching: stop.drop_guard() })
        });
    }

    fn pods(&self, spec: &KubeTargetSpec) -> Arc<WorkloadPods> {
        let (client, discovery) = (self.client.clone(), Arc::clone(&self.discovery));
        let namespace = spec.namespace(&self.client);
        WorkloadPods::of_scale(client, discovery, namespace, &spec.reference())
    }
}

/// The cluster that a workload needs, if it needs one.
fn context(workload: &WorkloadConfig) -> Option<&Context> {
    match &workload.target {
        TargetConfig::Kubernetes(spec) => Some(&spec.context),
        TargetConfig::Keda(keda) => match &keda.count {
            CountConfig::Kubernetes(spec) => Some(&spec.context),
            CountConfig::Prometheus(_) | CountConfig::Assumed(_) => None,
        },
        TargetConfig::Exec(_) | TargetConfig::Webhook(_) | TargetConfig::Local(_) => None,
    }
}

fn unmet(workload: &WorkloadConfig, error: &ConnectError) -> CommandError {
    let name = &workload.name;
    match workload.target {
        TargetConfig::Keda(_) => CommandError::argument(format!(
            "the count of `{name}` can't be read: {error}"
        ))
        .with_help(
            "say `count: {prometheus: …}` or `count: {assumed: …}` where there is no cluster",
        ),
        _ => CommandError::argument(format!("the target of `{name}` can't be used: {error}")),
    }
}
