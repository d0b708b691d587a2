//! A controller of one's own: it scales every Deployment that carries a policy in an annotation by the length of its queue, and
//! keeps its memory in another, so that windows and limits survive a restart.
//!
//! It is made of the engine and `kube`. What it takes from `trimtab-kube` is the target, which writes a scale only if nobody else
//! did since it was read.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use trimtab::kube::target::{Discovery, KubeTarget};
use trimtab::manifest::{Limits, ManifestError, Source, from_str};
use trimtab::metric::{Span, Timestamp};
use trimtab::runtime::{Change, Clock, ScaleTarget, SystemClock, TargetError, WorkloadId};
use trimtab::{
    CrossVersionObjectReference, InvalidPolicy, MetricReading, Observation, Policy, PolicySpec,
    Scale, ScaleUpdate, State, Unavailable, decide_traced, settle,
};

/// The annotation with the policy: the `spec` of a ScalingPolicy, with one External metric.
pub const POLICY: &str = "scaling.example.com/policy";
/// The annotation in which one decision leaves its memory to the next.
pub const STATE: &str = "scaling.example.com/state";

/// How long a Deployment's queue is; `None` where nobody knows, which is not 0.
pub type QueueOf = dyn Fn(&Deployment) -> Option<u32> + Send + Sync;

struct Context {
    client: Client,
    discovery: Arc<Discovery>,
    queue_of: Arc<QueueOf>,
    clock: SystemClock,
    targets: Mutex<HashMap<WorkloadId, Arc<KubeTarget>>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Memory {
    at: Option<Timestamp>,
    state: State,
}

/// Why a Deployment was not looked after.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Manifest(#[from] Box<ManifestError>),
    #[error(transparent)]
    Policy(#[from] InvalidPolicy),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Kube(#[from] kube::Error),
}

/// Scales until `end`.
pub async fn run(
    client: Client,
    queue_of: Arc<QueueOf>,
    end: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let discovery = Discovery::new(client.clone());
    let (clock, targets) = (SystemClock::new(), Mutex::default());
    let context = Context { client: client.clone(), discovery, queue_of, clock, targets };
    let again = |deployment: Arc<Deployment>, error: &Error, _| {
        tracing::warn!(name = deployment.name_any(), %error, "not looked after");
        Action::requeue(Duration::from_secs(15))
    };
    Controller::new(Api::<Deployment>::all(client), watcher::Config::default())
        .graceful_shutdown_on(end)
        .run(look_after, again, Arc::new(context))
        .for_each(|_| async {})
        .await;
}

/// Observe, decide, carry out, settle, keep.
async fn look_after(deployment: Arc<Deployment>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(text) = deployment.annotations().get(POLICY) else {
        return Ok(Action::await_change());
    };
    let (namespace, name) = (deployment.namespace().unwrap_or_default(), deployment.name_any());
    let Ok(id) = format!("{namespace}/{name}").parse::<WorkloadId>() else {
        return Ok(Action::await_change());
    };
    let spec: PolicySpec =
        from_str(&Source::new(POLICY, text.as_str()), &Limits::default()).map_err(Box::new)?;
    let reference = CrossVersionObjectReference {
        api_version: String::from("apps/v1"),
        kind: String::from("Deployment"),
        name: name.clone(),
    };
    let policy = Policy::new(PolicySpec { scale_target_ref: reference.clone(), ..spec })?;
    let memory = deployment.annotations().get(STATE).and_then(|it| serde_json::from_str(it).ok());
    let Memory { at, state } = memory.unwrap_or_default();

    // What it wrote itself wakes it, too; then there is nothing to do yet.
    let now = context.clock.now().max(at.unwrap_or(Timestamp::MIN));
    let rest = at.map_or(Span::ZERO, |at| at.saturating_add(policy.period()).since(now));
    if rest > Span::ZERO {
        return Ok(after(rest));
    }
    let target = context.target(&id, &reference);
    let status = target.read(&id).await?;
    let reading = match (context.queue_of)(&deployment) {
        Some(length) => MetricReading::Totals(vec![i64::from(length) * 1000]),
        None => MetricReading::Unavailable(Unavailable::Failed),
    };
    let counts = Scale { spec_replicas: status.replicas, status_replicas: status.status_replicas };
    let observation = Observation { readings: vec![reading], ..Observation::new(now, counts) };

    let (decision, mut state) = decide_traced(&policy, state, &observation);
    if let Some(wanted) = decision.scale_to {
        tracing::info!(%id, "{}", decision.explain());
        let mut change = Change::of(status.replicas, wanted);
        change.version = status.version;
        let written = target.write(&id, &change).await;
        let update = if written.is_ok() { ScaleUpdate::Applied } else { ScaleUpdate::Rejected };
        written.unwrap_or_else(|error| tracing::warn!(%id, %error, "not written"));
        state = settle(&policy, state, &decision, update);
    }
    let kept = serde_json::to_string(&Memory { at: Some(now), state }).unwrap_or_default();
    let patch = serde_json::json!({"metadata": {"annotations": {STATE: kept}}});
    let deployments = Api::<Deployment>::namespaced(context.client.clone(), &namespace);
    deployments.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(after(policy.period()))
}

impl Context {
    fn target(&self, id: &WorkloadId, to: &CrossVersionObjectReference) -> Arc<KubeTarget> {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let (client, discovery) = (self.client.clone(), Arc::clone(&self.discovery));
        let namespace = id.as_str().split('/').next().unwrap_or_default();
        let make = || Arc::new(KubeTarget::new(client, discovery, namespace, to));
        Arc::clone(targets.entry(id.clone()).or_insert_with(make))
    }
}

fn after(span: Span) -> Action {
    Action::requeue(Duration::from_millis(span.as_millis().unsigned_abs()))
}
