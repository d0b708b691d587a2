//! Server-side apply.

use serde_json::Value;

use super::fields::{Depth, Fields, remove_at, value_at};
use super::lists::{ListKind, Shape, item_key};
use super::managed::{Owners, Writer};
use super::status::Status;

/// What an object is after a configuration was applied to it. Its owners are in it.
pub(super) fn apply(
    live: &Value,
    applied: &Value,
    shape: &Shape<'_>,
    writer: &Writer,
    force: bool,
) -> Result<Value, Status> {
    let fields = Fields::of(applied, shape, Depth::Leaves);
    let mut owners = Owners::of(live);
    let mut merged = live.clone();
    merge(&mut merged, applied, shape);
    owners.take_over(live, &merged, shape, writer, force)?;
    let given_up = owners.apply(fields, writer);
    // Items at first, which are found by fields of theirs.
    let is_item = |steps: &&Vec<String>| steps.last().is_some_and(|step| step.starts_with("k:"));
    given_up.0.iter().filter(is_item).for_each(|steps| remove_at(&mut merged, steps));
    // Then the innermost, and what is around them if nothing else is left there.
    for steps in given_up.0.iter().rev() {
        let inner = match value_at(&merged, steps) {
            Some(Value::Object(map)) => !map.is_empty() && !shape_at(shape, steps).is_atomic(),
            _ => false,
        };
        if !inner {
            remove_at(&mut merged, steps);
        }
    }
    owners.into_object(&mut merged);
    Ok(merged)
}

fn shape_at<'a>(shape: &Shape<'a>, steps: &[String]) -> Shape<'a> {
    steps.iter().fold(shape.clone(), |shape, step| match step.strip_prefix("f:") {
        Some(name) => shape.field(name),
        None => shape.item(),
    })
}

fn merge(live: &mut Value, applied: &Value, shape: &Shape<'_>) {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !shape.is_atomic() => {
            for (name, value) in applied {
                if value.is_null() {
                    live.remove(name);
                    continue;
                }
                merge(live.entry(name.clone()).or_insert(Value::Null), value, &shape.field(name));
            }
        }
        (Value::Array(live), Value::Array(applied)) => match shape.list() {
            ListKind::Map(keys) => {
                for item in applied {
                    let key = item_key(item, &keys);
                    match live.iter_mut().find(|live| item_key(live, &keys) == key) {
                        Some(live) => merge(live, item, &shape.item()),
                        None => live.push(item.clone()),
                    }
                }
            }
            ListKind::Set => {
                let new: Vec<Value> =
                    applied.iter().filter(|item| !live.contains(item)).cloned().collect();
                live.extend(new);
            }
            ListKind::Atomic => *live = applied.clone(),
        },
        (live, applied) => *live = applied.clone(),
    }
}
