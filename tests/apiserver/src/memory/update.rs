//! Writing objects that are there.

use serde_json::Value;

use super::builtin;
use super::definitions;
use super::kinds::Kind;
use super::list::shown;
use super::managed::{Operation, Owners, Writer};
use super::objects::{body, find, forget, prepare, shape, text, writer};
use super::request::Asked;
use super::status::{Answer, Cause, Status};
use super::store::{Inner, Key};

pub(super) fn replace(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let object = body(kind, asked)?;
    let name = text(&object, "name");
    if name != asked.logged.name {
        let message = format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            asked.logged.name
        );
        return Err(Status::bad_request(message));
    }
    if asked.logged.subresource == "status" && !kind.has_status {
        return Err(Status::no_such_resource());
    }
    let (key, current) = find(inner, kind, asked)?;
    if text(&object, "resourceVersion").is_empty() && !kind.unconditional {
        let cause =
            Cause::invalid("metadata.resourceVersion", "0", "must be specified for an update");
        return Err(Status::invalid(&kind.group, &kind.kind, &name, &[cause]));
    }
    let writer = writer(kind, asked, Operation::Update);
    update(inner, kind, asked, key, &current, object, Some(&writer))
}

/// Writes what an object is to be. One that was applied brings its owners.
pub(super) fn update(
    inner: &mut Inner,
    kind: &Kind,
    asked: &Asked,
    key: Key,
    current: &Value,
    mut object: Value,
    writer: Option<&Writer>,
) -> Answer {
    builtin::to_stored(kind, &mut object);
    check_version(kind, current, &object)?;
    let generation = current["metadata"]["generation"].as_i64();
    keep(current, &mut object);
    match asked.logged.subresource.as_str() {
        "status" => keep_all_but_status(kind, current, &mut object),
        // A resource without that has a status like any field.
        _ if kind.has_status => carry(current, &mut object, "status"),
        _ => {}
    }
    prepare(kind, &mut object, Some(current))?;
    if kind.stored.as_ref() == super::kinds::DEFINITIONS {
        definitions::accept(&mut object)?;
    }
    if let Some(writer) = writer {
        let mut owners = Owners::of(current);
        owners.update(current, &object, &shape(kind), writer);
        owners.into_object(&mut object);
    }
    if is_same(current, &object) {
        return Ok(shown(kind, current));
    }
    if let Some(generation) = generation {
        let next = if counts(kind, current, &object) { generation + 1 } else { generation };
        object["metadata"]["generation"] = next.into();
    }
    if asked.is_dry_run() {
        return Ok(shown(kind, &object));
    }
    let dying = !text(&object, "deletionTimestamp").is_empty();
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty());
    let had = current["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty());
    let object =
        if dying && !held && had { inner.remove(key, object) } else { inner.put(key, object) };
    Ok(shown(kind, &object))
}

fn check_version(kind: &Kind, current: &Value, object: &Value) -> Result<(), Status> {
    let name = text(current, "name");
    let version = text(object, "resourceVersion");
    if !version.is_empty() && version != "0" && version != text(current, "resourceVersion") {
        return Err(Status::stale(&kind.group, &kind.plural, &name));
    }
    let (is, wanted) = (text(current, "uid"), text(object, "uid"));
    if !wanted.is_empty() && wanted != is {
        let why =
            format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}");
        return Err(Status::conflict(&kind.group, &kind.plural, &name, &why));
    }
    Ok(())
}

/// What nobody changes.
fn keep(current: &Value, object: &mut Value) {
    for field in [
        "uid",
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "generateName",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
    ] {
        carry(&current["metadata"], &mut object["metadata"], field);
    }
    // Whoever sends none does not mean that there are none.
    if object["metadata"]["managedFields"].is_null() {
        carry(&current["metadata"], &mut object["metadata"], "managedFields");
    }
}

fn keep_all_but_status(kind: &Kind, current: &Value, object: &mut Value) {
    let mut kept = current.clone();
    carry(object, &mut kept, "status");
    if !kind.is_custom() {
        // The annotations of what is built in go with it.
        carry(&object["metadata"], &mut kept["metadata"], "annotations");
        if matches!(kind.stored.as_ref(), "pods" | "nodes") {
            carry(&object["metadata"], &mut kept["metadata"], "labels");
        }
    }
    carry(&object["metadata"], &mut kept["metadata"], "managedFields");
    *object = kept;
}

/// Gives an object the same as another at a field.
fn carry(from: &Value, to: &mut Value, field: &str) {
    match from.get(field) {
        Some(value) if !value.is_null() => to[field] = value.clone(),
        _ => forget(to, field),
    }
}

/// Whether nothing is changed but when somebody wrote it.
fn is_same(current: &Value, object: &Value) -> bool {
    let plain = |object: &Value| {
        let mut object = object.clone();
        if let Some(entries) = object["metadata"]["managedFields"].as_array_mut() {
            entries.iter_mut().for_each(|entry| forget(entry, "time"));
        }
        object
    };
    plain(current) == plain(object)
}

/// Whether a change counts as one of what is wanted.
fn counts(kind: &Kind, before: &Value, after: &Value) -> bool {
    if !kind.is_custom() {
        let annotations = |object: &Value| object["metadata"]["annotations"].clone();
        // Annotations of a Deployment go to its ReplicaSets.
        return before["spec"] != after["spec"]
            || (kind.kind == "Deployment" && annotations(before) != annotations(after));
    }
    let wanted = |object: &Value| {
        let mut object = object.clone();
        forget(&mut object, "metadata");
        if kind.has_status {
            forget(&mut object, "status");
        }
        object
    };
    wanted(before) != wanted(after)
}
