//! What came of tests, as annotations of GitHub Actions: they stand beside the lines of a pull request.

use std::io::Write;

use trimtab_manifest::Diagnostic;

use super::args::TestArgs;
use super::suites::{Outcome, Ran};
use super::text::{explain, results};
use crate::error::CommandError;
use crate::github::{data, property};

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    for (ran, test) in outcome.tests() {
        for failure in &test.failures {
            let mut text = format!("{}: {}", test.name, failure.diagnostic.message());
            for note in failure.diagnostic.notes() {
                text.push('\n');
                text.push_str(note);
            }
            if let Some(command) = explain(ran, test, failure) {
                text.push_str(&format!("\n{command}"));
            }
            annotate("error", ran, &failure.diagnostic, &text, out)?;
        }
    }
    for (ran, warning) in outcome.warnings() {
        annotate("warning", ran, warning, warning.message(), out)?;
    }
    for (file, error) in &outcome.refused {
        writeln!(out, "::error file={}::{}", property(file), data(&error.to_string()))?;
    }
    if args.coverage || args.coverage_min.is_some() {
        outcome.covered.write("", out)?;
    }
    writeln!(out, "{}", results(outcome))?;
    Ok(())
}

fn annotate(
    level: &str,
    ran: &Ran,
    diagnostic: &Diagnostic,
    text: &str,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let position = ran.file.source.position(diagnostic.span().start);
    let title = diagnostic.code().map_or(String::new(), |code| format!(",title={code}"));
    writeln!(
        out,
        "::{level} file={},line={},col={}{title}::{}",
        property(&ran.path),
        position.line,
        position.column,
        data(text)
    )?;
    Ok(())
}
