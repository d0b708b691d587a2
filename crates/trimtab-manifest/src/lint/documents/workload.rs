//! What makes pods: Deployments and their like, and KServe's services, each with its pod template.

use super::container::{Accelerator, Container};
use super::pod::PodTemplate;
use crate::lint::document::Document;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// Something that makes pods that stay: no job, no daemon of a node.
#[derive(Copy, Clone, Debug)]
pub(in crate::lint) struct Workload<'n> {
    pub(in crate::lint) document: &'n Document,
    pub(in crate::lint) kind: Kind,
    pub(in crate::lint) pod: PodTemplate<'n>,
}

/// What makes the pods.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Kind {
    /// Deployment, StatefulSet, ReplicaSet, or a Rollout of Argo.
    Replicated,
    /// The pods of a LeaderWorkerSet that take requests.
    Leader,
    /// The pods of a LeaderWorkerSet, or of a service on several nodes, that follow their leader.
    Worker,
    /// A component of an InferenceService, or a ServingRuntime: KServe adds to its pods.
    KServe,
    /// A pod of its own.
    Pod,
}

impl<'n> Workload<'n> {
    /// All that make pods in the set.
    pub(in crate::lint) fn among(set: &Set<'n>) -> Vec<Self> {
        set.documents().iter().flat_map(Self::of).collect()
    }

    /// Those that a document makes.
    pub(in crate::lint) fn of(document: &'n Document) -> Vec<Self> {
        let Some(spec) = document.spec() else { return Vec::new() };
        let template = |path: &str, kind| Some((kind, PodTemplate::of(spec.at(path)?)?));
        let plain = |field: Option<Field<'n>>, kind| {
            field.map(|spec| (kind, PodTemplate { metadata: None, spec }))
        };
        let found: Vec<Option<(Kind, PodTemplate<'n>)>> =
            match (document.group.as_str(), document.kind.as_str()) {
                ("apps", "Deployment" | "StatefulSet" | "ReplicaSet")
                | ("argoproj.io", "Rollout") => {
                    vec![template("template", Kind::Replicated)]
                }
                ("leaderworkerset.x-k8s.io", "LeaderWorkerSet") => {
                    let worker = template("leaderWorkerTemplate.workerTemplate", Kind::Worker);
                    let leader = template("leaderWorkerTemplate.leaderTemplate", Kind::Leader);
                    // Without a template of its own the leader is made as the workers are.
                    match leader {
                        Some(leader) => vec![Some(leader), worker],
                        None => vec![worker.map(|(_, pod)| (Kind::Leader, pod))],
                    }
                }
                ("", "Pod") => {
                    let metadata = document.field().get("metadata");
                    vec![Some((Kind::Pod, PodTemplate { metadata, spec }))]
                }
                ("serving.kserve.io", "InferenceService") => {
                    let parts = ["predictor", "transformer", "explainer"];
                    let parts = parts.iter().filter_map(|part| spec.key_of(part));
                    parts
                        .flat_map(|part| {
                            [
                                plain(Some(part), Kind::KServe),
                                plain(part.key_of("workerSpec"), Kind::Worker),
                            ]
                        })
                        .collect()
                }
                ("serving.kserve.io", "ServingRuntime" | "ClusterServingRuntime") => {
                    vec![
                        plain(Some(spec), Kind::KServe),
                        plain(spec.key_of("workerSpec"), Kind::Worker),
                    ]
                }
                ("serving.kserve.io", "LLMInferenceService") => vec![
                    plain(spec.key_of("template"), Kind::KServe),
                    plain(spec.key_of("worker"), Kind::Worker),
                    plain(spec.at("prefill.template"), Kind::KServe),
                    plain(spec.at("prefill.worker"), Kind::Worker),
                ],
                _ => Vec::new(),
            };
        let made = found.into_iter().flatten();
        made.map(|(kind, pod)| Self { document, kind, pod }).collect()
    }

