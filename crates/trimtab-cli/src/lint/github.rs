//! Findings as workflow commands, which GitHub shows beside the lines of a pull request.

use std::io::{self, Write};

use trimtab_manifest::{Finding, Report, Severity};

use super::json::{Place, place, unreadable};
use crate::error::CommandError;
use crate::github::{data, property};

pub(super) fn write(
    report: &Report,
    unread: &[CommandError],
    out: &mut dyn Write,
) -> io::Result<()> {
    for finding in report.findings() {
        let command = match finding.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let place = place(finding.source(), finding.position(), finding.span());
        line(command, Some(&place), finding.rule().id(), &message(finding), out)?;
    }
    for problem in unreadable(report, unread) {
        line("error", problem.place.as_ref(), "unreadable", &problem.message, out)?;
    }
    Ok(())
}

fn message(finding: &Finding) -> String {
    let mut message = format!("{}\n{}", finding.message(), finding.rule().why());
    if let Some(help) = finding.help() {
        message.push('\n');
        message.push_str(help);
    }
    message
}

fn line(
    command: &str,
    place: Option<&Place>,
    title: &str,
    message: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    write!(out, "::{command} ")?;
    if let Some(place) = place {
        let Place { file, line, column, end_column } = place;
        write!(out, "file={},line={line},endLine={line},", property(file))?;
        write!(out, "col={column},endColumn={end_column},")?;
    }
    writeln!(out, "title={}::{}", property(title), data(message))
}
