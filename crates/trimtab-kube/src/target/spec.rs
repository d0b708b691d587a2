//! A target as it stands in a config.

use std::sync::Arc;

use kube::Client;
use serde::{Deserialize, Serialize};
use trimtab_engine::{CrossVersionObjectReference, Policy};
use trimtab_manifest::SleepSpec;
use trimtab_metric::Span;

use super::{Discovery, FIELD_MANAGER, KubeTarget, RetirementSpec};
use crate::ConnectSpec;

/// `target.kubernetes` in the config of `trimtab run`.
///
/// ```
/// let spec: trimtab_kube::target::KubeTargetSpec = serde_json::from_str(
///     r#"{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ai", "name": "llm"}"#,
/// )?;
/// assert_eq!(spec.field_manager, "trimtab");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeTargetSpec {
    /// A context of the kubeconfig. Default: its current one, or the cluster that this runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Default: the context's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Group and version, such as `apps/v1`.
    pub api_version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Under this name the count is written. Default: `trimtab`.
    #[serde(default = "field_manager")]
    pub field_manager: String,
    /// How pods are marked that drain.
    #[serde(default)]
    pub retirement: RetirementSpec,
    /// A second workload that is the warm pool. Default: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<CrossVersionObjectReference>,
    /// Its own pods are the warm pool and sleep, and this is how they are told to. Not with `standby`;
    /// with `retire` in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<SleepSpec>,
}

fn field_manager() -> String {
    String::from(FIELD_MANAGER)
}

impl KubeTargetSpec {
    /// Which API server it is on.
    pub fn connection(&self) -> ConnectSpec {
        ConnectSpec { context: self.context.clone(), ..ConnectSpec::default() }
    }

    /// The namespace that it is in.
    pub fn namespace<'a>(&'a self, client: &'a Client) -> &'a str {
        self.namespace.as_deref().unwrap_or_else(|| client.default_namespace())
    }

    /// What it names.
    pub fn reference(&self) -> CrossVersionObjectReference {
        let Self { api_version, kind, name, .. } = self.clone();
        CrossVersionObjectReference { api_version, kind, name }
    }

    /// What is wrong with it beside a policy, if anything is.
    ///
    /// # Errors
    ///
    /// In words, with what would be right.
    pub fn check(&self, policy: &Policy) -> Result<(), String> {
        let Some(sleep) = &self.sleep else { return Ok(()) };
        if self.standby.is_some() {
            return Err(String::from("`standby` and `sleep` are two warm pools: leave one out"));
        }
        if policy.retire().is_none() {
            return Err(String::from(
                "`sleep` needs `retire` in the policy, without which a pod would be put to sleep in the \
                 middle of its work",
            ));
        }
        let wrong = sleep.check("sleep");
        wrong.first().map_or(Ok(()), |wrong| Err(wrong.to_string()))
    }

    /// The target, for what a policy decides.
    pub fn target(
        &self,
        client: &Client,
        discovery: &Arc<Discovery>,
        policy: &Policy,
    ) -> KubeTarget {
        let namespace = self.namespace(client);
        let (client, discovery) = (client.clone(), Arc::clone(discovery));
        let target = KubeTarget::new(client, discovery, namespace, &self.reference())
            .with_field_manager(self.field_manager.clone())
            .with_retirement(self.retirement.clone());
        match (&self.standby, &self.sleep) {
            (Some(standby), _) => target.with_standby(standby),
            (None, Some(sleep)) => target.with_sleep(sleep, longest_session(policy)),
            (None, None) => target,
        }
    }
}

/// A pod that drains may have work for so long.
pub(crate) fn longest_session(policy: &Policy) -> Span {
    policy.retire().map_or(Span::ZERO, |retire| retire.max_session)
}
