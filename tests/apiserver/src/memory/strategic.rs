//! The strategic merge patch.

use serde_json::{Map, Value};

use super::lists::{ListKind, Shape};

/// Merges a patch into a value.
pub(super) fn merge(value: &mut Value, patch: &Value, shape: &Shape<'_>) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if patch.get("$patch").is_some_and(|word| word == "replace") {
        *value = plain(patch);
        return;
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    for (name, change) in patch {
        if let Some(name) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(Value::Array(items)) = map.get_mut(name) {
                items.retain(|item| !change.as_array().is_some_and(|gone| gone.contains(item)));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        let shape = shape.field(name);
        match change {
            Value::Null => _ = map.remove(name),
            Value::Object(inner) if inner.get("$patch").is_some_and(|word| word == "delete") => {
                map.remove(name);
            }
            Value::Object(_) => {
                merge(map.entry(name.clone()).or_insert(Value::Null), change, &shape);
            }
            Value::Array(items) => {
                let list = map.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                merge_list(list, items, &shape);
            }
            other => _ = map.insert(name.clone(), other.clone()),
        }
    }
    if let Some(Value::Array(kept)) = patch.get("$retainKeys") {
        map.retain(|name, _| kept.iter().any(|kept| kept == name.as_str()));
    }
}

fn merge_list(list: &mut Value, patch: &[Value], shape: &Shape<'_>) {
    let Value::Array(live) = list else {
        *list = Value::Array(patch.to_vec());
        return;
    };
    if patch.iter().any(|item| item["$patch"] == "replace") {
        *live = patch.iter().filter(|item| item.get("$patch").is_none()).cloned().collect();
        return;
    }
    match (shape.merge_key(), shape.list()) {
        (Some(key), _) => {
            for item in patch {
                let at = live.iter().position(|live| live[&key] == item[&key]);
                match (at, item["$patch"] == "delete") {
                    (Some(at), true) => _ = live.remove(at),
                    (None, true) => {}
                    (Some(at), false) => merge(&mut live[at], item, &shape.item()),
                    (None, false) => live.push(item.clone()),
                }
            }
        }
        (None, ListKind::Set) => {
            let new: Vec<Value> =
                patch.iter().filter(|item| !live.contains(item)).cloned().collect();
            live.extend(new);
        }
        (None, _) => *live = patch.to_vec(),
    }
}

/// Without the words of the patch.
fn plain(patch: &Map<String, Value>) -> Value {
    let fields = patch.iter().filter(|(name, _)| !name.starts_with('$'));
    Value::Object(fields.map(|(name, value)| (name.clone(), value.clone())).collect())
}
