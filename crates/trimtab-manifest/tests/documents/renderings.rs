//! How each kind of mistake is shown.

use trimtab_manifest::{Colour, Limits, ManifestError, Source, from_str, read_policies};

/// A HorizontalPodAutoscaler with this spec.
fn hpa(spec: &str) -> String {
    let head =
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: llm\n";
    let target = "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}\n";
    format!("{head}spec:\n{target}{spec}")
}

fn refused(text: &str) -> ManifestError {
    read_policies(&Source::new("policy.yaml", text)).unwrap_err()
}

macro_rules! shows {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), refused($text.as_ref()));
        }
    )*};
}

shows! {
    empty_file: "# nothing\n";
    not_a_mapping: "- a\n- b\n";
    no_kind: "apiVersion: autoscaling/v2\nspec: {}\n";
    kind_is_a_list: "apiVersion: autoscaling/v2\nkind: [a]\n";
    other_kind: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\n";
    mistyped_kind: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscalar\n";
    list_of_hpas: "apiVersion: v1\nkind: List\nitems: []\n";
    old_version: hpa("  maxReplicas: 3\n").replace("/v2", "/v2beta2");
    version_one: hpa("  maxReplicas: 3\n").replace("/v2", "/v1");
    unknown_own_version: "apiVersion: trimtab.dev/v1\nkind: ScalingPolicy\n";
    no_spec: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: llm}\n";
    bad_metadata: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: LLM_1\n  namespace: a.b\n  labels: {tier: 1}\nspec: {maxReplicas: 1}\n";
    bad_names: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: LLM_1\n  namespace: a.b\nspec: {maxReplicas: 1}\n";
    unknown_top_field: hpa("  maxReplicas: 3\n").replace("metadata", "metdata");
    unknown_field: hpa("  maxReplica: 3\n  behaviour: {}\n");
    far_field: hpa("  maxReplicas: 3\n  replicas: 4\n");
    own_field_in_an_hpa: hpa("  maxReplicas: 3\n  hpa: {syncPeriodSeconds: 5}\n");
    wrong_types: hpa("  minReplicas: \"2\"\n  maxReplicas: 3.5\n  metrics:\n  - type: 7\n    pods: yes\n  behavior: [1]\n");
    number_too_large: hpa("  maxReplicas: 3000000000\n");
    number_as_other_tools_write_it: hpa("  minReplicas: 0x1\n  maxReplicas: 010\n");
    not_a_boolean: hpa("  maxReplicas: 3\n").replace("autoscaling/v2", "trimtab.dev/v1alpha1")
        .replace("HorizontalPodAutoscaler", "ScalingPolicy") + "  hpa: {featureGates: {HPAScaleToZero: on}}\n";
    unknown_strategy: hpa("  maxReplicas: 3\n  strategy: hpaa\n").replace("autoscaling/v2", "trimtab.dev/v1alpha1")
        .replace("HorizontalPodAutoscaler", "ScalingPolicy");
    not_a_quantity: hpa("  maxReplicas: 3\n  metrics:\n  - type: Pods\n    pods:\n      metric: {name: m}\n      target: {type: AverageValue, averageValue: 4 requests}\n");
    missing_inside: hpa("  maxReplicas: 3\n  metrics:\n  - type: Pods\n    pods:\n      metric:\n        name: m\n        selector: {matchExpressions: [{key: a}]}\n      target: {type: AverageValue, averageValue: 4}\n");
    duplicate_key: hpa("  maxReplicas: 3\n  minReplicas: 1\n  maxReplicas: 4\n");
    rules: hpa("  minReplicas: 0\n  metrics:\n  - type: Pods\n    pods:\n      metric: {name: a/b}\n      target:\n        type: AverageValue\n  - type: Resource\n    resource:\n      name: cpu\n      target: {type: Utilization, averageUtilization: 0}\n    pods:\n      metric: {name: m}\n  behavior:\n    scaleDown:\n      policies: []\n      selectPolicy: min\n");
    flattened: "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\nname: llm\nspec:\nscaleTargetRef:\nname: llm\nmaxReplicas: 3\n";
    tab: hpa("  maxReplicas: 3\n\tminReplicas: 1\n");
    unclosed: "{\"apiVersion\": \"autoscaling/v2\",\n \"kind\": \"Horizontal";
    colon_in_text: hpa("  maxReplicas: 3: 4\n");
    unknown_alias: hpa("  maxReplicas: *three\n");
    custom_tag: hpa("  maxReplicas: !vault 3\n");
    complex_key: "? [a]\n: b\n";
    crlf: hpa("  maxReplica: 3\n").replace('\n', "\r\n");
    wide_characters: hpa("  maxReplicas: 3 # 最大\n  最大: 日本 # 🚀\n");
    escape_codes: "apiVersion: v1\nkind: \"\\e[31mred\\u202e\"\n";
    json: "{\"apiVersion\": \"autoscaling/v2\", \"kind\": \"HorizontalPodAutoscaler\", \"metadata\": {\"name\": \"llm\"}, \"spec\": {\"maxReplicas\": 0}}";
    null_field: hpa("  maxReplicas:\n");
    two_documents: hpa("  maxReplicas: 0\n") + "---\n" + &hpa("  maxReplicas: 1\n  minReplicas: 2\n");
    syntax_after_a_good_document: hpa("  maxReplicas: 1\n") + "---\n[\n";
}

#[test]
fn too_large() {
    let source = Source::new("big.yaml", " ".repeat((1 << 20) + 1));
    insta::assert_snapshot!(read_policies(&source).unwrap_err());
}

#[test]
fn not_utf8() {
    let error = Source::from_bytes("policy.yaml", b"a: 1\nb: \xff\xfe\n").unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn several_documents_where_one_is_asked_for() {
    let source = Source::new("now.yaml", "a: 1\n---\nb: 2\n");
    let error = from_str::<serde_json::Value>(&source, &Limits::default()).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn twenty_problems_are_shown() {
    let rows: String = (0..30).map(|n| format!("  field{n}: 1\n")).collect();
    let text = refused(&hpa(&rows)).to_string();
    assert_eq!(text.matches("error: ").count(), 20);
    assert!(text.ends_with("and 10 more problems in policy.yaml"), "{text}");
}

#[test]
fn colours_are_on_request() {
    let error = refused("kind: x\n");
    assert!(!error.to_string().contains('\u{1b}'));
    assert!(error.render(Colour::Always).contains("\u{1b}["));
}
