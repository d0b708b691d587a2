//! Documents to policies.

use std::collections::BTreeMap;

use trimtab_engine::{FieldError, FieldErrorKind, Policy};

use crate::decode::{decode, did_you_mean};
use crate::fields::Field;
use crate::import;
use crate::locate::locate;
use crate::metadata::read_metadata;
use crate::node::{Node, Scalar, Value, shortened};
use crate::read::empty;
use crate::{
    HostSpec, Limits, ManifestError, Metadata, Position, Problem, ProblemKind, ScalingPolicySpec,
    Source, Span, yaml,
};

/// What a source holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Policies {
    /// The policies in the order of the text; at least one.
    pub policies: Vec<PolicyDocument>,
    /// Documents of other kinds beside them, such as the Deployment that is scaled.
    pub skipped: Vec<SkippedDocument>,
}

/// A document that holds a policy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PolicyDocument {
    /// In which form the policy was written.
    pub kind: PolicyKind,
    /// What the document is called.
    pub metadata: Metadata,
    /// The policy, checked and with its defaults.
    pub policy: Policy,
    /// What it says to whoever carries decisions out.
    pub host: HostSpec,
    /// Where the document starts.
    pub position: Position,
}

/// The forms in which a policy can be written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyKind {
    /// `trimtab.dev/v1alpha1`, `ScalingPolicy`
    ScalingPolicy,
    /// `autoscaling/v2`, `HorizontalPodAutoscaler`
    HorizontalPodAutoscaler,
}

/// A document that holds no policy and was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedDocument {
    /// Its `apiVersion`.
    pub api_version: String,
    /// Its `kind`.
    pub kind: String,
    /// Where it starts.
    pub position: Position,
}

/// Reads the policies of a source, within the default [`Limits`].
///
/// The source is YAML, with `---` between documents, or JSON. It can hold `ScalingPolicy` documents
/// of `trimtab.dev/v1alpha1` and `HorizontalPodAutoscaler` documents of `autoscaling/v2`; documents
/// of other kinds are passed over as long as there is a policy besides.
///
/// # Errors
///
/// Everything that is wrong, in all documents, each with its place.
///
/// ```
/// use trimtab_manifest::{PolicyKind, Source, read_policies};
///
/// let source = Source::new("hpa.yaml", "\
/// apiVersion: autoscaling/v2
/// kind: HorizontalPodAutoscaler
/// metadata: {name: llm, namespace: inference}
/// spec:
///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
///   minReplicas: 2
///   maxReplicas: 20
/// ");
/// let read = read_policies(&source)?;
/// let document = &read.policies[0];
/// assert_eq!(document.kind, PolicyKind::HorizontalPodAutoscaler);
/// assert_eq!(document.metadata.name, "llm");
/// assert_eq!(document.policy.bounds().max, 20);
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
pub fn read_policies(source: &Source) -> Result<Policies, ManifestError> {
    read_policies_within(source, &Limits::default())
}

/// Reads the policies of a source, within other limits.
///
/// # Errors
///
/// As [`read_policies`].
pub fn read_policies_within(source: &Source, limits: &Limits) -> Result<Policies, ManifestError> {
    let (documents, mut problems) = yaml::documents(source, limits);
    let broken_off = !problems.is_empty();
    let mut policies = Vec::new();
    let mut others = Vec::new();
    let mut refused = false;
    // Nothing between two `---` is no document.
    for document in documents.iter().filter(|document| !document.is_null()) {
        match read_document(document, source) {
            Ok(Document::Policy(policy)) => policies.push(*policy),
            Ok(Document::Other(other, span)) => others.push((other, span)),
            Err(found) => {
                refused = true;
                problems.extend(found);
            }
        }
    }
    if policies.is_empty() && !refused && !broken_off {
        if others.is_empty() {
            problems.push(empty());
        }
        problems.extend(others.iter().map(|(other, span)| no_policy(other, *span)));
    }
    if problems.is_empty() {
        let skipped = others.into_iter().map(|(other, _)| other).collect();
        Ok(Policies { policies, skipped })
    } else {
        Err(ManifestError::from_problems(source.clone(), problems))
    }
}

/// Reads the policy document that stands in a field of another document.
///
/// # Errors
///
/// As [`read_policies`]; and a document of another kind.
pub fn read_policy_at(field: &Field<'_>, source: &Source) -> Result<PolicyDocument, Vec<Problem>> {
    let problems = match read_document(field.node, source) {
        Ok(Document::Policy(policy)) => return Ok(*policy),
        Ok(Document::Other(other, span)) => vec![no_policy(&other, span)],
        Err(problems) => problems,
    };
    let placed = problems.into_iter().map(|problem| {
        let dot = if problem.field().is_some() && !field.path().is_empty() { "." } else { "" };
        let path = format!("{}{dot}{}", field.path(), problem.field().unwrap_or_default());
        problem.with_field(path)
    });
    Err(placed.collect())
}

