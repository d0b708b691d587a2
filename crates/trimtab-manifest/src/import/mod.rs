//! What other autoscalers' manifests say, as policies.
//!
//! Every kind has a module. It reads its blocks field by field and takes each of them into a policy,
//! notes it, or refuses it with the reason; nothing about scaling is dropped in silence.

mod draft;
mod hpa;
mod inner;
mod keda;
mod knative;
mod kserve;
mod outcome;
mod owned;
mod ray;
mod text;

use std::rc::Rc;

pub(crate) use self::draft::document;
pub use self::outcome::{Imported, ImportedPolicy, Note, NoteKind, PeerKind, Skipped};
use self::owned::Owners;
pub(crate) use self::ray::config_of as serve_config;
use crate::fields as block;
use crate::fields::{Block, Field};
use crate::metadata::read_metadata;
use crate::node::{Node, Value, shortened};
use crate::read::empty;
use crate::suggest::nearest;
use crate::{Limits, ManifestError, Metadata, Problem, ProblemKind, Source, yaml};

/// Reads other autoscalers' manifests as policies, within the default [`Limits`].
///
/// A HorizontalPodAutoscaler of any version, KEDA's `ScaledObject`, Knative's `Service`,
/// `Configuration` and `Revision`, a Ray Serve config, a `RayService`, and KServe's
/// `InferenceService`. A `ConfigMap` called `config-autoscaler` gives defaults to Knative's. Lists
/// of documents, as `kubectl get -o yaml` writes them, are read item by item; documents of other
/// kinds are passed over as long as there is something to import besides.
///
/// # Errors
///
/// Everything that is wrong or cannot be said as a policy, in all documents, each with its place.
///
/// ```
/// use trimtab_engine::StrategyName;
/// use trimtab_manifest::{Source, import, read_policies};
///
/// let source = Source::new("scaledobject.yaml", "\
/// apiVersion: keda.sh/v1alpha1
/// kind: ScaledObject
/// metadata: {name: llm}
/// spec:
///   scaleTargetRef: {name: llm}
///   maxReplicaCount: 30
///   triggers:
///   - type: prometheus
///     metadata:
///       serverAddress: http://prometheus:9090
///       query: sum(vllm:num_requests_waiting)
///       threshold: \"8\"
///       ignoreNullValues: \"false\"
/// ");
/// let imported = import(&source)?;
/// let policy = &imported.policies[0];
/// assert_eq!(policy.policy.spec().strategy, StrategyName::Keda);
/// assert_eq!(policy.policy.metrics()[0].name(), "vllm:num_requests_waiting");
///
/// let text = policy.to_yaml();
/// assert!(text.contains("# query: sum(vllm:num_requests_waiting)\n"));
/// let again = read_policies(&Source::new("policy.yaml", text))?;
/// assert_eq!(again.policies[0].policy, policy.policy);
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
pub fn import(source: &Source) -> Result<Imported, ManifestError> {
    import_within(source, &Limits::default())
}

/// Reads other autoscalers' manifests as policies, within other limits.
///
/// # Errors
///
/// As [`import`].
pub fn import_within(source: &Source, limits: &Limits) -> Result<Imported, ManifestError> {
    let (documents, problems) = yaml::documents(source, limits);
    let broken_off = !problems.is_empty();
    let mut import = Import {
        source,
        limits: *limits,
        problems,
        policies: Vec::new(),
        skipped: Vec::new(),
        notes: Vec::new(),
        bytes: 0,
    };
    let documents = singles(&documents);
    let defaults = import.knative_defaults(&documents);
    let owners = Owners::among(&documents);
    for document in &documents {
        match owners.owner_of(document) {
            Some(owner) => import.skipped.push(owned::skipped(document, &owner)),
            None => import.document(document, &defaults),
        }
    }
    if import.problems.is_empty() && import.policies.is_empty() && !broken_off {
        import.nothing();
    }
    if import.problems.is_empty() {
        Ok(Imported::new(source.clone(), import.policies, import.skipped, import.notes))
    } else {
        Err(ManifestError::from_problems(source.clone(), import.problems))
    }
}

