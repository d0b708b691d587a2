//! Reading and writing single objects.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::list::{Meant, shown};
use super::lists::Shape;
use super::managed::{Operation, Owners, Writer};
use super::request::Asked;
use super::status::{Answer, Cause, Status, qualified};
use super::store::{Inner, Key};
use super::{builtin, definitions, now, schema};

/// The object of a request's path, as it is stored.
pub(super) fn find(inner: &Inner, kind: &Kind, asked: &Asked) -> Result<(Key, Arc<Value>), Status> {
    let namespace = if kind.namespaced { asked.logged.namespace.as_str() } else { "" };
    let key = kind.key(namespace, &asked.logged.name);
    match inner.get(&key) {
        Some(object) => Ok((key, object)),
        None => Err(Status::not_found(&kind.group, &kind.plural, &asked.logged.name)),
    }
}

pub(super) fn get(inner: &Inner, kind: &Kind, asked: &Asked) -> Answer {
    find(inner, kind, asked).map(|(_, object)| shown(kind, &object))
}

/// The body as an object of the kind.
pub(super) fn body(kind: &Kind, asked: &Asked) -> Answer {
    let mut object = parse(&asked.body)?;
    let wrong = |what: &str, is: &str, wanted: &str| {
        let message =
            format!("the {what} in the data ({is}) does not match the expected {what} ({wanted})");
        Err(Status::bad_request(message))
    };
    match object["apiVersion"].as_str() {
        Some(version) if !version.is_empty() && version != kind.api_version() => {
            return wrong("API version", version, &kind.api_version());
        }
        _ => {}
    }
    match object["kind"].as_str() {
        Some(of) if !of.is_empty() && of != kind.kind => return wrong("kind", of, &kind.kind),
        _ => {}
    }
    set_kind(kind, &mut object);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    Ok(object)
}

pub(super) fn parse(body: &[u8]) -> Answer {
    let object: Value = serde_json::from_slice(body).map_err(|error| {
        Status::bad_request(format!("the object provided is unrecognized: {error}"))
    })?;
    if object.is_object() {
        Ok(object)
    } else {
        Err(Status::bad_request("the object provided is unrecognized: it is not a map"))
    }
}

pub(super) fn set_kind(kind: &Kind, object: &mut Value) {
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.clone().into();
}

pub(super) fn shape(kind: &Kind) -> Shape<'_> {
    Shape::of(kind.definition.as_deref())
}

pub(super) fn writer(kind: &Kind, asked: &Asked, operation: Operation) -> Writer {
    let version = kind.api_version();
    Writer {
        manager: asked.field_manager(),
        operation,
        api_version: version.clone(),
        subresource: asked.logged.subresource.clone(),
        told_version: if asked.logged.subresource == "scale" {
            "autoscaling/v1".into()
        } else {
            version
        },
    }
}

pub(super) fn create(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let object = body(kind, asked)?;
    let writer = writer(kind, asked, Operation::Update);
    create_object(inner, kind, asked, object, Some(&writer))
}

/// Creates an object. One that is applied brings its owners.
pub(super) fn create_object(
    inner: &mut Inner,
    kind: &Kind,
    asked: &Asked,
    mut object: Value,
    writer: Option<&Writer>,
) -> Answer {
    builtin::to_stored(kind, &mut object);
    let namespace = place(inner, kind, asked, &mut object)?;
    let name = name_of(kind, &mut object, inner)?;
    if !text(&object, "resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Status::bad_request(message));
    }
    let key = kind.key(&namespace, &name);
    let uid = inner.identity();
    let metadata = &mut object["metadata"];
    metadata["uid"] = uid.into();
    metadata["creationTimestamp"] = now().into();
    for gone in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        forget(metadata, gone);
    }
    if kind.generation {
        metadata["generation"] = 1.into();
    }
    if kind.has_status {
        forget(&mut object, "status");
    }
    prepare(kind, &mut object, None)?;
    if kind.stored.as_ref() == super::kinds::DEFINITIONS {
        definitions::accept(&mut object)?;
    }
    if inner.get(&key).is_some() {
        return Err(Status::already_exists(&kind.group, &kind.plural, &name));
    }
    if let Some(writer) = writer {
        let mut owners = Owners::default();
        owners.update(&json!({}), &object, &shape(kind), writer);
        owners.into_object(&mut object);
    }
    if asked.is_dry_run() {
        return Ok(shown(kind, &object));
    }
    let object = inner.put(key, object);
    Ok(shown(kind, &object))
}

