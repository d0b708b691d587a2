//! What one of the peers made of another document of the same source: KEDA's HPA of a ScaledObject,
//! Knative's Revision of a Service. It would be a second policy for the same replicas.

use std::collections::BTreeSet;

use super::block::Field;
use super::{Skipped, is_imported};
use crate::node::{Node, Value, shortened};

/// The documents of a source that others can be made of.
pub(super) struct Owners<'n>(BTreeSet<Name<'n>>);

/// Kind, namespace and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'n> {
    kind: &'n str,
    namespace: &'n str,
    name: &'n str,
}

impl<'n> Owners<'n> {
    pub(super) fn among(documents: &[&'n Node]) -> Self {
        let owners = documents.iter().filter_map(|document| {
            let (version, name) = (text(document, "apiVersion")?, Name::of(document)?);
            // Knative's, between a Revision and its HPA.
            let is_between = name.kind == "PodAutoscaler";
            (is_between || is_imported(version, name.kind)).then_some(name)
        });
        Self(owners.collect())
    }

    /// The document of the source that a document was made of.
    pub(super) fn owner_of(&self, document: &'n Node) -> Option<Name<'n>> {
        let own = Name::of(document)?;
        let references = document.get("metadata")?.get("ownerReferences")?;
        let Value::Sequence(references) = &references.value else { return None };
        let owners = references.iter().filter_map(|reference| {
            let (kind, name) = (text(reference, "kind")?, text(reference, "name")?);
            Some(Name { kind, name, ..own.clone() })
        });
        owners.into_iter().find(|owner| *owner != own && self.0.contains(owner))
    }
}

impl<'n> Name<'n> {
    fn of(document: &'n Node) -> Option<Self> {
        let metadata = document.get("metadata")?;
        let namespace = text(metadata, "namespace").unwrap_or_default();
        Some(Self { kind: text(document, "kind")?, namespace, name: text(metadata, "name")? })
    }
}

/// That a document was passed over for its owner.
pub(super) fn skipped(document: &Node, owner: &Name<'_>) -> Skipped {
    let own = Name::of(document);
    let (kind, name) = own.map_or(("", ""), |own| (own.kind, own.name));
    let what = format!("`{} {}`", shortened(kind), shortened(name));
    let why = format!("`{} {}` makes it", shortened(owner.kind), shortened(owner.name));
    Skipped::new(what, why, Field::root(document).span)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &node.get(key)?.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
