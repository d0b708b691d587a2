//! `trimtab lint`: what is wrong with the manifests that a team has.

pub(crate) mod args;
mod files;
mod github;
mod json;
mod rules;
mod sarif;

use std::io::Write;

use trimtab_manifest::{Colour, Report, Severity, lint};

use self::args::{Format, LintArgs};
use crate::Exit;
use crate::error::CommandError;

pub(crate) fn run(
    args: &LintArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    if args.list {
        rules::list(out)?;
        return Ok(Exit::Done);
    }
    if let Some(id) = &args.explain {
        rules::explain(id, out)?;
        return Ok(Exit::Done);
    }
    let (sources, unread) = files::read(&args.files)?;
    let report = lint(&sources);
    match args.format {
        Format::Text => text(&report, out)?,
        Format::Json => json::write(&report, &unread, out)?,
        Format::Sarif => sarif::write(&report, &unread, out)?,
        Format::Github => github::write(&report, &unread, out)?,
    }
    out.flush()?;
    for error in &unread {
        error.show(err)?;
    }
    for error in report.errors() {
        writeln!(err, "{}", error.render(Colour::Always))?;
    }
    writeln!(err, "{}", summary(&report, unread.len()))?;
    Ok(exit(args, &report, !unread.is_empty()))
}

fn exit(args: &LintArgs, report: &Report, unread: bool) -> Exit {
    let denied = args.deny_warnings && report.count(Severity::Warning) > 0;
    if unread || !report.errors().is_empty() {
        Exit::Refused
    } else if denied || report.count(Severity::Error) > 0 {
        Exit::Found
    } else {
        Exit::Done
    }
}

fn text(report: &Report, out: &mut dyn Write) -> std::io::Result<()> {
    let mut first = true;
    for finding in report.findings() {
        let gap = if first { "" } else { "\n" };
        writeln!(out, "{gap}{}", finding.render(Colour::Always))?;
        first = false;
    }
    if report.left_out() > 0 {
        writeln!(out, "\nand {} more", report.left_out())?;
    }
    Ok(())
}

/// The last line: how much there was, and how much of it is bad.
fn summary(report: &Report, unread: usize) -> String {
    let counts =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let found: Vec<String> = counts
        .into_iter()
        .filter_map(|(severity, what)| {
            let count = report.count(severity);
            (count > 0).then(|| counted(count, what))
        })
        .collect();
    let found = if found.is_empty() { String::from("nothing found") } else { found.join(", ") };
    let documents = counted(report.documents(), "document");
    let mut text = format!(
        "{found} in {documents} of {}",
        counted(report.sources().saturating_sub(report.errors().len()), "file")
    );
    if report.allowed() > 0 {
        text.push_str(&format!(", {} allowed", report.allowed()));
    }
    let unreadable = report.errors().len().saturating_add(unread);
    if unreadable > 0 {
        text.push_str(&format!("; {} not read", counted(unreadable, "file")));
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Where a rule of `trimtab lint` is described, by its name.
pub fn rule_page(rule: &str) -> String {
    format!("{}/blob/main/docs/src/reference/lint.md#{rule}", env!("CARGO_PKG_REPOSITORY"))
}
