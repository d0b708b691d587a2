//! From a JSON schema to one that Kubernetes takes: structural, with one type for each value.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of a type.
pub(super) fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    rewrite(&mut schema);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
    }
    schema
}

fn rewrite(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    unwrap_option(object);
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = plain(text);
    }
    merge_one_of(object);
    for unknown in ["additionalProperties", "unevaluatedProperties"] {
        if object.get(unknown) == Some(&Value::Bool(false)) {
            object.remove(unknown);
        }
    }
    // What serde takes for a field that is absent is no default that somebody should see in an object.
    object.remove("default");
    numbers(object);
    for (key, inside) in object.iter_mut() {
        match (key.as_str(), inside) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(rewrite),
            ("items" | "additionalProperties", inside) => rewrite(inside),
            _ => {}
        }
    }
    if object.get("type") == Some(&json!("array")) && !object.contains_key("x-kubernetes-list-type")
    {
        object.insert("x-kubernetes-list-type".into(), "atomic".into());
    }
}

/// A value that may be null is one that may be absent.
fn unwrap_option(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get("type") {
        let one = types.iter().find(|type_| **type_ != json!("null")).cloned();
        object.insert("type".into(), one.unwrap_or(Value::Null));
    }
    let Some(Value::Array(either)) = object.get("anyOf") else { return };
    if either.len() != 2 || !either.contains(&json!({"type": "null"})) {
        return;
    }
    let Some(Value::Array(either)) = object.remove("anyOf") else { return };
    for inner in either {
        if inner != json!({"type": "null"}) {
            take_in(object, inner);
        }
    }
}

/// What `inner` says beside what is said already: the field's own description stands above its type's.
fn take_in(object: &mut Map<String, Value>, inner: Value) {
    let Value::Object(inner) = inner else { return };
    for (key, value) in inner {
        object.entry(key).or_insert(value);
    }
    unwrap_option(object);
}

/// An enum: words become a list of words, variants with contents become fields of which one is set.
fn merge_one_of(object: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = object.remove("oneOf") else { return };
    let mut words = Vec::new();
    let mut told = Vec::new();
    let mut fields = Map::new();
    for variant in variants {
        let Value::Object(mut variant) = variant else { continue };
        let description = match variant.remove("description") {
            Some(Value::String(text)) => plain(&text),
            _ => String::new(),
        };
        if let Some(word) = variant.remove("const") {
            told.push(format!("{}: {description}", word.as_str().unwrap_or_default()));
            words.push(word);
        } else if let Some(Value::Array(more)) = variant.remove("enum") {
            words.extend(more);
        } else if let Some(Value::Object(properties)) = variant.remove("properties") {
            for (name, mut inner) in properties {
                if let Some(inner) = inner.as_object_mut() {
                    inner.insert("description".into(), description.clone().into());
                }
                fields.insert(name, inner);
            }
        }
    }
    if fields.is_empty() {
        object.insert("type".into(), "string".into());
        object.insert("enum".into(), words.into());
        let before = object.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{}\n\n{}", before.trim_end(), told.join("\n"));
        object.insert("description".into(), text.trim().into());
    } else {
        object.insert("type".into(), "object".into());
        object.insert("properties".into(), fields.into());
    }
}

/// Formats that Kubernetes knows, and whole numbers within what theirs can hold.
fn numbers(object: &mut Map<String, Value>) {
    let (least, most) = match object.get("format").and_then(Value::as_str) {
        Some("int32") => (Some(json!(i32::MIN)), Some(json!(i32::MAX))),
        Some("double" | "int64" | "date-time") | None => (None, None),
        Some(_) => {
            object.remove("format");
            (None, None)
        }
    };
    for (name, bound) in [("minimum", least), ("maximum", most)] {
        if let Some(bound) = bound {
            object.entry(name).or_insert(bound);
        }
    }
}

/// A doc comment without its examples and links, its lines joined to paragraphs.
fn plain(text: &str) -> String {
    let before = text.split("```").next().unwrap_or_default().trim();
    let unlinked = before.replace("[`", "`").replace("`]", "`");
    let paragraphs =
        unlinked.split("\n\n").map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The keys in the order in which they are read: what it is, what it may be, what is in it.
pub(super) fn in_order(schema: Value) -> Value {
    const FIRST: [&str; 18] = [
        "description",
        "type",
        "format",
        "enum",
        "default",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "required",
        "properties",
        "items",
        "additionalProperties",
    ];
    match schema {
        Value::Object(mut object) => {
            let mut ordered = Map::new();
            for key in FIRST {
                if let Some(value) = object.remove(key) {
                    let value = match (key, value) {
                        ("properties", Value::Object(properties)) => {
                            properties.into_iter().map(|(name, it)| (name, in_order(it))).collect()
                        }
                        (_, value) => in_order(value),
                    };
                    ordered.insert(key.into(), value);
                }
            }
            let mut rest: Vec<_> = object.into_iter().collect();
            rest.sort_by(|(one, _), (other, _)| one.cmp(other));
            ordered.extend(rest);
            Value::Object(ordered)
        }
        other => other,
    }
}
