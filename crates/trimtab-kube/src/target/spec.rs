//! A target as it stands in a config.

use std::sync::Arc;

use kube::Client;
use serde::{Deserialize, Serialize};
use trimtab_engine::CrossVersionObjectReference;

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

    /// The target.
    pub fn target(&self, client: &Client, discovery: &Arc<Discovery>) -> KubeTarget {
        let namespace = self.namespace(client);
        let (client, discovery) = (client.clone(), Arc::clone(discovery));
        let target = KubeTarget::new(client, discovery, namespace, &self.reference())
            .with_field_manager(self.field_manager.clone())
            .with_retirement(self.retirement.clone());
        match &self.standby {
            Some(standby) => target.with_standby(standby),
            None => target,
        }
    }
}
