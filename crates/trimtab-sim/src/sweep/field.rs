//! A field of a policy by its path: set from text, and read back.

use serde_json::{Map, Value};
use thiserror::Error;
use trimtab_engine::PolicySpec;
use trimtab_manifest::{Limits, Source, from_str};

/// A path does not lead to a field, or the field does not take the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{field}` can't be set: {message}{}", help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())]
pub struct FieldError {
    field: String,
    message: String,
    help: Option<String>,
}

impl FieldError {
    fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into(), help: None }
    }

    /// The path as it was given.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The policy with one field set, and its rules not yet checked.
///
/// The path starts at the fields of `spec`, with or without `spec.` before it. A field that is absent
/// is added, with those above it; an item of a list has to be there. The value is text: a number or a
/// boolean where the field takes one.
///
/// # Errors
///
/// [`FieldError`] when there is no such field, or it does not take the value.
///
/// ```
/// use trimtab_engine::PolicySpec;
/// use trimtab_sim::sweep::{read_field, set_field};
///
/// let window = "spec.behavior.scaleDown.stabilizationWindowSeconds";
/// let spec = set_field(&PolicySpec::default(), window, "600")?;
/// assert_eq!(read_field(&spec, window)?.as_deref(), Some("600"));
///
/// let error = set_field(&spec, "spec.maxReplica", "8").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`spec.maxReplica` can't be set: unknown field `maxReplica` (did you mean `maxReplicas`?)"
/// );
/// # Ok::<(), trimtab_sim::sweep::FieldError>(())
/// ```
pub fn set_field(spec: &PolicySpec, field: &str, text: &str) -> Result<PolicySpec, FieldError> {
    let path = parse(field)?;
    let tree = tree(spec, field)?;
    let with = |value: Value| -> Result<PolicySpec, FieldError> {
        let mut tree = tree.clone();
        *place(&mut tree, &path, field)? = value;
        decode(&tree, field)
    };
    // Quantities and names are text; numbers and booleans are not.
    let as_text = with(Value::String(text.to_owned()));
    match (as_text, serde_json::from_str::<Value>(text)) {
        (Err(_), Ok(value @ (Value::Number(_) | Value::Bool(_)))) => with(value),
        (done, _) => done,
    }
}

/// The value of a field as text, as a document would have it; `None` if it is absent.
///
/// # Errors
///
/// [`FieldError`] when the text is no path, or leads to a field that holds others.
pub fn read_field(spec: &PolicySpec, field: &str) -> Result<Option<String>, FieldError> {
    let mut node = &tree(spec, field)?;
    for step in parse(field)? {
        let below = match &step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.get(index),
        };
        match below {
            Some(below) => node = below,
            None => return Ok(None),
        }
    }
    match node {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(node.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(FieldError::new(field, "it holds other fields: name one of them"))
        }
    }
}

/// A step of a path.
enum Step {
    Key(String),
    Index(usize),
}

fn parse(field: &str) -> Result<Vec<Step>, FieldError> {
    let unreadable = || {
        let message = "it is no path: write it as `metrics[0].pods.target.averageValue`";
        FieldError::new(field, message)
    };
    let mut steps = Vec::new();
    for part in field.strip_prefix("spec.").unwrap_or(field).split('.') {
        let (key, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return Err(unreadable());
        }
        steps.push(Step::Key(key.to_owned()));
        let mut rest = indices;
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (index, after) = inner.ok_or_else(unreadable)?;
            steps.push(Step::Index(index.parse().map_err(|_| unreadable())?));
            rest = after;
        }
    }
    Ok(steps)
}

fn tree(spec: &PolicySpec, field: &str) -> Result<Value, FieldError> {
    serde_json::to_value(spec).map_err(|error| FieldError::new(field, error.to_string()))
}

/// Where the value goes; what is absent on the way is made.
fn place<'t>(tree: &'t mut Value, path: &[Step], field: &str) -> Result<&'t mut Value, FieldError> {
    let mut node = tree;
    let mut name = "spec";
    for step in path {
        match step {
            Step::Key(key) => {
                if node.is_null() {
                    *node = Value::Object(Map::new());
                }
                let Value::Object(fields) = node else {
                    return Err(FieldError::new(field, format!("`{name}` has no fields")));
                };
                node = fields.entry(key.as_str()).or_insert(Value::Null);
                name = key;
            }
            Step::Index(index) => {
                let count = node.as_array().map(Vec::len);
                let item = node.as_array_mut().and_then(|items| items.get_mut(*index));
                node = item.ok_or_else(|| {
                    FieldError::new(
                        field,
                        match count {
                            None => format!("`{name}` is no list here"),
                            Some(1) => format!("`{name}` has one item, [0]"),
                            Some(count) => format!("`{name}` has {count} items, from [0] on"),
                        },
                    )
                })?;
            }
        }
    }
    Ok(node)
}