    /// Its containers; of an InferenceService the one that its model runs in too.
    pub(in crate::lint) fn containers(&self) -> Vec<Container<'n>> {
        let mut containers: Vec<_> = self.pod.containers().collect();
        if self.kind == Kind::KServe && self.document.kind == "InferenceService" {
            const FRAMEWORKS: [&str; 11] = [
                "model",
                "sklearn",
                "xgboost",
                "tensorflow",
                "pytorch",
                "triton",
                "onnx",
                "huggingface",
                "pmml",
                "lightgbm",
                "paddle",
            ];
            let models = FRAMEWORKS.iter().filter_map(|key| self.pod.spec.key_of(key));
            containers.extend(models.map(|field| Container { field }));
        }
        containers
    }

    /// Whether a container of it holds an accelerator.
    pub(in crate::lint) fn has_gpu(&self) -> bool {
        self.containers().iter().any(Container::has_accelerator)
    }

    /// The replicas that it asks for itself, and where.
    pub(in crate::lint) fn replicas(&self) -> Option<(i64, Field<'n>)> {
        let field = self.document.spec()?.get("replicas")?;
        Some((field.int()?, field))
    }

    /// How many of its pods a replica has: the groups of a LeaderWorkerSet have several.
    pub(in crate::lint) fn pods_of_a_replica(&self) -> i64 {
        let groups = self.document.spec().and_then(|spec| spec.get("leaderWorkerTemplate"));
        let Some(groups) = groups.filter(|_| self.document.kind == "LeaderWorkerSet") else {
            return 1;
        };
        let size = groups.int_of("size").unwrap_or(1).max(1);
        match self.kind {
            Kind::Worker => size.saturating_sub(1),
            _ if groups.get("leaderTemplate").is_some() => 1,
            _ => size,
        }
    }

    /// Whether it is in the namespace, as far as both say.
    pub(in crate::lint) fn is_in(&self, namespace: Option<&str>) -> bool {
        same_namespace(self.document.namespace.as_deref(), namespace)
    }
}

/// The accelerators that the containers of a workload ask for, initial ones too.
pub(in crate::lint) fn accelerators<'n>(
    workload: &Workload<'n>,
) -> impl Iterator<Item = (Container<'n>, Accelerator<'n>)> + use<'n> {
    let ends = |one: &Field<'_>| one.text_of("restartPolicy") != Some("Always");
    let initial = workload.pod.spec.list("initContainers").filter(ends);
    let initial = initial.map(|field| Container { field });
    workload.containers().into_iter().chain(initial).flat_map(|container| {
        container.accelerators().into_iter().map(move |accelerator| (container, accelerator))
    })
}

/// Whether two documents are in one namespace: what names none goes where `kubectl` points, which
/// may be the other's.
pub(in crate::lint) fn same_namespace(one: Option<&str>, two: Option<&str>) -> bool {
    one.is_none() || two.is_none() || one == two
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::documents::testing::document;

    #[test]
    fn what_makes_pods() {
        let kinds = |text: &str| {
            let document = document(text);
            Workload::of(&document).iter().map(|one| one.kind).collect::<Vec<_>>()
        };
        let pod = "{spec: {containers: []}}";
        let of = |version: &str, kind: &str, spec: &str| {
            kinds(&format!("apiVersion: {version}\nkind: {kind}\nspec: {spec}\n"))
        };
        assert_eq!(
            of("apps/v1", "Deployment", &format!("{{template: {pod}}}")),
            [Kind::Replicated]
        );
        assert_eq!(of("v1", "Deployment", &format!("{{template: {pod}}}")), []);
        assert_eq!(of("apps/v1", "Deployment", "{template: none}"), []);
        assert_eq!(of("v1", "Pod", "{containers: []}"), [Kind::Pod]);
        let lws = "leaderworkerset.x-k8s.io/v1";
        let worker = format!("{{leaderWorkerTemplate: {{workerTemplate: {pod}}}}}");
        assert_eq!(of(lws, "LeaderWorkerSet", &worker), [Kind::Leader]);
        let both =
            format!("{{leaderWorkerTemplate: {{leaderTemplate: {pod}, workerTemplate: {pod}}}}}");
        assert_eq!(of(lws, "LeaderWorkerSet", &both), [Kind::Leader, Kind::Worker]);
        let kserve = "serving.kserve.io/v1beta1";
        let predictor = "{predictor: {model: {resources: {limits: {nvidia.com/gpu: 1}}}}}";
        assert_eq!(of(kserve, "InferenceService", predictor), [Kind::KServe]);
        let text = format!("apiVersion: {kserve}\nkind: InferenceService\nspec: {predictor}\n");
        let document = document(&text);
        assert!(Workload::of(&document)[0].has_gpu());
    }

    #[test]
    fn namespaces() {
        assert!(same_namespace(None, Some("a")) && same_namespace(Some("a"), Some("a")));
        assert!(!same_namespace(Some("a"), Some("b")));
    }
}
