//! Definitions of resources, which are served from when they are created.

use serde_json::{Value, json};

use super::now;
use super::objects::text;
use super::status::{Cause, Status};

/// Checks a definition, and says in its status that its names are taken and that it is served.
pub(super) fn accept(definition: &mut Value) -> Result<(), Status> {
    let name = text(definition, "name");
    let spec = &mut definition["spec"];
    let mut causes = Vec::new();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let wanted = format!("{}.{}", word(&spec["names"]["plural"]), word(&spec["group"]));
    if name != wanted {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &format!("\"{name}\""), why));
    }
    let versions = spec["versions"].as_array().cloned().unwrap_or_default();
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", "[]", why));
    }
    for (number, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            let field = format!("spec.versions[{number}].schema.openAPIV3Schema");
            causes.push(Cause::required(&field, "schemas are required"));
        }
    }
    if !causes.is_empty() {
        return Err(Status::invalid(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            &name,
            &causes,
        ));
    }
    let kind = word(&spec["names"]["kind"]);
    let names = &mut spec["names"];
    if names["singular"].is_null() {
        names["singular"] = kind.to_lowercase().into();
    }
    if names["listKind"].is_null() {
        names["listKind"] = format!("{kind}List").into();
    }
    if spec["conversion"].is_null() {
        spec["conversion"] = json!({"strategy": "None"});
    }
    let names = spec["names"].clone();
    let stored = versions.iter().find(|version| version["storage"] == true);
    let stored = stored.map(|version| version["name"].clone());
    if definition["status"]["conditions"].is_null() {
        let condition = |kind: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastTransitionTime": now(),
            })
        };
        definition["status"]["conditions"] = json!([
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                "InitialNamesAccepted",
                "the initial names have been accepted"
            ),
        ]);
    }
    definition["status"]["acceptedNames"] = names;
    definition["status"]["storedVersions"] = json!([stored]);
    Ok(())
}
