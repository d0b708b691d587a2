//! Problems as rustc shows errors.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::error::printable;
use crate::{Problem, ProblemKind, Source};

/// Whether rendered errors carry terminal colours.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// ANSI escape codes. Whether the terminal wants them is the caller's to know.
    Always,
}

/// More problems than this are counted and not shown.
const SHOWN: usize = 20;

pub(crate) fn render(source: &Source, problems: &[Problem], colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let mut parts: Vec<String> =
        problems.iter().take(SHOWN).map(|problem| one(source, problem, &renderer)).collect();
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        parts.push(format!("and {more} more problems in {}", printable(source.name())));
    }
    parts.join("\n\n")
}

fn one(source: &Source, problem: &Problem, renderer: &Renderer) -> String {
    let mut group =
        Level::ERROR.primary_title(problem.message()).elements(excerpt(source, problem));
    if let Some(field) = problem.field() {
        group = group.element(Level::NOTE.message(format!("field `{field}`")));
    }
    if let Some(help) = problem.help() {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

/// The line of the problem, and its other lines if it has more than one.
///
/// Only these are handed over, so that a long file costs no more than a short one.
fn excerpt<'s>(
    source: &'s Source,
    problem: &Problem,
) -> Option<Snippet<'s, annotate_snippets::Annotation<'s>>> {
    if problem.kind() == ProblemKind::TooLarge {
        return None;
    }
    let text = source.text();
    let start = source.floor(problem.span().start);
    let end = source.floor(problem.span().end).max(start);
    let first = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let last = text.get(end..)?.find('\n').map_or(text.len(), |newline| end + newline);
    let lines = text.get(first..last)?;
    let lines = lines.strip_suffix('\r').unwrap_or(lines);
    let lines = harmless(lines);
    let range = start - first..(end - first).min(lines.len()).max(start - first);
    Some(
        Snippet::source(lines)
            .path(printable(source.name()))
            .line_start(problem.position().line)
            .annotation(AnnotationKind::Primary.span(range)),
    )
}

/// The renderer shows ASCII control characters as pictures and lets those of the C1 block through,
/// some of which terminals obey. They become a character of the same length in bytes.
fn harmless(lines: &str) -> Cow<'_, str> {
    let c1 = |char: char| ('\u{80}'..='\u{9f}').contains(&char);
    if lines.contains(c1) { Cow::Owned(lines.replace(c1, "·")) } else { Cow::Borrowed(lines) }
}
