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
