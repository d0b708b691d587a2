//! The `scale` subresource.

use serde_json::{Value, json};

use super::apply::apply;
use super::fields::{Steps, remove_at};
use super::kinds::{Kind, ScalePaths};
use super::list::shown;
use super::managed::{Operation, Owners};
use super::objects::{find, forget, parse, shape, text, writer};
use super::patch::{APPLY, accept, change, configuration};
use super::request::Asked;
use super::status::{Answer, Cause, Status};
use super::store::Inner;
use super::update::update;

pub(super) fn answer(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Answer {
    let paths = kind.scale.clone().ok_or_else(Status::no_such_resource)?;
    if asked.logged.verb == "patch" {
        accept(kind, asked)?;
    }
    let (key, current) = find(inner, kind, asked)?;
    // Whoever writes a count needs none to be there.
    let scale = scale_of(kind, &paths, &current);
    let wanted = match (asked.logged.verb.as_str(), asked.logged.content_type.as_str()) {
        ("get", _) => return has_replicas(kind, &paths, &current).map(|()| scale),
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
    let steps: Steps = paths.spec.split('/').skip(1).map(|name| format!("f:{name}")).collect();
    let unowned = !Owners::of(&object).anybody_owns(&steps);
    if applies {
        if kind.is_custom() && unowned {
            return Err(inconvertible("create manager for existing fields", "live", "/"));
        }
        let live = current.pointer(&paths.spec).and_then(Value::as_i64);
        let version = text(&wanted, "resourceVersion");
        let current_version = version.is_empty() || version == text(&current, "resourceVersion");
        let same = live == Some(replicas) && replicas != 0 && current_version;
        if live == Some(0) {
            // Zero is not written in a scale, so that even zero differs from it.
            remove_at(&mut object, &steps);
        }
        if kind.is_custom() && same {
            disown(&mut object, &steps, false);
        }
        let mut part = json!({});
        set(&mut part, &paths.spec, replicas.into());
        object = apply(&object, &part, &shape(kind), &writer, asked.flag("force"))?;
        if kind.is_custom() && !same {
            let named = format!("{}/{name}", text(&wanted, "namespace"));
            return Err(inconvertible("", "new", &named));
        }
    } else {
        set(&mut object, &paths.spec, replicas.into());
        if kind.is_custom() || replicas == 0 {
            // So it is with real ones: zero is not written in a scale and so is nobody's, nor is,
            // of what is defined and unless it was applied, a count that is written as it was.
            disown(&mut object, &steps, replicas == 0);
        }
    }
    match text(&wanted, "resourceVersion") {
        version if version.is_empty() => forget(&mut object["metadata"], "resourceVersion"),
        version => object["metadata"]["resourceVersion"] = version.into(),
    }
    if let Some(uid) = wanted["metadata"]["uid"].as_str() {
        object["metadata"]["uid"] = uid.into();
    }
    // Of what is nobody's, it is not noted whose it is by an update.
    let noted = !applies && replicas != 0 && !unowned;
    let writer = noted.then_some(&writer);
    let updated = update(inner, kind, asked, key, &current, object, writer)?;
    Ok(scale_of(kind, &paths, &updated))
}

/// So it is with real ones: a scale can't be applied to what is defined, unless it is what it is
/// already.
fn inconvertible(doing: &str, which: &str, named: &str) -> Status {
    let doing = if doing.is_empty() { String::new() } else { format!("failed to {doing}: ") };
    let message = format!(
        "{doing}failed to convert {which} object ({named}; autoscaling/v1, Kind=Scale) to proper version: request to \
         convert CR to an invalid group/version: autoscaling/v1"
    );
    Status::without_reason(500, &message)
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
    // What is defined is refused by its own schema.
    if replicas < 0 && !kind.is_custom() {
        let why = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &replicas.to_string(), why);
        let name = if name.is_empty() { &kind.plural } else { name };
        return Err(Status::invalid("autoscaling", "Scale", name, &[cause]));
    }
    Ok(replicas)
}

/// What is defined and has no count has no scale that could be read.
fn has_replicas(kind: &Kind, paths: &ScalePaths, object: &Value) -> Result<(), Status> {
    if !kind.is_custom() || object.pointer(&paths.spec).is_some_and(Value::is_i64) {
        return Ok(());
    }
    let path = paths.spec.replace('/', ".");
    let message = format!("the spec replicas field \"{path}\" does not exist");
    Err(Status::of(500, &format!("Internal error occurred: {message}")))
}

/// The scale of an object.
fn scale_of(kind: &Kind, paths: &ScalePaths, object: &Value) -> Value {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    let replicas = number(&paths.spec);
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
    scale
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

/// Nobody owns a field from now on, or only who applied it.
fn disown(object: &mut Value, steps: &Steps, applied_too: bool) {
    let mut owners = Owners::of(object);
    owners.disown(steps, applied_too);
    owners.into_object(object);
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in path.trim_start_matches('/').split('/') {
        at = &mut at[step];
    }
    *at = value;
}
