//! What trimtab may do in a cluster: one table, from which the manifests in `deploy/` are written and which the tests
//! hold against what the API server was asked.

use serde_json::{Value, json};
use trimtab_manifest::{Comments, to_yaml};

use AccessScope::{Cluster, Namespaces, Own};

/// What may be done with some resources.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Where.
    pub scope: AccessScope,
    /// The API groups, the empty one for the core.
    pub groups: &'static [&'static str],
    /// The resources, with their subresources.
    pub resources: &'static [&'static str],
    /// What may be done with them.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

/// Where a rule holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AccessScope {
    /// In each namespace that policies are in.
    Namespaces,
    /// In the whole cluster: its resources are in no namespace.
    Cluster,
    /// In trimtab's own namespace.
    Own,
}

/// What `trimtab controller` may do.
pub const CONTROLLER_ACCESS: &[AccessRule] = &[
    AccessRule {
        scope: Namespaces,
        groups: &["trimtab.dev"],
        resources: &["scalingpolicies"],
        verbs: &["create", "list", "watch"],
        why: "what is scaled; made where a HorizontalPodAutoscaler asks to be adopted",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["trimtab.dev"],
        resources: &["scalingpolicies/status"],
        verbs: &["get", "patch"],
        why: "what is said of it, and the state that outlives a restart",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["apps"],
        resources: &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
        verbs: &["get", "patch"],
        why: "the count",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["apps"],
        resources: &["statefulsets"],
        verbs: &["get"],
        why: "where its pods begin to be numbered",
    },
    AccessRule {
        scope: Namespaces,
        groups: &[""],
        resources: &["pods"],
        verbs: &["get", "list", "patch", "watch"],
        why: "replicas; the marks of those that drain or are to go first",
    },
    AccessRule {
        scope: Cluster,
        groups: &[""],
        resources: &["nodes"],
        verbs: &["list", "watch"],
        why: "zones, and which nodes are ready",
    },
    AccessRule {
        scope: Cluster,
        groups: &["karpenter.sh"],
        resources: &["nodeclaims", "nodepools"],
        verbs: &["list", "watch"],
        why: "nodes on their way, and what pools may have",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["policy"],
        resources: &["poddisruptionbudgets"],
        verbs: &["list", "watch"],
        why: "what may be taken down",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["autoscaling"],
        resources: &["horizontalpodautoscalers"],
        verbs: &["list", "watch"],
        why: "who else scales the same, and who is to be adopted",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["keda.sh"],
        resources: &["scaledobjects"],
        verbs: &["list"],
        why: "who else scales the same",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["autoscaling.aibrix.ai", "autoscaling.internal.knative.dev"],
        resources: &["podautoscalers"],
        verbs: &["list"],
        why: "who else scales the same",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["metrics.k8s.io"],
        resources: &["pods"],
        verbs: &["list"],
        why: "Resource metrics",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["custom.metrics.k8s.io"],
        resources: &["*"],
        verbs: &["get"],
        why: "Pods and Object metrics",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["external.metrics.k8s.io"],
        resources: &["*"],
        verbs: &["list"],
        why: "External metrics",
    },
    AccessRule {
        scope: Namespaces,
        groups: &["events.k8s.io"],
        resources: &["events"],
        verbs: &["create", "patch"],
        why: "what is told of a policy",
    },
    AccessRule {
        scope: Own,
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["create", "list", "update"],
        why: "which replica of the controller decides",
    },
];

/// What `trimtab keda-scaler` may do: it reads counts, and KEDA writes them.
pub const KEDA_SCALER_ACCESS: &[AccessRule] = &[AccessRule {
    scope: Namespaces,
    groups: &["apps"],
    resources: &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
    verbs: &["get"],
    why: "the count",
}];

impl AccessRule {
    /// As it stands in a role.
    pub fn to_value(&self) -> Value {
        json!({"apiGroups": self.groups, "resources": self.resources, "verbs": self.verbs})
    }
}

/// The rules of a scope as YAML, each with what it is for.
///
/// ```
/// use trimtab_kube::crd::{AccessScope, CONTROLLER_ACCESS, access_rules};
///
/// let own = access_rules(CONTROLLER_ACCESS, AccessScope::Own);
/// assert!(own.starts_with("rules:\n# which replica of the controller decides\n- apiGroups:\n"));
/// ```
pub fn access_rules(rules: &[AccessRule], scope: AccessScope) -> String {
    let rules: Vec<&AccessRule> = rules.iter().filter(|rule| rule.scope == scope).collect();
    let mut comments = Comments::default();
    for (index, rule) in rules.iter().enumerate() {
        comments.before(&format!("rules[{index}]"), rule.why);
    }
    let values: Vec<Value> = rules.iter().map(|rule| rule.to_value()).collect();
    // Text can be written as text.
    to_yaml(&json!({"rules": values}), &comments).unwrap_or_default()
}
