//! What is wrong with a source, each problem with its place.

use std::fmt;

use trimtab_engine::FieldErrorKind;

use crate::render::{Colour, render};
use crate::{Position, Source, Span};

/// A source was refused: all problems that were found, at least one.
///
/// It displays as rustc shows errors, with the lines in question; see [`ManifestError::render`] for
/// colours.
///
/// ```
/// use trimtab_manifest::{Source, read_policies};
///
/// let source = Source::new("hpa.yaml", "\
/// apiVersion: autoscaling/v2
/// kind: HorizontalPodAutoscaler
/// metadata: {name: llm}
/// spec:
///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
///   minReplicas: 8
///   maxReplicas: 4
/// ");
/// let error = read_policies(&source).unwrap_err();
/// assert_eq!(error.to_string(), "\
/// error: `maxReplicas` is 4 and has to be at least `minReplicas`, 8
///  --> hpa.yaml:7:16
///   |
/// 7 |   maxReplicas: 4
///   |                ^
///   |
///   = note: field `spec.maxReplicas`");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestError {
    source: Source,
    problems: Vec<Problem>,
}

impl ManifestError {
    pub(crate) fn one(source: Source, problem: Problem) -> Self {
        Self::from_problems(source, vec![problem])
    }

    /// A source that was refused for these problems, of which there has to be one at least. They are
    /// put in the order of the text.
    pub fn from_problems(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        let mut lines = LineCounter::default();
        for problem in &mut problems {
            problem.position = lines.position(&source, problem.span.start);
            problem.span = first_line(problem.span, source.text());
        }
        Self { source, problems }
    }

    /// What was read.
    pub fn source_text(&self) -> &Source {
        &self.source
    }

    /// All problems, in the order of the text; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems as text, each with the line in question; for terminals in colour.
    ///
    /// Of more than 20 problems the first 20 are shown, and how many there are besides.
    pub fn render(&self, colour: Colour) -> String {
        render(&self.source, &self.problems, colour)
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Colour::Never))
    }
}

impl fmt::Debug for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestError")
            .field("source", &self.source.name())
            .field("problems", &self.problems)
            .finish()
    }
}

impl std::error::Error for ManifestError {}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    span: Span,
    position: Position,
    message: String,
    field: Option<String>,
    help: Option<String>,
}

impl Problem {
    /// A problem at a place. What may come from a hostile file is made harmless for a terminal.
    pub fn new(kind: ProblemKind, span: Span, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            span,
            position: Position { line: 1, column: 1 },
            message: printable(message.as_ref()),
            field: None,
            help: None,
        }
    }

    /// The same with what would be right.
    #[must_use]
    pub fn with_help(self, help: impl AsRef<str>) -> Self {
        Self { help: Some(printable(help.as_ref())), ..self }
    }

    /// The same with the path of its field, from the root of its document.
    #[must_use]
    pub fn with_field(self, field: impl AsRef<str>) -> Self {
        let field = Some(printable(field.as_ref())).filter(|field| !field.is_empty());
        Self { field, ..self }
    }

    /// Which kind of problem it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The part of the text that is at fault, up to the end of its first line.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where that part starts.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The same at another place.
    pub(crate) fn moved_to(self, span: Span, field: impl AsRef<str>) -> Self {
        Self { span, ..self }.with_field(field)
    }

    /// What is wrong. The wording is no part of the interface.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Path of the field from the root of its document, such as `spec.metrics[0].type`.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The kinds of problems.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// More bytes than [`Limits::max_bytes`](crate::Limits), written out or through aliases.
    TooLarge,
    /// Nested deeper than [`Limits::max_depth`](crate::Limits).
    TooDeep,
    /// More values than [`Limits::max_nodes`](crate::Limits), written out or through aliases.
    TooManyNodes,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// Text that is neither YAML nor JSON, or YAML that has no meaning in a policy.
    Syntax,
    /// A key that its mapping has already.
    DuplicateKey,
    /// A field that does not exist.
    UnknownField,
    /// A field that has to be there and is not.
    MissingField,
    /// A value of another type than its field has, or out of the range of that type.
    WrongType,
    /// Other than the one document that was asked for.
    DocumentCount,
    /// A document of a kind or version that holds no policy.
    UnsupportedKind,
    /// Something in another autoscaler's manifest that no policy can say.
    NoCounterpart,
    /// A value that its field cannot have, in a document that is no policy.
    Unusable,
    /// A rule for policies is broken; the same kinds as the Kubernetes API server has.
    Rule(FieldErrorKind),
}

/// The part of a span in its first line: a mapping of a hundred lines is shown by its first.
pub(crate) fn first_line(span: Span, text: &str) -> Span {
    let line = text.get(span.start..span.end).and_then(|text| text.lines().next());
    Span { start: span.start, end: span.start + line.unwrap_or_default().trim_end().len() }
}

/// Counts lines and columns once for all problems, which come in the order of the text.
pub(crate) struct LineCounter {
    counted: usize,
    position: Position,
}

impl Default for LineCounter {
    fn default() -> Self {
        Self { counted: 0, position: Position { line: 1, column: 1 } }
    }
}

impl LineCounter {
    pub(crate) fn position(&mut self, source: &Source, offset: usize) -> Position {
        let offset = source.floor(offset);
        for char in source.text().get(self.counted..offset).unwrap_or_default().chars() {
            if char == '\n' {
                self.position = Position { line: self.position.line + 1, column: 1 };
            } else {
                self.position.column += 1;
            }
        }
        self.counted = self.counted.max(offset);
        self.position
    }
}

/// Text that may hold pieces of a hostile file, made fit for a terminal: nothing that moves the
/// cursor or turns the writing around, and not too long.
pub(crate) fn printable(text: &str) -> String {
    const LONGEST: usize = 500;
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for (count, char) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        match char {
            '\n' | '\t' | '\r' => out.extend(char.escape_default()),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(char.escape_unicode());
            }
            char if char.is_control() => out.extend(char.escape_unicode()),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
    }

    #[test]
    fn endless_text_ends() {
        assert_eq!(printable(&"x".repeat(10_000)).chars().count(), 501);
    }

    #[test]
    fn problems_are_in_the_order_of_the_text() {
        let source = Source::new("x", "a\nb\nc\n");
        let at = |start| Problem::new(ProblemKind::Syntax, Span { start, end: start }, "bad");
        let error = ManifestError::from_problems(source, vec![at(4), at(0), at(3)]);
        let places: Vec<_> =
            error.problems().iter().map(|p| (p.position().line, p.position().column)).collect();
        assert_eq!(places, [(1, 1), (2, 2), (3, 1)]);
    }
}
