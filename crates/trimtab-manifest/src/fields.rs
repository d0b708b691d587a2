//! The source field by field, so that none is passed over.

use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::decode::{decode, did_you_mean};
use crate::locate::locate;
use crate::node::{Entry, Node, Value, shortened};
use crate::{Limits, ManifestError, Problem, ProblemKind, Source, Span, yaml};

/// A document whose fields are read one by one: for formats that have to know where each of their
/// values stands, such as one that reports about them later.
///
/// ```
/// use trimtab_manifest::{Block, Limits, Source, read_documents};
///
/// let source = Source::new("x.yaml", "at: 1m\nreplica: 3\n");
/// let documents = read_documents(&source, &Limits::default())?;
/// let mut problems = Vec::new();
/// let mut block = Block::new(documents[0].field(), &mut problems).unwrap();
/// let (at, field) = block.required::<String>("at", &mut problems).unwrap();
/// assert_eq!((at.as_str(), field.span().start), ("1m", 4));
/// assert!(block.field("replicas").is_none());
/// block.refuse_rest(&mut problems);
/// assert_eq!(problems[0].help(), Some("did you mean `replicas`?"));
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
#[derive(Debug)]
pub struct Document {
    root: Rc<Node>,
}

impl Document {
    /// The whole document as a field.
    pub fn field(&self) -> Field<'_> {
        Field::root(&self.root)
    }
}

/// Reads the documents of a source as trees; those that hold nothing are left out.
///
/// # Errors
///
/// Text that is no YAML or JSON, or exceeds a limit.
pub fn read_documents(source: &Source, limits: &Limits) -> Result<Vec<Document>, ManifestError> {
    let (documents, problems) = yaml::documents(source, limits);
    if problems.is_empty() {
        let there = documents.into_iter().filter(|document| !document.is_null());
        Ok(there.map(|root| Document { root }).collect())
    } else {
        Err(ManifestError::from_problems(source.clone(), problems))
    }
}

/// A value of the source and its place.
#[derive(Clone, Debug)]
pub struct Field<'n> {
    pub(crate) node: &'n Node,
    /// From the root of its document.
    pub(crate) path: String,
    /// What is shown of it: the value, or the key of a mapping or list.
    pub(crate) span: Span,
}

impl<'n> Field<'n> {
    /// A whole document, or an item of a list of documents.
    pub(crate) fn root(node: &'n Node) -> Self {
        let span = node
            .entries()
            .and_then(|entries| entries.first())
            .map_or(node.span, |entry| entry.key_span);
        Self { node, path: String::new(), span }
    }

    pub(crate) fn child(&self, entry: &'n Entry) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let span = match &entry.value.value {
            Value::Scalar(_) => entry.value.span,
            _ => entry.key_span,
        };
        Self { node: &entry.value, path: format!("{}{dot}{}", self.path, entry.key), span }
    }

    fn item(&self, index: usize, node: &'n Rc<Node>) -> Self {
        Self { node, path: format!("{}[{index}]", self.path), span: Field::root(node).span }
    }

    /// A field inside, such as `policies[0].value`; this one where it has nothing of the kind.
    pub(crate) fn inside(&self, field: &str) -> (String, Span) {
        let first = field.find(['.', '[']).filter(|end| *end > 0).unwrap_or(field.len());
        let is_own = field.starts_with('[')
            || field.get(..first).is_some_and(|key| self.node.get(key).is_some());
        if field.is_empty() || !is_own {
            return (self.path.clone(), self.span);
        }
        let place = locate(self.node, field);
        let span = if place.span == self.node.span { self.span } else { place.span };
        let dot = if field.starts_with('[') || self.path.is_empty() { "" } else { "." };
        (format!("{}{dot}{field}", self.path), span)
    }

    /// Where it is: the value, or the key of a mapping or list.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Where its value is, whatever it is.
    pub fn value_span(&self) -> Span {
        self.node.span
    }

    /// Its path from the root of its document, such as `tests[0].name`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is a mapping.
    pub fn is_mapping(&self) -> bool {
        self.node.entries().is_some()
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(self.node.value, Value::Sequence(_))
    }

    /// What it is, for messages: ``the string `x` ``.
    pub fn describe(&self) -> String {
        self.node.describe()
    }

    /// Where a piece of a scalar's text is, if the text stands in the source as it is.
    pub fn span_within(&self, source: &Source, start: usize, end: usize) -> Option<Span> {
        let written = source.text().get(self.node.span.start..self.node.span.end)?;
        let quote = usize::from(written.starts_with(['\'', '"']));
        let text = self.text()?;
        let same = written.get(quote..quote.saturating_add(text.len())) == Some(text);
        let from = self.node.span.start.saturating_add(quote);
        let span = Span { start: from.saturating_add(start), end: from.saturating_add(end) };
        (same && end <= text.len() && start <= end).then_some(span)
    }

    /// The last part of its path.
    pub fn key(&self) -> &str {
        match self.path.rfind("/") {
            // The keys of annotations have dots of their own.
            Some(slash) => {
                let start = self.path.get(..slash).and_then(|head| {
                    head.find("annotations.").map(|at| at.saturating_add("annotations.".len()))
                });
                self.path.get(start.unwrap_or(0)..).unwrap_or(&self.path)
            }
            None => self.path.rsplit('.').next().unwrap_or(&self.path),
        }
    }

    /// Its value as a Rust value; a problem if it is none.
    pub fn decode<T: DeserializeOwned>(&self, problems: &mut Vec<Problem>) -> Option<T> {
        decode(self.node, &self.path).map_err(|found| problems.extend(found)).ok()
    }

    /// The text of a scalar, as it is written.
    pub fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The items of a list; a problem if it is none.
    pub fn items(&self, problems: &mut Vec<Problem>) -> Vec<Self> {
        match &self.node.value {
            Value::Sequence(items) => {
                items.iter().enumerate().map(|(index, item)| self.item(index, item)).collect()
            }
            _ => {
                let message = format!("expected a list, found {}", self.node.describe());
                problems.push(self.problem(ProblemKind::WrongType, message));
                Vec::new()
            }
        }
    }

    /// A problem at its place.
    pub fn problem(&self, kind: ProblemKind, message: impl AsRef<str>) -> Problem {
        Problem::new(kind, self.span, message).with_field(&self.path)
    }

    /// A value that the field cannot have, and what would be right.
    pub(crate) fn invalid(&self, what: &str, right: &str) -> Problem {
        let message = format!("`{}` {what}", shortened(self.key()));
        let kind = ProblemKind::Rule(trimtab_engine::FieldErrorKind::Invalid);
        self.problem(kind, message).with_help(right)
    }

    /// What cannot be a policy, and why.
    pub(crate) fn refused(&self, message: impl AsRef<str>, help: impl AsRef<str>) -> Problem {
        self.problem(ProblemKind::NoCounterpart, message).with_help(help)
    }

    /// The value as it would be written on a line.
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        write(self.node, &mut text);
        text
    }
}

