//! A document and what names it: its kind, its namespace and its name.

use std::rc::Rc;

use super::field::Field;
use crate::node::{Node, Value};

/// One document of a source, or an item of a list of them.
#[derive(Debug)]
pub(super) struct Document {
    /// Which of the sources it is in.
    pub(super) source: usize,
    pub(super) root: Rc<Node>,
    /// `autoscaling` of `autoscaling/v2`; empty for `v1`.
    pub(super) group: String,
    /// `v2` of `autoscaling/v2`.
    pub(super) version: String,
    pub(super) kind: String,
    /// As written. Absent is a namespace of its own: the one that `kubectl` points at.
    pub(super) namespace: Option<String>,
    /// Empty where there is none.
    pub(super) name: String,
}

impl Document {
    /// The documents of one: those of a list, or itself. Nothing between two `---` is none.
    pub(super) fn all(source: usize, root: &Rc<Node>) -> Vec<Self> {
        if root.entries().is_none() {
            return Vec::new();
        }
        let document = Self::new(source, Rc::clone(root));
        match root.get("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if document.kind.ends_with("List") => {
                let items = items.iter().filter(|item| item.entries().is_some());
                items.map(|item| Self::new(source, Rc::clone(item))).collect()
            }
            _ => vec![document],
        }
    }

    fn new(source: usize, root: Rc<Node>) -> Self {
        let text = |node: Option<&Node>, key: &str| -> Option<String> {
            match &node?.get(key)?.value {
                Value::Scalar(scalar) => Some(scalar.text.clone()),
                _ => None,
            }
        };
        let version = text(Some(&root), "apiVersion").unwrap_or_default();
        let (group, version) = match version.split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), version),
        };
        let metadata = root.get("metadata");
        let (namespace, name) = (text(metadata, "namespace"), text(metadata, "name"));
        let kind = text(Some(&root), "kind").unwrap_or_default();
        let name = name.unwrap_or_default();
        Self { source, group, version, kind, namespace, name, root }
    }

    /// Whether it is of this kind, in any version.
    pub(super) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }

    pub(super) fn field(&self) -> Field<'_> {
        Field::root(self)
    }

    /// What stands in its `spec`.
    pub(super) fn spec(&self) -> Option<Field<'_>> {
        self.field().get("spec")
    }

    /// A label or annotation: `metadata.labels` or `metadata.annotations` is `of`.
    pub(super) fn meta(&self, of: &str, key: &str) -> Option<Field<'_>> {
        self.field().get("metadata")?.get(of)?.get(key)
    }

    /// Its name with its kind, for messages: `Deployment llm`.
    pub(super) fn title(&self) -> String {
        let title = format!("{} {}", self.kind, self.name);
        crate::node::shortened(title.trim())
    }

    /// Where it is shown: at its name, or at its start.
    pub(super) fn heading(&self) -> Field<'_> {
        let root = self.field();
        root.at("metadata.name").unwrap_or(root)
    }
}

impl Document {
    /// The path of the field whose place in the text this is.
    pub(super) fn path_of(&self, span: crate::Span) -> String {
        let mut path = String::new();
        let mut node = &self.root;
        loop {
            let inside = |start: usize, child: &Node| {
                start <= span.start && span.end <= child.span.end.max(start)
            };
            match &node.value {
                Value::Scalar(_) => return path,
                Value::Sequence(items) => {
                    let found =
                        items.iter().enumerate().find(|(_, item)| inside(item.span.start, item));
                    let Some((index, item)) = found else { return path };
                    path.push_str(&format!("[{index}]"));
                    node = item;
                }
                Value::Mapping(entries) => {
                    let found =
                        entries.iter().find(|entry| inside(entry.key_span.start, &entry.value));
                    let Some(entry) = found else { return path };
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&entry.key);
                    // At the key itself.
                    if span.end <= entry.key_span.end {
                        return path;
                    }
                    node = &entry.value;
                }
            }
        }
    }
}
