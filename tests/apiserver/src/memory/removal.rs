//! Deleting objects, and evicting pods.

use serde_json::{Value, json};

use super::kinds::{DEFINITIONS, Kind};
use super::list::{Meant, shown};
use super::objects::{find, parse, text};
use super::request::Asked;
use super::status::{Answer, Status};
use super::store::{Inner, Key};

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
        if kind.stored.as_ref() == DEFINITIONS {
            // Nothing is left of what was defined by it.
            for (key, object) in
                inner.list(&current["metadata"]["name"].as_str().unwrap_or_default().into(), "")
            {
                inner.remove(key, object.as_ref().clone());
            }
        }
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
