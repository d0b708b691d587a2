//! The parser's errors as problems, with advice where the usual cause is known.

use granit_parser::{ErrorKind, ScanError};

use crate::{Limits, Problem, ProblemKind, Source, Span};

/// The problem behind an error of the parser.
pub(super) fn syntax_problem(error: &ScanError, source: &Source, limits: &Limits) -> Problem {
    let start = error.marker().byte_offset().unwrap_or_else(|| {
        let chars = source.text().char_indices();
        chars.map(|(at, _)| at).nth(error.marker().index()).unwrap_or(usize::MAX)
    });
    let start = source.floor(start);
    let span = Span { start, end: start };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(limits, span),
        kind if is_about_a_tab(kind) => {
            // The parser reports where the text around the tab starts.
            let tab = source.text().get(start..).and_then(|rest| rest.find('\t'));
            let start = start + tab.unwrap_or_default();
            let message = "a tab stands where YAML wants spaces";
            Problem::new(ProblemKind::Syntax, Span { start, end: start }, message)
                .with_help("indent with spaces")
        }
        kind => {
            let problem = Problem::new(ProblemKind::Syntax, span, error.info());
            match advice(kind) {
                Some(help) => problem.with_help(help),
                None => problem,
            }
        }
    }
}

/// A problem of syntax as that of a template, where `{{` stands in its line or begins another one.
pub(super) fn of_template(problem: Problem, source: &Source) -> Problem {
    const HELP: &str = "render it first: `helm template CHART` does for Helm";
    if problem.kind() != ProblemKind::Syntax {
        return problem;
    }
    let start = source.floor(problem.span().start);
    let (before, behind) = source.text().split_at_checked(start).unwrap_or_default();
    let line = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let end = behind.find('\n').map_or(source.text().len(), |at| start.saturating_add(at));
    let text = source.text().get(line..end).unwrap_or_default();
    if let Some(at) = text.find("{{") {
        let start = line.saturating_add(at);
        let span = Span { start, end: start.saturating_add(2) };
        let message = "`{{` stands for what a template puts in; this is no manifest yet";
        return Problem::new(ProblemKind::Syntax, span, message).with_help(HELP);
    }
    let mut lines = source.text().lines();
    if lines.any(|line| line.trim_start().starts_with("{{")) {
        return problem.with_help(HELP);
    }
    problem
}

/// A value below the last level that is allowed.
pub(super) fn too_deep(limits: &Limits, span: Span) -> Problem {
    let message = format!("nested deeper than {} levels", limits.depth());
    Problem::new(ProblemKind::TooDeep, span, message)
}

fn is_about_a_tab(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart
    )
}

/// What usually leads to an error of syntax.
fn advice(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::MappingValueNotAllowed | ErrorKind::SimpleKeyExpected => {
            Some("check the indentation of this line, and put text that contains `: ` in quotes")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry => {
            Some("lines of one mapping or list start in the same column")
        }
        ErrorKind::UnknownAnchor => Some("an anchor `&name` has to come before its alias `*name`"),
        _ => None,
    }
}
