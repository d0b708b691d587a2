//! Problems as rustc shows errors.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use crate::error::printable;
use crate::lint::{Finding, Severity};
use crate::{Position, Problem, ProblemKind, Source, Span};

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
    let renderer = renderer(colour);
    let parts = problems.iter().take(SHOWN).map(|problem| one(source, problem, &renderer));
    joined(parts.collect(), problems.len(), "problems in", source)
}

/// Something to be said about a place that is no reason to refuse it.
pub(crate) struct Remark<'r> {
    /// Else it is a note.
    pub(crate) is_warning: bool,
    pub(crate) message: String,
    pub(crate) span: Span,
    pub(crate) position: Position,
    pub(crate) field: Option<&'r str>,
}

/// Remarks as problems are shown, in the order in which they come.
pub(crate) fn render_remarks(source: &Source, remarks: &[Remark<'_>], colour: Colour) -> String {
    let renderer = renderer(colour);
    let parts = remarks.iter().take(SHOWN).map(|remark| {
        let level = if remark.is_warning { Level::WARNING } else { Level::NOTE };
        let message = printable(&remark.message);
        let mut group = level.primary_title(message.as_str()).elements(excerpt(
            source,
            remark.span,
            remark.position,
        ));
        let field = remark.field.map(|field| format!("field `{}`", printable(field)));
        if let Some(field) = &field {
            group = group.element(Level::NOTE.message(field));
        }
        renderer.render(&[group])
    });
    joined(parts.collect(), remarks.len(), "remarks on", source)
}

/// A finding with its rule, the other places that it is about, why, and what would be right.
pub(crate) fn render_finding(finding: &Finding, colour: Colour) -> String {
    let level = match finding.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(finding.message()).id(finding.rule().id());
    let mut group = with_place(
        annotate_snippets::Group::with_title(title),
        finding.source(),
        finding.span(),
        finding.position(),
        None,
    );
    for related in finding.related() {
        let label = Some(related.message());
        group = with_place(group, related.source(), related.span(), related.position(), label);
    }
    group = group.element(Level::NOTE.message(finding.rule().why()));
    if let Some(help) = finding.help() {
        group = group.element(Level::HELP.message(help));
    }
    renderer(colour).render(&[group])
}

/// The line of a place, or where it is alone if that line is endless.
fn with_place<'s>(
    group: annotate_snippets::Group<'s>,
    source: &'s Source,
    span: Span,
    position: Position,
    label: Option<&'s str>,
) -> annotate_snippets::Group<'s> {
    let near = is_near(source, span).then(|| lines_of(source, span)).flatten();
    let Some((lines, range)) = near else {
        let origin = Origin::path(printable(source.name()));
        return group.element(origin.line(position.line).char_column(position.column));
    };
    let kind = if label.is_some() { AnnotationKind::Context } else { AnnotationKind::Primary };
    group.element(
        Snippet::source(harmless(lines))
            .path(printable(source.name()))
            .line_start(position.line)
            .annotation(kind.span(range).label(label)),
    )
}

/// Whether the line of a place begins and ends not far from it.
fn is_near(source: &Source, span: Span) -> bool {
    const FAR: usize = 500;
    let text = source.text().as_bytes();
    let before = text.get(span.start.saturating_sub(FAR)..span.start).unwrap_or_default();
    let behind = text.get(span.end..span.end.saturating_add(FAR).min(text.len()));
    let starts = span.start < FAR || before.contains(&b'\n');
    let ends = behind.is_none_or(|behind| behind.len() < FAR || behind.contains(&b'\n'));
    starts && ends
}

pub(crate) fn renderer(colour: Colour) -> Renderer {
    match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    }
}

/// What is shown, and how much is not.
fn joined(mut parts: Vec<String>, count: usize, what: &str, source: &Source) -> String {
    if let Some(more) = count.checked_sub(SHOWN).filter(|more| *more > 0) {
        parts.push(format!("and {more} more {what} {}", printable(source.name())));
    }
    parts.join("\n\n")
}

fn one(source: &Source, problem: &Problem, renderer: &Renderer) -> String {
    let place = (problem.kind() != ProblemKind::TooLarge)
        .then(|| excerpt(source, problem.span(), problem.position()));
    let mut group = Level::ERROR.primary_title(problem.message()).elements(place.flatten());
    if let Some(field) = problem.field() {
        group = group.element(Level::NOTE.message(format!("field `{field}`")));
    }
    if let Some(help) = problem.help() {
        group = group.element(Level::HELP.message(help));
    }
    renderer.render(&[group])
}

fn excerpt<'s>(
    source: &'s Source,
    span: Span,
    position: Position,
) -> Option<Snippet<'s, annotate_snippets::Annotation<'s>>> {
    labelled(source, span, position, None)
}

/// The line of a place, and its other lines if it has more than one.
///
/// Only these are handed over, so that a long file costs no more than a short one.
pub(crate) fn labelled<'s>(
    source: &'s Source,
    span: Span,
    position: Position,
    label: Option<&'s str>,
) -> Option<Snippet<'s, annotate_snippets::Annotation<'s>>> {
    let (lines, range) = lines_of(source, span)?;
    Some(
        Snippet::source(harmless(lines))
            .path(printable(source.name()))
            .line_start(position.line)
            .annotation(AnnotationKind::Primary.span(range).label(label)),
    )
}

/// The lines of a place, and the place in them.
fn lines_of(source: &Source, span: Span) -> Option<(&str, std::ops::Range<usize>)> {
    let text = source.text();
    let start = source.floor(span.start);
    let end = source.floor(span.end).max(start);
    let first = text.get(..start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let last = text.get(end..)?.find('\n').map_or(text.len(), |newline| end + newline);
    let lines = text.get(first..last)?;
    let lines = lines.strip_suffix('\r').unwrap_or(lines);
    let range = start - first..(end - first).min(lines.len()).max(start - first);
    Some((lines, range))
}

/// The renderer shows ASCII control characters as pictures and lets those of the C1 block through,
/// some of which terminals obey. They become a character of the same length in bytes.
fn harmless(lines: &str) -> Cow<'_, str> {
    let c1 = |char: char| ('\u{80}'..='\u{9f}').contains(&char);
    if lines.contains(c1) { Cow::Owned(lines.replace(c1, "·")) } else { Cow::Borrowed(lines) }
}
