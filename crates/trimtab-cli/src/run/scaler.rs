//! The workloads that KEDA scales, and the server that it asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use trimtab_engine::Policy;
use trimtab_keda::{Answers, KedaTarget, Registration, Reporting, Server};
use trimtab_kube::target::Discovery;
use trimtab_kube::{ConnectSpec, connect};
use trimtab_runtime::{Clock, ScaleTarget, StateStore};

use super::config::{CountConfig, GrpcConfig, KedaConfig, KubeCountConfig, WorkloadConfig};
use super::count::{KubeCount, PrometheusCount};
use super::fleet::Servers;
use super::load::Named;
use crate::error::CommandError;

/// Clusters with their kinds, by context of the kubeconfig.
type Clusters = BTreeMap<Option<String>, (kube::Client, Arc<Discovery>)>;

/// What targets of KEDA are made with.
pub(super) struct Scaler {
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn StateStore>,
    clusters: Mutex<Clusters>,
}

impl Scaler {
    pub(super) fn new(clock: Arc<dyn Clock>, store: Arc<dyn StateStore>) -> Self {
        Self { answers: Arc::default(), clock, store, clusters: Mutex::default() }
    }

    pub(super) fn answers(&self) -> Arc<Answers> {
        Arc::clone(&self.answers)
    }

    /// The target of a workload that KEDA scales.
    pub(super) async fn target(
        &self,
        workload: &WorkloadConfig,
        keda: &KedaConfig,
        named: &Named,
        servers: &Servers,
    ) -> Result<Arc<dyn ScaleTarget>, CommandError> {
        let registration = Registration {
            workload: workload.name.clone(),
            policy: Some(named.name.clone()).filter(|name| !name.is_empty()),
            scaled_object: keda.scaled_object.clone(),
            reporting: Reporting { tolerance: keda.hpa_tolerance, within: keda.within_tolerance },
        };
        let answers = &self.answers;
        let target = match &keda.count {
            CountConfig::Kubernetes(kubernetes) => {
                let reader = self.kube_count(workload, kubernetes, named).await?;
                KedaTarget::reading(answers, registration, Arc::new(reader))
            }
            CountConfig::Prometheus(spec) => {
                let Some((_, client)) = servers.get(&spec.server) else {
                    return Err(CommandError::argument(format!(
                        "there is no server `{}`",
                        spec.server
                    )));
                };
                let (replicas, status) = (spec.replicas.clone(), spec.status_replicas.clone());
                let clock = Arc::clone(&self.clock);
                let reader = PrometheusCount::new(client.clone(), clock, replicas, status);
                KedaTarget::reading(answers, registration, Arc::new(reader))
            }
            CountConfig::Assumed(assumed) => {
                let initial = self.last_wanted(workload).await.unwrap_or(assumed.initial_replicas);
                KedaTarget::assuming(answers, registration, initial)
            }
        };
        Ok(Arc::new(target))
    }

    async fn kube_count(
        &self,
        workload: &WorkloadConfig,
        kubernetes: &KubeCountConfig,
        named: &Named,
    ) -> Result<KubeCount, CommandError> {
        let (client, discovery) = self.cluster(workload, kubernetes.context.as_ref()).await?;
        let of_name = || workload.name.as_str().split_once('/').map(|(first, _)| first.to_owned());
        let namespace = kubernetes.namespace.clone().or_else(|| named.namespace.clone());
        let namespace = namespace.or_else(of_name);
        let namespace = namespace.unwrap_or_else(|| client.default_namespace().to_owned());
        let reference = named.policy.spec().scale_target_ref.clone();
        Ok(KubeCount::new(client, discovery, namespace, reference))
    }

    async fn cluster(
        &self,
        workload: &WorkloadConfig,
        context: Option<&String>,
    ) -> Result<(kube::Client, Arc<Discovery>), CommandError> {
        let mut clusters = self.clusters.lock().await;
        if let Some(known) = clusters.get(&context.cloned()) {
            return Ok(known.clone());
        }
        let spec = ConnectSpec { context: context.cloned(), ..ConnectSpec::default() };
        let client = connect(&spec).await.map_err(|error| {
            CommandError::argument(format!(
                "the count of `{}` can't be read: {error}",
                workload.name
            ))
            .with_help(
                "say `count: {prometheus: …}` or `count: {assumed: …}` where there is no cluster",
            )
        })?;
        let discovery = Discovery::new(client.clone());
        clusters.insert(context.cloned(), (client.clone(), Arc::clone(&discovery)));
        Ok((client, discovery))
    }

    /// What was wanted when a state was last kept.
    async fn last_wanted(&self, workload: &WorkloadConfig) -> Option<i32> {
        match self.store.load(&workload.name).await {
            Ok(stored) => {
                let state = stored?.state;
                state.recommendations.as_ref()?;
                Some(state.status.desired_replicas)
            }
            Err(error) => {
                let id = workload.name.as_str();
                warn!(target: "trimtab", workload = id, %error, "what was wanted last is not known");
                None
            }
        }
    }
}

/// Whether a workload can be scaled by KEDA at all.
pub(super) fn check(workload: &WorkloadConfig, policy: &Policy) -> Result<(), CommandError> {
    let super::config::TargetConfig::Keda(keda) = &workload.target else { return Ok(()) };
    let refused =
        |why: String| CommandError::argument(format!("workload `{}`: {why}", workload.name));
    trimtab_keda::check(policy).map_err(|error| refused(error.to_string()))?;
    if !(0.0..1.0).contains(&keda.hpa_tolerance) {
        return Err(refused(format!("`hpaTolerance` is {}", keda.hpa_tolerance))
            .with_help("say what the HPA tolerates as a share, from 0 to below 1, such as 0.1"));
    }
    if keda.hpa_tolerance > 0.0 && matches!(keda.count, CountConfig::Assumed(_)) {
        return Err(refused(String::from("`hpaTolerance` needs a `count` that is not assumed"))
            .with_help("what is tolerated depends on how many there are: read that by `kubernetes` or `prometheus`"));
    }
    if let Some(object) = &keda.scaled_object
        && object.split('/').filter(|part| !part.is_empty()).count() != 2
    {
        return Err(refused(format!("`{object}` names no ScaledObject"))
            .with_help("write `NAMESPACE/NAME`"));
    }
    Ok(())
}

/// Serves until `end`.
pub(super) async fn serve(
    grpc: &GrpcConfig,
    answers: Arc<Answers>,
    end: CancellationToken,
) -> Result<JoinHandle<()>, CommandError> {
    let listen = &grpc.listen;
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        CommandError::argument(format!("`grpc.listen`, {listen}, can't be had: {error}"))
            .with_help("something else listens there; choose another port")
    })?;
    let mut server = Server::new(answers);
    if let Some(files) = &grpc.tls {
        files.check().map_err(|error| CommandError::argument(error.to_string()))?;
        server = server.with_tls(files.clone());
    }
    info!(target: "trimtab", listen, tls = grpc.tls.is_some(), "answering KEDA");
    Ok(tokio::spawn(async move {
        if let Err(error) = server.serve(listener, end).await {
            error!(target: "trimtab", %error, "KEDA is no longer answered");
        }
    }))
}
