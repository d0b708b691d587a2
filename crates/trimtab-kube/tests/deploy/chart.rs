//! The chart's values: all are in the schema, and the schema has no others.

use serde_json::Value;

use crate::files::{documents, read};

/// Every value by its path, as far as the schema says what is inside.
fn paths(schema: &Value, values: &Value, at: &str, wrong: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, value) in values.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(inner) => paths(inner, value, &format!("{at}.{name}"), wrong),
            None => wrong.push(format!("{at}.{name} is not in the schema")),
        }
    }
    // What Helm itself puts there, and what Kubernetes has in `resources`.
    for name in properties.keys().filter(|name| *name != "global" && !at.ends_with("resources")) {
        if values.get(name).is_none() {
            wrong.push(format!("{at}.{name} is not in values.yaml"));
        }
    }
}

#[test]
fn values_and_schema_are_the_same() {
    let schema: Value = serde_json::from_str(&read("helm/trimtab/values.schema.json")).unwrap();
    let values = documents("values.yaml", &read("helm/trimtab/values.yaml"));
    let mut wrong = Vec::new();
    paths(&schema, &values[0], "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