/// The namespace that an object goes into, which must be there.
fn place(inner: &Inner, kind: &Kind, asked: &Asked, object: &mut Value) -> Result<String, Status> {
    if !kind.namespaced {
        forget(&mut object["metadata"], "namespace");
        return Ok(String::new());
    }
    let namespace = asked.logged.namespace.clone();
    let said = text(object, "namespace");
    if namespace.is_empty() {
        let message = "an empty namespace may not be set during creation";
        return Err(Status::bad_request(message));
    }
    if !said.is_empty() && said != namespace {
        let message =
            "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(message));
    }
    let key =
        Key { resource: "namespaces".into(), namespace: String::new(), name: namespace.clone() };
    let Some(found) = inner.get(&key) else {
        return Err(Status::not_found("", "namespaces", &namespace));
    };
    if !text(&found, "deletionTimestamp").is_empty() {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        return Err(Status::forbidden(&kind.group, &kind.plural, &text(object, "name"), &why));
    }
    object["metadata"]["namespace"] = namespace.clone().into();
    Ok(namespace)
}

fn name_of(kind: &Kind, object: &mut Value, inner: &mut Inner) -> Result<String, Status> {
    let mut name = text(object, "name");
    let begin = text(object, "generateName");
    if name.is_empty() && !begin.is_empty() {
        let identity = inner.identity();
        let suffix: String = identity.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
        name = format!("{begin}{suffix}");
        object["metadata"]["name"] = name.clone().into();
    }
    let causes = if name.is_empty() {
        vec![Cause::required("metadata.name", "name or generateName is required")]
    } else if kind.group == "rbac.authorization.k8s.io" || is_subdomain(&name) {
        return Ok(name);
    } else {
        let why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                   and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
                   validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        vec![Cause::invalid("metadata.name", &format!("\"{name}\""), why)]
    };
    Err(Status::invalid(&kind.group, &kind.kind, &name, &causes))
}

fn is_subdomain(name: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(plain)
            && label.ends_with(plain)
            && label.chars().all(|char| plain(char) || char == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

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

pub(super) fn forget(map: &mut Value, field: &str) {
    if let Some(map) = map.as_object_mut() {
        map.remove(field);
    }
}

/// Fills in what was not said, and refuses what can't be.
fn prepare(kind: &Kind, object: &mut Value, before: Option<&Value>) -> Result<(), Status> {
    drop_nulls_of_metadata(object);
    let mut causes = Vec::new();
    match kind.definition.as_deref() {
        Some(definition) => {
            schema::prune(definition, object, true);
            schema::default(definition, object);
            causes.extend(schema::validate(definition, object, before));
        }
        None => {
            builtin::default(kind, object);
            causes.extend(builtin::validate(kind, object, before));
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Status::invalid(&kind.group, &kind.kind, &text(object, "name"), &causes))
}

fn drop_nulls_of_metadata(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        let empty = |value: &Value| {
            value.is_null()
                || value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        };
        metadata.retain(|_, value| !empty(value));
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
        return before["spec"] != after["spec"];
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

pub(super) fn delete(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let (key, current) = find(inner, kind, asked)?;
    let options = if asked.body.is_empty() { json!({}) } else { parse(&asked.body)? };
    let option = |field: &str| {
        let said = options.get(field).cloned().filter(|said| !said.is_null());
        said.or_else(|| {
            asked
                .query
                .get(field)
                .map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()))
        })
    };
    let wanted = &options["preconditions"];
    for (field, said) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let is = text(&current, field);
        if let Some(wanted) = wanted[field].as_str()
            && wanted != is
        {
            let why = format!(
                "Precondition failed: {said} in precondition: {wanted}, {said} in object meta: {is}"
            );
            return Err(Status::conflict(&kind.group, &kind.plural, &key.name, &why));
        }
    }
    let grace = option("gracePeriodSeconds").and_then(|grace| grace.as_i64());
    let policy = option("propagationPolicy");
    if asked.is_dry_run() {
        return Ok(shown(kind, &current));
    }
    Ok(delete_object(inner, kind, key, &current, grace, policy.as_ref().and_then(Value::as_str)))
}

fn delete_object(
    inner: &mut Inner,
    kind: &Kind,
    key: Key,
    current: &Value,
    grace: Option<i64>,
    policy: Option<&str>,
) -> Value {
    let mut object = current.clone();
    let finalizer = match policy {
        Some("Foreground") => Some("foregroundDeletion"),
        Some("Orphan") => Some("orphan"),
        _ => None,
    };
    if let Some(finalizer) = finalizer {
        let mut held = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
        if !held.iter().any(|held| held == finalizer) {
            held.push(finalizer.into());
        }
        object["metadata"]["finalizers"] = held.into();
    }
    let grace = grace_period(kind, &object, grace);
    let held = object["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty())
        || kind.stored.as_ref() == "namespaces";
    if grace == 0 && !held {
        let gone = inner.remove(key, object);
        let returned = ["pods", "serviceaccounts", "persistentvolumeclaims"];
        if kind.is_custom() || !returned.contains(&kind.stored.as_ref()) {
            return success(kind, &gone);
        }
        return shown(kind, &gone);
    }
    let first = text(&object, "deletionTimestamp").is_empty();
    if first || object["metadata"]["deletionGracePeriodSeconds"].as_i64() > Some(grace) {
        let at = k8s_openapi::jiff::Timestamp::now();
        let end = at + k8s_openapi::jiff::SignedDuration::from_secs(grace);
        object["metadata"]["deletionTimestamp"] = super::timestamp(end).into();
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            object["metadata"]["generation"] = (generation + 1).into();
        }
        if kind.stored.as_ref() == "namespaces" {
            object["status"]["phase"] = "Terminating".into();
        }
    }
    if object == *current {
        return shown(kind, current);
    }
    let object = inner.put(key, object);
    shown(kind, &object)
}

/// Only pods that run somewhere take time to end.
fn grace_period(kind: &Kind, object: &Value, asked: Option<i64>) -> i64 {
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let nowhere = object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    if kind.stored.as_ref() != "pods" || ended || nowhere {
        return 0;
    }
    asked.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30)
}

