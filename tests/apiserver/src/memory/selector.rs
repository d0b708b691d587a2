//! Which objects a list or a watch is about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::status::Status;

/// A selector of labels, parsed from a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Copy, Clone, Debug, PartialEq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Missing,
    Above,
    Below,
}

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, Status> {
        let parts = split(text);
        let requirements: Option<Vec<_>> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| requirement(part)).collect();
        requirements
            .map(Self)
            .ok_or_else(|| Status::bad_request(format!("unable to parse requirement: {text}")))
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels.get(&requirement.key)))
    }

    pub(super) fn matches_object(&self, object: &Value) -> bool {
        self.0.is_empty() || self.matches(&labels(object))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&String>) -> bool {
        let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
        let bound = number(self.values.first());
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::Missing => value.is_none(),
            Operator::Above => number(value).zip(bound).is_some_and(|(is, than)| is > than),
            Operator::Below => number(value).zip(bound).is_some_and(|(is, than)| is < than),
        }
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut depth) = (0, 0);
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    parts
}

fn requirement(text: &str) -> Option<Requirement> {
    let of = |key: &str, operator, values: Vec<&str>| {
        let key = key.trim().to_owned();
        let values = values.into_iter().map(|value| value.trim().to_owned()).collect();
        (!key.is_empty() && !key.contains(char::is_whitespace)).then_some(Requirement {
            key,
            operator,
            values,
        })
    };
    if let Some(rest) = text.strip_suffix(')') {
        let (head, values) = rest.split_once('(')?;
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        let operator = match operator {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            _ => return None,
        };
        return of(key, operator, values.split(',').collect());
    }
    for (sign, operator) in [
        ("!=", Operator::NotIn),
        ("==", Operator::In),
        ("=", Operator::In),
        (">", Operator::Above),
        ("<", Operator::Below),
    ] {
        if let Some((key, value)) = text.split_once(sign) {
            return of(key, operator, vec![value]);
        }
    }
    match text.strip_prefix('!') {
        Some(key) => of(key, Operator::Missing, Vec::new()),
        None => of(text, Operator::Exists, Vec::new()),
    }
}

pub(super) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    labels.into_iter().flatten().filter_map(text).collect()
}

/// A selector of fields, parsed from a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(Vec<(String, String, bool)>);

impl Fields {
    /// Only some fields can be asked for, by resource.
    pub(super) fn parse(text: &str, resource: &str) -> Result<Self, Status> {
        let mut fields = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let parsed = part
                .split_once("!=")
                .map(|(path, value)| (path, value, false))
                .or_else(|| part.split_once("==").map(|(path, value)| (path, value, true)))
                .or_else(|| part.split_once('=').map(|(path, value)| (path, value, true)));
            let Some((path, value, same)) = parsed else {
                return Err(Status::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{part}'"
                )));
            };
            let known = match path {
                "metadata.name" | "metadata.namespace" => true,
                "spec.nodeName" | "status.phase" | "spec.restartPolicy" | "status.podIP" => {
                    resource == "pods"
                }
                "spec.unschedulable" => resource == "nodes",
                "type"
                | "reason"
                | "involvedObject.name"
                | "involvedObject.kind"
                | "involvedObject.namespace"
                | "involvedObject.uid"
                | "reportingComponent" => resource == "events",
                _ => false,
            };
            if !known {
                let message = format!("field label not supported: {path}");
                return Err(Status::bad_request(message));
            }
            fields.push((path.to_owned(), value.to_owned(), same));
        }
        Ok(Self(fields))
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(path, wanted, same)| {
            let is = object.pointer(&format!("/{}", path.replace('.', "/")));
            let is = match is {
                Some(Value::Bool(yes)) => yes.to_string(),
                Some(Value::String(text)) => text.clone(),
                _ if path == "spec.unschedulable" => "false".into(),
                _ => String::new(),
            };
            (is == *wanted) == *same
        })
    }
}
