//! Patches, of four kinds.

use serde_json::{Value, json};

use super::apply::apply;
use super::kinds::Kind;
use super::list::shown;
use super::managed::Operation;
use super::objects::{create_object, find, forget, parse, set_kind, shape, text, writer};
use super::request::Asked;
use super::status::{Answer, Status};
use super::store::Inner;
use super::strategic;
use super::update::update;

pub(super) const APPLY: &str = "application/apply-patch+yaml";

pub(super) fn patch(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Result<(u16, Value), Status> {
    if asked.logged.subresource == "status" && !kind.has_status {
        return Err(Status::no_such_resource());
    }
    if asked.logged.content_type == APPLY {
        return applied(inner, kind, asked);
    }
    let (key, current) = find(inner, kind, asked)?;
    let mut object = shown(kind, &current);
    let version = text(&object, "resourceVersion");
    change(kind, asked, &mut object)?;
    // What the patch says is what is wanted; what it does not say is as it is now.
    if text(&object, "resourceVersion") == version {
        forget(&mut object["metadata"], "resourceVersion");
    }
    check_identity(kind, &current, &object)?;
    let writer = writer(kind, asked, Operation::Update);
    update(inner, kind, asked, key, &current, object, Some(&writer)).map(|value| (200, value))
}

/// Patches an object in one of the three ways in which that needs no more than the object.
pub(super) fn change(kind: &Kind, asked: &Asked, object: &mut Value) -> Result<(), Status> {
    let body: Value = serde_json::from_slice(&asked.body)
        .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
    match asked.logged.content_type.as_str() {
        "application/merge-patch+json" => json_patch::merge(object, &body),
        "application/json-patch+json" => {
            let patch: json_patch::Patch = serde_json::from_value(body)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
            json_patch::patch(object, &patch).map_err(|error| {
                Status::of(
                    422,
                    &format!(
                        "the server rejected our request due to an error in our request: {error}"
                    ),
                )
            })?;
        }
        "application/strategic-merge-patch+json" if !kind.is_custom() => {
            strategic::merge(object, &body, &shape(kind));
        }
        other => return Err(unsupported(kind, other)),
    }
    Ok(())
}

fn unsupported(kind: &Kind, content_type: &str) -> Status {
    let mut known = vec!["application/json-patch+json", "application/merge-patch+json", APPLY];
    if !kind.is_custom() {
        known.insert(2, "application/strategic-merge-patch+json");
    }
    let known = known.join(", ");
    Status::of(
        415,
        &format!(
            "the body of the request was in an unknown format - accepted media types include: {known} (`{content_type}`)"
        ),
    )
}

fn check_identity(kind: &Kind, current: &Value, object: &Value) -> Result<(), Status> {
    if text(current, "name") != text(object, "name") {
        let message = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            text(object, "name"),
            text(current, "name")
        );
        return Err(Status::bad_request(message));
    }
    if object["kind"] != kind.kind || object["apiVersion"] != kind.api_version() {
        let message = format!(
            "no kind \"{}\" is registered for version \"{}\"",
            object["kind"].as_str().unwrap_or_default(),
            object["apiVersion"].as_str().unwrap_or_default()
        );
        return Err(Status::bad_request(message));
    }
    Ok(())
}

/// The configuration that is applied. It is YAML by name, and clients send JSON, which is that, too.
pub(super) fn configuration(asked: &Asked) -> Answer {
    if asked.parameter("fieldManager").is_empty() {
        let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
        return Err(Status::of(422, message));
    }
    let applied = parse(&asked.body)?;
    if applied["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    Ok(applied)
}

fn applied(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Result<(u16, Value), Status> {
    let mut applied = configuration(asked)?;
    for (field, wanted) in [("kind", &kind.kind), ("apiVersion", &kind.api_version())] {
        if applied[field] != wanted.as_str() {
            let is = applied[field].as_str().unwrap_or_default();
            let message = format!("the {field} of the applied object is {is} instead of {wanted}");
            return Err(Status::bad_request(message));
        }
    }
    let name = text(&applied, "name");
    if !name.is_empty() && name != asked.logged.name {
        let message = format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            asked.logged.name
        );
        return Err(Status::bad_request(message));
    }
    if !applied["metadata"].is_object() {
        applied["metadata"] = json!({});
    }
    applied["metadata"]["name"] = asked.logged.name.clone().into();
    let writer = writer(kind, asked, Operation::Apply);
    let version = text(&applied, "resourceVersion");
    forget(&mut applied["metadata"], "resourceVersion");
    match asked.logged.subresource.as_str() {
        "status" => forget(&mut applied, "spec"),
        _ if kind.has_status => forget(&mut applied, "status"),
        _ => {}
    }
    let Ok((key, current)) = find(inner, kind, asked) else {
        if asked.logged.subresource == "status" {
            return Err(Status::not_found(&kind.group, &kind.plural, &asked.logged.name));
        }
        let mut empty = json!({"metadata": {}});
        set_kind(kind, &mut empty);
        let object = apply(&empty, &applied, &shape(kind), &writer, true)?;
        return create_object(inner, kind, asked, object, None).map(|value| (201, value));
    };
    let mut object =
        apply(&shown(kind, &current), &applied, &shape(kind), &writer, asked.flag("force"))?;
    if version.is_empty() {
        forget(&mut object["metadata"], "resourceVersion");
    } else {
        object["metadata"]["resourceVersion"] = version.into();
    }
    update(inner, kind, asked, key, &current, object, None).map(|value| (200, value))
}
