//! Why a tree is no value of the type, gathering on its way up where that is.

use std::fmt::{self, Display, Write as _};

use serde::de::{self, Expected, Unexpected};

use crate::node::{Entry, Node, Value, shortened};
use crate::suggest::nearest;
use crate::{Problem, ProblemKind, Span};

/// An error on its way up to the root, gathering where it happened.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) kind: ProblemKind,
    message: String,
    help: Option<String>,
    span: Option<Span>,
    /// From the innermost segment outwards.
    pub(super) path: Vec<String>,
    /// Where the key of the innermost entry around it starts.
    pub(super) entry: Option<usize>,
}

impl DecodeError {
    pub(super) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, help: None, span: None, path: Vec::new(), entry: None }
    }

    pub(super) fn expected(what: &str, node: &Node) -> Self {
        let message = format!("expected {what}, found {}", node.describe());
        Self::new(ProblemKind::WrongType, message).at(node.span)
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    pub(super) fn inside(mut self, entry: &Entry) -> Self {
        self.entry.get_or_insert(entry.key_span.start);
        // An error of a whole mapping or list is shown at the key that holds it.
        let whole = !matches!(entry.value.value, Value::Scalar(_));
        if whole && self.path.is_empty() && self.span == Some(entry.value.span) {
            self.span = Some(entry.key_span);
        }
        self.path.push(entry.key.clone());
        self
    }

    pub(super) fn into_problem(self, root: &Node, path: &str) -> Problem {
        let mut field = String::from(path);
        for segment in self.path.iter().rev() {
            let dot = if field.is_empty() || segment.starts_with('[') { "" } else { "." };
            // Writing to a string cannot fail.
            let _ = write!(field, "{dot}{segment}");
        }
        let span = self.span.unwrap_or(root.span);
        let problem = Problem::new(self.kind, span, self.message).with_field(field);
        match self.help {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(ProblemKind::WrongType, message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(ProblemKind::WrongType, format!("expected {expected}, found {unexpected}"))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let message = format!("unknown field `{}`", shortened(field));
        Self::new(ProblemKind::UnknownField, message).help(did_you_mean(field, known))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let message = format!("unknown value `{}`", shortened(variant));
        Self::new(ProblemKind::WrongType, message).help(did_you_mean(variant, known))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(ProblemKind::MissingField, format!("the field `{field}` is missing"))
    }
}

/// What would be right in place of a name that is not known: the nearest that is, or all of them.
///
/// ```
/// use trimtab_manifest::did_you_mean;
///
/// assert_eq!(did_you_mean("replica", &["replicas", "reasons"]), "did you mean `replicas`?");
/// ```
pub fn did_you_mean(name: &str, known: &[&str]) -> String {
    match (nearest(name, known), known) {
        (Some(known), _) => format!("did you mean `{known}`?"),
        (None, []) => String::from("there are no fields here"),
        (None, known) => format!("known here: `{}`", known.join("`, `")),
    }
}
