//! Every rule by a manifest that has its fault and one that has not.
//!
//! `lint/RULE/bad*.yaml` fires that rule and no other, `lint/RULE/good*.yaml` fires none. A folder in the
//! place of a file is a set of files that are linted together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use trimtab_manifest::{Colour, Report, Rule, Source, lint};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")
}

/// The entries of a folder, in the order of their names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn report(case: &Path) -> Report {
    let files = if case.is_dir() { entries(case) } else { vec![case.to_owned()] };
    let sources: Vec<Source> = files
        .iter()
        .map(|file| Source::new(name(file), std::fs::read_to_string(file).unwrap()))
        .collect();
    let report = lint(&sources);
    assert!(report.errors().is_empty(), "{}: {:?}", case.display(), report.errors());
    report
}

#[test]
fn bad_manifests_fire_their_rule_and_good_ones_none() {
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for rule in entries(&folder()) {
        let id = name(&rule);
        assert!(Rule::named(&id).is_some(), "`{id}` is no rule");
        let (mut bad, mut good) = (false, false);
        for case in entries(&rule) {
            let (report, title) = (report(&case), name(&case));
            let fired: BTreeSet<&str> =
                report.findings().iter().map(|finding| finding.rule().id()).collect();
            let rendered = report.render(Colour::Never);
            if title.starts_with("bad") {
                bad = true;
                if fired.iter().ne([&id.as_str()]) {
                    failures.push(format!("{id}/{title} fires {fired:?}\n{rendered}"));
                }
                let title = title.trim_end_matches(".yaml");
                insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                    insta::assert_snapshot!(format!("lint__{id}__{title}"), rendered);
                });
            } else {
                assert!(title.starts_with("good"), "{id}/{title} is neither bad nor good");
                good = true;
                if !fired.is_empty() {
                    failures.push(format!("{id}/{title} fires {fired:?}\n{rendered}"));
                }
            }
        }
        assert!(bad && good, "`{id}` has to have a bad manifest and a good one");
        seen.insert(id);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let untested: Vec<&str> = Rule::all().map(Rule::id).filter(|id| !seen.contains(*id)).collect();
    assert!(untested.is_empty(), "without manifests in tests/lint: {untested:?}");
}

#[test]
fn rules_are_written_alike() {
    let mut ids = BTreeSet::new();
    for rule in Rule::all() {
        let id = rule.id();
        assert!(ids.insert(id), "`{id}` is there twice");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{id}");
        for (what, text) in [("summary", rule.summary()), ("why", rule.why())] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{what} of {id}: no final period");
        }
        assert!(rule.fix().ends_with('.'), "the fix of {id} is sentences");
    }
}
