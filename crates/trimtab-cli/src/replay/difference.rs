//! Where two JSON values first differ.

use std::fmt;

use serde_json::Value;

/// A place, and what stands there on either side.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    path: String,
    recorded: Option<Value>,
    replayed: Option<Value>,
}

/// The first difference, in the order of the recorded value. Of equal values it is the whole.
pub(super) fn difference(recorded: &Value, replayed: &Value) -> Difference {
    descend(String::new(), Some(recorded), Some(replayed)).unwrap_or_else(|| Difference {
        path: String::new(),
        recorded: Some(recorded.clone()),
        replayed: Some(replayed.clone()),
    })
}

fn descend(path: String, recorded: Option<&Value>, replayed: Option<&Value>) -> Option<Difference> {
    match (recorded, replayed) {
        (recorded, replayed) if recorded == replayed => None,
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            left.keys().chain(added).find_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(path, left.get(key), right.get(key))
            })
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => (0..left.len().max(right.len()))
            .find_map(|index| {
                descend(format!("{path}[{index}]"), left.get(index), right.get(index))
            }),
        (recorded, replayed) => {
            Some(Difference { path, recorded: recorded.cloned(), replayed: replayed.cloned() })
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => String::from("nothing"),
        };
        writeln!(f, "  field     {}", self.path)?;
        writeln!(f, "  recorded  {}", show(&self.recorded))?;
        writeln!(f, "  replayed  {}", show(&self.replayed))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_has_its_path() {
        let recorded = json!({"a": {"b": [1, {"c": 2}]}, "d": 4});
        for (replayed, text) in [
            (json!({"a": {"b": [1, {"c": 3}]}, "d": 5}), "a.b[1].c 2 3"),
            (json!({"a": {"b": [1]}, "d": 4}), "a.b[1] {\"c\":2} nothing"),
            (json!({"a": {"b": [1, {"c": 2}]}, "d": 4, "e": null}), "e nothing null"),
            (json!({"a": {"b": [1, {"c": 2}]}}), "d 4 nothing"),
        ] {
            let found = difference(&recorded, &replayed).to_string();
            let words: Vec<&str> =
                found.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
            assert_eq!(words.join(" "), text);
        }
    }
}
