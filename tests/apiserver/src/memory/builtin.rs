//! What is particular to the resources that are built in: what is there at first, defaults, what
//! can't be.

use serde_json::{Value, json};

use super::kinds::Kind;
use super::now;
use super::status::Cause;
use super::store::{Key, Store};

/// Creates what every cluster has.
pub(super) fn bootstrap(store: &Store) {
    store.with(|inner| {
        let mut put = |resource: &str, mut object: Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            object["metadata"]["uid"] = inner.identity().into();
            object["metadata"]["creationTimestamp"] = now().into();
            let key = Key { resource: resource.into(), namespace: String::new(), name };
            inner.put(key, object);
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            put(
                "namespaces",
                json!({
                    "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                    "spec": {"finalizers": ["kubernetes"]},
                    "status": {"phase": "Active"},
                }),
            );
        }
        for (plural, object) in super::access::bootstrap() {
            put(&format!("{plural}.rbac.authorization.k8s.io"), object);
        }
    });
}

/// Fills in what was not said.
pub(super) fn default(kind: &Kind, object: &mut Value) {
    match kind.kind.as_str() {
        "Namespace" => {
            let name = object["metadata"]["name"].clone();
            fill(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
            fill(&mut object["spec"], "finalizers", json!(["kubernetes"]));
            fill(&mut object["status"], "phase", "Active".into());
        }
        "Pod" => {
            pod_spec(&mut object["spec"]);
            fill(&mut object["spec"], "enableServiceLinks", true.into());
            fill(&mut object["status"], "phase", "Pending".into());
            fill(&mut object["status"], "qosClass", "Burstable".into());
        }
        "Deployment" => {
            let spec = &mut object["spec"];
            fill(spec, "replicas", 1.into());
            fill(spec, "revisionHistoryLimit", 10.into());
            fill(spec, "progressDeadlineSeconds", 600.into());
            let rolling = json!({"maxUnavailable": "25%", "maxSurge": "25%"});
            fill(spec, "strategy", json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
            pod_spec(&mut spec["template"]["spec"]);
            status(object);
            drop_zeros(&mut object["status"], &[]);
        }
        "StatefulSet" => {
            let spec = &mut object["spec"];
            fill(spec, "replicas", 1.into());
            fill(spec, "revisionHistoryLimit", 10.into());
            fill(spec, "podManagementPolicy", "OrderedReady".into());
            let rolling = json!({"partition": 0});
            fill(
                spec,
                "updateStrategy",
                json!({"type": "RollingUpdate", "rollingUpdate": rolling}),
            );
            let retention = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
            fill(spec, "persistentVolumeClaimRetentionPolicy", retention);
            pod_spec(&mut spec["template"]["spec"]);
            fill(&mut object["status"], "replicas", 0.into());
            fill(&mut object["status"], "availableReplicas", 0.into());
            drop_zeros(&mut object["status"], &["replicas", "availableReplicas"]);
        }
        "ReplicaSet" | "ReplicationController" => {
            fill(&mut object["spec"], "replicas", 1.into());
            pod_spec(&mut object["spec"]["template"]["spec"]);
            fill(&mut object["status"], "replicas", 0.into());
            drop_zeros(&mut object["status"], &["replicas"]);
        }
        "Event" => {
            for field in ["eventTime", "firstTimestamp", "lastTimestamp"] {
                if object.get(field).is_none() {
                    object[field] = Value::Null;
                }
            }
            for field in ["reportingComponent", "reportingInstance"] {
                fill(object, field, "".into());
            }
            fill(object, "source", json!({}));
        }
        "PodDisruptionBudget" => {
            let none = ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"];
            for field in none {
                fill(&mut object["status"], field, 0.into());
            }
        }
        "Service" => {
            fill(&mut object["spec"], "type", "ClusterIP".into());
            fill(&mut object["spec"], "sessionAffinity", "None".into());
        }
        "HorizontalPodAutoscaler" => {
            fill(&mut object["spec"], "minReplicas", 1.into());
            fill(&mut object["status"], "desiredReplicas", 0.into());
            fill(&mut object["status"], "currentMetrics", Value::Null);
        }
        "ClusterRole" | "Role" if object.get("rules").is_none() => object["rules"] = Value::Null,
        "Node" => _ = object.as_object_mut().map(|node| node.entry("spec").or_insert(json!({}))),
        _ => {}
    }
}

fn status(object: &mut Value) {
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
}

/// Counts of nothing are not written, but for some.
fn drop_zeros(status: &mut Value, written: &[&str]) {
    if let Some(status) = status.as_object_mut() {
        status.retain(|name, value| *value != 0 || written.contains(&name.as_str()));
    }
}

fn fill(map: &mut Value, field: &str, value: Value) {
    if map.is_null() {
        *map = json!({});
    }
    if map.get(field).is_none_or(Value::is_null) {
        map[field] = value;
    }
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    fill(spec, "restartPolicy", "Always".into());
    fill(spec, "terminationGracePeriodSeconds", 30.into());
    fill(spec, "dnsPolicy", "ClusterFirst".into());
    fill(spec, "securityContext", json!({}));
    fill(spec, "schedulerName", "default-scheduler".into());
    // What was said to be nothing was not said.
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    for field in ["containers", "initContainers"] {
        for container in spec[field].as_array_mut().into_iter().flatten() {
            default_container(container);
        }
    }
    if spec.get("initContainers").is_some_and(Value::is_null) {
        super::objects::forget(spec, "initContainers");
    }
}

fn default_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let latest =
        image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains(':');
    let policy = if latest { "Always" } else { "IfNotPresent" };
    fill(container, "imagePullPolicy", policy.into());
    fill(container, "terminationMessagePath", "/dev/termination-log".into());
    fill(container, "terminationMessagePolicy", "File".into());
    fill(container, "resources", json!({}));
    if let Some(limits) = container["resources"]["limits"].as_object().cloned() {
        for (name, limit) in limits {
            fill(&mut container["resources"]["requests"], &name, limit);
        }
    }
    for field in ["limits", "requests"] {
        let resources = &mut container["resources"];
        if resources.get(field).is_some_and(|all| all.as_object().is_none_or(|all| all.is_empty()))
        {
            super::objects::forget(resources, field);
        }
    }
    for port in container["ports"].as_array_mut().into_iter().flatten() {
        fill(port, "protocol", "TCP".into());
    }
    if container.get("ports").is_some_and(Value::is_null) {
        super::objects::forget(container, "ports");
    }
}

/// What can't be.
pub(super) fn validate(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    if kind.scale.is_some()
        && let Some(replicas) = spec["replicas"].as_i64().filter(|replicas| *replicas < 0)
    {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &replicas.to_string(), why));
    }
    match kind.kind.as_str() {
        "Deployment" | "StatefulSet" | "ReplicaSet" => selector(spec, before, &mut causes),
        "Pod" => pod(spec, before, &mut causes),
        "PodDisruptionBudget"
            if spec["minAvailable"] != Value::Null && spec["maxUnavailable"] != Value::Null =>
        {
            let why = "minAvailable and maxUnavailable cannot be both set";
            causes.push(Cause::invalid("spec", "{}", why));
        }
        "Lease" => {
            let seconds = spec["leaseDurationSeconds"].as_i64();
            if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
                let why = "must be greater than 0";
                causes.push(Cause::invalid("spec.leaseDurationSeconds", &seconds.to_string(), why));
            }
        }
        _ => {}
    }
    causes
}

