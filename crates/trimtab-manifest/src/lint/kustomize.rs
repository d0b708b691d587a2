//! What Kustomize makes of the files: which are patches and no objects of their own, and which are never
//! applied together, since they belong to different overlays.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Document;
use super::field::Field;
use crate::Source;

/// The kustomizations of a set.
#[derive(Debug, Default)]
pub(super) struct Kustomize {
    /// Of each source the folder that it is in, as a number.
    folders: Vec<usize>,
    /// The sources that are patches of others.
    patches: BTreeSet<usize>,
    applied: Vec<Applied>,
}

/// More kustomizations, or files in all of them together, are not followed.
const MOST: usize = 512;
const MOST_FILES: usize = 100_000;

/// What a kustomization applies, that of its bases included.
#[derive(Debug)]
struct Applied {
    files: BTreeSet<usize>,
    /// The kinds that are patched; none where that is not told.
    patched: Vec<Option<String>>,
    /// Whether no other one takes it for a base.
    is_top: bool,
    /// The least of the kustomizations that have a base or a file in common with it, or with one that has.
    family: usize,
}

impl Applied {
    fn patches(&self, document: &Document) -> bool {
        let mut patched = self.patched.iter();
        patched.any(|kind| kind.as_ref().is_none_or(|kind| *kind == document.kind))
    }
}

/// One kustomization: the paths that it names.
#[derive(Default)]
struct Overlay {
    resources: Vec<String>,
    patches: Vec<String>,
    /// The kinds of what it patches; none where that is not told.
    patched: Vec<Option<String>>,
}

impl Kustomize {
    pub(super) fn of(sources: &[Source], documents: &[Document]) -> Self {
        let mut overlays: BTreeMap<String, Overlay> = BTreeMap::new();
        for document in documents {
            let Some(source) = sources.get(document.source) else { continue };
            if is_kustomization(source.name(), document) && overlays.len() < MOST {
                let folder = parent(source.name());
                overlays.insert(folder.clone(), Overlay::of(&folder, document.field()));
            }
        }
        let folders = folders(sources);
        if overlays.is_empty() {
            return Self { folders, ..Self::default() };
        }
        let names = sources.iter().enumerate().map(|(index, it)| (resolved("", it.name()), index));
        let names: BTreeMap<String, usize> = names.collect();
        let mut left = MOST_FILES;
        let mut applied: Vec<Applied> = Vec::new();
        let mut bases = BTreeSet::new();
        let mut families = Families::default();
        for (number, folder) in overlays.keys().enumerate() {
            let mut seen = BTreeSet::new();
            let (mut files, mut patched) = (BTreeSet::new(), Vec::new());
            let mut folders = vec![folder.as_str()];
            while let Some(folder) = folders.pop() {
                families.join(number, folder);
                let Some(overlay) = overlays.get(folder).filter(|_| seen.insert(folder)) else {
                    continue;
                };
                patched.extend(overlay.patched.iter().cloned());
                for path in overlay.resources.iter().take(left) {
                    left = left.saturating_sub(1);
                    match names.get(path) {
                        Some(index) => {
                            families.join(number, path);
                            files.insert(*index);
                        }
                        None => folders.push(path),
                    }
                }
            }
            bases.extend(seen.into_iter().filter(|base| base != folder));
            applied.push(Applied { files, patched, is_top: true, family: number });
        }
        for (number, (folder, one)) in overlays.keys().zip(&mut applied).enumerate() {
            one.is_top = !bases.contains(folder.as_str());
            one.family = families.of(number);
        }
        let patches = overlays.values().flat_map(|overlay| &overlay.patches);
        let patches = patches.filter_map(|path| names.get(path).copied()).collect();
        Self { folders, patches, applied }
    }

    /// The folder that a source is in.
    pub(super) fn folder_of(&self, source: usize) -> Option<usize> {
        self.folders.get(source).copied()
    }

    /// Whether a source holds parts of objects that are elsewhere.
    pub(super) fn is_patch(&self, source: usize) -> bool {
        self.patches.contains(&source)
    }

    /// Whether two sources are alternatives: they are applied by kustomizations that have a base in common, and
    /// by none together. What has nothing in common, as the nodes of a platform and what runs on them, may
    /// well be in one cluster.
    pub(super) fn are_apart(&self, one: usize, other: usize) -> bool {
        if one == other || self.applied.is_empty() {
            return false;
        }
        let of =
            |source| self.applied.iter().filter(move |applied| applied.files.contains(&source));
        if of(one).any(|applied| applied.files.contains(&other)) {
            return false;
        }
        let families: BTreeSet<usize> = of(one).map(|applied| applied.family).collect();
        of(other).any(|applied| families.contains(&applied.family))
    }

