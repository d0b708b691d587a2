//! A value of a manifest with its place, read as it comes: what has another type than it should is
//! not there.

use trimtab_metric::Quantity;

use super::document::Document;
use crate::Span;
use crate::node::{Entry, Node, ScalarType, Value};

/// A value of a document.
#[derive(Copy, Clone, Debug)]
pub(super) struct Field<'n> {
    pub(super) document: &'n Document,
    pub(super) node: &'n Node,
    /// What is shown of it: the value, or the key of a mapping or list.
    pub(super) span: Span,
}

impl<'n> Field<'n> {
    /// A whole document.
    pub(super) fn root(document: &'n Document) -> Self {
        Self::of(document, &document.root)
    }

    /// A tree of a document.
    pub(super) fn of(document: &'n Document, node: &'n Node) -> Self {
        Self { document, node, span: head(node) }
    }

    fn child(&self, entry: &'n Entry) -> Self {
        let span = match &entry.value.value {
            Value::Scalar(_) => entry.value.span,
            _ => entry.key_span,
        };
        Self { document: self.document, node: &entry.value, span }
    }

    /// A field inside, unless it is null: Kubernetes takes that for absent.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let entry = self.node.entry(key)?;
        (!entry.value.is_null()).then(|| self.child(entry))
    }

    /// A field further inside, such as `spec.template.spec`.
    pub(super) fn at(&self, path: &str) -> Option<Self> {
        path.split('.').try_fold(*self, |field, key| field.get(key))
    }

    /// The same, shown at its key.
    pub(super) fn key_of(&self, key: &str) -> Option<Self> {
        let entry = self.node.entry(key)?;
        (!entry.value.is_null()).then(|| Self { span: entry.key_span, ..self.child(entry) })
    }

    /// The items of a list; none if it is no list.
    pub(super) fn items(&self) -> impl DoubleEndedIterator<Item = Self> + use<'n> {
        let document = self.document;
        let items = match &self.node.value {
            Value::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(move |item| Self { document, node: item, span: head(item) })
    }

    /// The items of a list inside.
    pub(super) fn list(&self, key: &str) -> impl DoubleEndedIterator<Item = Self> + use<'n> {
        self.get(key).into_iter().flat_map(|field| field.items())
    }

    /// The fields of a mapping that are not null; none if it is no mapping.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'n str, Self)> + use<'n> {
        let field = *self;
        let entries = field.node.entries().unwrap_or_default();
        let there = entries.iter().filter(|entry| !entry.value.is_null());
        there.map(move |entry| (entry.key.as_str(), field.child(entry)))
    }

    /// The text of a scalar as it is written, quoted or not.
    pub(super) fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a field inside.
    pub(super) fn text_of(&self, key: &str) -> Option<&'n str> {
        self.get(key)?.text()
    }

    /// A whole number that is not in quotes.
    pub(super) fn int(&self) -> Option<i64> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.type_() == ScalarType::Integer => {
                scalar.text.parse().ok()
            }
            _ => None,
        }
    }

    /// A whole number inside.
    pub(super) fn int_of(&self, key: &str) -> Option<i64> {
        self.get(key)?.int()
    }

    /// A boolean.
    pub(super) fn bool(&self) -> Option<bool> {
        match &self.node.value {
            Value::Scalar(scalar) => match scalar.type_() {
                ScalarType::Bool(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// A number, in quotes or not, as scalers and annotations have them; always finite.
    pub(super) fn number(&self) -> Option<f64> {
        self.text()?.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A quantity such as `500m`, in quotes or not.
    pub(super) fn quantity(&self) -> Option<Quantity> {
        self.text()?.parse().ok()
    }
}

/// The value itself, or of a mapping its first key.
fn head(node: &Node) -> Span {
    node.entries().and_then(|entries| entries.first()).map_or(node.span, |entry| entry.key_span)
}
