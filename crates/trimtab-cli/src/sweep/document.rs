//! A policy as a document that reads back as the same policy.

use serde_json::{Map, Value};
use trimtab_engine::Policy;
use trimtab_manifest::{PolicyDocument, PolicyKind};

use crate::error::CommandError;

/// The policy as YAML under the name of the document that it was made from, with a comment before it.
///
/// What only trimtab's own form can say makes it a ScalingPolicy.
pub(super) fn text(
    origin: &PolicyDocument,
    policy: &Policy,
    comment: &[String],
) -> Result<String, CommandError> {
    let mut spec = serde_json::to_value(policy.spec())?;
    let is_hpa = origin.kind == PolicyKind::HorizontalPodAutoscaler && spec.get("hpa").is_none();
    if is_hpa && let Some(fields) = spec.as_object_mut() {
        fields.remove("strategy");
    }
    let (api_version, kind) = if is_hpa {
        ("autoscaling/v2", "HorizontalPodAutoscaler")
    } else {
        ("trimtab.dev/v1alpha1", "ScalingPolicy")
    };
    let mut text: String = comment.iter().map(|line| format!("# {line}\n")).collect();
    for (field, value) in [
        ("apiVersion", Value::from(api_version)),
        ("kind", Value::from(kind)),
        ("metadata", serde_json::to_value(&origin.metadata)?),
        ("spec", spec),
    ] {
        write_entry(field, &value, 0, &mut text);
    }
    Ok(text)
}

/// `key: value`, indented by so many columns; what does not fit a line follows below.
fn write_entry(key: &str, value: &Value, indent: usize, text: &mut String) {
    text.push_str(&format!("{:indent$}{}:", "", scalar_text(key)));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            write_fields(fields, indent + 2, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            items.iter().for_each(|item| write_item(item, indent, text));
        }
        other => text.push_str(&format!(" {}\n", scalar(other))),
    }
}

fn write_fields(fields: &Map<String, Value>, indent: usize, text: &mut String) {
    fields.iter().for_each(|(key, value)| write_entry(key, value, indent, text));
}

/// `- value`, where the first field of a mapping stands behind the dash.
fn write_item(item: &Value, indent: usize, text: &mut String) {
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            let start = text.len();
            write_fields(fields, indent + 2, text);
            let dash = format!("{:indent$}- ", "");
            text.replace_range(start..start + dash.len(), &dash);
        }
        other => text.push_str(&format!("{:indent$}- {}\n", "", scalar(other))),
    }
}

/// What fits a line.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        other => other.to_string(),
    }
}

/// A plain word where it can be taken for nothing else, else in quotes, as JSON has them.
fn scalar_text(text: &str) -> String {
    const WORDS_WITH_A_MEANING: [&str; 9] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let meaning = WORDS_WITH_A_MEANING.contains(&text.to_ascii_lowercase().as_str());
    if starts && !meaning && text.chars().all(plain) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trimtab_manifest::{Source, read_policies};
    use trimtab_sim::sweep::set_field;

    use super::*;

    fn read(text: &str) -> PolicyDocument {
        read_policies(&Source::new("policy.yaml", text)).unwrap().policies.remove(0)
    }

    fn examples() -> [PolicyDocument; 2] {
        ["hpa.yaml", "policy.yaml"].map(|name| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/llm-inference/");
            read(&std::fs::read_to_string(format!("{folder}{name}")).unwrap())
        })
    }

    #[test]
    fn what_is_written_reads_back() {
        for origin in examples() {
            let text = text(&origin, &origin.policy, &[String::from("best")]).unwrap();
            assert!(text.starts_with("# best\napiVersion: "));
            let again = read(&text);
            assert_eq!(again.policy, origin.policy);
            assert_eq!((again.kind, again.metadata), (origin.kind, origin.metadata));
        }
    }

    #[test]
    fn what_an_hpa_can_not_say_makes_it_a_scaling_policy() {
        let [origin, _] = examples();
        let spec = set_field(origin.policy.spec(), "hpa.tolerance", "0.05").unwrap();
        let policy = Policy::new(spec).unwrap();
        let again = read(&text(&origin, &policy, &[]).unwrap());
        assert_eq!(again.kind, PolicyKind::ScalingPolicy);
        assert_eq!(again.policy, policy);
    }

    proptest! {
        #[test]
        fn any_name_of_a_metric_reads_back(name in "[ -~äλ]{1,20}") {
            let [origin, _] = examples();
            let spec = set_field(origin.policy.spec(), "metrics[0].pods.metric.name", &name);
            let policy = Policy::from_stored(spec.unwrap());
            let text = text(&origin, &policy, &[]).unwrap();
            let read = read_policies(&Source::new("policy.yaml", text));
            if let Ok(read) = read {
                prop_assert_eq!(&read.policies[0].policy, &policy);
            } else {
                prop_assert!(Policy::new(policy.spec().clone()).is_err());
            }
        }
    }
}