    /// Whether a document is another one than it seems wherever it is applied beside a source: all that apply
    /// both patch its kind.
    pub(super) fn is_patched(&self, document: &Document, beside: usize) -> bool {
        let both = |applied: &&Applied| {
            applied.files.contains(&document.source) && applied.files.contains(&beside)
        };
        let mut tops = self.applied.iter().filter(|applied| applied.is_top).filter(both).peekable();
        // Bases of each other have no top.
        if tops.peek().is_none() {
            return self.applied.iter().filter(both).any(|applied| applied.patches(document));
        }
        tops.all(|applied| applied.patches(document))
    }
}

/// Which kustomizations have a path in common, each known by the least of its family.
#[derive(Default)]
struct Families {
    by_path: BTreeMap<String, usize>,
    parents: BTreeMap<usize, usize>,
}

impl Families {
    fn of(&self, number: usize) -> usize {
        let mut root = number;
        while let Some(parent) = self.parents.get(&root) {
            root = *parent;
        }
        root
    }

    fn join(&mut self, number: usize, path: &str) {
        let Some(first) = self.by_path.get(path) else {
            self.by_path.insert(path.to_owned(), number);
            return;
        };
        let (one, other) = (self.of(*first), self.of(number));
        // The parent is always the lesser one, so this has no circles.
        if one != other {
            self.parents.insert(one.max(other), one.min(other));
        }
    }
}

fn is_kustomization(name: &str, document: &Document) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let by_name = ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&file);
    by_name || (document.group == "kustomize.config.k8s.io" && file.ends_with("yaml"))
}

const PATCHES: [&str; 3] = ["patches", "patchesStrategicMerge", "patchesJson6902"];

impl Overlay {
    fn of(folder: &str, field: Field<'_>) -> Self {
        let paths = |keys: &[&str]| -> Vec<String> {
            let items = keys.iter().flat_map(|key| field.list(key));
            let texts = items.filter_map(|item| item.text().or_else(|| item.text_of("path")));
            texts.map(|path| resolved(folder, path)).collect()
        };
        Self {
            resources: paths(&["resources", "bases", "components"]),
            patches: paths(&PATCHES),
            patched: PATCHES
                .iter()
                .flat_map(|key| field.list(key))
                .map(|patch| {
                    patch.at("target.kind").and_then(|kind| kind.text()).map(str::to_owned)
                })
                .collect(),
        }
    }
}

/// Numbers for the folders of the sources.
fn folders(sources: &[Source]) -> Vec<usize> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let number = |source: &Source| {
        let next = numbers.len();
        *numbers.entry(parent(source.name())).or_insert(next)
    };
    sources.iter().map(number).collect()
}

/// The folder that a file is in.
fn parent(name: &str) -> String {
    let name = resolved("", name);
    name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned())
}

