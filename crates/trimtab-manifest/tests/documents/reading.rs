//! What is read, and that it is read as it was meant.

use proptest::prelude::*;
use serde::Deserialize;
use trimtab_engine::{
    BehaviorSpec, CrossVersionObjectReference, ExternalMetricSource, MetricIdentifier, MetricSpec,
    MetricTarget, PolicySpec, ScalingPolicyRule, ScalingRulesSpec,
};
use trimtab_manifest::{Limits, PolicyKind, Source, from_str, read_policies};
use trimtab_metric::Quantity;

const HPA: &str = "apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: llm
  namespace: inference
  labels: {app: llm}
  annotations: {note: \"1\"}
  creationTimestamp: null
  uid: 5f3c
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  minReplicas: null
  maxReplicas: 3
status:
  currentReplicas: 2
  conditions: []
";

#[test]
fn an_hpa_as_a_cluster_gives_it() {
    let read = read_policies(&Source::new("x", HPA)).unwrap();
    let [document] = read.policies.as_slice() else { panic!("{read:?}") };
    assert_eq!(document.kind, PolicyKind::HorizontalPodAutoscaler);
    assert_eq!(document.metadata.namespace.as_deref(), Some("inference"));
    assert_eq!(document.metadata.labels["app"], "llm");
    assert_eq!(document.metadata.annotations["note"], "1");
    assert_eq!((document.policy.bounds().min, document.policy.bounds().max), (1, 3));
}

#[test]
fn documents_of_other_kinds_are_passed_over() {
    let text = format!("---\napiVersion: apps/v1\nkind: Deployment\n---\n{HPA}---\n# nothing\n");
    let read = read_policies(&Source::new("x", text)).unwrap();
    assert_eq!(read.policies.len(), 1);
    assert_eq!(read.policies[0].position.line, 5);
    assert_eq!((read.skipped[0].kind.as_str(), read.skipped[0].position.line), ("Deployment", 2));
}

#[test]
fn the_example_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/llm-inference/hpa.yaml");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: there is no {path}");
        return;
    };
    let source = Source::from_bytes("hpa.yaml", &bytes).unwrap();
    let read = read_policies(&source).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.policies[0].policy.metrics().len(), 2);
}

/// Cron expressions are plain YAML scalars, but for those that begin with a `*`.
#[test]
fn the_example_with_schedules_is_valid() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/llm-inference/slo-scheduled.yaml");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: there is no {path}");
        return;
    };
    let source = Source::from_bytes("slo-scheduled.yaml", &bytes).unwrap();
    let read = read_policies(&source).unwrap_or_else(|error| panic!("{error}"));
    let [office, night] = read.policies[0].policy.schedules() else { panic!("{read:?}") };
    assert_eq!((office.name.as_str(), office.min, office.max), ("office hours", Some(8), None));
    assert_eq!((night.min, night.max), (None, Some(6)));

    let text = String::from_utf8(bytes).unwrap().replace("0 23 * * *", "0 24 * * *");
    let error = read_policies(&Source::new("x", text)).unwrap_err().to_string();
    assert!(error.contains("`24` is no hour: 0 to 23"), "{error}");
}

#[derive(Debug, Deserialize, PartialEq)]
struct Values {
    values: Vec<Quantity>,
}

#[test]
fn quantities_keep_every_digit_with_and_without_quotes() {
    for text in [
        "4",
        "0.75",
        "-1",
        "12345678901234567890",
        "123456789012345678901234567890",
        "1e3",
        "1E3",
        "2.5e-1",
        "0.1234567890123456789",
        "9223372036854775807",
        "1e30",
        "500m",
        "2Gi",
        "0",
        "0.10",
        "100000000000000000000.5",
        "+5",
    ] {
        let source = |value: &str| Source::new("x", format!("values: [{value}]\n"));
        let plain: Result<Values, _> = from_str(&source(text), &Limits::default());
        let quoted: Result<Values, _> =
            from_str(&source(&format!("\"{text}\"")), &Limits::default());
        let expected: Quantity = text.parse().unwrap();
        for read in [plain, quoted] {
            let read = read.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.values, std::slice::from_ref(&expected), "{text}");
        }
    }
}

#[test]
fn types_of_every_sort() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, String),
        Struct { a: Option<i64> },
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct All {
        shapes: Vec<Shape>,
        float: f64,
        big: u128,
        text: char,
        tuple: (bool, f32),
        none: Option<String>,
    }
    let text = "shapes: [unit, newtype: 1, {tuple: [1, x]}, struct: {a: null}]\n\
                float: 3\nbig: 12345678901234567890123\ntext: ä\ntuple: [true, .5]\nmore: [1]\n";
    let read: All = from_str(&Source::new("x", text), &Limits::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        read,
        All {
            shapes: vec![
                Shape::Unit,
                Shape::Newtype(1),
                Shape::Tuple(1, String::from("x")),
                Shape::Struct { a: None },
            ],
            float: 3.0,
            big: 12_345_678_901_234_567_890_123,
            text: 'ä',
            tuple: (true, 0.5),
            none: None,
        }
    );
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z][a-zA-Z0-9_:. \"'#&*!|>é-]{0,20}"
}

