//! No test file makes reading or running it panic or hang: its decisions, replicas and all that they cost are
//! bounded. What is blessed reads back, and what is said of it can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_manifest::{Colour, Limits, Source};
use trimtab_test::{NoHost, Notation, TestLimits, bless, read_within, run_with};

/// The policy of tests that name a file.
const POLICY: &str = include_str!("../../examples/llm-inference/hpa.yaml");

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("fuzz_test.yaml", bytes) else { return };
    if let Ok(notation) = Notation::parse(source.text()) {
        let again = Notation::parse(&notation.to_string()).expect("what is written reads back");
        assert_eq!(again.to_string(), notation.to_string());
    }
    let limits = TestLimits {
        text: Limits::default().with_max_bytes(1 << 16).with_max_nodes(2_000),
        max_steps: 500,
        max_replicas: 200,
        max_work: 20_000,
        ..TestLimits::default()
    };
    let mut files = |path: &str| match path {
        "policy.yaml" | "manifest.yaml" => Ok(Source::new(path, POLICY)),
        _ => Err(String::from("no such file")),
    };
    match read_within(&source, &mut files, &limits) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(file) => {
            let result = run_with(&file, &mut NoHost, &limits);
            let again = run_with(&file, &mut NoHost, &limits);
            assert_eq!(result.passed(), again.passed());
            for failure in result.tests.iter().flat_map(|test| &test.failures) {
                let text = failure.render(&source, Colour::Never);
                assert!(!text.chars().any(|char| char.is_control() && char != '\n'), "{text:?}");
            }
            if let Ok((text, changed)) = bless(&file, &result) {
                let blessed = Source::new("fuzz_test.yaml", &text);
                let read = read_within(&blessed, &mut files, &limits);
                assert!(
                    changed == 0 || text.len() > limits.text.max_bytes || read.is_ok(),
                    "{text}"
                );
            }
        }
    }
});