fn selector(spec: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    let labels = spec["selector"].as_object().filter(|selector| !selector.is_empty());
    if labels.is_none() {
        causes.push(Cause::required("spec.selector", ""));
    }
    // Nothing is what no selector matches.
    let matches = labels.is_some_and(|labels| {
        let wanted = super::scale::selector_text(&Value::Object(labels.clone()));
        let has = super::selector::labels(&spec["template"]);
        super::Selector::parse(&wanted).is_ok_and(|selector| selector.matches(&has))
    });
    if !matches {
        let why = "`selector` does not match template `labels`";
        let labels = spec["template"]["metadata"]["labels"].to_string();
        causes.push(Cause::invalid("spec.template.metadata.labels", &labels, why));
    }
    if spec["template"]["spec"]["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.template.spec.containers", ""));
    }
    if let Some(before) = before.filter(|before| before["spec"]["selector"] != spec["selector"]) {
        let is = before["spec"]["selector"].to_string();
        causes.push(Cause::invalid("spec.selector", &is, "field is immutable"));
    }
}

fn pod(spec: &Value, before: Option<&Value>, causes: &mut Vec<Cause>) {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        causes.push(Cause::required("spec.containers", ""));
    }
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        for free in ["tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds"] {
            super::objects::forget(&mut spec, free);
        }
        for field in ["containers", "initContainers"] {
            for container in spec[field].as_array_mut().into_iter().flatten() {
                super::objects::forget(container, "image");
            }
        }
        spec
    };
    if before.is_some_and(|before| fixed(&before["spec"]) != fixed(spec)) {
        causes.push(Cause {
            field: "spec".into(),
            reason: "FieldValueForbidden",
            message: "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
                      `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                      existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                      previously negative)"
                .into(),
        });
    }
}

/// The names of an event's fields in `v1` and in `events.k8s.io/v1`.
const EVENT: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// From the form of a request to the one that is stored.
pub(super) fn to_stored(kind: &Kind, object: &mut Value) {
    if kind.group == "events.k8s.io" {
        rename(object, EVENT.map(|(stored, shown)| (shown, stored)));
    }
}

/// From the form that is stored to that of an answer.
pub(super) fn convert(kind: &Kind, object: &mut Value) {
    if kind.group == "events.k8s.io" {
        rename(object, EVENT);
    }
}

fn rename(object: &mut Value, names: [(&str, &str); 7]) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
}

/// Bookmarks are objects of their type, with what that can't be without.
pub(super) fn complete_bookmark(kind: &Kind, object: &mut Value) {
    match kind.kind.as_str() {
        "Pod" => {
            object["spec"] = json!({"containers": null});
            object["status"] = json!({});
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            let template = json!({"metadata": {}, "spec": {"containers": null}});
            object["spec"] = json!({"selector": null, "template": template});
            object["status"] = json!({});
        }
        "Node"
        | "Namespace"
        | "Service"
        | "PodDisruptionBudget"
        | "PersistentVolumeClaim"
        | "Job" => {
            object["spec"] = json!({});
            object["status"] = json!({});
        }
        "Lease" => object["spec"] = json!({}),
        _ => {}
    }
}
