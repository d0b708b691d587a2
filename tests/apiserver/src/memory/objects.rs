//! Reading and writing single objects.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::list::shown;
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
        status_apart: kind.has_status,
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

/// Fills in what was not said, and refuses what can't be.
pub(super) fn prepare(
    kind: &Kind,
    object: &mut Value,
    before: Option<&Value>,
) -> Result<(), Status> {
    drop_nulls_of_metadata(object);
    let mut causes = Vec::new();
    match &kind.definition {
        Some(definition) => {
            schema::prune(definition, object, true);
            schema::default(definition, object);
            causes.extend(schema::validate(definition, object));
            causes.extend(super::scale::validate(kind, object));
            #[cfg(feature = "rules")]
            super::rules::validate(definition, object, before, &mut causes);
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

pub(super) fn forget(map: &mut Value, field: &str) {
    if let Some(map) = map.as_object_mut() {
        map.remove(field);
    }
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
    let others = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<Value> =
        others.into_iter().filter(|condition| condition["type"] != "PodScheduled").collect();
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now()});
    conditions.push(scheduled);
    pod["status"]["conditions"] = conditions.into();
    inner.put(key, pod);
    Ok(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}

pub(super) fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}
