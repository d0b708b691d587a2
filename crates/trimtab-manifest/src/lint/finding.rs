//! What was found, and where.

use super::field::Field;
use super::rule::{Rule, Severity};
use crate::error::printable;
use crate::render::{Colour, render_finding};
use crate::{Position, Source, Span};

/// One thing that is wrong with the manifests.
#[derive(Clone, Debug)]
pub struct Finding {
    rule: &'static Rule,
    severity: Severity,
    message: String,
    pub(super) place: Place,
    related: Vec<Related>,
    help: Option<String>,
}

/// Another place that a finding is about, such as the Deployment that an autoscaler scales.
#[derive(Clone, Debug)]
pub struct Related {
    message: String,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which of the sources.
    pub(super) index: usize,
    pub(super) source: Source,
    pub(super) span: Span,
    pub(super) position: Position,
    pub(super) field: String,
    /// Where its document starts, and in which line.
    pub(super) document: usize,
    pub(super) document_line: usize,
}

impl Finding {
    /// Which rule found it.
    pub fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What is wrong. The wording is no part of the interface.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The source that it is in.
    pub fn source(&self) -> &Source {
        &self.place.source
    }

    /// The part of the text that it is about, up to the end of its first line.
    pub fn span(&self) -> Span {
        self.place.span
    }

    /// Where that part starts.
    pub fn position(&self) -> Position {
        self.place.position
    }

    /// Path of the field from the root of its document, such as `spec.metrics[0].type`; empty for a
    /// document as a whole.
    pub fn field(&self) -> &str {
        &self.place.field
    }

    /// Other places that it is about.
    pub fn related(&self) -> &[Related] {
        &self.related
    }

    /// What to write instead.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(super) fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        let related = self.related.iter_mut().map(|related| &mut related.place);
        std::iter::once(&mut self.place).chain(related)
    }

    /// As rustc shows it: the line in question, why, and what would be right; for terminals in colour.
    pub fn render(&self, colour: Colour) -> String {
        render_finding(self, colour)
    }
}

impl Related {
    /// What is there.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The source that it is in.
    pub fn source(&self) -> &Source {
        &self.place.source
    }

    /// The part of the text, up to the end of its first line.
    pub fn span(&self) -> Span {
        self.place.span
    }

    /// Where that part starts.
    pub fn position(&self) -> Position {
        self.place.position
    }
}

/// Where rules put what they find.
pub(super) struct Findings<'s> {
    pub(super) sources: &'s [Source],
    pub(super) found: Vec<Finding>,
    /// How many there were no room for.
    pub(super) left_out: usize,
}

/// More than this nobody reads, and a file made to have more asks for much memory.
const MOST: usize = 2000;

impl<'s> Findings<'s> {
    pub(super) fn new(sources: &'s [Source]) -> Self {
        Self { sources, found: Vec::new(), left_out: 0 }
    }

    /// Adds a finding at a field. What is returned takes the help and further places.
    pub(super) fn add(
        &mut self,
        rule: &'static Rule,
        at: Field<'_>,
        message: impl AsRef<str>,
    ) -> Added<'_, 's> {
        let place = self.place(at);
        self.push(rule, place, message.as_ref())
    }

    fn push(&mut self, rule: &'static Rule, place: Option<Place>, message: &str) -> Added<'_, 's> {
        let index = match place {
            Some(place) if self.found.len() < MOST => {
                self.found.push(Finding {
                    rule,
                    severity: rule.severity,
                    message: printable(message),
                    place,
                    related: Vec::new(),
                    help: None,
                });
                self.found.len().checked_sub(1)
            }
            _ => {
                self.left_out = self.left_out.saturating_add(1);
                None
            }
        };
        Added { findings: self, index }
    }

    /// Adds a finding that is about no document, such as one of a comment.
    pub(super) fn add_at(
        &mut self,
        rule: &'static Rule,
        source: usize,
        span: Span,
        message: impl AsRef<str>,
    ) -> Added<'_, 's> {
        let place = self.place_of(source, span, String::new(), span.start);
        self.push(rule, place, message.as_ref())
    }

    fn place(&self, at: Field<'_>) -> Option<Place> {
        let field = printable(&at.document.path_of(at.span));
        self.place_of(at.document.source, at.span, field, at.document.root.span.start)
    }

    fn place_of(&self, index: usize, span: Span, field: String, document: usize) -> Option<Place> {
        let source = self.sources.get(index)?.clone();
        let span = crate::error::first_line(span, source.text());
        let position = Position { line: 1, column: 1 };
        Some(Place { index, source, span, position, field, document, document_line: 1 })
    }
}

/// A finding that was just added.
pub(super) struct Added<'f, 's> {
    findings: &'f mut Findings<'s>,
    index: Option<usize>,
}

impl Added<'_, '_> {
    fn finding(&mut self) -> Option<&mut Finding> {
        self.findings.found.get_mut(self.index?)
    }

    /// What to write instead: text that can be pasted.
    pub(super) fn help(mut self, help: impl AsRef<str>) -> Self {
        if let Some(finding) = self.finding() {
            finding.help = Some(printable_lines(help.as_ref()));
        }
        self
    }

    /// How bad it is, where that differs from the rule's.
    pub(super) fn severity(mut self, severity: Severity) -> Self {
        if let Some(finding) = self.finding() {
            finding.severity = severity;
        }
        self
    }

    /// Another place that it is about, and what is there.
    pub(super) fn related(mut self, at: Field<'_>, message: impl AsRef<str>) -> Self {
        let place = self.findings.place(at);
        let message = printable(message.as_ref());
        if let (Some(finding), Some(place)) = (self.finding(), place) {
            finding.related.push(Related { message, place });
        }
        self
    }
}

/// As [`printable`], line by line.
fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}
