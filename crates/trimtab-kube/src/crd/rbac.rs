//! What trimtab may do in a cluster: one table, from which the manifests in `deploy/` are written and which the tests
//! hold against what the API server was asked.

use AccessScope::{Cluster, Namespace};

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
    /// In all namespaces, or in those that are named: a `ClusterRole`.
    Cluster,
    /// In trimtab's own: a `Role`.
    Namespace,
}

/// What `trimtab controller` may do.
pub const CONTROLLER_ACCESS: &[AccessRule] = &[
    AccessRule {
        scope: Cluster,
        groups: &["trimtab.dev"],
        resources: &["scalingpolicies"],
        verbs: &["create", "list", "watch"],
        why: "what is scaled; made where a HorizontalPodAutoscaler asks to be adopted",
    },
    AccessRule {
        scope: Cluster,
        groups: &["trimtab.dev"],
        resources: &["scalingpolicies/status"],
        verbs: &["get", "patch"],
        why: "what is said of it, and the state that outlives a restart",
    },
    AccessRule {
        scope: Cluster,
        groups: &["apps"],
        resources: &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
        verbs: &["get", "patch"],
        why: "the count",
    },
    AccessRule {
        scope: Cluster,
        groups: &["apps"],
        resources: &["statefulsets"],
        verbs: &["get"],
        why: "where its pods begin to be numbered",
    },
    AccessRule {
        scope: Cluster,
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
        scope: Cluster,
        groups: &["policy"],
        resources: &["poddisruptionbudgets"],
        verbs: &["list", "watch"],
        why: "what may be taken down",
    },
    AccessRule {
        scope: Cluster,
        groups: &["autoscaling"],
        resources: &["horizontalpodautoscalers"],
        verbs: &["list", "watch"],
        why: "who else scales the same, and who is to be adopted",
    },
    AccessRule {
        scope: Cluster,
        groups: &["keda.sh"],
        resources: &["scaledobjects"],
        verbs: &["list"],
        why: "who else scales the same",
    },
    AccessRule {
        scope: Cluster,
        groups: &["autoscaling.aibrix.ai", "autoscaling.internal.knative.dev"],
        resources: &["podautoscalers"],
        verbs: &["list"],
        why: "who else scales the same",
    },
    AccessRule {
        scope: Cluster,
        groups: &["metrics.k8s.io"],
        resources: &["pods"],
        verbs: &["list"],
        why: "Resource metrics",
    },
    AccessRule {
        scope: Cluster,
        groups: &["custom.metrics.k8s.io", "external.metrics.k8s.io"],
        resources: &["*"],
        verbs: &["get", "list"],
        why: "Pods, Object and External metrics",
    },
    AccessRule {
        scope: Cluster,
        groups: &["events.k8s.io"],
        resources: &["events"],
        verbs: &["create", "patch"],
        why: "what is told of a policy",
    },
    AccessRule {
        scope: Namespace,
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["create", "list", "update"],
        why: "which replica of the controller decides",
    },
];

/// What `trimtab keda-scaler` may do: it reads, and KEDA writes.
pub const KEDA_SCALER_ACCESS: &[AccessRule] = &[
    AccessRule {
        scope: Cluster,
        groups: &["trimtab.dev"],
        resources: &["scalingpolicies"],
        verbs: &["list", "watch"],
        why: "the policies that ScaledObjects name",
    },
    AccessRule {
        scope: Cluster,
        groups: &["apps"],
        resources: &["deployments/scale", "replicasets/scale", "statefulsets/scale"],
        verbs: &["get"],
        why: "the count",
    },
    AccessRule {
        scope: Cluster,
        groups: &[""],
        resources: &["nodes", "pods"],
        verbs: &["list", "watch"],
        why: "replicas, and where they run",
    },
];
