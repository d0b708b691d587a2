//! The `scale` subresource.

use serde_json::{Value, json};

use super::apply::apply;
use super::kinds::{Kind, ScalePaths};
use super::list::shown;
use super::managed::Operation;
use super::objects::{find, forget, parse, shape, text, writer};
use super::patch::{APPLY, change, configuration};
use super::request::Asked;
use super::status::{Answer, Cause, Status};
use super::store::Inner;
use super::update::update;

pub(super) fn answer(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let paths = kind.scale.clone().ok_or_else(Status::no_such_resource)?;
    let (key, current) = find(inner, kind, asked)?;
    let scale = scale_of(kind, &paths, &current)?;
    let wanted = match (asked.logged.verb.as_str(), asked.logged.content_type.as_str()) {
        ("get", _) => return Ok(scale),
        ("update", _) => parse(&asked.body)?,
        ("patch", APPLY) => configuration(asked)?,
        ("patch", _) => {
            let mut wanted = scale.clone();
            let version = text(&scale, "resourceVersion");
            change(kind, asked, &mut wanted)?;
            if text(&wanted, "resourceVersion") == version {
                forget(&mut wanted["metadata"], "resourceVersion");
            }
            wanted
        }
        _ => return Err(Status::method_not_allowed()),
    };
    let name = text(&wanted, "name");
    if !name.is_empty() && name != asked.logged.name {
        let message = format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            asked.logged.name
        );
        return Err(Status::bad_request(message));
    }
    let replicas = wanted_replicas(kind, &name, &wanted)?;
    let mut object = shown(kind, &current);
    let applies = asked.logged.content_type == APPLY;
    let operation = if applies { Operation::Apply } else { Operation::Update };
    let writer = writer(kind, asked, operation);
    if applies {
        let mut part = json!({});
        set(&mut part, &paths.spec, replicas.into());
        object = apply(&object, &part, &shape(kind), &writer, asked.flag("force"))?;
    } else {
        set(&mut object, &paths.spec, replicas.into());
    }
    match text(&wanted, "resourceVersion") {
        version if version.is_empty() => forget(&mut object["metadata"], "resourceVersion"),
        version => object["metadata"]["resourceVersion"] = version.into(),
    }
    if let Some(uid) = wanted["metadata"]["uid"].as_str() {
        object["metadata"]["uid"] = uid.into();
    }
    let writer = (!applies).then_some(&writer);
    let updated = update(inner, kind, asked, key, &current, object, writer)?;
    scale_of(kind, &paths, &updated)
}

fn wanted_replicas(kind: &Kind, name: &str, scale: &Value) -> Result<i64, Status> {
    let replicas = match scale["spec"].get("replicas") {
        None | Some(Value::Null) => 0,
        Some(replicas) => replicas.as_i64().ok_or_else(|| {
            let is = replicas.to_string();
            Status::bad_request(format!(
                "Scale in version \"v1\" cannot be handled as a Scale: replicas is {is}"
            ))
        })?,
    };
    if i32::try_from(replicas).is_err() {
        let message =
            format!("Scale in version \"v1\" cannot be handled as a Scale: replicas is {replicas}");
        return Err(Status::bad_request(message));
    }
    if replicas < 0 {
        let why = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &replicas.to_string(), why);
        let name = if name.is_empty() { &kind.plural } else { name };
        return Err(Status::invalid("autoscaling", "Scale", name, &[cause]));
    }
    Ok(replicas)
}

/// The scale of an object.
fn scale_of(kind: &Kind, paths: &ScalePaths, object: &Value) -> Answer {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let replicas = number(&paths.spec);
    if replicas.is_none() && kind.is_custom() {
        let message =
            format!("the spec replicas field \"{}\" does not exist", paths.spec.replace('/', "."));
        return Err(Status::of(500, &format!("Internal error occurred: {message}")));
    }
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {},
        "spec": {},
        "status": {"replicas": number(&paths.status).unwrap_or_default()},
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            scale["metadata"][field] = value.clone();
        }
    }
    // Zero is not written.
    if let Some(replicas) = replicas.filter(|replicas| *replicas != 0) {
        scale["spec"]["replicas"] = replicas.into();
    }
    let selector = match &paths.selector {
        Some(path) => object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned(),
        None if object["spec"]["selector"].get("matchLabels").is_none()
            && kind.kind == "ReplicationController" =>
        {
            selector_text(&json!({"matchLabels": object["spec"]["selector"]}))
        }
        None => selector_text(&object["spec"]["selector"]),
    };
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}

/// What the counts of something defined can't be, whatever its schema says.
pub(super) fn validate(kind: &Kind, object: &Value) -> Option<Cause> {
    let path = &kind.scale.as_ref()?.spec;
    let replicas = object.pointer(path)?.as_i64().filter(|replicas| *replicas < 0)?;
    let why = "should be a non-negative integer";
    Some(Cause::invalid(&path.replace('/', "."), &replicas.to_string(), why))
}

/// A label selector in the form of text, its requirements by key.
pub(super) fn selector_text(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push((key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values = expression["values"].as_array().into_iter().flatten();
        let mut values: Vec<&str> = values.filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        let part = match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        };
        parts.push((key.into(), part));
    }
    // By key alone, as it is there: labels stand before expressions.
    parts.sort_by(|one, next| one.0.cmp(&next.0));
    parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(",")
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in path.trim_start_matches('/').split('/') {
        at = &mut at[step];
    }
    *at = value;
}
