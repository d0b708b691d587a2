//! A policy test for every strategy, and for the stages behind it: each passes, and covers what it is about.
#![cfg(test)]

use std::path::{Path, PathBuf};

use trimtab_engine::StrategyName;
use trimtab_manifest::{Colour, Source};
use trimtab_test::{Host, Step, TestFile, TestLimits, read, run, run_with, words};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.collect();
    cases.sort();
    cases
}

fn load(path: &Path) -> TestFile {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let source = Source::new(name, std::fs::read_to_string(path).unwrap());
    let folder = path.parent().unwrap();
    let mut beside = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string())?;
        Ok(Source::new(name, text))
    };
    read(&source, &mut beside).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn all_pass() {
    let mut failures = Vec::new();
    for path in cases() {
        let file = load(&path);
        for test in run(&file).tests {
            assert!(test.decisions > 0, "{}", test.name);
            for failure in test.failures {
                failures.push(failure.render(&file.source, Colour::Never));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_strategy_with_a_test_format_of_its_own_is_there() {
    let strategies: Vec<StrategyName> = cases()
        .iter()
        .flat_map(|path| load(path).suites.into_iter())
        .map(|suite| suite.policy.spec().strategy)
        .collect();
    for strategy in [
        StrategyName::Hpa,
        StrategyName::Keda,
        StrategyName::Knative,
        StrategyName::RayServe,
        StrategyName::Slo,
        StrategyName::Wva,
        StrategyName::Apa,
    ] {
        assert!(strategies.contains(&strategy), "{strategy:?}");
    }
}

/// Whatever comes up can be asked for: no word is met that a test may not name.
#[test]
fn words_that_come_up_are_known() {
    struct Words;
    impl Host for Words {
        fn see(&mut self, policy: &trimtab_engine::Policy, step: Step<'_>) {
            let known = words::known(policy);
            for word in words::of(policy, &step.record.decision) {
                assert!(known.iter().any(|known| words::meets(known, &word)), "{word}");
            }
        }
    }
    for path in cases() {
        let _result = run_with(&load(&path), &mut Words, &TestLimits::default());
    }
}