/// Whether documents of this kind are imported.
pub(crate) fn is_imported(version: &str, kind: &str) -> bool {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    matches!(
        (group, kind),
        ("autoscaling", "HorizontalPodAutoscaler")
            | ("keda.sh", "ScaledObject")
            | ("serving.knative.dev", "Service" | "Configuration" | "Revision")
            | ("ray.io", "RayService")
            | ("serving.kserve.io", "InferenceService")
    )
}

/// What is found on the way through a source.
struct Import<'s> {
    source: &'s Source,
    limits: Limits,
    problems: Vec<Problem>,
    policies: Vec<ImportedPolicy>,
    skipped: Vec<Skipped>,
    /// What concerns no single policy.
    notes: Vec<Note>,
    /// About how much text the policies hold.
    bytes: usize,
}

/// The documents, and those in lists of them.
fn singles(documents: &[Rc<Node>]) -> Vec<&Node> {
    let mut singles = Vec::new();
    // Nothing between two `---` is no document.
    for document in documents.iter().filter(|document| !document.is_null()) {
        let kind = document.get("kind").and_then(|kind| Field::root(kind).text());
        match document.get("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if kind.is_some_and(|kind| kind.ends_with("List")) => {
                singles.extend(items.iter().map(|item| &**item));
            }
            _ => singles.push(document),
        }
    }
    singles
}

/// Every kind that is imported, for those who mistype one.
const KINDS: [&str; 8] = [
    "HorizontalPodAutoscaler",
    "ScaledObject",
    "Service",
    "Configuration",
    "Revision",
    "RayService",
    "InferenceService",
    "ConfigMap",
];

