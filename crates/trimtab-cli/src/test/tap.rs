//! What came of tests, by the Test Anything Protocol, version 14.

use std::io::Write;

use super::args::TestArgs;
use super::suites::{Outcome, Ran, title};
use super::text::explain;
use crate::error::CommandError;

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let shown: Vec<_> =
        outcome.tests().filter(|(_, test)| !(args.fail_only && test.passed())).collect();
    let points = shown.len() + outcome.refused.len();
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{points}")?;
    let mut number = 0;
    for (ran, test) in shown {
        number += 1;
        let description = escaped(&title(&ran.path, &test.name));
        if test.passed() {
            writeln!(out, "ok {number} - {description}")?;
        } else {
            writeln!(out, "not ok {number} - {description}")?;
            diagnostics(ran, test, out)?;
        }
    }
    for (file, error) in &outcome.refused {
        number += 1;
        writeln!(out, "not ok {number} - {}", escaped(file))?;
        writeln!(out, "  ---\n  message: {}\n  ...", quoted(&error.to_string()))?;
    }
    if args.coverage || args.coverage_min.is_some() {
        outcome.covered.write("# ", out)?;
    }
    Ok(())
}

/// What is wrong, as the YAML block of a test point.
fn diagnostics(
    ran: &Ran,
    test: &trimtab_test::TestResult,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    writeln!(out, "  ---\n  failures:")?;
    for failure in &test.failures {
        let diagnostic = &failure.diagnostic;
        let position = ran.file.source.position(diagnostic.span().start);
        writeln!(out, "    - code: {}", diagnostic.code().unwrap_or_default())?;
        writeln!(out, "      message: {}", quoted(diagnostic.message()))?;
        writeln!(out, "      file: {}", quoted(&ran.path))?;
        writeln!(out, "      line: {}\n      column: {}", position.line, position.column)?;
        if let Some(command) = explain(ran, test, failure) {
            writeln!(out, "      explain: {}", quoted(&command))?;
        }
    }
    writeln!(out, "  ...")?;
    Ok(())
}

/// A description: `#` begins a directive, and a line ends it.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('#', "\\#");
    text.replace(['\n', '\r'], " ")
}

/// A YAML string; JSON's strings are.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_no_directive() {
        assert_eq!(escaped("a # SKIP\nb\\c"), "a \\# SKIP b\\\\c");
    }
}
