//! The workloads that KEDA scales, and the server that it asks.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use trimtab_engine::Policy;
use trimtab_keda::{Answers, KedaTarget, Registration, Reporting, Server};
use trimtab_runtime::{Clock, ScaleTarget, StateStore};

use super::clusters::Clusters;
use super::config::{CountConfig, GrpcConfig, KedaConfig, WorkloadConfig};
use super::count::PrometheusCount;
use super::fleet::Servers;
use super::load::Named;
use crate::error::CommandError;

/// What targets of KEDA are made with.
pub(super) struct Scaler {
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn StateStore>,
}

impl Scaler {
    pub(super) fn new(clock: Arc<dyn Clock>, store: Arc<dyn StateStore>) -> Self {
        Self { answers: Arc::default(), clock, store }
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
        clusters: &Clusters,
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
                let reader = clusters.count(&workload.name, kubernetes, named)?;
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

    /// What was wanted when a state was last kept.
    pub(super) async fn last_wanted(&self, workload: &WorkloadConfig) -> Option<i32> {
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
    let listener = super::listener("grpc.listen", listen).await?;
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
