//! From an object to what is driven, or to why it is not.

use std::sync::Arc;

use kube::Client;
use trimtab_engine::{FieldError, MetricSpec, Policy, PolicySpec};
use trimtab_manifest::StandbySpec;
use trimtab_runtime::{MetricSource, Mode, ScaleTarget, Workload, WorkloadId};

use super::Sources;
use super::lease::TermFence;
use super::status::Notices;
use crate::cluster::{Cluster, ClusterSource, WorkloadPods};
use crate::crd::{GuardedPolicy, HostMode, ScalingPolicy, SourceSpec};
use crate::metrics::{KubeMetrics, MetricsApis};
use crate::target::{Discovery, KubeTarget, RetirementSpec, longest_session};

/// Why a policy is not driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// In a word, for the condition.
    pub(crate) reason: &'static str,
    /// In full, with what would be right.
    pub(crate) message: String,
}

/// An object that can be driven.
#[derive(Clone, Debug)]
pub(crate) struct Valid {
    pub(crate) object: Arc<ScalingPolicy>,
    pub(crate) policy: Policy,
}

/// Reads an object and checks it by all rules.
pub(crate) fn read(object: GuardedPolicy) -> Result<Valid, Refusal> {
    let object = object.0.map_err(|error| Refusal {
        reason: "Unreadable",
        message: format!("the spec can't be read: {error}"),
    })?;
    match object.compile() {
        Ok(policy) => Ok(Valid { object: Arc::new(object), policy }),
        Err(errors) => Err(Refusal { reason: "Invalid", message: all(&errors) }),
    }
}

fn all(errors: &[FieldError]) -> String {
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    told.join("; ")
}

/// Whether a policy may go by shares of what pods request; without metrics it does.
fn goes_by_requests(policy: &PolicySpec) -> bool {
    let is_of_resource =
        |metric: &MetricSpec| metric.resource.is_some() || metric.container_resource.is_some();
    let metrics = policy.metrics.as_deref().unwrap_or_default();
    metrics.is_empty() || metrics.iter().any(is_of_resource)
}

/// What workloads are made of, shared by all.
pub(crate) struct Parts {
    pub(crate) client: Client,
    /// For scales and their pods, with so many requests at a time.
    pub(crate) of_scales: Client,
    pub(crate) cluster: Cluster,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) apis: Arc<MetricsApis>,
    pub(crate) sources: Arc<dyn Sources>,
    /// What targets have to say.
    pub(crate) notices: Arc<Notices>,
}

/// What a workload is made of, to go on with where the spec says the same.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) object: Arc<ScalingPolicy>,
    pub(crate) workload: Workload,
}

impl Parts {
    /// The workload that a policy asks for. What the spec before had, too, goes on as it is.
    pub(crate) fn workload(
        &self,
        id: &WorkloadId,
        valid: &Valid,
        mode: HostMode,
        fence: &TermFence,
        before: Option<&Made>,
    ) -> Result<Workload, Refusal> {
        let (new, old) = (&valid.object.spec, before.map(|made| &made.object.spec));
        let same_target = old.is_some_and(|old| {
            old.policy.scale_target_ref == new.policy.scale_target_ref
                && goes_by_requests(&old.policy) == goes_by_requests(&new.policy)
                && (&old.host.draining, &old.host.standby)
                    == (&new.host.draining, &new.host.standby)
                // It says how long one may have work that is put to sleep.
                && (old.policy.retire == new.policy.retire || new.host.standby.is_none())
        });
        let before = before.filter(|_| same_target);
        let target = match before {
            Some(made) => Arc::clone(&made.workload.target),
            None => self.target(id, valid, fence),
        };
        let same_sources = old.is_some_and(|old| {
            old.host.sources == new.host.sources
                && old.policy.supply.is_some() == new.policy.supply.is_some()
        });
        let sources = match before.filter(|_| same_sources) {
            Some(made) => made.workload.sources.clone(),
            None => self.sources(valid)?,
        };
        let mode = match mode {
            HostMode::Active => Mode::Active,
            HostMode::Shadow => Mode::Shadow,
        };
        let workload = Workload::new(id.clone(), valid.policy.clone(), target).with_mode(mode);
        Ok(sources.into_iter().fold(workload, Workload::with_source))
    }

    fn target(&self, id: &WorkloadId, valid: &Valid, fence: &TermFence) -> Arc<dyn ScaleTarget> {
        let Valid { object, policy } = valid;
        let metadata = &object.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let reference = &object.spec.policy.scale_target_ref;
        let discovery = Arc::clone(&self.discovery);
        let mut target = KubeTarget::new(self.of_scales.clone(), discovery, namespace, reference)
            .with_cluster(self.cluster.clone())
            .with_policy_name(metadata.name.clone().unwrap_or_default())
            .with_herald(self.notices.herald(id))
            .with_fence(Arc::new(fence.clone()));
        if !goes_by_requests(&object.spec.policy) {
            target = target.without_requests();
        }
        if let Some(draining) = &object.spec.host.draining {
            target =
                target.with_retirement(RetirementSpec { pod_labels: draining.pod_labels.clone() });
        }
        match &object.spec.host.standby {
            Some(StandbySpec::ScaleTargetRef(reference)) => {
                target = target.with_standby(reference);
            }
            Some(StandbySpec::Sleep(sleep)) => {
                target = target.with_sleep(sleep, longest_session(policy));
            }
            _ => {}
        }
        Arc::new(target)
    }

    /// What nodes have, where the policy asks for it, then what it names, or else the metrics APIs. Which pods there are,
    /// the target says.
    fn sources(&self, valid: &Valid) -> Result<Vec<Arc<dyn MetricSource>>, Refusal> {
        let object = &valid.object;
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let reference = &object.spec.policy.scale_target_ref;
        let discovery = Arc::clone(&self.discovery);
        let pods = WorkloadPods::of_scale(self.of_scales.clone(), discovery, namespace, reference);
        let apis = || -> Arc<dyn MetricSource> {
            Arc::new(KubeMetrics::new(Arc::clone(&self.apis), Arc::clone(&pods)))
        };
        let mut made: Vec<Arc<dyn MetricSource>> = Vec::new();
        if valid.policy.supply().is_some() {
            let nodes = ClusterSource::new(self.cluster.clone(), Arc::clone(&pods));
            made.push(Arc::new(nodes.supply_alone()));
        }
        let refused = |message| Refusal { reason: "SourcesUnusable", message };
        let mut others = self.sources.sources(object).map_err(refused)?.into_iter();
        for source in &object.spec.host.sources {
            match source {
                SourceSpec::Kubernetes(_) => made.push(apis()),
                _ => made.extend(others.next()),
            }
        }
        made.extend(others);
        if object.spec.host.sources.is_empty() {
            made.push(apis());
        }
        Ok(made)
    }
}
