//! Findings as one JSON document.

use std::io::Write;

use serde::Serialize;
use trimtab_manifest::{Finding, Position, Report, Severity, Source, Span};

use crate::error::CommandError;

/// Counts up when a field changes its meaning or goes.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    version: u32,
    files: usize,
    documents: usize,
    findings: Vec<Item>,
    unreadable: Vec<Unreadable>,
    summary: Summary,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    rule: &'static str,
    severity: &'static str,
    message: String,
    #[serde(flatten)]
    place: Place,
    field: String,
    why: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related>,
    documentation: String,
}

#[derive(Serialize)]
struct Related {
    message: String,
    #[serde(flatten)]
    place: Place,
}

/// A place as editors count it: from 1, in characters; the end is behind the last one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_column: usize,
}

#[derive(Serialize)]
pub(super) struct Unreadable {
    pub(super) message: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    allowed: usize,
    /// Found, and not listed since there are thousands.
    left_out: usize,
}

pub(super) fn write(
    report: &Report,
    unread: &[CommandError],
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let document = Document {
        version: VERSION,
        files: report.sources(),
        documents: report.documents(),
        findings: report.findings().iter().map(item).collect(),
        unreadable: unreadable(report, unread),
        summary: Summary {
            errors: report.count(Severity::Error),
            warnings: report.count(Severity::Warning),
            notes: report.count(Severity::Note),
            allowed: report.allowed(),
            left_out: report.left_out(),
        },
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}

fn item(finding: &Finding) -> Item {
    let rule = finding.rule();
    let related = finding.related().iter().map(|related| Related {
        message: related.message().to_owned(),
        place: place(related.source(), related.position(), related.span()),
    });
    Item {
        rule: rule.id(),
        severity: finding.severity().as_str(),
        message: finding.message().to_owned(),
        place: place(finding.source(), finding.position(), finding.span()),
        field: finding.field().to_owned(),
        why: rule.why(),
        help: finding.help().map(str::to_owned),
        related: related.collect(),
        documentation: super::rule_page(rule.id()),
    }
}

pub(super) fn place(source: &Source, position: Position, span: Span) -> Place {
    let text = source.text().get(span.start..span.end).unwrap_or_default();
    Place {
        file: source.name().to_owned(),
        line: position.line,
        column: position.column,
        end_column: position.column.saturating_add(text.chars().count()),
    }
}

/// What could not be read: files, and documents in them.
pub(super) fn unreadable(report: &Report, unread: &[CommandError]) -> Vec<Unreadable> {
    let files = unread.iter().flat_map(|error| match error {
        CommandError::Document(error) => problems(error),
        error => vec![Unreadable { message: error.to_string(), place: None }],
    });
    files.chain(report.errors().iter().flat_map(problems)).collect()
}

fn problems(error: &trimtab_manifest::ManifestError) -> Vec<Unreadable> {
    let source = error.source_text();
    let problems = error.problems().iter().map(|problem| Unreadable {
        message: problem.message().to_owned(),
        place: Some(place(source, problem.position(), problem.span())),
    });
    problems.collect()
}