/// Kinds that do say something about scaling, and are not imported.
const SCALES: [(&str, &str); 6] = [
    ("autoscaling.internal.knative.dev", "PodAutoscaler"),
    ("autoscaling.aibrix.ai", "PodAutoscaler"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler"),
    ("llmd.ai", "VariantAutoscaling"),
    ("serving.kserve.io", "InferenceGraph"),
    ("serving.kserve.io", "LLMInferenceService"),
];

impl Import<'_> {
    fn document<'n>(&mut self, root: &'n Node, defaults: &knative::Defaults<'n>) {
        let field = Field::root(root);
        let Some(mut top) = Block::new(field.clone(), &mut self.problems) else { return };
        if top.field("apiVersion").is_none() && top.field("applications").is_some() {
            return ray::serve_config(self, root);
        }
        let header = |block: &mut Block<'n>, key, problems: &mut Vec<Problem>| {
            block.required::<String>(key, problems)
        };
        let version = header(&mut top, "apiVersion", &mut self.problems);
        let kind = header(&mut top, "kind", &mut self.problems);
        let (Some((version, version_field)), Some((kind, kind_field))) = (version, kind) else {
            return;
        };
        let (group, number) = version.split_once('/').unwrap_or(("", &version));
        match (group, kind.as_str()) {
            ("autoscaling", "HorizontalPodAutoscaler") => match hpa::Version::of(number) {
                Some(version) => hpa::import(self, root, version),
                None => {
                    let message = format!("`{version}` has no HorizontalPodAutoscaler");
                    let help = "known are `autoscaling/v1`, `v2beta1`, `v2beta2` and `v2`";
                    self.problems.push(unsupported(&version_field, message, help));
                }
            },
            ("keda.sh", "ScaledObject") => keda::import(self, root),
            ("keda.sh", "ScaledJob") => self.problems.push(unsupported(
                &kind_field,
                "a ScaledJob starts jobs and has no replicas to decide on",
                "only a ScaledObject can be a policy",
            )),
            ("serving.knative.dev", "Service" | "Configuration" | "Revision") => {
                knative::import(self, root, defaults);
            }
            ("ray.io", "RayService") => ray::ray_service(self, root),
            ("serving.kserve.io", "InferenceService") => kserve::import(self, root, defaults),
            ("", "ConfigMap") if knative::is_config(root) => {}
            ("trimtab.dev", "ScalingPolicy") => {
                let why = "it is a policy already and needs no import";
                self.skipped.push(Skipped::new("`ScalingPolicy`", why, kind_field.span));
            }
            _ => self.other(&version, &kind, &kind_field),
        }
    }

    /// A document that says nothing about scaling, or a kind that is mistyped.
    fn other(&mut self, version: &str, kind: &str, field: &Field<'_>) {
        let groups = ["autoscaling", "keda.sh", "serving.knative.dev", "serving.kserve.io"];
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if SCALES.contains(&(group, kind)) {
            let message = format!("`{}` scales by rules that are not imported", shortened(kind));
            let help =
                "write its policy by hand; `strategy: wva` and `strategy: apa` are there too";
            return self.problems.push(unsupported(field, message, help));
        }
        if groups.contains(&group)
            && let Some(known) = nearest(kind, &KINDS)
        {
            let message = format!("`{}` has no kind `{}`", shortened(version), shortened(kind));
            let help = format!("did you mean `{known}`?");
            return self.problems.push(unsupported(field, message, help));
        }
        let what = format!("`{}` of `{}`", shortened(kind), shortened(version));
        self.skipped.push(Skipped::new(what, "it says nothing about scaling", field.span));
    }

    /// There is no policy here, and nothing that is wrong either.
    fn nothing(&mut self) {
        if self.skipped.is_empty() {
            self.problems.push(empty());
        }
        for skipped in &self.skipped {
            let message = format!("{}: {}", skipped.what, skipped.why);
            let help = "imported are HorizontalPodAutoscalers, KEDA's ScaledObjects, Knative's \
                        Services, Configurations and Revisions, Ray Serve configs and RayServices, \
                        and KServe's InferenceServices";
            let problem = Problem::new(ProblemKind::UnsupportedKind, skipped.span, message);
            self.problems.push(problem.with_help(help));
        }
    }

    /// Whether so much more text may come of the source: several policies can be made of one
    /// manifest, and each has its metadata.
    fn has_room(&mut self, bytes: usize, at: &Field<'_>) -> bool {
        let had_room = !self.is_full();
        self.bytes = self.bytes.saturating_add(bytes);
        if self.is_full() && had_room {
            let message = format!("what is imported would be more than {} bytes", self.most());
            self.problems.push(Problem::new(ProblemKind::TooLarge, at.span, message));
        }
        !self.is_full()
    }

    /// Whether there was no room, so that the rest need not be looked at.
    fn is_full(&self) -> bool {
        self.bytes > self.most()
    }

    fn most(&self) -> usize {
        self.limits.max_bytes.saturating_mul(8)
    }

    /// The head that every document of Kubernetes has, and the mapping below `spec`.
    fn open<'n>(&mut self, root: &'n Node) -> Option<(Metadata, Block<'n>)> {
        let mut top = Block::new(Field::root(root), &mut self.problems)?;
        top.known(&["apiVersion", "kind", "metadata", "status"]);
        let metadata = read_metadata(root).map_err(|found| self.problems.extend(found)).ok();
        let spec = match top.field("spec") {
            Some(field) => Block::new(field, &mut self.problems),
            None => {
                self.problems.push(top.missing("spec"));
                None
            }
        };
        top.refuse_rest(&mut self.problems);
        Some((metadata?, spec?))
    }
}

fn unsupported(field: &Field<'_>, message: impl AsRef<str>, help: impl AsRef<str>) -> Problem {
    field.problem(ProblemKind::UnsupportedKind, message).with_help(help)
}

/// What of the metadata a policy keeps: not the annotations that only the import reads, nor the
/// copy of the manifest that `kubectl` leaves.
fn kept(mut metadata: Metadata, read: &[&str]) -> Metadata {
    metadata.annotations.retain(|key, _| {
        !key.starts_with("kubectl.kubernetes.io/")
            && !read.iter().any(|prefix| key.starts_with(prefix))
    });
    metadata
}
