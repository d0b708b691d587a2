//! A document and what names it: its kind, its namespace and its name.

use std::rc::Rc;

use super::field::Field;
use crate::node::{Node, Value};
use crate::{Limits, Source, import};

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
    /// What its string of YAML holds: the Ray Serve config of a `RayService`.
    inner: Option<Rc<Node>>,
}

impl Document {
    /// The documents of one: those of a list, or itself. Nothing between two `---` is none.
    pub(super) fn all(source: (usize, &Source), root: &Rc<Node>, limits: &mut Limits) -> Vec<Self> {
        if root.entries().is_none() {
            return Vec::new();
        }
        let (index, text) = source;
        let mut new = |root: &Rc<Node>| {
            let mut document = Self::new(index, Rc::clone(root));
            if document.is("ray.io", "RayService") {
                document.inner = import::serve_config(text, root, limits);
                // All of them together read no more than one source may hold.
                let size = document.inner.as_ref().map_or(0, |inner| inner.size);
                limits.max_nodes = limits.max_nodes.saturating_sub(size);
            }
            document
        };
        let document = new(root);
        match root.get("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if document.kind.ends_with("List") => {
                let items = items.iter().filter(|item| item.entries().is_some());
                let item = document.kind.strip_suffix("List").filter(|item| !item.is_empty());
                let mut documents: Vec<Self> = items.map(new).collect();
                for one in documents.iter_mut().filter(|one| one.kind.is_empty()) {
                    // As the API server answers for `DeploymentList`: the list says it for all.
                    let Some(item) = item else { continue };
                    one.kind = item.to_owned();
                    one.group.clone_from(&document.group);
                    one.version.clone_from(&document.version);
                }
                documents
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
        Self { source, group, version, kind, namespace, name, root, inner: None }
    }

    /// What Ray Serve is told: the document itself, or the string of a `RayService`.
    pub(super) fn serve_config(&self) -> Option<Field<'_>> {
        match &self.inner {
            Some(inner) => Some(Field::of(self, inner)),
            None if self.kind.is_empty() => Some(self.field()),
            None => None,
        }
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

    /// The metadata and the `spec` of the pods that it makes.
    pub(super) fn pod_template(&self) -> Option<Field<'_>> {
        match (&*self.group, &*self.kind) {
            ("apps", "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet")
            | ("argoproj.io", "Rollout")
            | ("serving.knative.dev", "Service" | "Configuration") => self.spec()?.get("template"),
            ("leaderworkerset.x-k8s.io", "LeaderWorkerSet") => {
                // An HPA measures the leaders, which are made as the workers are if nothing else is said.
                let groups = self.spec()?.get("leaderWorkerTemplate")?;
                groups.get("leaderTemplate").or_else(|| groups.get("workerTemplate"))
            }
            ("", "Pod") => Some(self.field()),
            _ => None,
        }
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
