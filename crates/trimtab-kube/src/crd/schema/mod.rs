//! The definition of the resource: its schema, made of the Rust types, and what the API server checks beyond types.

mod bounds;
mod rules;
mod structural;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{GROUP, KIND, PLURAL, ScalingPolicySpec, ScalingPolicyStatus, VERSION};

/// The definition of the resource, to be applied to a cluster.
///
/// ```
/// let crd = trimtab_kube::crd::crd();
/// assert_eq!(crd.metadata.name.as_deref(), Some("scalingpolicies.trimtab.dev"));
/// ```
pub fn crd() -> CustomResourceDefinition {
    // It is the same at each call, and a test makes it.
    serde_json::from_value(definition()).unwrap_or_default()
}

/// The definition as YAML.
pub fn crd_yaml() -> String {
    trimtab_manifest::to_yaml(&definition(), &trimtab_manifest::Comments::default())
        .unwrap_or_default()
}

/// The definition as JSON.
pub(crate) fn definition() -> Value {
    let column = |name: &str, type_: &str, path: &str| json!({"name": name, "type": type_, "jsonPath": path});
    let condition = |name: &str, type_: &str| {
        column(name, "string", &format!(".status.conditions[?(@.type==\"{type_}\")].status"))
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "scalingpolicy",
                "shortNames": ["sp"],
                "categories": ["autoscaling"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Target", "string", ".spec.scaleTargetRef.name"),
                    column("Strategy", "string", ".spec.strategy"),
                    column("Min", "integer", ".spec.minReplicas"),
                    column("Max", "integer", ".spec.maxReplicas"),
                    column("Current", "integer", ".status.currentReplicas"),
                    column("Wanted", "integer", ".status.wantedReplicas"),
                    column("Ready", "integer", ".status.readyReplicas"),
                    column("Mode", "string", ".status.mode"),
                    condition("Able", "AbleToScale"),
                    condition("Active", "ScalingActive"),
                    column("Age", "date", ".metadata.creationTimestamp"),
                ],
                "schema": {"openAPIV3Schema": schema()},
            }],
        },
    })
}

fn schema() -> Value {
    let mut spec = structural::of::<ScalingPolicySpec>();
    bounds::add(&mut spec);
    rules::add(&mut spec);
    let mut status = structural::of::<ScalingPolicyStatus>();
    for part in [&mut spec, &mut status] {
        bounds::room(part);
        bounds::units(part);
    }
    bounds::status(&mut status);
    json!({
        "description": "A scaling policy: what is scaled, by what, within which bounds and how fast.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural::in_order(spec),
            "status": structural::in_order(status),
        },
    })
}

/// Conditions, as Kubernetes has them.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "description": "Since when the status is what it is.", "type": "string", "format": "date-time",
                },
                "message": {
                    "description": "Why, in a sentence.", "type": "string", "maxLength": 32_768,
                },
                "observedGeneration": {
                    "description": "The generation of the spec that it is about.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
                "reason": {
                    "description": "Why, in a word.", "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "status": {
                    "description": "Whether it holds.", "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "type": {
                    "description": "What it is about.", "type": "string", "maxLength": 316,
                    "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_and_every_rule_has_its_place() {
        let mut spec = structural::of::<ScalingPolicySpec>();
        assert_eq!(bounds::add(&mut spec), Vec::<String>::new());
        assert_eq!(rules::add(&mut spec), Vec::<String>::new());
        assert_eq!(
            bounds::status(&mut structural::of::<ScalingPolicyStatus>()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_definition_is_one() {
        assert_eq!(crd().metadata.name.as_deref(), Some("scalingpolicies.trimtab.dev"));
        assert!(!crd_yaml().is_empty());
    }
}
