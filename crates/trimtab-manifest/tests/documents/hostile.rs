//! Texts that are meant to hurt, or that nobody meant to write.

use proptest::prelude::*;
use trimtab_manifest::{
    Colour, Limits, ManifestError, ProblemKind, Source, from_str, import, read_policies,
    read_policies_within,
};

use crate::work::Work;

fn first(text: &str) -> ProblemKind {
    let work = Work::begin();
    let error = read_policies(&Source::new("x", text)).unwrap_err();
    let rendered = error.to_string();
    work.takes_less_than(5.0);
    assert!(rendered.len() < 200_000, "{} bytes shown", rendered.len());
    error.problems()[0].kind()
}

fn value(text: &str) -> Result<serde_json::Value, ManifestError> {
    from_str(&Source::new("x", text), &Limits::default())
}

#[test]
fn a_billion_laughs() {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let work = Work::begin();
    assert_eq!(first(&text), ProblemKind::TooManyNodes);
    work.takes_less_than(0.2);
}

#[test]
fn depth() {
    for open in ["[", "{a: ", "{\"a\":", "- "] {
        assert_eq!(first(&open.repeat(10_000)), ProblemKind::TooDeep, "{open}");
    }
    let block: String = (0..200).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(first(&block), ProblemKind::TooDeep);
    // Aliases that stack what is shallow by itself.
    let mut stacked = String::from("a0: &a0 [1]\n");
    for level in 1..100 {
        stacked.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert_eq!(first(&stacked), ProblemKind::TooDeep);
}

#[test]
fn the_deepest_that_can_be_allowed_is_read() {
    let limits = Limits::default().with_max_depth(usize::MAX).with_max_bytes(usize::MAX);
    let depth = Limits::DEPTH_CEILING;
    let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let read = |text: &str| from_str::<serde_json::Value>(&Source::new("x", text), &limits);
    assert!(read(&text).is_ok());
    assert!(read(&format!("[{text}]")).is_err());
}

#[test]
fn size_is_refused_before_anything_is_parsed() {
    let text = "[".repeat(100_000_000);
    let source = Source::new("x", text);
    let work = Work::begin();
    let error = read_policies(&source).unwrap_err();
    assert_eq!(error.problems()[0].kind(), ProblemKind::TooLarge);
    assert!(error.to_string().contains("100000000 bytes"));
    work.takes_less_than(1.0);
}

#[test]
fn many_values() {
    assert_eq!(first(&format!("[{}]", "1,".repeat(10_001))), ProblemKind::TooManyNodes);
    assert_eq!(first(&"---\n".repeat(20_000)), ProblemKind::TooManyNodes);
    assert_eq!(first(&"- ".repeat(300_000)), ProblemKind::TooDeep);
}

#[test]
fn a_megabyte_in_one_piece() {
    let long = "x".repeat(1_000_000);
    for text in [
        long.clone(),
        format!("a: {long}"),
        format!("{{\"{long}\": 1}}"),
        format!("apiVersion: v1\nkind: {long}\n"),
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {long}}}\nspec: {{}}\n"
        ),
        format!("\"{long}"),
        format!("a: |\n  {long}\n b"),
        "\n".repeat(1_000_000),
        " ".repeat(1_000_000),
        "a: &a b\n".repeat(5_000),
        "%".repeat(1_000_000),
        "# ".repeat(500_000),
        "? ".repeat(500_000),
        "!".repeat(1_000_000),
        "*a ".repeat(300_000),
        "a: ".repeat(300_000),
        "'".repeat(1_000_000),
        ", ".repeat(500_000),
        format!("{{{}", "a,".repeat(4_000)),
    ] {
        first(&text);
    }
}

#[test]
fn many_problems_in_one_long_line() {
    let fields: String = (0..4_000).map(|n| format!("f{n}: 1, ")).collect();
    let text = format!(
        "{{{fields} apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: a}}, spec: {{}}}}"
    );
    assert_eq!(first(&text), ProblemKind::UnknownField);
    let metrics = "{},".repeat(9_900);
    let text = format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: a}}, \
         spec: {{maxReplicas: 1, metrics: [{metrics}]}}}}"
    );
    assert!(matches!(first(&text), ProblemKind::Rule(_)));
}

#[test]
fn odd_bytes() {
    for text in [
        "\0",
        "a: \0\n",
        "\u{feff}\u{feff}a: 1",
        "\u{1b}[2J",
        "\u{202e}: 1",
        "\r",
        "\u{85}",
        "a: \u{fffe}",
    ] {
        first(text);
    }
}

