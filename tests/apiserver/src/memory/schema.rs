//! Schemas of definitions: what is taken away, filled in and refused.

use serde_json::{Value, json};

use super::status::Cause;

/// Takes away what the schema does not know.
pub(super) fn prune(schema: &Value, value: &mut Value, root: bool) {
    match value {
        Value::Object(map) => {
            let kept = schema["x-kubernetes-preserve-unknown-fields"] == true;
            let others = &schema["additionalProperties"];
            let properties = &schema["properties"];
            map.retain(|name, value| {
                if root && ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
                    return true;
                }
                if let Some(schema) = properties.get(name) {
                    prune(schema, value, false);
                    return true;
                }
                if others.is_object() {
                    prune(others, value, false);
                    return true;
                }
                kept || *others == true
            });
        }
        Value::Array(items) => {
            for item in items {
                prune(&schema["items"], item, false);
            }
        }
        _ => {}
    }
}

/// Fills in the defaults.
pub(super) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                // What is null and may not be is as if it were not there.
                let unset = match map.get(name) {
                    None => true,
                    Some(Value::Null) => schema["nullable"] != true,
                    Some(_) => false,
                };
                if unset && let Some(default) = schema.get("default") {
                    map.insert(name.clone(), default.clone());
                } else if unset {
                    map.remove(name);
                }
                if let Some(value) = map.get_mut(name) {
                    default_inner(schema, value);
                }
            }
            if schema["additionalProperties"].is_object() {
                let known = schema["properties"].as_object();
                for (name, value) in map.iter_mut() {
                    if known.is_none_or(|known| !known.contains_key(name)) {
                        default_inner(&schema["additionalProperties"], value);
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                default_inner(&schema["items"], item);
            }
        }
        _ => {}
    }
}

fn default_inner(schema: &Value, value: &mut Value) {
    default(schema, value);
}

/// What the schema does not allow.
pub(super) fn validate(schema: &Value, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(schema, value, "", &mut causes);
    causes
}

fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let field = if path.is_empty() { "<nil>" } else { path };
    if let Some(why) = wrong_type(schema, value) {
        let said = format!("\"{}\"", kind_of(value));
        let mut cause = Cause::invalid(field, &said, &format!("{field} in body {why}"));
        cause.reason = "FieldValueTypeInvalid";
        causes.push(cause);
        return;
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        causes.push(Cause {
            field: field.into(),
            reason: "FieldValueNotSupported",
            message: format!(
                "Unsupported value: {value}: supported values: {}",
                allowed.join(", ")
            ),
        });
    }
    bounds(schema, value, field, causes);
    combined(schema, value, path, causes);
    match value {
        Value::Object(map) => {
            for required in schema["required"].as_array().into_iter().flatten() {
                let name = required.as_str().unwrap_or_default();
                if !map.contains_key(name) {
                    causes.push(Cause::required(&join(path, name), ""));
                }
            }
            for (name, value) in map {
                let inner = match schema["properties"].get(name) {
                    Some(inner) => inner,
                    None => &schema["additionalProperties"],
                };
                let is_metadata = path.is_empty() && name == "metadata";
                if inner.is_object() && !is_metadata {
                    check(inner, value, &join(path, name), causes);
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{number}]"), causes);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn wrong_type(schema: &Value, value: &Value) -> Option<String> {
    let is = kind_of(value);
    if schema["x-kubernetes-int-or-string"] == true {
        let right = matches!(is, "integer" | "string");
        return (!right).then(|| format!("must be of type integer,string: \"{is}\""));
    }
    let wanted = schema["type"].as_str()?;
    let whole = |value: &Value| value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let right = is == wanted
        || (wanted == "number" && is == "integer")
        || (wanted == "integer" && is == "number" && whole(value));
    (!right).then(|| format!("must be of type {wanted}: \"{is}\""))
}

fn bounds(schema: &Value, value: &Value, field: &str, causes: &mut Vec<Cause>) {
    let mut refuse = |why: String| {
        let why = format!("{field} in body {why}");
        causes.push(Cause::invalid(field, &value.to_string(), &why));
    };
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema[name].as_f64();
        let strict = |name: &str| schema[name] == true;
        if let Some(least) = bound("minimum") {
            if strict("exclusiveMinimum") && number <= least {
                refuse(format!("should be greater than {least}"));
            } else if number < least {
                refuse(format!("should be greater than or equal to {least}"));
            }
        }
        if let Some(most) = bound("maximum") {
            if strict("exclusiveMaximum") && number >= most {
                refuse(format!("should be less than {most}"));
            } else if number > most {
                refuse(format!("should be less than or equal to {most}"));
            }
        }
        if schema["format"] == "int32" && value.as_i64().is_some_and(|n| i32::try_from(n).is_err())
        {
            refuse("must be of type int32".into());
        }
    }
    if let Some((pattern, text)) = schema["pattern"].as_str().zip(value.as_str())
        && !regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        refuse(format!("should match '{pattern}'"));
    }
    sizes(schema, value, field, causes);
}

fn sizes(schema: &Value, value: &Value, field: &str, causes: &mut Vec<Cause>) {
    let (size, least, most, what) = match value {
        Value::String(text) => (text.chars().count(), "minLength", "maxLength", "chars long"),
        Value::Array(items) => (items.len(), "minItems", "maxItems", "items"),
        Value::Object(map) => (map.len(), "minProperties", "maxProperties", "properties"),
        _ => return,
    };
    let bound = |name: &str| schema[name].as_u64().and_then(|bound| usize::try_from(bound).ok());
    if let Some(least) = bound(least).filter(|least| size < *least) {
        let why = format!("{field} in body should be at least {least} {what}");
        causes.push(Cause::invalid(field, &value.to_string(), &why));
    }
    if let Some(most) = bound(most).filter(|most| size > *most) {
        let (reason, message) = if value.is_string() {
            ("FieldValueTooLong", format!("Too long: may not be more than {most} bytes"))
        } else {
            ("FieldValueTooMany", format!("Too many: {size}: must have at most {most} {what}"))
        };
        causes.push(Cause { field: field.into(), reason, message });
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let fits = |schema: &Value| {
        let mut causes = Vec::new();
        check(schema, value, path, &mut causes);
        causes.is_empty()
    };
    let field = if path.is_empty() { "<nil>" } else { path };
    let mut refuse = |why: &str| {
        let why = format!("{field} in body {why}");
        causes.push(Cause::invalid(field, &json!(value).to_string(), &why));
    };
    let of = |name: &str| schema[name].as_array();
    if of("allOf").is_some_and(|all| !all.iter().all(fits)) {
        refuse("must validate all the schemas (allOf)");
    }
    if of("anyOf").is_some_and(|any| !any.iter().any(fits)) {
        refuse("must validate at least one schema (anyOf)");
    }
    if of("oneOf").is_some_and(|one| one.iter().filter(|schema| fits(schema)).count() != 1) {
        refuse("must validate one and only one schema (oneOf)");
    }
    if schema["not"].is_object() && fits(&schema["not"]) {
        refuse("must not validate the schema (not)");
    }
}
