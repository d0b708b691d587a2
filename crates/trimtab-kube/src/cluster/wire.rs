//! Objects as they come from the API server, with the fields that are used; all others are skipped
//! unread.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope, ObjectMeta};
use serde::{Deserialize, Deserializer};

use super::{DELETION_COST, DRAINING_SINCE, SLEPT_AT};

/// Labels, and amounts by resource name.
pub(super) type Map = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WirePod {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WirePodSpec,
    pub(super) status: WirePodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WirePodSpec {
    pub(super) node_name: Option<String>,
    pub(super) node_selector: Option<Map>,
    pub(super) affinity: Option<WireAffinity>,
    pub(super) containers: Option<Vec<WireContainer>>,
    pub(super) init_containers: Option<Vec<WireContainer>>,
    pub(super) resources: Option<WireResources>,
    pub(super) overhead: Option<Map>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireContainer {
    pub(super) name: String,
    pub(super) restart_policy: Option<String>,
    pub(super) resources: Option<WireResources>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireResources {
    pub(super) requests: Option<Map>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireAffinity {
    pub(super) node_affinity: Option<WireNodeAffinity>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeAffinity {
    pub(super) required_during_scheduling_ignored_during_execution: Option<WireNodeSelector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeSelector {
    pub(super) node_selector_terms: Vec<WireTerm>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireTerm {
    pub(super) match_expressions: Option<Vec<WireExpression>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireExpression {
    pub(super) key: String,
    pub(super) operator: String,
    pub(super) values: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WirePodStatus {
    pub(super) phase: Option<String>,
    pub(super) start_time: Option<String>,
    #[serde(rename = "podIP")]
    pub(super) pod_ip: Option<String>,
    pub(super) conditions: Option<Vec<WireCondition>>,
    pub(super) container_statuses: Option<Vec<WireContainerStatus>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireCondition {
    #[serde(rename = "type")]
    pub(super) type_: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) last_transition_time: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireContainerStatus {
    pub(super) restart_count: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNode {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WireNodeSpec,
    pub(super) status: WireNodeStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeSpec {
    pub(super) unschedulable: bool,
    pub(super) taints: Option<Vec<WireTaint>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireTaint {
    pub(super) key: String,
    pub(super) effect: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeStatus {
    pub(super) capacity: Option<Map>,
    pub(super) allocatable: Option<Map>,
    pub(super) conditions: Option<Vec<WireCondition>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireBudget {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WireBudgetSpec,
    pub(super) status: WireBudgetStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireBudgetSpec {
    /// Absent, it selects nothing; empty, everything.
    pub(super) selector: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireBudgetStatus {
    pub(super) observed_generation: Option<i64>,
    pub(super) disruptions_allowed: i32,
}

/// A Karpenter NodePool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodePool {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WireNodePoolSpec,
    pub(super) status: WireNodePoolStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodePoolSpec {
    pub(super) limits: Option<BTreeMap<String, Amount>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodePoolStatus {
    pub(super) resources: Option<BTreeMap<String, Amount>>,
}

/// A Karpenter NodeClaim.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeClaim {
    #[serde(deserialize_with = "meta")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WireNodeClaimSpec,
    pub(super) status: WireNodeClaimStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeClaimSpec {
    pub(super) resources: Option<WireClaimResources>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireClaimResources {
    pub(super) requests: Option<BTreeMap<String, Amount>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct WireNodeClaimStatus {
    pub(super) node_name: Option<String>,
    pub(super) capacity: Option<BTreeMap<String, Amount>>,
    pub(super) conditions: Option<Vec<WireCondition>>,
}

/// A quantity. Of a custom resource it is a number as often as a text.
#[derive(Clone, Debug)]
pub(super) struct Amount(pub(super) String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => Self(text),
            Form::Number(number) => Self(number.to_string()),
        })
    }
}

/// Metadata without managed fields, and with no annotations but the ones that are used.
fn meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Meta {
        name: Option<String>,
        namespace: Option<String>,
        generation: Option<i64>,
        resource_version: Option<String>,
        creation_timestamp: Option<Time>,
        deletion_timestamp: Option<Time>,
        deletion_grace_period_seconds: Option<i64>,
        labels: Option<Map>,
        annotations: Option<Map>,
        owner_references: Option<Vec<OwnerReference>>,
    }
    let meta = Meta::deserialize(deserializer)?;
    let used = |key: &str| [DELETION_COST, DRAINING_SINCE, SLEPT_AT].contains(&key);
    let annotations = meta.annotations.map(|mut annotations| {
        annotations.retain(|key, _| used(key));
        annotations
    });
    Ok(ObjectMeta {
        name: meta.name,
        namespace: meta.namespace,
        generation: meta.generation,
        resource_version: meta.resource_version,
        creation_timestamp: meta.creation_timestamp,
        deletion_timestamp: meta.deletion_timestamp,
        deletion_grace_period_seconds: meta.deletion_grace_period_seconds,
        labels: meta.labels,
        annotations,
        owner_references: meta.owner_references,
        ..ObjectMeta::default()
    })
}

macro_rules! resource {
    ($type:ty, $scope:ty, $group:literal, $version:literal, $kind:literal, $plural:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                Cow::Borrowed($kind)
            }

            fn group((): &()) -> Cow<'_, str> {
                Cow::Borrowed($group)
            }

            fn version((): &()) -> Cow<'_, str> {
                Cow::Borrowed($version)
            }

            fn plural((): &()) -> Cow<'_, str> {
                Cow::Borrowed($plural)
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource!(WirePod, NamespaceResourceScope, "", "v1", "Pod", "pods");
resource!(WireNode, ClusterResourceScope, "", "v1", "Node", "nodes");
resource!(
    WireBudget,
    NamespaceResourceScope,
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets"
);

/// Karpenter's kinds have the version that the cluster has.
macro_rules! dynamic_resource {
    ($type:ty) => {
        impl Resource for $type {
            type DynamicType = ApiResource;
            type Scope = DynamicResourceScope;

            fn kind(resource: &ApiResource) -> Cow<'_, str> {
                resource.kind.as_str().into()
            }

            fn group(resource: &ApiResource) -> Cow<'_, str> {
                resource.group.as_str().into()
            }

            fn version(resource: &ApiResource) -> Cow<'_, str> {
                resource.version.as_str().into()
            }

            fn plural(resource: &ApiResource) -> Cow<'_, str> {
                resource.plural.as_str().into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

dynamic_resource!(WireNodePool);
dynamic_resource!(WireNodeClaim);