#[test]
fn a_byte_order_mark_and_windows_lines_change_nothing() {
    let plain = value("a: 1\nb: [x, 'y']\n").unwrap();
    assert_eq!(value("\u{feff}a: 1\r\nb: [x, 'y']\r\n").unwrap(), plain);
    let error = from_str::<u8>(&Source::new("x", "\u{feff}\r\n  x\r\n"), &Limits::default());
    let position = error.unwrap_err().problems()[0].position();
    assert_eq!((position.line, position.column), (2, 3));
}

#[test]
fn anchors_and_merge_keys() {
    let read =
        value("base: &base {a: 1, b: 2}\nuse: {<<: *base, b: 3}\nlist: {<<: [*base, {c: 4}]}\n");
    let read = read.unwrap();
    assert_eq!(read["use"], serde_json::json!({"a": 1, "b": 3}));
    assert_eq!(read["list"], serde_json::json!({"a": 1, "b": 2, "c": 4}));
    assert_eq!(value("{\"<<\": 1}").unwrap(), serde_json::json!({"<<": 1}));
    for bad in ["<<: 1", "a: &a [*a]", "a: &a {<<: *a}", "<<: [1]"] {
        let kind = value(bad).unwrap_err().problems()[0].kind();
        assert_eq!(kind, ProblemKind::Syntax, "{bad}");
    }
}

#[test]
fn json_escapes() {
    let text = r#"{"a": "\/\ud83d\ude00\u00e9\n\"\\\b\f\r\t", "b": [true, null, -1.5e3],
	"tab": 1}"#;
    let expected: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(value(text).unwrap(), expected);
    assert_eq!(value(r#"{"a":"b","c":{"d":[]}}"#).unwrap()["c"], serde_json::json!({"d": []}));
    assert!(value(r#""\ud83d""#).is_err());
    assert!(value(r#""\q""#).is_err());
}

#[test]
fn limits_are_the_callers() {
    let source = Source::new("x", "[1, 2, 3]");
    for limits in [
        Limits::default().with_max_nodes(3),
        Limits::default().with_max_depth(0),
        Limits::default().with_max_bytes(8),
    ] {
        assert!(read_policies_within(&source, &limits).is_err());
        assert!(from_str::<Vec<u8>>(&source, &limits).is_err());
    }
    let limits = Limits::default().with_max_nodes(4).with_max_depth(1).with_max_bytes(9);
    assert_eq!(from_str::<Vec<u8>>(&source, &limits).unwrap(), [1, 2, 3]);
}

/// Whatever comes: an answer, and one that can be shown.
fn survives(bytes: &[u8]) {
    let shown = match Source::from_bytes("x", bytes) {
        Ok(source) => {
            if let Err(error) = from_str::<serde_json::Value>(&source, &Limits::default()) {
                assert!(!error.problems().is_empty());
                assert!(!error.to_string().is_empty());
            }
            can_be_shown(import(&source).map(|imported| {
                let text = imported.to_yaml();
                let again = read_policies(&Source::new("x", text)).unwrap();
                assert_eq!(again.policies.len(), imported.policies.len());
                let notes = imported.render_notes(Colour::Never);
                assert!(!notes.chars().any(|c| c.is_control() && c != '\n'), "{notes:?}");
            }));
            read_policies(&source).map(drop)
        }
        Err(error) => Err(error),
    };
    can_be_shown(shown);
}

fn can_be_shown(result: Result<(), ManifestError>) {
    if let Err(error) = result {
        assert!(!error.problems().is_empty());
        let text = error.to_string();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        survives(text.as_bytes());
    }

    #[test]
    fn any_mix_of_what_yaml_is_made_of(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", ": ", ":", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "'", "\"", "\\", "#", "&x ",
                "*x", "!", "!!str ", "|\n", ">-\n", "? ", "<<: ", "---\n", "...\n", "%YAML 1.2\n", "é", "\u{feff}",
                "\r\n", "\0", "1", "1e999", "0x1", "~", "kind: HorizontalPodAutoscaler\n", "apiVersion: autoscaling/v2\n",
                "spec:\n", "metadata: {name: a}\n", "  metrics:\n", "  maxReplicas: 1\n",
                "kind: ScaledObject\n", "apiVersion: keda.sh/v1alpha1\n", "  triggers:\n", "  - type: redis\n",
                "kind: RayService\n", "apiVersion: ray.io/v1\n", "  serveConfigV2: |\n", "applications:\n",
                "kind: Service\n", "apiVersion: serving.knative.dev/v1\n", "  template: {}\n",
                "kind: InferenceService\n", "apiVersion: serving.kserve.io/v1beta1\n", "  predictor: {}\n",
            ]),
            0..40,
        )
    ) {
        survives(parts.concat().as_bytes());
    }
}

/// As `first`, for an import.
fn import_first(text: &str) -> Option<ProblemKind> {
    let work = Work::begin();
    let kind = match import(&Source::new("x", text)) {
        Ok(imported) => {
            let shown = imported.to_yaml().len() + imported.render_notes(Colour::Never).len();
            assert!(shown < 20_000_000, "{shown} bytes shown");
            None
        }
        Err(error) => {
            assert!(error.to_string().len() < 200_000);
            Some(error.problems()[0].kind())
        }
    };
    work.takes_less_than(10.0);
    kind
}

#[test]
fn manifests_that_repeat_a_thing_as_often_as_they_may() {
    let keda = |rest: &str| {
        format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: a}}\nspec:\n  \
             scaleTargetRef: {{name: a}}\n{rest}"
        )
    };
    let triggers = "{type: redis, metadata: {listName: a}},".repeat(1_900);
    import_first(&keda(&format!("  triggers: [{triggers}]\n")));
    let metadata: String = (0..9_000).map(|n| format!("f{n}: x, ")).collect();
    import_first(&keda(&format!("  triggers: [{{type: redis, metadata: {{{metadata}}}}}]\n")));
    let query = "sum(".repeat(100_000);
    import_first(&keda(&format!(
        "  triggers: [{{type: prometheus, metadata: {{threshold: \"1\", query: \"{query}\"}}}}]\n"
    )));
    let formula = "float(".repeat(100_000);
    import_first(&keda(&format!(
        "  advanced: {{scalingModifiers: {{formula: \"{formula}\", target: \"1\"}}}}\n  triggers: \
         [{{type: redis, metadata: {{listName: a}}}}]\n"
    )));
    let deployments = "{name: D, num_replicas: auto},".repeat(3_000);
    import_first(&format!(
        "applications: [{{name: a, import_path: b, deployments: [{deployments}]}}]\n"
    ));
}

