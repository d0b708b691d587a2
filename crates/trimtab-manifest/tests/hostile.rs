//! Texts that are meant to hurt, or that nobody meant to write.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the lint spares tests and not what they call"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use trimtab_manifest::{
    Limits, ManifestError, ProblemKind, Source, from_str, read_policies, read_policies_within,
};

fn first(text: &str) -> ProblemKind {
    let started = Instant::now();
    let error = read_policies(&Source::new("x", text)).unwrap_err();
    let rendered = error.to_string();
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
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
    let started = Instant::now();
    assert_eq!(first(&text), ProblemKind::TooManyNodes);
    assert!(started.elapsed() < Duration::from_millis(200), "took {:?}", started.elapsed());
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
    let started = Instant::now();
    let error = read_policies(&source).unwrap_err();
    assert_eq!(error.problems()[0].kind(), ProblemKind::TooLarge);
    assert!(error.to_string().contains("100000000 bytes"));
    assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
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
            read_policies(&source).map(drop)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = shown {
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
            ]),
            0..40,
        )
    ) {
        survives(parts.concat().as_bytes());
    }
}
