//! Both ways: what the engine takes is never refused by the API server, and what the engine refuses is refused by
//! the API server, unless no schema can say so.
//!
//! Policies are the seeds with some fields changed: taken away, put in, set to a value near a bound, or to that of
//! another seed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Deserialize;
use serde_json::{Value, json};
use trimtab_engine::FieldError;
use trimtab_kube::crd::{ScalingPolicySpec, crd};

use crate::seeds;
use crate::server::Judge;

/// Policies that are tried.
const TRIED: usize = 1500;

/// What is done to a policy.
#[derive(Clone, Debug)]
enum Change {
    /// The field is taken away.
    Remove,
    /// It has another value.
    Set(Value),
}

/// The schema of `spec`.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let definition = serde_json::to_value(crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"].clone()
});

/// What the seeds have at each place, whatever its index in a list.
static SEEN: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (_, spec) in seeds::all() {
        let mut found = Vec::new();
        places(&SCHEMA, &spec, "", &mut found);
        for (at, _) in found {
            seen.entry(general(&at)).or_default().extend(spec.pointer(&at).cloned());
        }
    }
    seen
});

fn general(path: &str) -> String {
    let parts = path.split('/').filter(|part| part.parse::<usize>().is_err());
    parts.collect::<Vec<_>>().join("/")
}

/// Every place that a policy has or could have: JSON pointers with the schema of what is there.
fn places(schema: &Value, value: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            let at = format!("{at}/{name}");
            found.push((at.clone(), inner.clone()));
            if let Some(value) = value.get(name) {
                places(inner, value, &at, found);
            }
        }
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            let at = format!("{at}/{index}");
            found.push((at.clone(), schema["items"].clone()));
            places(&schema["items"], item, &at, found);
        }
    }
}

/// Values that a field might have: some right, some wrong.
fn values(schema: &Value, seen: &[Value]) -> BoxedStrategy<Value> {
    let mut some: Vec<Value> = seen.to_vec();
    if let Some(words) = schema["enum"].as_array() {
        some.extend(words.iter().cloned());
        some.push(json!("other"));
    } else if schema["x-kubernetes-int-or-string"] == true {
        some.extend([
            json!(0),
            json!(1),
            json!("1"),
            json!("2"),
            json!("500m"),
            json!("-1"),
            json!("9m"),
        ]);
    } else {
        let bound = |name: &str| schema[name].as_f64();
        match schema["type"].as_str() {
            Some("integer") => {
                let near = [bound("minimum"), bound("maximum")].into_iter().flatten();
                let near = near.flat_map(|bound| [bound - 1.0, bound, bound + 1.0]);
                some.extend(near.map(|bound| json!(bound as i64)));
                some.extend([0, 1, 2, 5, 30, 100].map(|whole| json!(whole)));
            }
            Some("number") => {
                let near = [bound("minimum"), bound("maximum")].into_iter().flatten();
                some.extend(
                    near.flat_map(|bound| [json!(bound), json!(bound - 0.5), json!(bound + 0.5)]),
                );
                some.extend([json!(0.5), json!(1.0), json!(2)]);
            }
            Some("boolean") => some.extend([json!(true), json!(false)]),
            Some("string") => {
                let words = [
                    "",
                    "a",
                    "b",
                    "m",
                    "in_flight",
                    "rate",
                    "queue",
                    "kv",
                    "cpu",
                    "a/b",
                    "..",
                    "1",
                ];
                some.extend(words.map(|word| json!(word)));
            }
            Some("array") => some.push(json!([])),
            _ => some.push(json!({})),
        }
    }
    prop::sample::select(some).boxed()
}

fn changed() -> impl Strategy<Value = Value> {
    let seeds: Vec<Value> = seeds::all().into_iter().map(|(_, spec)| spec).collect();
    let one = prop::sample::select(seeds).prop_flat_map(move |spec| {
        let mut found = Vec::new();
        places(&SCHEMA, &spec, "", &mut found);
        let change = prop::sample::select(found).prop_flat_map(|(at, schema)| {
            let set = values(&schema, SEEN.get(&general(&at)).map_or(&[], Vec::as_slice))
                .prop_map(Change::Set);
            let change = prop_oneof![1 => Just(Change::Remove), 3 => set];
            change.prop_map(move |change| (at.clone(), change))
        });
        (Just(spec), prop::collection::vec(change, 1..4))
    });
    one.prop_map(|(spec, changes)| {
        changes.into_iter().fold(spec, |spec, (at, change)| apply(spec, &at, change))
    })
}

fn apply(mut spec: Value, at: &str, change: Change) -> Value {
    let Some((parent, key)) = at.rsplit_once('/') else { return spec };
    match spec.pointer_mut(parent) {
        Some(Value::Object(fields)) => match change {
            Change::Remove => drop(fields.shift_remove(key)),
            Change::Set(value) => drop(fields.insert(key.to_owned(), value)),
        },
        Some(Value::Array(items)) => match (key.parse::<usize>(), change) {
            (Ok(index), Change::Remove) if index < items.len() => drop(items.remove(index)),
            (Ok(index), Change::Set(value)) if index < items.len() => items[index] = value,
            _ => {}
        },
        _ => {}
    }
    spec
}

/// What no schema and no rule says: what takes an evaluator of its own, or counts.
fn is_beyond_a_schema(error: &FieldError) -> bool {
    let (field, detail) = (error.field(), error.detail());
    let is_schedule = field.starts_with("spec.schedules[");
    let is_compiled = ["start", "end", "timeZone"].iter().any(|name| field.ends_with(name));
    (is_schedule && is_compiled && detail.starts_with("is `"))
        || field == "spec.keda.scalingModifiers.formula"
        || (field == "spec.keda.triggers" && detail.starts_with("has two triggers"))
        || field.starts_with("spec.slo.serviceModel.objectives") && detail.contains("an idle replica")
        || (field == "spec.slo.signals" && detail.contains("something to remember"))
        || field == "spec.anticipate.forecast.seasonSeconds"
        // The metrics that a policy has by default.
        || field == "spec.anticipate.forecast.metric"
        || (field.starts_with("spec.wva.") && detail.contains("which `metrics` does not have"))
        || (field.ends_with(".queries") && detail.contains("`matchers` is"))
}

/// What the engine says: nothing, or what is wrong; `None` for what can't even be read.
fn judged(spec: &Value) -> Option<Vec<FieldError>> {
    let read = ScalingPolicySpec::deserialize(spec).ok()?;
    Some(read.compile().err().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_and_the_api_server_agree() {
    for judge in Judge::both().await {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let strategy = changed();
        let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
        for _ in 0..TRIED {
            let spec = strategy.new_tree(&mut runner).unwrap().current();
            let causes = judge.causes(&spec).await;
            match judged(&spec) {
                Some(errors) if errors.is_empty() => {
                    taken += 1;
                    if !causes.is_empty() {
                        wrong.push(format!("only the API server refuses {spec}\n  {causes:?}"));
                    }
                }
                Some(errors) if errors.iter().all(is_beyond_a_schema) => {}
                judged => {
                    refused += 1;
                    if causes.is_empty() {
                        wrong.push(format!("only the engine refuses {spec}\n  {judged:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {TRIED}\n{}", wrong.len(), wrong.join("\n"));
        assert!(taken > TRIED / 10 && refused > TRIED / 10, "{taken} taken, {refused} refused");
    }
}