#[test]
fn much_metadata_on_many_policies() {
    let long = "x".repeat(400_000);
    let deployments = "{name: D, num_replicas: auto},".repeat(1_000);
    let service = format!(
        "apiVersion: ray.io/v1\nkind: RayService\nmetadata: {{name: a, annotations: {{b: {long}}}}}\n\
         spec:\n  serveConfigV2: \"applications: [{{name: a, import_path: b, deployments: \
         [{deployments}]}}]\"\n"
    );
    assert_eq!(import_first(&service), Some(ProblemKind::TooLarge));
    let config =
        format!("applications: [{{name: {long}, import_path: b, deployments: [{deployments}]}}]");
    assert_eq!(import_first(&config), Some(ProblemKind::TooLarge));
}

#[test]
fn manifests_inside_manifests() {
    let service = |config: &str| {
        let config: String = config.lines().map(|line| format!("    {line}\n")).collect();
        format!(
            "apiVersion: ray.io/v1\nkind: RayService\nmetadata: {{name: a}}\nspec:\n  serveConfigV2: \
             |\n{config}"
        )
    };
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(import_first(&service(&laughs)), Some(ProblemKind::TooManyNodes));
    assert_eq!(import_first(&service(&"[".repeat(10_000))), Some(ProblemKind::TooDeep));
    // All inner documents together may hold no more than one.
    let inner = format!("applications: []\nx: [{}]\n", "1,".repeat(4_000));
    let several = vec![service(&inner); 4].join("---\n");
    assert_eq!(import_first(&several), Some(ProblemKind::TooManyNodes));
}

#[test]
fn strings_that_are_no_metrics() {
    for annotation in ["", "[", "{}", "[{}]", "[[[[", "null", "\"", "a: b"] {
        let text = format!(
            "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: a\n  \
             annotations: {{autoscaling.alpha.kubernetes.io/metrics: '{annotation}'}}\nspec: \
             {{maxReplicas: 1, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: a}}}}\n"
        );
        import_first(&text);
    }
}
