//! `cargo xtask generate`: the files that the code writes, so that they cannot say otherwise than the code.

use std::fmt::Write as _;
use std::fs;

use crate::project::{AS_TESTED, Project};
use crate::report::{self, Outcome, Report};

/// A generated file: where it is and what makes its text.
type Page = (&'static str, fn(&Project) -> Result<String, String>);

const PAGES: [Page; 10] = [
    ("docs/src/reference/cli.md", command_line),
    ("docs/src/reference/lint.md", |project| of_the_library(project, "lint")),
    ("docs/src/reference/profiles.md", |project| of_the_library(project, "profiles")),
    ("docs/src/reference/signals.md", |project| of_the_library(project, "signals")),
    ("crates/trimtab-engine/src/schedule/zone_names.rs", |_| crate::zones::table()),
    ("deploy/crd/scalingpolicies.yaml", |project| of_the_library(project, "crd")),
    ("deploy/helm/trimtab/crds/scalingpolicies.yaml", |project| of_the_library(project, "crd")),
    ("deploy/helm/trimtab/templates/_access.tpl", |project| of_the_library(project, "access-helm")),
    ("deploy/kustomize/controller/access.yaml", |project| {
        of_the_library(project, "access-controller")
    }),
    ("deploy/kustomize/keda-scaler/access.yaml", |project| {
        of_the_library(project, "access-keda-scaler")
    }),
];

/// Writes every page; with `check`, only compares.
pub(crate) fn run(project: &Project, report: &mut Report, check: bool) {
    for (path, make) in PAGES {
        report.step(&format!("generated {path}"), || {
            let done = make(project).and_then(|text| {
                if check { compare(project, path, &text) } else { write(project, path, &text) }
            });
            done.map_or_else(Outcome::Failed, |()| Outcome::Passed)
        });
    }
}

/// Nothing where the file says so already: what is compiled would be compiled again.
fn write(project: &Project, path: &str, text: &str) -> Result<(), String> {
    if fs::read_to_string(project.path(path)).is_ok_and(|present| present == text) {
        return Ok(());
    }
    fs::write(project.path(path), text).map_err(|error| format!("{path}: {error}"))
}

fn compare(project: &Project, path: &str, text: &str) -> Result<(), String> {
    let present =
        fs::read_to_string(project.path(path)).map_err(|error| format!("{path}: {error}"))?;
    if present == text {
        return Ok(());
    }
    print!("{}", difference(&present, text));
    Err(format!("{path} is stale; run `cargo xtask generate`"))
}

/// The lines from the first that differs to the last, old ones first.
fn difference(old: &str, new: &str) -> String {
    let old: Vec<_> = old.lines().collect();
    let new: Vec<_> = new.lines().collect();
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(before..).unwrap_or_default(), new.get(before..).unwrap_or_default());
    let after = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (removed, added) = (old.len() - after, new.len() - after);
    let mut text = format!("from line {}:\n", before + 1);
    for (sign, lines, count) in [('-', old, removed), ('+', new, added)] {
        for line in lines.iter().take(count) {
            let _infallible = writeln!(text, "{sign}{line}");
        }
    }
    text
}

/// A page that the example `reference` of this package prints: the library is linked there, and not here, so that chores run
/// while it does not compile.
fn of_the_library(project: &Project, page: &str) -> Result<String, String> {
    build(project)?;
    report::output(project.command(project.target("debug/examples/reference")).arg(page))
}

/// Builds what prints the pages as the tests build it, so that what they have built is not built again. Only with an example
/// the features that are for tests alone are among those of a command, too.
fn build(project: &Project) -> Result<(), String> {
    let mut cargo = project.cargo("build --quiet --all-features --bin trimtab --example reference");
    report::output(cargo.args(AS_TESTED)).map(drop)
}

/// The reference of the `trimtab` command: its own help, and that of every subcommand below it.
fn command_line(project: &Project) -> Result<String, String> {
    build(project)?;
    let mut page = String::from(
        "# Command line\n\n<!-- Written by `cargo xtask generate` from the command's own help. Edit that instead. -->\n",
    );
    section(project, &mut page, &[])?;
    Ok(page)
}

fn section(project: &Project, page: &mut String, path: &[&str]) -> Result<(), String> {
    let mut command = project.command(project.target("debug/trimtab"));
    command.args(path).arg("--help").env("NO_COLOR", "1").env("COLUMNS", "100");
    let help = report::output(&mut command)?;
    let help: Vec<_> = help.trim_end().lines().map(str::trim_end).collect();
    let name = [&["trimtab"], path].concat().join(" ");
    let _infallible = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n"));
    for subcommand in subcommands(&help) {
        section(project, page, &[path, &[subcommand]].concat())?;
    }
    Ok(())
}

/// The names under `Commands:`, without `help`, which explains only the others.
fn subcommands<'a>(help: &[&'a str]) -> Vec<&'a str> {
    let list = help
        .iter()
        .skip_while(|line| **line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let entries =
        list.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    entries
        .filter_map(|entry| entry.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_are_read_from_the_help() {
        let help = "Usage: trimtab <COMMAND>\n\nCommands:\n  decide   Decide\n           once\n  replay   Replay\n  help     Print\n\nOptions:\n  -h";
        assert_eq!(subcommands(&help.lines().collect::<Vec<_>>()), ["decide", "replay"]);
    }

    #[test]
    fn help_without_subcommands_has_none() {
        assert!(subcommands(&["Usage: trimtab decide", "", "Options:", "  -h, --help"]).is_empty());
    }

    #[test]
    fn only_the_lines_between_the_common_ends_differ() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "from line 2:\n-b\n+x\n+y\n");
        assert_eq!(difference("a\nb\n", "a\nb\nb\n"), "from line 3:\n+b\n");
    }
}
