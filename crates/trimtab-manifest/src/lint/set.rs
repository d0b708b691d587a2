//! All documents together, and who means whom.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::autoscaler::Autoscaler;
use super::document::Document;
use super::documents::Around;
use super::kustomize::Kustomize;

/// The documents that are linted, and views of those that rules ask for.
pub(super) struct Set<'n> {
    documents: &'n [Document],
    /// By kind, namespace and name.
    named: BTreeMap<Name<'n>, Vec<&'n Document>>,
    /// By group, kind and name, whatever the namespace: one of them, if it is the only one.
    only: BTreeMap<(&'n str, &'n str, &'n str), Option<&'n Document>>,
    autoscalers: Vec<Autoscaler<'n>>,
    around: OnceCell<Around<'n>>,
    kustomize: Kustomize,
}

type Name<'n> = (&'n str, Option<&'n str>, &'n str);

impl<'n> Set<'n> {
    pub(super) fn new(documents: &'n [Document], kustomize: Kustomize) -> Self {
        let mut named: BTreeMap<Name<'n>, Vec<&Document>> = BTreeMap::new();
        let mut only: BTreeMap<_, Option<&Document>> = BTreeMap::new();
        for document in documents.iter().filter(|document| !document.name.is_empty()) {
            let name = (&*document.kind, document.namespace.as_deref(), &*document.name);
            named.entry(name).or_default().push(document);
            let name = (&*document.group, &*document.kind, &*document.name);
            only.entry(name).and_modify(|only| *only = None).or_insert(Some(document));
        }
        let (autoscalers, around) = (Vec::new(), OnceCell::new());
        let mut set = Self { documents, named, only, autoscalers, around, kustomize };
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

    /// The document of this kind and name in the namespace, in any version. What says no namespace is in
    /// that of what it is applied with, as long as only one can be meant.
    pub(super) fn find(
        &self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<&'n Document> {
        let exact = self.all_named(group, kind, namespace, name).first().copied();
        exact.or_else(|| {
            let only = self.only.get(&(group, kind, name)).copied().flatten()?;
            (only.namespace.is_none() || namespace.is_none()).then_some(only)
        })
    }

    /// The documents of a name; of very many the first.
    fn all_named(
        &self,
        group: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Vec<&'n Document> {
        const MOST: usize = 64;
        let all = self.named.get(&(kind, namespace, name)).into_iter().flatten().copied();
        all.take(MOST).filter(|document| document.group == group).collect()
    }

    /// Everything that decides on a number of replicas.
    pub(super) fn autoscalers(&self) -> &[Autoscaler<'n>] {
        &self.autoscalers
    }

    /// What is around the autoscalers: workloads, budgets, NodePools.
    pub(super) fn around(&self) -> &Around<'n> {
        self.around.get_or_init(|| Around::of(self))
    }

    /// Whether a document may be another one than it seems wherever it is applied.
    pub(super) fn is_patched(&self, document: &Document) -> bool {
        self.kustomize.is_patched(document, document.source)
    }

    /// The document that another one names by kind and name in its namespace, unless it is patched where
    /// both are applied. Of several of that name it is the one in the same file, or the only one in the
    /// same folder.
    pub(super) fn named_by(
        &self,
        document: &Document,
        group: &str,
        kind: &str,
        name: &str,
    ) -> Option<&'n Document> {
        let namespace = document.namespace.as_deref();
        let together = |other: &&'n Document| !self.are_apart(document, other);
        let mut same = self.all_named(group, kind, namespace, name);
        same.retain(together);
        let folder = |other: &Document| self.kustomize.folder_of(other.source);
        let mut beside = same.iter().filter(|other| folder(other) == folder(document));
        let found = match same.as_slice() {
            [] => self.find(group, kind, namespace, name).filter(together)?,
            [only] => only,
            several => match several.iter().find(|other| other.source == document.source) {
                Some(own) => own,
                None => beside.next().filter(|_| beside.next().is_none())?,
            },
        };
        (!self.kustomize.is_patched(found, document.source)).then_some(found)
    }

    /// Whether the files of two documents are in the same folder.
    pub(super) fn are_in_one_folder(&self, one: &Document, other: &Document) -> bool {
        let folder = |document: &Document| self.kustomize.folder_of(document.source);
        folder(one) == folder(other)
    }

    /// Whether two documents are never applied together.
    pub(super) fn are_apart(&self, one: &Document, other: &Document) -> bool {
        self.kustomize.are_apart(one.source, other.source)
    }
}
