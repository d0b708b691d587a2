//! A policy on its way from a manifest: its fields, where each is from, and what there is to note.

use serde::Serialize;
use serde::de::DeserializeOwned;
use trimtab_engine::{
    CrossVersionObjectReference, ExternalMetricSource, FieldError, InvalidPolicy, MetricIdentifier,
    MetricSpec, MetricTarget, Policy, PolicySpec,
};

use super::block::{Block, Field};
use super::{Import, ImportedPolicy, Note, NoteKind, PeerKind, Skipped};
use crate::error::printable;
use crate::write::{Tree, tree};
use crate::{Metadata, Position, Problem, ProblemKind, Span};

/// Where a position is filled in when all are known.
const NOT_YET: Position = Position { line: 1, column: 1 };

/// A policy on its way.
#[derive(Default)]
pub(super) struct Draft<'n> {
    pub(super) spec: PolicySpec,
    pub(super) problems: Vec<Problem>,
    notes: Vec<Note>,
    /// Fields of the policy, and what they are from.
    origins: Vec<(String, Field<'n>)>,
}

impl<'n> Draft<'n> {
    /// Takes a field of the source for a field of the policy.
    pub(super) fn take<T: DeserializeOwned>(
        &mut self,
        block: &mut Block<'n>,
        key: &'static str,
        policy_field: &str,
    ) -> Option<T> {
        let (value, field) = block.get(key, &mut self.problems)?;
        self.origin(policy_field, field);
        Some(value)
    }

    /// Says what a field of the policy is from.
    pub(super) fn origin(&mut self, policy_field: &str, field: Field<'n>) {
        self.origins.push((policy_field.to_owned(), field));
    }

    /// Where a field of the policy is from: that of the longest path that leads to it.
    fn place(&self, policy_field: &str) -> Option<(String, Span)> {
        let behind = |path: &str| {
            let rest = policy_field.strip_prefix(path)?;
            match rest.as_bytes().first() {
                None | Some(b'[') => Some(rest),
                Some(b'.') => rest.get(1..),
                Some(_) => None,
            }
        };
        self.origins
            .iter()
            .filter_map(|(path, field)| Some((path.len(), field, behind(path)?)))
            .max_by_key(|(length, ..)| *length)
            .map(|(_, field, rest)| field.inside(rest))
    }

    /// Notes a setting that no policy has, as it is written, beside a field of the policy.
    pub(super) fn no_counterpart(&mut self, field: &Field<'n>, beside: &str, why: &str) {
        let mut message = format!("{}: {}", field.key(), field.written());
        if !why.is_empty() {
            message.push_str(if message.contains('\n') { "\n" } else { " " });
            message.push_str(&format!("({why})"));
        }
        self.note(NoteKind::NoCounterpart, Some((field.path.clone(), field.span)), beside, message);
    }

    /// Explains a field of the policy.
    pub(super) fn explain(&mut self, policy_field: &str, message: impl Into<String>) {
        self.note(NoteKind::NoCounterpart, self.place(policy_field), policy_field, message);
    }

    /// Notes what is known to go wrong with a field of the policy.
    pub(super) fn defect(&mut self, policy_field: &str, message: impl Into<String>) {
        self.note(NoteKind::Defect, self.place(policy_field), policy_field, message);
    }

    /// Notes what is known to go wrong with a field of the source.
    pub(super) fn defect_of(
        &mut self,
        field: &Field<'n>,
        beside: &str,
        message: impl Into<String>,
    ) {
        let place = Some((field.path.clone(), field.span));
        self.note(NoteKind::Defect, place, beside, message);
    }

    /// Notes what the manifest does not say and the policy does.
    pub(super) fn assumed(&mut self, policy_field: &str, message: impl Into<String>) {
        self.note(NoteKind::Assumed, self.place(policy_field), policy_field, message);
    }

    fn note(
        &mut self,
        kind: NoteKind,
        place: Option<(String, Span)>,
        policy_field: &str,
        message: impl Into<String>,
    ) {
        let (field, span) = place.unwrap_or_default();
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        self.notes.push(Note {
            kind,
            field: some(field),
            policy_field: some(policy_field.to_owned()),
            message: message.into(),
            span,
            position: NOT_YET,
        });
    }

    /// A reason to refuse it, at the place of a field of the policy.
    pub(super) fn problem_at(&self, policy_field: &str, message: &str) -> Problem {
        let (path, span) = self.place(policy_field).unwrap_or_default();
        Problem::new(ProblemKind::NoCounterpart, span, message).with_field(path)
    }

    /// Adds a metric that is one total, and says its path.
    pub(super) fn external(&mut self, name: &str, target: MetricTarget) -> String {
        self.metric(MetricSpec {
            type_: String::from("External"),
            external: Some(ExternalMetricSource {
                metric: MetricIdentifier { name: name.to_owned(), selector: None },
                target,
            }),
            ..MetricSpec::default()
        })
    }

    /// Adds a metric, and says its path.
    pub(super) fn metric(&mut self, metric: MetricSpec) -> String {
        let metrics = self.spec.metrics.get_or_insert_default();
        metrics.push(metric);
        format!("spec.metrics[{}]", metrics.len().saturating_sub(1))
    }

    /// What is scaled, where the source does not say it itself.
    pub(super) fn scales(&mut self, api_version: &str, kind: &str, name: &str) {
        self.spec.scale_target_ref = CrossVersionObjectReference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
    }

