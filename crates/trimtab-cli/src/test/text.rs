//! What came of tests, for people.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use trimtab_manifest::Colour;

use super::Outcome;
use super::args::TestArgs;
use crate::error::CommandError;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let tests =
        || outcome.ran.iter().flat_map(|ran| ran.result.tests.iter().map(move |test| (ran, test)));
    let files = outcome.ran.iter().filter(|ran| !ran.result.tests.is_empty()).count();
    writeln!(out, "running {} from {}", counted(tests().count(), "test"), counted(files, "file"))?;
    let shown = || tests().filter(|(_, test)| !(args.fail_only && test.passed()));
    let width =
        shown().map(|(ran, test)| title(&ran.path, &test.name).chars().count()).max().unwrap_or(0);
    for (ran, test) in shown() {
        let title = title(&ran.path, &test.name);
        let dots = ".".repeat(width + 3 - title.chars().count());
        let (style, word) = if test.passed() { (GOOD, "ok") } else { (BAD, "FAIL") };
        writeln!(out, "  {title} {dots} {style}{word}{style:#}")?;
    }
    for (ran, test) in tests() {
        for failure in &test.failures {
            let mut diagnostic = failure.diagnostic.clone();
            if let Some(at) = failure.at {
                diagnostic = diagnostic.with_help(format!(
                    "run `trimtab explain {} --test {} --at {at}`",
                    ran.path, test.number
                ));
            }
            writeln!(out, "\n{}", diagnostic.render(&ran.file.source, Colour::Always))?;
        }
    }
    let failed = tests().filter(|(_, test)| !test.passed()).count();
    let passed = tests().count() - failed;
    writeln!(out, "\nresults: {passed} passed, {failed} failed")?;
    Ok(())
}

/// What a test is called.
pub(super) fn title(path: &str, name: &str) -> String {
    format!("{path}::{name}")
}

/// A count with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