fn write(node: &Node, text: &mut String) {
    match &node.value {
        Value::Scalar(scalar) => text.push_str(scalar.text.trim_end()),
        Value::Sequence(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                write(item, text);
            }
            text.push(']');
        }
        Value::Mapping(entries) => {
            text.push('{');
            for (index, entry) in entries.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                text.push_str(&entry.key);
                text.push_str(": ");
                write(&entry.value, text);
            }
            text.push('}');
        }
    }
}

/// A mapping whose fields are asked for one by one; what was never asked for is left over.
#[derive(Debug)]
pub struct Block<'n> {
    pub(crate) field: Field<'n>,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
}

impl<'n> Block<'n> {
    /// A problem if it is no mapping.
    pub fn new(field: Field<'n>, problems: &mut Vec<Problem>) -> Option<Self> {
        let Some(entries) = field.node.entries() else {
            let message = format!("expected a mapping, found {}", field.node.describe());
            problems.push(field.problem(ProblemKind::WrongType, message));
            return None;
        };
        Some(Self { field, entries, asked: Vec::new() })
    }

    /// A field, unless it is absent or null, which is the same in Kubernetes.
    pub fn field(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (!entry.value.is_null()).then(|| self.field.child(entry))
    }

    /// A field as a Rust value.
    pub fn get<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<Problem>,
    ) -> Option<(T, Field<'n>)> {
        let field = self.field(key)?;
        Some((field.decode(problems)?, field))
    }

    /// A field that has to be there.
    pub fn required<T: DeserializeOwned>(
        &mut self,
        key: &'static str,
        problems: &mut Vec<Problem>,
    ) -> Option<(T, Field<'n>)> {
        if let Some(field) = self.field(key) {
            return Some((field.decode(problems)?, field));
        }
        problems.push(self.missing(key));
        None
    }

    /// That a field is missing.
    pub fn missing(&self, key: &str) -> Problem {
        let message = format!("the field `{key}` is missing");
        let dot = if self.field.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{key}", self.field.path);
        Problem::new(ProblemKind::MissingField, self.field.span, message).with_field(path)
    }

    /// A mapping inside.
    pub fn block(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Option<Block<'n>> {
        let field = self.field(key)?;
        Self::new(field, problems)
    }

    /// A list inside; empty if there is none.
    pub fn items(&mut self, key: &'static str, problems: &mut Vec<Problem>) -> Vec<Field<'n>> {
        self.field(key).map(|field| field.items(problems)).unwrap_or_default()
    }

    /// Every field that is there, asked for or not.
    pub fn all(&self) -> impl Iterator<Item = (&'n str, Field<'n>)> {
        let field = &self.field;
        self.entries
            .iter()
            .filter(|entry| !entry.value.is_null())
            .map(move |entry| (entry.key.as_str(), field.child(entry)))
    }

    /// What was not asked for.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&'n str, Field<'n>)> {
        self.all().filter(|(key, _)| !self.asked.contains(key))
    }

    /// Counts a field as asked for.
    pub(crate) fn known(&mut self, keys: &[&'static str]) {
        self.asked.extend_from_slice(keys);
    }

    /// Refuses what was not asked for, as the schema of its owner does.
    pub fn refuse_rest(&self, problems: &mut Vec<Problem>) {
        for entry in self.entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str())) {
            let message = format!("unknown field `{}`", shortened(&entry.key));
            let field = self.field.child(entry);
            let problem = Problem::new(ProblemKind::UnknownField, entry.key_span, message)
                .with_field(field.path)
                .with_help(did_you_mean(&entry.key, &self.asked));
            problems.push(problem);
        }
    }

    /// The name nearest to one that is not known here.
    pub(crate) fn nearest(&self, key: &str) -> Option<&'static str> {
        crate::suggest::nearest(key, &self.asked)
    }
}