/// What is wrong with a document that is a policy.
pub(crate) fn problems(root: &Node) -> Vec<Problem> {
    parse(root).err().unwrap_or_default()
}

/// A document without its place.
enum Parsed<'n> {
    Policy(PolicyKind, Metadata, Box<(Policy, HostSpec)>),
    Other { api_version: &'n str, kind: &'n str, span: Span },
}

enum Document {
    Policy(Box<PolicyDocument>),
    Other(SkippedDocument, Span),
}

const API_GROUP: &str = "trimtab.dev";
pub(crate) const API_VERSION: &str = "trimtab.dev/v1alpha1";
/// The fields of every document, besides which there are none.
const DOCUMENT_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
/// What a `ScalingPolicy` has and a HorizontalPodAutoscaler has not.
const OWN_FIELDS: [&str; 21] = [
    "strategy",
    "pause",
    "override",
    "schedules",
    "anticipate",
    "warmPool",
    "retire",
    "supply",
    "redundancy",
    "hpa",
    "keda",
    "knative",
    "rayServe",
    "slo",
    "wva",
    "apa",
    "mode",
    "sources",
    "draining",
    "standby",
    "adopt",
];

fn read_document(root: &Node, source: &Source) -> Result<Document, Vec<Problem>> {
    let parsed = parse(root)?;
    let position = source.position(root.span.start);
    Ok(match parsed {
        Parsed::Policy(kind, metadata, policy) => {
            let (policy, host) = *policy;
            Document::Policy(Box::new(PolicyDocument { kind, metadata, policy, host, position }))
        }
        Parsed::Other { api_version, kind, span } => {
            let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
            Document::Other(SkippedDocument { api_version, kind, position }, span)
        }
    })
}

fn parse(root: &Node) -> Result<Parsed<'_>, Vec<Problem>> {
    let mut problems = Vec::new();
    if root.entries().is_none() {
        let message = format!("a document has to be a mapping and is {}", root.describe());
        return Err(vec![Problem::new(ProblemKind::WrongType, locate(root, "").span, message)]);
    }
    let api_version = header(root, "apiVersion", &mut problems);
    let kind = header(root, "kind", &mut problems);
    let (Some((api_version, version_span)), Some((kind, kind_span))) = (api_version, kind) else {
        return Err(problems);
    };
    let form = match (api_version, kind) {
        (API_VERSION, "ScalingPolicy") => PolicyKind::ScalingPolicy,
        ("autoscaling/v2", "HorizontalPodAutoscaler") => PolicyKind::HorizontalPodAutoscaler,
        _ => {
            if let Some(problem) = refused(api_version, version_span, kind, kind_span) {
                return Err(vec![problem]);
            }
            return Ok(Parsed::Other { api_version, kind, span: kind_span });
        }
    };
    for entry in root.entries().unwrap_or_default() {
        if !DOCUMENT_FIELDS.contains(&entry.key.as_str()) {
            problems.push(unknown_field("", &entry.key, entry.key_span, &DOCUMENT_FIELDS));
        }
    }
    let metadata = read_metadata(root).map_err(|found| problems.extend(found));
    let policy = read_policy(root, form).map_err(|found| problems.extend(found));
    match (metadata, policy) {
        (Ok(metadata), Ok(policy)) if problems.is_empty() => {
            Ok(Parsed::Policy(form, metadata, Box::new(policy)))
        }
        _ => Err(problems),
    }
}

/// `apiVersion` or `kind`, without which a document cannot be understood.
fn header<'n>(root: &'n Node, field: &str, problems: &mut Vec<Problem>) -> Option<(&'n str, Span)> {
    let place = locate(root, field);
    let problem = match root.get(field) {
        Some(Node { value: Value::Scalar(Scalar { text, .. }), .. }) => {
            return Some((text, place.span));
        }
        Some(node) => {
            let message = format!("expected a string, found {}", node.describe());
            Problem::new(ProblemKind::WrongType, place.span, message)
        }
        None => {
            let message = format!("the document has no `{field}`");
            let help = if root.get("applications").is_some() {
                String::from("`trimtab import FILE` reads a config of Ray Serve")
            } else {
                format!(
                    "a policy starts with `apiVersion: {API_VERSION}` and `kind: ScalingPolicy`"
                )
            };
            Problem::new(ProblemKind::MissingField, place.span, message).with_help(help)
        }
    };
    problems.push(problem.with_field(field));
    None
}

