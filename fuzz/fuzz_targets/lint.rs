//! No manifest makes linting panic or hang; what is found has a place in the text, and can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trimtab_manifest::{Colour, Source, lint};

fuzz_target!(|bytes: &[u8]| {
    // Two files: rules look from one to the other.
    let middle = bytes.len() / 2;
    let (first, second) =
        bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(middle));
    let sources = [("a.yaml", first), ("b.yaml", second)];
    let sources: Vec<Source> = sources
        .into_iter()
        .filter_map(|(name, bytes)| {
            Source::from_bytes(name, bytes.strip_prefix(b"\0").unwrap_or(bytes)).ok()
        })
        .collect();
    let report = lint(&sources);
    for finding in report.findings() {
        let (text, span) = (finding.source().text(), finding.span());
        assert!(text.get(span.start..span.end).is_some(), "{span:?}");
        assert!(finding.position().line <= text.lines().count().max(1));
        assert!(!finding.message().is_empty());
    }
    let shown = report.render(Colour::Never);
    assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{shown:?}");
    // The same is found again.
    assert_eq!(lint(&sources).render(Colour::Never), shown);
});
