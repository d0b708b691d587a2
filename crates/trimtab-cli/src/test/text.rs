//! What came of tests, for people.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use trimtab_manifest::Colour;
use trimtab_test::{Failure, TestResult};

use super::args::TestArgs;
use super::suites::{Outcome, Ran, counted, title};
use crate::error::CommandError;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let files = outcome.ran.iter().filter(|ran| !ran.result.tests.is_empty()).count();
    let tests = counted(outcome.tests().count(), "test");
    writeln!(out, "running {tests} from {}", counted(files, "file"))?;
    let shown = || outcome.tests().filter(|(_, test)| !(args.fail_only && test.passed()));
    let widths = shown().map(|(ran, test)| title(&ran.path, &test.name).chars().count());
    let width = widths.max().unwrap_or(0);
    for (ran, test) in shown() {
        let title = title(&ran.path, &test.name);
        let dots = ".".repeat(width + 3 - title.chars().count());
        let (style, word) = if test.passed() { (GOOD, "ok") } else { (BAD, "FAIL") };
        writeln!(out, "  {title} {dots} {style}{word}{style:#}")?;
    }
    for (ran, test) in outcome.tests() {
        for failure in &test.failures {
            writeln!(out, "\n{}", shown_failure(ran, test, failure, Colour::Always))?;
        }
    }
    for (ran, warning) in outcome.warnings() {
        writeln!(out, "\n{}", warning.render(&ran.file.source, Colour::Always))?;
    }
    if args.coverage || args.coverage_min.is_some() {
        writeln!(out)?;
        outcome.covered.write("", out)?;
    }
    writeln!(out, "\n{}", results(outcome))?;
    Ok(())
}

/// A failure with the line in question, and the command that shows more.
pub(super) fn shown_failure(
    ran: &Ran,
    test: &TestResult,
    failure: &Failure,
    colour: Colour,
) -> String {
    let diagnostic = failure.diagnostic.clone();
    let diagnostic = match explain(ran, test, failure) {
        Some(command) => diagnostic.with_help(format!("run `{command}`")),
        None => diagnostic,
    };
    diagnostic.render(&ran.file.source, colour)
}

/// The command that shows how the decision was made that a failure is about.
pub(super) fn explain(ran: &Ran, test: &TestResult, failure: &Failure) -> Option<String> {
    let at = failure.at?;
    Some(format!("trimtab explain {} --test {} --at {at}", ran.path, test.number))
}

/// How many passed and failed, were skipped and refused.
pub(super) fn results(outcome: &Outcome) -> String {
    let failed = outcome.failed();
    let passed = outcome.tests().count() - failed;
    let mut text = format!("results: {passed} passed, {failed} failed");
    if !outcome.refused.is_empty() {
        let files = counted(outcome.refused.len(), "file");
        text.push_str(&format!(", {files} refused"));
    }
    text
}
