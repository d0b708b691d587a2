//! What fields say to each other: rules in CEL, each with a message that says what would be right.
//!
//! A rule never refuses what `Policy::new` takes. What it can't say, the controller says in the condition `Accepted`.

mod host;
mod metrics;
mod slo;
mod stages;
mod strategies;
mod whole;

use serde_json::{Map, Value, json};

use super::bounds::find;

/// One rule, at one place.
pub(super) struct Rule {
    /// Where it stands, and what `self` is in it: a path from `spec`, which the empty path is.
    at: String,
    /// What has to be true.
    rule: String,
    /// What would be right.
    message: String,
    /// Which field it is about, from where it stands: `.maxReplicas`.
    field: &'static str,
    /// Which kind of mistake it is.
    reason: &'static str,
}

/// The kinds of mistakes, as `trimtab_engine::FieldErrorKind` has them.
const INVALID: &str = "FieldValueInvalid";
const REQUIRED: &str = "FieldValueRequired";
const FORBIDDEN: &str = "FieldValueForbidden";

impl Rule {
    fn new(at: impl Into<String>, rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            rule: rule.into(),
            message: message.into(),
            field: "",
            reason: INVALID,
        }
    }

    /// The same about a field below the place where it stands.
    fn about(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    fn required(self) -> Self {
        Self { reason: REQUIRED, ..self }
    }

    fn forbidden(self) -> Self {
        Self { reason: FORBIDDEN, ..self }
    }
}

/// Adds all rules to the schema of `spec`. What names a place that is not there is returned.
pub(super) fn add(spec: &mut Value) -> Vec<String> {
    let mut missing = Vec::new();
    for rule in all() {
        let mut written = Map::new();
        for (name, text) in [
            ("fieldPath", rule.field),
            ("message", &rule.message),
            ("reason", rule.reason),
            ("rule", &rule.rule),
        ] {
            if !text.is_empty() {
                written.insert(name.into(), text.into());
            }
        }
        match find(spec, &rule.at) {
            Some(place) => {
                let rules = place.entry("x-kubernetes-validations").or_insert(json!([]));
                if let Some(rules) = rules.as_array_mut() {
                    rules.push(written.into());
                }
            }
            None => missing.push(rule.at),
        }
    }
    missing
}

fn all() -> Vec<Rule> {
    let parts = [
        whole::rules(),
        metrics::rules(),
        stages::rules(),
        strategies::rules(),
        slo::rules(),
        host::rules(),
    ];
    parts.into_iter().flatten().collect()
}

/// That a field is there, with all that it stands in: `self.a.b` is `has(self.a) && has(self.a.b)`.
fn has(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let chains = (2..=parts.len()).map(|end| {
        let chain = parts.get(..end).unwrap_or_default().join(".");
        format!("has({chain})")
    });
    chains.collect::<Vec<_>>().join(" && ")
}

/// A field, or what stands for it where it is not there.
fn or(path: &str, default: &str) -> String {
    format!("({} ? {path} : {default})", has(path))
}

/// That no two items of a list say the same in a field.
fn differ(field: &str) -> String {
    format!("self.all(one, self.exists_one(other, other.{field} == one.{field}))")
}

/// Whether a flag is set, which it is not where it is not there.
fn flag(path: &str) -> String {
    format!("({} && {path})", has(path))
}

/// A number or a text as a quantity.
fn quantity(value: &str) -> String {
    format!("quantity(string({value}))")
}

/// The name of a metric, by which everything else speaks of it.
fn name_of(metric: &str) -> String {
    format!(
        "(has({metric}.pods) ? {metric}.pods.metric.name : has({metric}.external) ? \
         {metric}.external.metric.name : has({metric}.object) ? {metric}.object.metric.name : \
         has({metric}.resource) ? {metric}.resource.name : has({metric}.containerResource) ? \
         {metric}.containerResource.name : '')"
    )
}

/// That exactly one metric of the policy has a name, where it has metrics at all.
fn is_a_metric(name: &str) -> String {
    format!(
        "(!has(self.metrics) || self.metrics.size() == 0 || self.metrics.exists_one(m, {} == {name}))",
        name_of("m")
    )
}