/// Kinds that are meant as policies and cannot be read as such.
fn refused(version: &str, version_span: Span, kind: &str, kind_span: Span) -> Option<Problem> {
    let unsupported =
        |span, message: String| Problem::new(ProblemKind::UnsupportedKind, span, message);
    let (group, _) = version.split_once('/').unwrap_or(("", version));
    if group == API_GROUP && kind == "ScalingPolicy" {
        let message = format!("`{}` is no known version of ScalingPolicy", shortened(version));
        let help = format!("write `apiVersion: {API_VERSION}`");
        return Some(unsupported(version_span, message).with_help(help).with_field("apiVersion"));
    }
    if group == API_GROUP || (version == "autoscaling/v2" && kind != "HorizontalPodAutoscaler") {
        let known = if group == API_GROUP { "ScalingPolicy" } else { "HorizontalPodAutoscaler" };
        let message = format!("`{version}` has no kind `{}` that is a policy", shortened(kind));
        let help = did_you_mean(kind, &[known]);
        return Some(unsupported(kind_span, message).with_help(help).with_field("kind"));
    }
    if kind == "HorizontalPodAutoscaler" {
        let message = match version {
            "autoscaling/v1" => {
                String::from("`autoscaling/v1` says its metrics and behavior in annotations")
            }
            "autoscaling/v2beta1" | "autoscaling/v2beta2" => {
                format!("`{version}` was removed from Kubernetes and differs from `autoscaling/v2`")
            }
            _ => format!("`{}` has no HorizontalPodAutoscaler", shortened(version)),
        };
        let help = "`trimtab import FILE` reads it; a cluster that has it gives it as \
                    `autoscaling/v2` with `kubectl get hpa.v2.autoscaling NAME -o yaml`";
        return Some(unsupported(version_span, message).with_help(help).with_field("apiVersion"));
    }
    None
}

fn no_policy(other: &SkippedDocument, span: Span) -> Problem {
    let message = format!("a `{}` is no scaling policy", shortened(&other.kind));
    let help = if import::is_imported(&other.api_version, &other.kind) {
        String::from("`trimtab import FILE` makes a policy of it")
    } else if other.kind.ends_with("List") {
        String::from(
            "write the items of the list as documents with `---` between them; `trimtab import FILE` \
             does so",
        )
    } else {
        let near =
            crate::suggest::nearest(&other.kind, &["ScalingPolicy", "HorizontalPodAutoscaler"]);
        match near {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!(
                "policies are `ScalingPolicy` of `{API_VERSION}` and `HorizontalPodAutoscaler` of \
                 `autoscaling/v2`"
            ),
        }
    };
    Problem::new(ProblemKind::UnsupportedKind, span, message).with_field("kind").with_help(help)
}

fn read_policy(root: &Node, form: PolicyKind) -> Result<(Policy, HostSpec), Vec<Problem>> {
    let Some(node) = root.get("spec") else {
        let span = locate(root, "spec").span;
        let problem = Problem::new(ProblemKind::MissingField, span, "the document has no `spec`");
        return Err(vec![problem.with_field("spec")]);
    };
    let mut problems = Vec::new();
    if form == PolicyKind::HorizontalPodAutoscaler {
        let own = node.entries().unwrap_or_default();
        for entry in own.iter().filter(|entry| OWN_FIELDS.contains(&entry.key.as_str())) {
            let help = format!("only a `ScalingPolicy` of `{API_VERSION}` has it");
            let known = unknown_field("spec", &entry.key, entry.key_span, &[]).with_help(help);
            problems.push(known);
        }
    }
    match decode::<ScalingPolicySpec>(node, "spec") {
        Ok(spec) => match spec.compile() {
            Ok(policy) if problems.is_empty() => return Ok((policy, spec.host)),
            Ok(_) => (),
            Err(errors) => problems.extend(broken_rules(root, &errors)),
        },
        Err(found) => problems.extend(found),
    }
    Err(problems)
}

/// The broken rules at their places.
///
/// The API server calls a field that is absent both missing and wrong. Here it is missing if it is
/// not there, and wrong if it is.
fn broken_rules(root: &Node, errors: &[FieldError]) -> Vec<Problem> {
    // Per field: whether it is called missing, and whether it is called anything else.
    let mut called: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    let missing = |error: &FieldError| error.kind() == FieldErrorKind::Required;
    for error in errors {
        let (is_missing, is_wrong) = called.entry(error.field()).or_default();
        *if missing(error) { is_missing } else { is_wrong } = true;
    }
    let placed = errors.iter().map(|error| (error, locate(root, error.field())));
    let told = placed.filter(|(error, place)| match called.get(error.field()) {
        Some((true, true)) => missing(error) != place.present,
        _ => true,
    });
    told.map(|(error, place)| {
        let kind = ProblemKind::Rule(error.kind());
        let name = error.field().rsplit('.').next().unwrap_or_default();
        let message = format!("`{name}` {}", error.detail());
        Problem::new(kind, place.span, message).with_field(error.field())
    })
    .collect()
}

fn unknown_field(path: &str, key: &str, span: Span, known: &[&str]) -> Problem {
    let field = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    let message = format!("unknown field `{}`", shortened(key));
    Problem::new(ProblemKind::UnknownField, span, message)
        .with_field(field)
        .with_help(did_you_mean(key, known))
}