fn success(kind: &Kind, object: &Value) -> Value {
    let mut details =
        json!({"name": text(object, "name"), "kind": kind.plural, "uid": text(object, "uid")});
    if !kind.group.is_empty() {
        details["group"] = kind.group.clone().into();
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}

pub(super) fn delete_all(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let meant = Meant::of(kind, asked)?;
    let namespace = if kind.namespaced { asked.logged.namespace.as_str() } else { "" };
    let mut items = Vec::new();
    for (key, object) in inner.list(&kind.stored, namespace) {
        if meant.includes(&object) {
            items.push(shown(kind, &object));
            delete_object(inner, kind, key, &object, None, None);
        }
    }
    let revision = inner.revision().to_string();
    Ok(json!({
        "kind": kind.list_kind,
        "apiVersion": kind.api_version(),
        "metadata": {"resourceVersion": revision},
        "items": items,
    }))
}

/// Deletes a pod if no budget is against it.
pub(super) fn evict(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let (key, pod) = find(inner, kind, asked)?;
    let labels = super::selector::labels(&pod);
    for (budget_key, budget) in inner.list(&"poddisruptionbudgets.policy".into(), &key.namespace) {
        let selector = super::scale::selector_text(&budget["spec"]["selector"]);
        if !super::Selector::parse(&selector)?.matches(&labels) {
            continue;
        }
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or_default();
        if allowed <= 0 {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(Status::of(429, message));
        }
        let mut budget = budget.as_ref().clone();
        budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
        inner.put(budget_key, budget);
    }
    delete_object(inner, kind, key, &pod, None, None);
    Ok(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}

/// Puts a pod onto a node, as schedulers do.
pub(super) fn bind(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let (key, pod) = find(inner, kind, asked)?;
    let binding = parse(&asked.body)?;
    let mut pod = pod.as_ref().clone();
    let of = qualified(&kind.group, &kind.plural);
    if pod["spec"]["nodeName"].is_string() {
        let why = format!("pod {} is already assigned to node", key.name);
        return Err(Status::conflict("", &of, &key.name, &why));
    }
    pod["spec"]["nodeName"] = binding["target"]["name"].clone();
    inner.put(key, pod);
    Ok(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}

pub(super) fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}
