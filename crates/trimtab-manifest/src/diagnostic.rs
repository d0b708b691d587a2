//! Something to be said about a place in a source, as rustc says it.

use annotate_snippets::Level;

use crate::error::{first_line, printable};
use crate::render::{Colour, labelled, renderer};
use crate::{Severity, Source, Span};

/// Something to be said about a place in a source: a code, what it is, what is meant at the place,
/// and more about it below.
///
/// ```
/// use trimtab_manifest::{Colour, Diagnostic, Severity, Source, Span};
///
/// let source = Source::new("x_test.yaml", "- {at: 10m, replicas: 2}\n");
/// let diagnostic = Diagnostic::new(Severity::Error, Span { start: 22, end: 23 }, "expected 2, got 3")
///     .with_code("T001")
///     .with_label("3")
///     .with_help("look again");
/// let text = diagnostic.render(&source, Colour::Never);
/// assert_eq!(text, "\
/// error[T001]: expected 2, got 3
///  --> x_test.yaml:1:23
///   |
/// 1 | - {at: 10m, replicas: 2}
///   |                       ^ 3
///   |
///   = help: look again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    code: Option<&'static str>,
    span: Span,
    message: String,
    label: Option<String>,
    notes: Vec<String>,
    help: Option<String>,
}

impl Diagnostic {
    /// Something to be said about a place.
    pub fn new(severity: Severity, span: Span, message: impl AsRef<str>) -> Self {
        let message = printable(message.as_ref());
        Self { severity, code: None, span, message, label: None, notes: Vec::new(), help: None }
    }

    /// The same with a code that it can be looked up by.
    #[must_use]
    pub fn with_code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same with what is said at the place itself.
    #[must_use]
    pub fn with_label(self, label: impl AsRef<str>) -> Self {
        Self { label: Some(printable(label.as_ref())), ..self }
    }

    /// The same with a note below, which may have several lines.
    #[must_use]
    pub fn with_note(mut self, note: impl AsRef<str>) -> Self {
        let lines: Vec<String> = note.as_ref().lines().map(printable).collect();
        self.notes.push(lines.join("\n"));
        self
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl AsRef<str>) -> Self {
        Self { help: Some(printable(help.as_ref())), ..self }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The code, if it has one.
    pub fn code(&self) -> Option<&'static str> {
        self.code
    }

    /// The place.
    pub fn span(&self) -> Span {
        self.span
    }

    /// What it is. The wording is no part of the interface.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What is said below.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What to do about it, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// As text, with the line in question; for terminals in colour.
    pub fn render(&self, source: &Source, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let span = first_line(self.span, source.text());
        let position = source.position(span.start);
        let title = level.primary_title(self.message.as_str());
        let title = match self.code {
            Some(code) => title.id(code),
            None => title,
        };
        let mut group = title.elements(labelled(source, span, position, self.label.as_deref()));
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer(colour).render(&[group])
    }
}
