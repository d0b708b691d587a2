//! Findings as workflow commands, which GitHub shows beside the lines of a pull request.

use std::io::{self, Write};

use trimtab_manifest::{Finding, Report, Severity};

use super::json::{Place, place, unreadable};
use crate::error::CommandError;

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

/// What stands behind the second pair of colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands between them.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("a: 50 %\nb"), "a: 50 %25%0Ab");
        assert_eq!(property("a,b:c%"), "a%2Cb%3Ac%25");
    }
}