/// With the errors that a document gets.
fn decode(tree: &Value, field: &str) -> Result<PolicySpec, FieldError> {
    let source = Source::new("policy", tree.to_string());
    from_str(&source, &Limits::default()).map_err(|error| {
        let problem = error.problems().first();
        FieldError {
            field: field.to_owned(),
            message: problem.map_or_else(String::new, |problem| problem.message().to_owned()),
            help: problem.and_then(|problem| problem.help().map(str::to_owned)),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_engine::Policy;

    use super::*;

    fn spec() -> PolicySpec {
        let text = r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "minReplicas": 2, "maxReplicas": 20,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "requests_waiting"},
                "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#;
        Policy::new(serde_json::from_str(text).unwrap()).unwrap().spec().clone()
    }

    #[test]
    fn what_is_set_is_read() {
        for (field, value, read) in [
            ("maxReplicas", "8", "8"),
            ("spec.metrics[0].pods.target.averageValue", "12", "12"),
            ("metrics[0].pods.target.averageValue", "2500m", "2500m"),
            ("metrics[0].pods.metric.name", "requests_in_flight", "requests_in_flight"),
            ("behavior.scaleUp.stabilizationWindowSeconds", "30", "30"),
            ("behavior.scaleDown.selectPolicy", "Min", "Min"),
            ("hpa.tolerance", "0.05", "0.05"),
        ] {
            let set = set_field(&spec(), field, value).unwrap();
            assert_eq!(read_field(&set, field).unwrap().as_deref(), Some(read), "{field}");
            assert_ne!(set, spec());
        }
        assert_eq!(read_field(&spec(), "behavior.scaleUp.tolerance"), Ok(None));
        assert_eq!(read_field(&spec(), "metrics[3].type"), Ok(None));
    }

    #[test]
    fn what_can_not_be_set_says_why() {
        let errors: Vec<String> = [
            ("maxReplica", "8"),
            ("spec.metrics[0].pods.target.averageValu", "8"),
            ("behaviour.scaleUp.stabilizationWindowSeconds", "8"),
            ("metrics[1].type", "Pods"),
            ("metrics[x].type", "Pods"),
            ("metrics..type", "Pods"),
            ("behavior[0]", "1"),
            ("maxReplicas.most", "8"),
            ("maxReplicas", "many"),
            ("maxReplicas", "1.5"),
            ("metrics[0].pods.target.averageValue", "4 apples"),
            ("metrics", "4"),
        ]
        .into_iter()
        .map(|(field, value)| set_field(&spec(), field, value).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(errors.join("\n"), @r#"
        `maxReplica` can't be set: unknown field `maxReplica` (did you mean `maxReplicas`?)
        `spec.metrics[0].pods.target.averageValu` can't be set: unknown field `averageValu` (did you mean `averageValue`?)
        `behaviour.scaleUp.stabilizationWindowSeconds` can't be set: unknown field `behaviour` (did you mean `behavior`?)
        `metrics[1].type` can't be set: `metrics` has one item, [0]
        `metrics[x].type` can't be set: it is no path: write it as `metrics[0].pods.target.averageValue`
        `metrics..type` can't be set: it is no path: write it as `metrics[0].pods.target.averageValue`
        `behavior[0]` can't be set: `behavior` is no list here
        `maxReplicas.most` can't be set: `maxReplicas` has no fields
        `maxReplicas` can't be set: expected a whole number, found the string `"many"`
        `maxReplicas` can't be set: expected a whole number, found the number `1.5`
        `metrics[0].pods.target.averageValue` can't be set: `4 apples` is not a quantity: write a number and a suffix without spaces, such as `500m` or `2Gi`
        `metrics` can't be set: expected a list, found the number `4`
        "#);
        assert!(read_field(&spec(), "metrics").is_err());
    }

    proptest! {
        #[test]
        fn any_count_and_any_text_come_back(count: i32, name in "[a-z0-9:._/-]{1,30}") {
            let set = set_field(&spec(), "maxReplicas", &count.to_string()).unwrap();
            prop_assert_eq!(set.max_replicas, count);
            let set = set_field(&set, "metrics[0].pods.metric.name", &name).unwrap();
            let read = read_field(&set, "metrics[0].pods.metric.name").unwrap();
            prop_assert_eq!(read, Some(name));
        }

        #[test]
        fn no_path_panics(field in "[a-zA-Z.\\[\\]0-9]{0,24}", value in ".{0,12}") {
            let _any = set_field(&spec(), &field, &value);
            let _any = read_field(&spec(), &field);
        }
    }
}
