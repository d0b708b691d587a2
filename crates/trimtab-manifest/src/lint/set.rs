//! All documents together, and who means whom.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::autoscaler::Autoscaler;
use super::document::Document;
use super::documents::Around;

/// The documents that are linted, and views of those that rules ask for.
pub(super) struct Set<'n> {
    documents: &'n [Document],
    /// By kind, namespace and name: the first of that name, group by group.
    named: BTreeMap<Name<'n>, Vec<&'n Document>>,
    autoscalers: Vec<Autoscaler<'n>>,
    around: OnceCell<Around<'n>>,
}

type Name<'n> = (&'n str, Option<&'n str>, &'n str);

impl<'n> Set<'n> {
    pub(super) fn new(documents: &'n [Document]) -> Self {
        let mut named: BTreeMap<Name<'n>, Vec<&Document>> = BTreeMap::new();
        for document in documents.iter().filter(|document| !document.name.is_empty()) {
            let name = (&*document.kind, document.namespace.as_deref(), &*document.name);
            let same = named.entry(name).or_default();
            if same.iter().all(|other| other.group != document.group) {
                same.push(document);
            }
        }
        let (autoscalers, around) = (Vec::new(), OnceCell::new());
        let mut set = Self { documents, named, autoscalers, around };
        set.autoscalers = Autoscaler::among(&set);
        set
    }

    pub(super) fn documents(&self) -> &'n [Document] {
        self.documents
    }

    /// The documents of a kind, in any version.
    pub(super) fn of_kind(
        &self,
        group: &'static str,
        kind: &'static str,
    ) -> impl Iterator<Item = &'n Document> + use<'n> {
        self.documents.iter().filter(move |document| document.is(group, kind))
    }

    /// The document of this kind and name in the namespace, in any version.
    pub(super) fn find(
        &self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<&'n Document> {
        let same = self.named.get(&(kind, namespace, name))?;
        same.iter().copied().find(|document| document.group == group)
    }

    /// Everything that decides on a number of replicas.
    pub(super) fn autoscalers(&self) -> &[Autoscaler<'n>] {
        &self.autoscalers
    }

    /// What is around the autoscalers: workloads, budgets, NodePools.
    pub(super) fn around(&self) -> &Around<'n> {
        self.around.get_or_init(|| Around::of(self))
    }
}
