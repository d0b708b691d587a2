//! The chart as it is written: its values are those of the schema and those that templates read. What Helm makes of it is
//! another file's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::files::{deploy, documents, read};

pub(crate) const EVERY_VALUE: &str = include_str!("every-value.yaml");

fn schema() -> Value {
    serde_json::from_str(&read("helm/trimtab/values.schema.json")).unwrap()
}

fn values() -> Value {
    documents("values.yaml", &read("helm/trimtab/values.yaml")).remove(0)
}

/// Every value by its path, as far as the schema says what is inside.
fn paths(schema: &Value, values: &Value, at: &str, wrong: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    if !is_closed(schema) {
        return;
    }
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

/// Whether it takes nothing else.
fn is_closed(schema: &Value) -> bool {
    schema["additionalProperties"] == false
}

#[test]
fn values_and_schema_are_the_same() {
    let mut wrong = Vec::new();
    paths(&schema(), &values(), "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The values by their paths, down to those that are not maps of the chart's own.
fn leaves(schema: &Value, values: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    let is_own = is_closed(schema) && !at.ends_with("resources");
    let Some(values) = values.as_object().filter(|_| is_own) else {
        found.push((at.to_owned(), values.clone()));
        return;
    };
    for (name, value) in values {
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        leaves(&schema["properties"][name], value, &at, found);
    }
}

#[test]
fn what_renders_every_value_changes_every_value() {
    let (schema, mut plain, mut every) = (schema(), Vec::new(), Vec::new());
    leaves(&schema, &values(), "", &mut plain);
    leaves(&schema, &documents("every-value.yaml", EVERY_VALUE)[0], "", &mut every);
    let same: Vec<&str> = plain
        .iter()
        .filter(|(path, value)| every.iter().all(|(at, other)| at != path || other == value))
        .map(|(path, _)| path.as_str())
        .collect();
    assert!(same.is_empty(), "the same in both, or not in `every-value.yaml`: {same:?}");
    assert_eq!(plain.len(), every.len());
}

/// The words of a path after `prefix`, wherever that is in a text.
fn read_after<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || c == '.';
    text.match_indices(prefix).map(move |(at, _)| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c| !is_of_path(c)).unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What a template reads: of all values, of a component by `$own`, and in what it hands that to.
fn reads(text: &str, placement: &str, found: &mut BTreeSet<String>) {
    found.extend(read_after(text, ".Values.").map(String::from));
    for component in read_after(text, "{{- $own := .Values.") {
        found.extend(read_after(text, "$own.").map(|path| format!("{component}.{path}")));
        if text.contains(r#"include "trimtab.placement" $own"#) {
            found.extend(read_after(placement, "with .").map(|path| format!("{component}.{path}")));
        }
        found.remove(component);
    }
}

fn templates(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            templates(&path, found);
        } else {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn templates_read_all_values_and_no_others() {
    let mut texts = Vec::new();
    templates(&deploy().join("helm/trimtab/templates"), &mut texts);
    let helpers = read("helm/trimtab/templates/_names.tpl");
    let (_, placement) = helpers.split_once("define \"trimtab.placement\"").unwrap();
    let mut read = BTreeSet::new();
    for text in &texts {
        reads(text, placement, &mut read);
    }
    let (values, mut leaves_there) = (values(), Vec::new());
    leaves(&schema(), &values, "", &mut leaves_there);
    let is_below = |path: &str, other: &str| {
        path == other || path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'))
    };
    let unused: Vec<&String> = leaves_there
        .iter()
        .map(|(path, _)| path)
        .filter(|path| !read.iter().any(|read| is_below(path, read) || is_below(read, path)))
        .collect();
    assert!(unused.is_empty(), "no template reads {unused:?}");
    let unknown: Vec<&String> = read
        .iter()
        .filter(|read| {
            !leaves_there.iter().any(|(path, _)| is_below(path, read) || is_below(read, path))
        })
        .collect();
    assert!(unknown.is_empty(), "values.yaml has no {unknown:?}");
}

/// Names and namespaces may be digits, which are no strings in YAML unless they are quoted.
#[test]
fn what_users_name_is_quoted() {
    let mut texts = Vec::new();
    templates(&deploy().join("helm/trimtab/templates"), &mut texts);
    for line in texts.iter().flat_map(|text| text.lines()).map(str::trim) {
        let is_name = line.contains(": {{ .") || line.contains(": {{ $");
        let plain = [
            "replicas:",
            "imagePullPolicy:",
            "serviceAccountName: {{ $name",
            "name: {{ $name",
            "name: {{ $wide",
            // What the chart itself and Helm say.
            "app.kubernetes.io/component:",
            "app.kubernetes.io/managed-by:",
            "|",
        ];
        let is_plain =
            plain.iter().any(|plain| line.starts_with(plain)) || line.contains("scalerAddress");
        let is_quoted = line.contains("| quote") || line.ends_with("}}: |");
        assert!(!is_name || is_plain || is_quoted, "not quoted: {line}");
    }
}
