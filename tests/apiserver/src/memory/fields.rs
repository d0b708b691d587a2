//! Sets of fields, as `managedFields` has them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::lists::{ListKind, Shape, item_key};

/// The way to a field: `f:spec`, `f:containers`, `k:{"name":"main"}`, `v:"item"`.
pub(super) type Steps = Vec<String>;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(pub(super) BTreeSet<Steps>);

/// Nobody owns these.
const NOBODYS: [&str; 11] = [
    "f:name",
    "f:namespace",
    "f:uid",
    "f:resourceVersion",
    "f:generation",
    "f:creationTimestamp",
    "f:managedFields",
    "f:deletionTimestamp",
    "f:deletionGracePeriodSeconds",
    "f:selfLink",
    "f:generateName",
];

/// These are there by their fields alone.
const UNOWNED: [&str; 4] = ["f:metadata", "f:spec", "f:status", "f:template"];

impl Fields {
    /// The fields of an object.
    pub(super) fn of(object: &Value, shape: &Shape<'_>) -> Self {
        let mut fields = Self::default();
        for (name, value) in object.as_object().into_iter().flatten() {
            if name == "kind" || name == "apiVersion" {
                continue;
            }
            fields.collect(value, &shape.field(name), &vec![format!("f:{name}")]);
        }
        fields.0.retain(|steps| {
            let [first, second, ..] = steps.as_slice() else { return true };
            first != "f:metadata" || !NOBODYS.contains(&second.as_str())
        });
        fields
    }

    fn collect(&mut self, value: &Value, shape: &Shape<'_>, steps: &Steps) {
        let step = |step: String| {
            let mut steps = steps.clone();
            steps.push(step);
            steps
        };
        match value {
            Value::Object(map) if !map.is_empty() && !shape.is_atomic() => {
                let last = steps.last().map(String::as_str).unwrap_or_default();
                if !UNOWNED.contains(&last) {
                    self.0.insert(steps.clone());
                }
                for (name, value) in map {
                    self.collect(value, &shape.field(name), &step(format!("f:{name}")));
                }
            }
            Value::Array(items) if !items.is_empty() => match shape.list() {
                ListKind::Map(keys) => {
                    for item in items {
                        self.collect(item, &shape.item(), &step(item_key(item, &keys)));
                    }
                }
                ListKind::Set => {
                    self.0.extend(items.iter().map(|item| step(format!("v:{item}"))));
                }
                ListKind::Atomic => _ = self.0.insert(steps.clone()),
            },
            _ => _ = self.0.insert(steps.clone()),
        }
    }

    /// As it is written.
    pub(super) fn to_value(&self) -> Value {
        let mut root = Map::new();
        for steps in &self.0 {
            let mut at = &mut root;
            for step in steps {
                let next = at.entry(step.clone()).or_insert_with(|| json!({}));
                at = next.as_object_mut().unwrap();
            }
            let has_more = self.0.range(steps.clone()..).nth(1);
            if has_more.is_some_and(|next| next.starts_with(steps)) {
                at.insert(".".into(), json!({}));
            }
        }
        Value::Object(root)
    }

    /// From how it is written.
    pub(super) fn from_value(value: &Value) -> Self {
        fn read(value: &Value, steps: &Steps, fields: &mut BTreeSet<Steps>) {
            let Some(map) = value.as_object() else { return };
            if map.is_empty() && !steps.is_empty() {
                fields.insert(steps.clone());
            }
            for (step, value) in map {
                if step == "." {
                    fields.insert(steps.clone());
                    continue;
                }
                let mut steps = steps.clone();
                steps.push(step.clone());
                read(value, &steps, fields);
            }
        }
        let mut fields = BTreeSet::new();
        read(value, &Vec::new(), &mut fields);
        Self(fields)
    }

    pub(super) fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).cloned().collect())
    }

    pub(super) fn and(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The value at a field.
pub(super) fn value_at<'a>(object: &'a Value, steps: &[String]) -> Option<&'a Value> {
    let mut at = object;
    for step in steps {
        at = match step.split_at(2) {
            ("f:", name) => at.get(name)?,
            ("k:", key) => at.as_array()?.iter().find(|item| has_key(item, key))?,
            ("v:", text) => at.as_array()?.iter().find(|item| **item == value_of(text))?,
            _ => return None,
        };
    }
    Some(at)
}

fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn has_key(item: &Value, key: &str) -> bool {
    let key: Value = serde_json::from_str(key).unwrap_or_default();
    let same = |(name, value): (&String, &Value)| match &item[name] {
        Value::Null => name == "protocol" && value == "TCP",
        other => other == value,
    };
    key.as_object().is_some_and(|key| key.iter().all(same))
}

/// Takes a field away.
pub(super) fn remove_at(object: &mut Value, steps: &[String]) {
    let Some((last, way)) = steps.split_last() else { return };
    let mut at = object;
    for step in way {
        let next = match step.split_at(2) {
            ("f:", name) => at.get_mut(name),
            ("k:", key) => {
                at.as_array_mut().and_then(|items| items.iter_mut().find(|item| has_key(item, key)))
            }
            _ => None,
        };
        let Some(next) = next else { return };
        at = next;
    }
    match last.split_at(2) {
        ("f:", name) => {
            if let Some(map) = at.as_object_mut() {
                map.remove(name);
            }
        }
        ("k:", key) => {
            if let Some(items) = at.as_array_mut() {
                items.retain(|item| !has_key(item, key));
            }
        }
        ("v:", text) => {
            if let Some(items) = at.as_array_mut() {
                items.retain(|item| *item != value_of(text));
            }
        }
        _ => {}
    }
}

/// As messages write it: `.spec.containers[name="main"].image`.
pub(super) fn written(steps: &[String]) -> String {
    let mut text = String::new();
    for step in steps {
        match step.split_at(2) {
            ("f:", name) => {
                text.push('.');
                text.push_str(name);
            }
            ("k:", key) => {
                let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let parts: Vec<String> =
                    key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                text.push_str(&format!("[{}]", parts.join(",")));
            }
            (_, value) => text.push_str(&format!("[={value}]")),
        }
    }
    text
}