fn quantity() -> impl Strategy<Value = Option<Quantity>> {
    let text = (1u32..100_000, proptest::sample::select(vec!["", "m", "k", "Mi", "e3", "n"]));
    text.prop_map(|(number, suffix)| format!("{number}{suffix}").parse().ok())
}

prop_compose! {
    fn rules()(
        window in proptest::option::of(0..=3600),
        select in proptest::option::of(proptest::sample::select(vec!["Max", "Min", "Disabled"])),
        limits in proptest::collection::vec((1..1000, 1..=1800), 1..4),
        tolerance in quantity(),
    ) -> ScalingRulesSpec {
        let rule = |(value, period_seconds)| {
            ScalingPolicyRule { type_: String::from("Pods"), value, period_seconds }
        };
        ScalingRulesSpec {
            stabilization_window_seconds: window,
            select_policy: select.map(String::from),
            policies: Some(limits.into_iter().map(rule).collect()),
            tolerance,
        }
    }
}

prop_compose! {
    fn spec()(
        names in (name(), name(), name()),
        min in 1..10,
        more in 0..10,
        value in quantity(),
        up in proptest::option::of(rules()),
    ) -> PolicySpec {
        PolicySpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: String::from("apps/v1"),
                kind: names.0,
                name: names.1,
            },
            min_replicas: Some(min),
            max_replicas: min + more,
            metrics: Some(vec![MetricSpec {
                type_: String::from("External"),
                external: Some(ExternalMetricSource {
                    metric: MetricIdentifier { name: names.2, selector: None },
                    target: MetricTarget { type_: String::from("Value"), value, ..Default::default() },
                }),
                ..MetricSpec::default()
            }]),
            behavior: up.map(|up| BehaviorSpec { scale_up: Some(up), scale_down: None }),
            ..PolicySpec::default()
        }
    }
}

/// JSON laid out in lines, with plain scalars where YAML allows them.
fn as_yaml(value: &serde_json::Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        serde_json::Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .map(|(key, value)| format!("\n{pad}{key}: {}", as_yaml(value, indent + 2)))
            .collect(),
        serde_json::Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                format!(
                    "\n{pad}-{}",
                    as_yaml(item, indent + 2).replacen(&format!("\n{pad} "), "", 1)
                )
            })
            .collect(),
        other => other.to_string(),
    }
}

/// Any JSON whose numbers a float holds in all their digits.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<u64>().prop_map(serde_json::Value::from),
        (any::<i32>(), -30..30).prop_map(|(digits, power)| format!("{digits}e{power}")
            .parse::<f64>()
            .unwrap_or_default()
            .into()),
        any::<String>().prop_map(serde_json::Value::from),
        "[ -~\\n\\t]{0,20}".prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_valid_spec_reads_back_equal(spec in spec()) {
        let document = serde_json::json!({
            "apiVersion": "trimtab.dev/v1alpha1",
            "kind": "ScalingPolicy",
            "metadata": {"name": "a"},
            "spec": spec,
        });
        let compact = document.to_string();
        let pretty = serde_json::to_string_pretty(&document).unwrap();
        let yaml = as_yaml(&document, 0);
        for text in [compact, pretty, yaml] {
            let read = read_policies(&Source::new("x", &text));
            let read = read.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(read.policies[0].policy.spec(), &spec.clone().with_defaults());
        }
    }

    #[test]
    fn json_is_read_as_json(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let read = from_str::<serde_json::Value>(&Source::new("x", &text), &Limits::default());
            let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&read, &value);
        }
    }
}

#[test]
fn a_template_is_told_as_one() {
    let refused = |text: &str| read_policies(&Source::new("x", text)).unwrap_err().to_string();
    for text in [
        "metadata:\n  name: {{ .Release.Name }}\n",
        "{{- if .Values.autoscaling }}\nkind: HorizontalPodAutoscaler\n{{- end }}\n",
        "metadata:\n  {{- include \"labels\" . | nindent 4 }}\n",
    ] {
        let error = refused(text);
        assert!(error.contains("`{{` stands for what a template puts in"), "{text}{error}");
        assert!(error.contains("helm template"), "{text}{error}");
    }
    // Braces in a text are none.
    let error = refused("a: \"{{ x }}\"\nb: c: d\n");
    assert!(!error.contains("template"), "{error}");
}
