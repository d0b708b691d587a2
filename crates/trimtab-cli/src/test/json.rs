//! What came of tests, as one JSON document.

use std::io::Write;

use serde::Serialize;
use trimtab_metric::Span;

use super::args::TestArgs;
use super::suites::Outcome;
use super::text::explain;
use crate::error::CommandError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'o> {
    passed: usize,
    failed: usize,
    files: Vec<File<'o>>,
    /// Files that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Refused<'o>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coverage: Vec<Policy<'o>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'o> {
    file: &'o str,
    tests: Vec<Test<'o>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding<'o>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Test<'o> {
    number: usize,
    name: &'o str,
    line: usize,
    passed: bool,
    decisions: u64,
    #[serde(skip_serializing_if = "is_zero")]
    skipped_backtests: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Finding<'o>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: &'o str,
    line: usize,
    column: usize,
    /// After so many seconds, or in words where that is no whole number of milliseconds.
    #[serde(rename = "atSeconds", skip_serializing_if = "Option::is_none")]
    at: Option<Span>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'o [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<String>,
}

#[derive(Serialize)]
struct Refused<'o> {
    file: &'o str,
    message: String,
}

#[derive(Serialize)]
struct Policy<'o> {
    policy: &'o str,
    percent: f64,
    parts: Vec<Part<'o>>,
}

#[derive(Serialize)]
struct Part<'o> {
    name: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'o str>,
    decisions: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

pub(super) fn write(
    outcome: &Outcome,
    args: &TestArgs,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let failed = outcome.failed();
    let refused = outcome.refused.iter();
    let document = Document {
        passed: outcome.tests().count() - failed,
        failed,
        files: outcome.ran.iter().map(|ran| file(ran, args)).collect(),
        refused: refused
            .map(|(file, error)| Refused { file, message: error.to_string() })
            .collect(),
        coverage: outcome
            .covered
            .policies()
            .map(|(name, coverage)| policy(name, coverage))
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn file<'o>(ran: &'o super::suites::Ran, args: &TestArgs) -> File<'o> {
    let source = &ran.file.source;
    let finding = |diagnostic: &'o trimtab_manifest::Diagnostic, at, explain| {
        let position = source.position(diagnostic.span().start);
        Finding {
            code: diagnostic.code(),
            message: diagnostic.message(),
            line: position.line,
            column: position.column,
            at,
            notes: diagnostic.notes(),
            explain,
        }
    };
    let tests = ran.result.tests.iter().filter(|test| !(args.fail_only && test.passed()));
    let tests = tests.map(|test| Test {
        number: test.number,
        name: &test.name,
        line: source.position(test.place.start).line,
        passed: test.passed(),
        decisions: test.decisions,
        skipped_backtests: test.skipped_backtests,
        failures: test
            .failures
            .iter()
            .map(|failure| finding(&failure.diagnostic, failure.at, explain(ran, test, failure)))
            .collect(),
    });
    File {
        file: &ran.path,
        tests: tests.collect(),
        warnings: ran.file.warnings.iter().map(|warning| finding(warning, None, None)).collect(),
    }
}

fn policy<'o>(name: &'o str, coverage: &'o trimtab_test::Coverage) -> Policy<'o> {
    let parts = coverage.parts().iter().map(|part| Part {
        name: &part.name,
        detail: part.detail.as_deref(),
        decisions: part.decisions,
    });
    Policy { policy: name, percent: coverage.percent(), parts: parts.collect() }
}
