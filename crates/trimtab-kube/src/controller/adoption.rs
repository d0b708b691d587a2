//! The HorizontalPodAutoscalers whose place policies take: which are there, and which ask for a policy.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use tracing::{info, warn};
use trimtab_runtime::WorkloadId;

use super::events::Teller;
use crate::crd::{Adopted, HandOver, ScalingPolicy, policy_of, wants_adoption};

/// What is known of HorizontalPodAutoscalers.
#[derive(Default)]
pub(crate) struct Adoption {
    there: BTreeSet<WorkloadId>,
    /// The namespaces that have been listed; `None` for all at once.
    listed: BTreeSet<Option<String>>,
    /// Those that ask for a policy.
    asking: BTreeMap<WorkloadId, HorizontalPodAutoscaler>,
    /// Those that can't have one, as they were then.
    refused: BTreeMap<WorkloadId, Option<i64>>,
}

impl Adoption {
    pub(crate) fn is(&mut self, hpa: HorizontalPodAutoscaler) -> Option<WorkloadId> {
        let id = id(&hpa)?;
        self.there.insert(id.clone());
        if wants_adoption(&hpa) {
            self.asking.insert(id.clone(), hpa);
        } else {
            self.asking.remove(&id);
        }
        Some(id)
    }

    pub(crate) fn gone(&mut self, hpa: &HorizontalPodAutoscaler) {
        if let Some(id) = id(hpa) {
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &WorkloadId) {
        self.there.remove(id);
        self.asking.remove(id);
        self.refused.remove(id);
    }

    /// A listing is complete: what it did not name is gone.
    pub(crate) fn listed(&mut self, scope: Option<String>, names: &BTreeSet<WorkloadId>) {
        let prefix = scope.as_ref().map(|scope| format!("{scope}/"));
        let in_scope = |id: &&WorkloadId| {
            prefix.as_ref().is_none_or(|prefix| id.as_str().starts_with(prefix.as_str()))
        };
        let there = self.there.iter().filter(in_scope);
        let gone: Vec<WorkloadId> = there.filter(|id| !names.contains(*id)).cloned().collect();
        gone.iter().for_each(|id| self.forget(id));
        self.listed.insert(scope);
    }

    /// It can't be said any more which are there.
    pub(crate) fn denied(&mut self, scope: &Option<String>) {
        self.listed.remove(scope);
    }

    /// How far a policy has taken another's place.
    pub(crate) fn hand_over(&self, policy: &ScalingPolicy) -> HandOver {
        let adopt = policy.spec.host.adopt.as_ref();
        let namespace = policy.metadata.namespace.clone();
        let is_there = adopt.and_then(|adopt| {
            let is_known = self.listed.contains(&None) || self.listed.contains(&namespace);
            let name = &adopt.horizontal_pod_autoscaler;
            let id = format!("{}/{name}", namespace.as_deref()?).parse().ok()?;
            is_known.then(|| self.there.contains(&id))
        });
        HandOver::of(adopt, is_there)
    }

    /// Makes the policies that are asked for.
    pub(crate) async fn make(
        &mut self,
        client: &Client,
        teller: &Teller,
        is_ours: impl Fn(&str) -> bool,
        is_there: impl Fn(&WorkloadId) -> bool,
    ) {
        for (id, hpa) in &self.asking {
            let generation = hpa.metadata.generation;
            let is_refused = self.refused.get(id) == Some(&generation);
            if is_there(id) || is_refused || !hpa.metadata.uid.as_deref().is_some_and(&is_ours) {
                continue;
            }
            match create(client, id, hpa).await {
                Ok(Some(adopted)) => teller.tell_adoption(hpa, Ok(&adopted)),
                Ok(None) => {}
                Err(error) => {
                    teller.tell_adoption(hpa, Err(&error));
                    let hpa = id.as_str();
                    warn!(target: "trimtab", hpa, error, "no policy can be made in its place");
                    self.refused.insert(id.clone(), generation);
                }
            }
        }
    }
}

/// Makes the policy; nothing if there is one of that name.
async fn create(
    client: &Client,
    id: &WorkloadId,
    hpa: &HorizontalPodAutoscaler,
) -> Result<Option<Adopted>, String> {
    let adopted = policy_of(hpa).map_err(|error| error.to_string())?;
    let namespace = hpa.metadata.namespace.as_deref().unwrap_or_default();
    let policies: Api<ScalingPolicy> = Api::namespaced(client.clone(), namespace);
    let by = PostParams {
        field_manager: Some(String::from("trimtab-controller")),
        ..PostParams::default()
    };
    match policies.create(&by, &adopted.policy).await {
        Ok(_) => {
            let (policy, notes) = (id.as_str(), adopted.notes.join("; "));
            info!(target: "trimtab", policy, notes, "made of the HorizontalPodAutoscaler");
            Ok(Some(adopted))
        }
        Err(Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn id(hpa: &HorizontalPodAutoscaler) -> Option<WorkloadId> {
    let metadata = &hpa.metadata;
    format!("{}/{}", metadata.namespace.as_deref()?, metadata.name.as_deref()?).parse().ok()
}