/// A path from a folder, without `.` and `..` where they can be told.
fn resolved(folder: &str, path: &str) -> String {
    let path = path.replace('\\', "/");
    let absolute = path.starts_with('/') || (path.is_empty() && folder.starts_with('/'));
    let base = if path.starts_with('/') { "" } else { folder };
    let root = if absolute || base.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Colour, lint};

    #[test]
    fn paths_are_resolved() {
        for (folder, path, expected) in [
            ("a/b", "../c.yaml", "a/c.yaml"),
            ("a/b", "./c/", "a/b/c"),
            ("", "./a/./b.yaml", "a/b.yaml"),
            ("/srv/a", "../../b", "/b"),
            ("..", "../a", "../../a"),
            ("a", "", "a"),
        ] {
            assert_eq!(resolved(folder, path), expected, "{folder} {path}");
        }
        assert_eq!(parent("./k/overlays/hpa/kustomization.yaml"), "k/overlays/hpa");
    }

    fn hpa(name: &str) -> String {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}}}\nspec:\n  \
             scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: llm}}\n  minReplicas: 2\n  \
             maxReplicas: 9\n"
        )
    }

    fn found(files: &[(&str, &str)]) -> String {
        let sources: Vec<Source> =
            files.iter().map(|(name, text)| Source::new(*name, text)).collect();
        lint(&sources).render(Colour::Never)
    }

    #[test]
    fn overlays_are_never_applied_together() {
        let (one, two) = (hpa("one"), hpa("two"));
        let files = [
            ("k/overlays/a/kustomization.yaml", "resources: [../../base, hpa.yaml]\n"),
            ("k/overlays/a/hpa.yaml", one.as_str()),
            ("k/overlays/b/kustomization.yaml", "resources: [../../base, hpa.yaml]\n"),
            ("k/overlays/b/hpa.yaml", two.as_str()),
            ("k/base/kustomization.yaml", "resources: [deployment.yaml]\n"),
        ];
        assert_eq!(found(&files), "");
        let mut both = files.to_vec();
        both.push(("k/all/kustomization.yaml", "resources: [../overlays/a, ../overlays/b]\n"));
        assert!(found(&both).contains("two-autoscalers"));
        both.truncate(4);
        both.remove(2);
        assert!(found(&both).contains("two-autoscalers"), "one is applied by hand");
    }

    #[test]
    fn what_an_overlay_patches_is_not_known() {
        let one = hpa("one").replace("minReplicas: 2", "minReplicas: 1");
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  template:\n    spec:\n      priorityClassName: critical\n      containers: [{name: a, resources: {requests: {cpu: 1}}}]\n";
        let overlay = "resources: [../base, hpa.yaml]\n";
        let patched =
            format!("{overlay}patches: [{{target: {{kind: Deployment}}, patch: '[]'}}]\n");
        let other = patched.replace("kind: Deployment", "kind: Service");
        for (overlay, fires) in [(overlay, true), (&patched, false), (&other, true)] {
            let files = [
                ("k/a/kustomization.yaml", overlay),
                ("k/a/hpa.yaml", &one),
                ("k/base/kustomization.yaml", "resources: [deployment.yaml]\n"),
                ("k/base/deployment.yaml", deployment),
            ];
            assert_eq!(found(&files).contains("too-few-replicas"), fires, "{overlay}");
        }
    }

    #[test]
    fn of_several_of_one_name_the_nearest_is_meant() {
        let cpu = "  metrics:\n  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}\n";
        let one = hpa("one") + cpu;
        let deployment = |request: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: llm}}\nspec:\n  template:\n    spec:\n      \
                 containers: [{{name: a, resources: {{requests: {{{request}}}}}}}]\n"
            )
        };
        let (with, without) = (deployment("cpu: 1"), deployment("memory: 1Gi"));
        let fires = |files: &[(&str, &str)]| found(files).contains("utilization-without-request");
        assert!(fires(&[("a/hpa.yaml", &one), ("b/llm.yaml", &without)]));
        let files = [("a/hpa.yaml", &*one), ("a/llm.yaml", &*without), ("b/llm.yaml", &*with)];
        assert!(fires(&files));
        let files = [("a/hpa.yaml", &*one), ("b/llm.yaml", &*without), ("c/llm.yaml", &*with)];
        assert!(!fires(&files));
        let both = format!("{one}---\n{without}");
        assert!(fires(&[("a/hpa.yaml", &both), ("a/llm.yaml", &with)]));
    }

    #[test]
    fn one_overlay_that_patches_does_not_hide_what_another_applies_as_it_is() {
        let (one, two) = (hpa("one").replace("minReplicas: 2", "minReplicas: 1"), hpa("two"));
        let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n  template:\n    spec:\n      priorityClassName: critical\n      containers: [{name: a, resources: {requests: {cpu: 1}}}]\n";
        let overlay = "resources: [../base, hpa.yaml]\n";
        let patched =
            format!("{overlay}patches: [{{target: {{kind: Deployment}}, patch: '[]'}}]\n");
        let files = [
            ("k/a/kustomization.yaml", overlay),
            ("k/a/hpa.yaml", &one),
            ("k/b/kustomization.yaml", &patched),
            ("k/b/hpa.yaml", &two),
            ("k/base/kustomization.yaml", "resources: [deployment.yaml]\n"),
            ("k/base/deployment.yaml", deployment),
        ];
        assert!(found(&files).contains("too-few-replicas"));
        let patches = files.map(|(name, text)| match text == overlay {
            true => (name, patched.as_str()),
            false => (name, text),
        });
        assert!(!found(&patches).contains("too-few-replicas"));
    }

    #[test]
    fn what_has_no_base_in_common_may_be_in_one_cluster() {
        let (one, two) = (hpa("one"), hpa("two"));
        let files = [
            ("k/a/kustomization.yaml", "resources: [hpa.yaml]\n"),
            ("k/a/hpa.yaml", one.as_str()),
            ("k/b/kustomization.yaml", "resources: [hpa.yaml]\n"),
            ("k/b/hpa.yaml", two.as_str()),
        ];
        assert!(found(&files).contains("two-autoscalers"));
    }

    #[test]
    fn a_patch_is_no_object() {
        let one = hpa("one");
        let patch = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: one}\nspec: {maxReplicas: 30}\n";
        let files = [
            ("k/kustomization.yaml", "resources: [hpa.yaml]\npatches: [{path: more.yaml}]\n"),
            ("k/hpa.yaml", one.as_str()),
            ("k/more.yaml", patch),
        ];
        assert_eq!(found(&files), "");
        assert!(found(&files[1..]).contains("refused"));
    }
}
