//! Lists, whole or in parts.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::Kind;
use super::request::Asked;
use super::selector::{Fields, Selector};
use super::status::{Answer, Status};
use super::store::{Inner, Key};
use super::{builtin, objects};

/// Which objects are meant.
pub(super) struct Meant {
    labels: Selector,
    fields: Fields,
    name: Option<String>,
}

impl Meant {
    pub(super) fn of(kind: &Kind, asked: &Asked) -> Result<Self, Status> {
        Ok(Self {
            labels: Selector::parse(asked.parameter("labelSelector"))?,
            fields: Fields::parse(asked.parameter("fieldSelector"), &kind.plural)?,
            name: Some(asked.logged.name.clone()).filter(|name| !name.is_empty()),
        })
    }

    pub(super) fn includes(&self, object: &Value) -> bool {
        let name = self.name.as_deref();
        name.is_none_or(|name| object["metadata"]["name"] == name)
            && self.labels.matches_object(object)
            && self.fields.matches(object)
    }
}

/// The version that is asked for, if one is.
pub(super) fn revision(asked: &Asked) -> Result<Option<u64>, Status> {
    match asked.parameter("resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            Status::bad_request(format!(
                "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        }),
    }
}

pub(super) fn list(inner: &Inner, kind: &Kind, asked: &Asked) -> Answer {
    let meant = Meant::of(kind, asked)?;
    let namespace = if kind.namespaced { asked.logged.namespace.as_str() } else { "" };
    let (at, after) = place(inner, asked)?;
    let mut objects = match at {
        Some(revision) => inner.list_at(&kind.stored, namespace, revision),
        None => inner.list(&kind.stored, namespace),
    };
    let revision = at.unwrap_or(inner.revision());
    if let Some((namespace, name)) = &after {
        objects.retain(|(key, _)| (&key.namespace, &key.name) > (namespace, name));
    }
    objects.retain(|(_, object)| meant.includes(object));
    let limit: usize = asked.parameter("limit").parse().unwrap_or_default();
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if limit > 0 && objects.len() > limit {
        let left = objects.len() - limit;
        objects.truncate(limit);
        if let Some((key, _)) = objects.last() {
            metadata["continue"] = continuation(revision, key).into();
            metadata["remainingItemCount"] = left.into();
        }
    }
    Ok(form_list(kind, asked, metadata, objects))
}

/// The version that is listed, if not the newest, and the object to begin after.
type Place = (Option<u64>, Option<(String, String)>);

fn place(inner: &Inner, asked: &Asked) -> Result<Place, Status> {
    let next = asked.parameter("continue");
    if !next.is_empty() {
        let parts: Vec<&str> = next.split('~').collect();
        let [revision, namespace, name] = parts.as_slice() else {
            return Err(Status::bad_request("invalid continue token: continue key is not valid"));
        };
        let revision: u64 = revision.parse().unwrap_or_default();
        if !inner.remembers(revision) {
            let message = "The provided continue parameter is too old to display a consistent list result. \
                           You can start a new list without the continue parameter.";
            return Err(Status::expired(message));
        }
        return Ok((Some(revision), Some(((*namespace).into(), (*name).into()))));
    }
    let Some(revision) = revision(asked)? else { return Ok((None, None)) };
    if revision > inner.revision() {
        return Err(Status::too_large_revision(revision, inner.revision()));
    }
    if asked.parameter("resourceVersionMatch") != "Exact" {
        return Ok((None, None));
    }
    if !inner.remembers(revision) {
        return Err(Status::expired(&format!(
            "The resourceVersion for the provided list is too old: {revision}"
        )));
    }
    Ok((Some(revision), None))
}

fn continuation(revision: u64, key: &Key) -> String {
    format!("{revision}~{}~{}", key.namespace, key.name)
}

fn form_list(
    kind: &Kind,
    asked: &Asked,
    metadata: Value,
    objects: Vec<(Key, Arc<Value>)>,
) -> Value {
    let partial = wants_metadata(&asked.accept);
    let items: Vec<Value> = objects
        .iter()
        .map(|(_, object)| {
            let mut item = shown(kind, object);
            if partial {
                return metadata_of(item);
            }
            // Lists of what is built in say what their items are once.
            if !kind.is_custom()
                && let Some(item) = item.as_object_mut()
            {
                item.remove("kind");
                item.remove("apiVersion");
            }
            item
        })
        .collect();
    let (kind, version) = if partial {
        ("PartialObjectMetadataList", "meta.k8s.io/v1".to_owned())
    } else {
        (kind.list_kind.as_str(), kind.api_version())
    };
    json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
}

/// An object in the version that is asked for.
pub(super) fn shown(kind: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    builtin::convert(kind, &mut object);
    objects::set_kind(kind, &mut object);
    object
}

/// An object, or only its metadata if that is wanted.
pub(super) fn in_form(object: Value, accept: &str) -> Value {
    if wants_metadata(accept) && object["kind"] != "Status" { metadata_of(object) } else { object }
}

fn wants_metadata(accept: &str) -> bool {
    accept.split(',').next().unwrap_or_default().contains("as=PartialObjectMetadata")
}

fn metadata_of(object: Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}
