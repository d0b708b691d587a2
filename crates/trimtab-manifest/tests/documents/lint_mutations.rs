//! Manifests that are almost right: whatever a value or a line of them becomes, linting neither panics nor
//! takes long, and every finding has a place.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use trimtab_manifest::{Colour, Source, lint};

/// What values are replaced by: other types, and the ends of what numbers and texts can be.
const VALUES: [&str; 24] = [
    "[]",
    "{}",
    "null",
    "\"\"",
    "true",
    "0",
    "-1",
    "1.5",
    "1e400",
    "9223372036854775807",
    "-9223372036854775808",
    "\"9223372036854775807\"",
    "9223372036854775",
    "9E",
    "1n",
    "100%",
    "0%",
    "2147483648",
    "99999999999h",
    "Never",
    "[a, b]",
    "{a: b}",
    "[{key: a, operator: Gt, values: [\"9223372036854775807\"]}]",
    "*",
];

/// The manifests of the rules' tests.
fn manifests() -> &'static [String] {
    static MANIFESTS: OnceLock<Vec<String>> = OnceLock::new();
    MANIFESTS.get_or_init(|| {
        let mut found = Vec::new();
        let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")];
        while let Some(folder) = open.pop() {
            let entries = std::fs::read_dir(folder).unwrap();
            let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            for path in entries {
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push(std::fs::read_to_string(path).unwrap());
                }
            }
        }
        found
    })
}

/// One change of a text: of the value in a line, or of the line.
fn mutated(text: &str, line: usize, change: usize) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = line % lines.len().max(1);
    let Some(old) = lines.get(at).copied() else { return String::new() };
    let value = change.checked_sub(3).and_then(|value| VALUES.get(value));
    let key = old.split_once(": ").map(|(key, _)| key);
    let new = key.zip(value).map(|(key, value)| format!("{key}: {value}"));
    match (change, &new) {
        (0, _) => drop(lines.remove(at)),
        (1, _) => lines.insert(at, old),
        (2, _) => lines.truncate(at),
        (_, Some(new)) => *lines.get_mut(at).unwrap() = new,
        _ => {}
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn almost_right_manifests_are_linted(
        manifests_of in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        changes in prop::collection::vec((any::<usize>(), 0..VALUES.len() + 3), 1..5),
    ) {
        let sources: Vec<Source> = manifests_of
            .iter()
            .enumerate()
            .map(|(number, index)| {
                let text = index.get(manifests()).clone();
                let text = changes
                    .iter()
                    .fold(text, |text, (line, change)| mutated(&text, *line, *change));
                Source::new(format!("{number}.yaml"), text)
            })
            .collect();
        let report = lint(&sources);
        for finding in report.findings() {
            let (text, span) = (finding.source().text(), finding.span());
            prop_assert!(text.get(span.start..span.end).is_some());
        }
        let shown = report.render(Colour::Never);
        prop_assert_eq!(lint(&sources).render(Colour::Never), shown);
    }
}
