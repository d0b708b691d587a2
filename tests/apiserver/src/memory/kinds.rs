//! The resources that are served, built in and defined.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::store::{Inner, Key};

/// A resource in one version.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    pub(super) namespaced: bool,
    /// What it is stored as, which two groups may share.
    pub(super) stored: Arc<str>,
    pub(super) has_status: bool,
    pub(super) scale: Option<ScalePaths>,
    /// Whether changes of the spec are counted.
    pub(super) generation: bool,
    /// Whether it may be written without saying which version was read.
    pub(super) unconditional: bool,
    /// The definition's schema; `None` for what is built in.
    pub(super) definition: Option<Arc<Value>>,
    /// It is answered and never stored.
    pub(super) review: bool,
}

/// Where the scale of an object is, as JSON pointers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScalePaths {
    pub(super) spec: String,
    pub(super) status: String,
    /// A selector as text; `None` is the label selector at `/spec/selector`.
    pub(super) selector: Option<String>,
}

impl Kind {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(super) fn key(&self, namespace: &str, name: &str) -> Key {
        Key { resource: Arc::clone(&self.stored), namespace: namespace.into(), name: name.into() }
    }

    pub(super) fn is_custom(&self) -> bool {
        self.definition.is_some()
    }
}

/// Group, version, kind, plural, short names, and words: `n` namespaced, `s` status, `c` scale, `g`
/// generation, `u` may be updated unconditionally, `a` category `all`, `r` review.
const BUILT_IN: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("", "v1", "ConfigMap", "configmaps", "cm", "nu"),
    ("", "v1", "Endpoints", "endpoints", "ep", "nu"),
    ("", "v1", "Event", "events", "ev", "nu"),
    ("", "v1", "LimitRange", "limitranges", "limits", "nu"),
    ("", "v1", "Namespace", "namespaces", "ns", "su"),
    ("", "v1", "Node", "nodes", "no", "su"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "nsu"),
    ("", "v1", "PersistentVolume", "persistentvolumes", "pv", "su"),
    ("", "v1", "Pod", "pods", "po", "nsgua"),
    ("", "v1", "PodTemplate", "podtemplates", "", "ngu"),
    ("", "v1", "ReplicationController", "replicationcontrollers", "rc", "nscgua"),
    ("", "v1", "ResourceQuota", "resourcequotas", "quota", "nsu"),
    ("", "v1", "Secret", "secrets", "", "nu"),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa", "nu"),
    ("", "v1", "Service", "services", "svc", "nsua"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "",
        "g",
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "",
        "g",
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd,crds",
        "sg",
    ),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", "", "s"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", "", "nu"),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds", "nsgua"),
    ("apps", "v1", "Deployment", "deployments", "deploy", "nscgua"),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs", "nscgua"),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts", "nscgua"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "", "r"),
    (
        "authorization.k8s.io",
        "v1",
        "LocalSubjectAccessReview",
        "localsubjectaccessreviews",
        "",
        "nr",
    ),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "", "r"),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "", "r"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "nsua"),
    ("batch", "v1", "CronJob", "cronjobs", "cj", "nsgua"),
    ("batch", "v1", "Job", "jobs", "", "nsgua"),
    ("coordination.k8s.io", "v1", "Lease", "leases", "", "n"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "", "ngu"),
    ("events.k8s.io", "v1", "Event", "events", "ev", "nu"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", "nsgu"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", "ngu"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "nsg"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", "u"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", "u"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", "nu"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", "", "nu"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", "gu"),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", "u"),
];

/// The definitions of resources.
pub(super) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Everything that is served, in the order of the groups.
pub(super) fn all(inner: &Inner) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = BUILT_IN.iter().map(built_in).collect();
    for (_, definition) in inner.list(&DEFINITIONS.into(), "") {
        kinds.extend(defined(&definition).iter().cloned());
    }
    kinds
}

/// The resource of a path.
pub(super) fn find(inner: &Inner, group: &str, version: &str, plural: &str) -> Option<Kind> {
    let built = BUILT_IN
        .iter()
        .find(|kind| kind.0 == group && kind.1 == version && kind.3 == plural)
        .map(built_in);
    built.or_else(|| {
        let key = Key {
            resource: DEFINITIONS.into(),
            namespace: String::new(),
            name: format!("{plural}.{group}"),
        };
        let definition = inner.get(&key)?;
        defined(&definition).iter().find(|kind| kind.version == version).cloned()
    })
}

fn built_in(of: &(&str, &str, &str, &str, &str, &str)) -> Kind {
    let (group, version, kind, plural, short, words) = *of;
    let has = |word: char| words.contains(word);
    let stored = match (group, plural) {
        // The same objects in two forms.
        (_, "events") => "events".into(),
        _ => super::status::qualified(group, plural),
    };
    let split = |text: &str| {
        text.split(',').filter(|part| !part.is_empty()).map(String::from).collect::<Vec<_>>()
    };
    Kind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        list_kind: format!("{kind}List"),
        plural: plural.into(),
        singular: kind.to_lowercase(),
        short_names: split(short),
        categories: if has('a') { vec!["all".into()] } else { Vec::new() },
        namespaced: has('n'),
        stored: stored.into(),
        has_status: has('s'),
        scale: has('c').then(|| ScalePaths {
            spec: "/spec/replicas".into(),
            status: "/status/replicas".into(),
            selector: None,
        }),
        generation: has('g'),
        unconditional: has('u'),
        definition: None,
        review: has('r'),
    }
}

/// A definition, and what it was read as.
type Read = (Arc<Value>, Arc<[Kind]>);

thread_local! {
    /// By the definitions' names: schemas are large, and asked for by every request.
    static READ: RefCell<HashMap<String, Read>> = RefCell::default();
}

/// The resources of a definition, in its served versions, once it is established.
fn defined(definition: &Arc<Value>) -> Arc<[Kind]> {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    READ.with_borrow_mut(|read| match read.get(name) {
        Some((of, kinds)) if Arc::ptr_eq(of, definition) => Arc::clone(kinds),
        _ => {
            let kinds: Arc<[Kind]> = read_definition(definition).into();
            read.insert(name.to_owned(), (Arc::clone(definition), Arc::clone(&kinds)));
            kinds
        }
    })
}

fn read_definition(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let group = text(&spec["group"]);
    let plural = text(&names["plural"]);
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    let served = versions.into_iter().filter(|version| version["served"] == true);
    served
        .map(|version| {
            let scale = &version["subresources"]["scale"];
            let path = |field: &str| {
                let path = scale[field].as_str().filter(|path| !path.is_empty())?;
                Some(path.replace('.', "/"))
            };
            Kind {
                group: group.clone(),
                version: text(&version["name"]),
                kind: text(&names["kind"]),
                list_kind: text(&names["listKind"]),
                plural: plural.clone(),
                singular: text(&names["singular"]),
                short_names: texts(&names["shortNames"]),
                categories: texts(&names["categories"]),
                namespaced: spec["scope"] == "Namespaced",
                stored: super::status::qualified(&group, &plural).into(),
                has_status: version["subresources"]["status"].is_object(),
                scale: scale.is_object().then(|| ScalePaths {
                    spec: path("specReplicasPath").unwrap_or_default(),
                    status: path("statusReplicasPath").unwrap_or_default(),
                    selector: Some(path("labelSelectorPath").unwrap_or_default()),
                }),
                generation: true,
                unconditional: false,
                definition: Some(Arc::new(version["schema"]["openAPIV3Schema"].clone())),
                review: false,
            }
        })
        .collect()
}