    /// Checks the policy and adds it to what was imported, or the problems to those found.
    pub(super) fn finish(
        mut self,
        import: &mut Import<'_>,
        kind: PeerKind,
        metadata: Metadata,
        root: &Field<'n>,
    ) {
        if self.problems.is_empty() && !import.has_room(self.bytes(&metadata), root) {
            return;
        }
        let checked = if self.problems.is_empty() {
            Policy::new(self.spec.clone()).map_err(|invalid| self.broken_rules(&invalid, root))
        } else {
            Err(std::mem::take(&mut self.problems))
        };
        let document = document(&metadata, &self.spec).map_err(|error| vec![error]);
        match checked.and_then(|policy| Ok((policy, document?))) {
            Ok((policy, document)) => {
                for note in self.notes.iter_mut().filter(|note| note.field.is_none()) {
                    note.span = root.span;
                }
                import.policies.push(ImportedPolicy {
                    kind,
                    metadata,
                    policy,
                    notes: self.notes,
                    changes: Vec::new(),
                    position: NOT_YET,
                    span: root.span,
                    document,
                });
            }
            Err(problems) => import.problems.extend(problems),
        }
    }

    /// About how much text it is that a source can make long.
    fn bytes(&self, metadata: &Metadata) -> usize {
        let texts = metadata.labels.iter().chain(&metadata.annotations);
        let metadata: usize = texts.map(|(key, value)| key.len().saturating_add(value.len())).sum();
        let notes: usize = self.notes.iter().map(|note| note.message.len()).sum();
        let name = self.spec.scale_target_ref.name.len();
        metadata.saturating_add(notes).saturating_add(name)
    }

    /// The rules that the policy breaks, at the places of the source; one for each field.
    fn broken_rules(&self, invalid: &InvalidPolicy, root: &Field<'n>) -> Vec<Problem> {
        let mut told: Vec<&str> = Vec::new();
        let mut problems = Vec::new();
        for error in invalid.errors() {
            if !told.contains(&error.field()) {
                told.push(error.field());
                problems.push(self.broken_rule(error, root));
            }
        }
        problems
    }

    fn broken_rule(&self, error: &FieldError, root: &Field<'n>) -> Problem {
        let last = |path: &str| path.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
        let kind = ProblemKind::Rule(error.kind());
        match self.place(error.field()) {
            Some((path, span)) => {
                // What is missing is told where it would be: at what is around it.
                let rest = error.field().strip_prefix(&*path);
                let within = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                let path = if within { error.field().to_owned() } else { path };
                let message = format!("`{}` {}", last(&path), error.detail());
                let problem = Problem::new(kind, span, message).with_field(&path);
                if within {
                    problem
                } else {
                    problem.with_help(format!("in the policy it is `{}`", error.field()))
                }
            }
            None => {
                let message = format!("`{}` {}", last(error.field()), error.detail());
                Problem::new(kind, root.span, message)
                    .with_help(format!("it is about `{}` of the policy", error.field()))
            }
        }
    }
}

/// The whole document with what was said, and not with every default.
pub(crate) fn document(metadata: &Metadata, spec: &PolicySpec) -> Result<Tree, Problem> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Document<'d> {
        api_version: &'static str,
        kind: &'static str,
        metadata: &'d Metadata,
        spec: &'d PolicySpec,
    }
    let document = Document {
        api_version: crate::policies::API_VERSION,
        kind: "ScalingPolicy",
        metadata,
        spec,
    };
    let mut tree = tree(&document).map_err(|error| {
        Problem::new(ProblemKind::WrongType, Span::default(), error.to_string())
    })?;
    decimals(&mut tree);
    // No limit is what `strategy: knative` takes an absent one for.
    if spec.max_replicas == 0
        && let Tree::Mapping(entries) = &mut tree
        && let Some((_, Tree::Mapping(spec))) = entries.iter_mut().find(|(key, _)| key == "spec")
    {
        spec.retain(|(key, _)| key != "maxReplicas");
    }
    Ok(tree)
}

/// Amounts as people write them: `0.75` for `750m`.
fn decimals(tree: &mut Tree) {
    let amounts = ["value", "averageValue", "tolerance"];
    match tree {
        Tree::Mapping(entries) => {
            for (key, value) in entries {
                match value {
                    Tree::Text(text) if amounts.contains(&key.as_str()) => {
                        let milli = text.strip_suffix('m').and_then(|milli| milli.parse().ok());
                        if let Some(milli) = milli.filter(|milli: &u64| *milli < 1 << 50) {
                            let (units, rest) = (milli / 1000, milli % 1000);
                            let decimal = format!("{units}.{rest:03}");
                            decimal.trim_end_matches('0').trim_end_matches('.').clone_into(text);
                        }
                    }
                    other => decimals(other),
                }
            }
        }
        Tree::List(items) => items.iter_mut().for_each(decimals),
        Tree::Plain(_) | Tree::Text(_) => {}
    }
}

impl Skipped {
    /// Something that was passed over.
    pub(super) fn new(what: impl AsRef<str>, why: impl Into<String>, span: Span) -> Self {
        Self { what: printable(what.as_ref()), why: why.into(), span, position: NOT_YET }
    }
}

/// A target of `averageValue` or `value`.
pub(super) fn target_of(type_: &str, amount: trimtab_metric::Quantity) -> MetricTarget {
    let (average_value, value) =
        if type_ == "Value" { (None, Some(amount)) } else { (Some(amount), None) };
    MetricTarget { type_: type_.to_owned(), value, average_value, average_utilization: None }
}
