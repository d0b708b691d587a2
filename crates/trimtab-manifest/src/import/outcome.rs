//! What an import gives: policies, notes beside them, and what was passed over.

use std::collections::BTreeMap;
use std::fmt;

use trimtab_engine::Policy;

use crate::error::{LineCounter, first_line};
use crate::render::{Colour, Remark, render_remarks};
use crate::write::{Tree, write};
use crate::{Change, Comments, Metadata, Position, Source, Span};

/// What the manifests of a source say as policies.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The policies in the order of the text; at least one.
    pub policies: Vec<ImportedPolicy>,
    /// What holds no policy, and why: documents of other kinds, deployments with a fixed count.
    pub skipped: Vec<Skipped>,
    /// What there is to know besides, about more than one of the policies.
    pub notes: Vec<Note>,
    source: Source,
}

/// A policy made of another autoscaler's manifest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImportedPolicy {
    /// Whose manifest it was.
    pub kind: PeerKind,
    /// What the policy is called: as the manifest, or after the part of it that it is about.
    pub metadata: Metadata,
    /// The policy, checked and with its defaults.
    pub policy: Policy,
    /// What the policy does not say, or what is known to go wrong with what it says.
    pub notes: Vec<Note>,
    /// What a proposal has otherwise than the import, and why; empty where nothing is proposed.
    pub changes: Vec<Change>,
    /// Where the part of the manifest that it is about starts.
    pub position: Position,
    pub(crate) span: Span,
    pub(crate) document: Tree,
}

/// Whose manifest a policy was made of.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerKind {
    /// `autoscaling/v1`, `v2beta1`, `v2beta2` and `v2`
    HorizontalPodAutoscaler,
    /// `keda.sh/v1alpha1`, `ScaledObject`
    ScaledObject,
    /// `serving.knative.dev/v1`: `Service`, `Configuration` or `Revision`
    Knative,
    /// The config file of `serve deploy`
    RayServe,
    /// `ray.io/v1`, `RayService`
    RayService,
    /// `serving.kserve.io/v1beta1`, `InferenceService`
    InferenceService,
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ScaledObject => "KEDA ScaledObject",
            Self::Knative => "Knative service",
            Self::RayServe => "Ray Serve config",
            Self::RayService => "RayService",
            Self::InferenceService => "KServe InferenceService",
        })
    }
}

/// Something to know about an imported policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// Which kind of note it is.
    pub kind: NoteKind,
    /// The field of the manifest, such as `spec.triggers[0].metadata.query`; absent where it is about
    /// something that the manifest does not say.
    pub field: Option<String>,
    /// The field of the policy that it belongs to, such as `spec.metrics[0]`, if it belongs to one.
    pub policy_field: Option<String>,
    /// What there is to know. The wording is no part of the interface.
    pub message: String,
    /// Where the field is, or where the manifest starts.
    pub position: Position,
    pub(super) span: Span,
}

/// The kinds of notes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NoteKind {
    /// A setting that no policy has; it does not change what is decided on the same readings.
    NoCounterpart,
    /// What the manifest leaves open and the policy had to say.
    Assumed,
    /// What is known to go wrong where this manifest runs. The policy does the same, unless the
    /// note says otherwise.
    Defect,
}

/// Something that holds no policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// What it is, such as `` `Deployment` of `apps/v1` ``.
    pub what: String,
    /// Why it was passed over.
    pub why: String,
    /// Where it is.
    pub position: Position,
    pub(super) span: Span,
}

impl ImportedPolicy {
    /// The policy as a `ScalingPolicy` document, with its notes as comments.
    ///
    /// Only what was said is written, not every default. [`read_policies`](crate::read_policies)
    /// gives the same policy again.
    pub fn to_yaml(&self) -> String {
        let mut comments = Comments::default();
        if self.changes.is_empty() {
            comments.at_head(format!("imported from a {}", self.kind));
        } else {
            comments.at_head(format!("proposed for `strategy: slo` from a {}", self.kind));
        }
        let mut notes: Vec<&Note> = self.notes.iter().collect();
        notes.sort_by_key(|note| note.kind);
        for note in notes {
            let text = note.comment();
            match &note.policy_field {
                Some(field) => comments.before(field, text),
                None => comments.at_head(text),
            }
        }
        for change in &self.changes {
            comments.before(&change.field, change.comment());
        }
        write(&self.document, &comments)
    }
}

impl Note {
    fn comment(&self) -> String {
        match self.kind {
            NoteKind::NoCounterpart => self.message.clone(),
            NoteKind::Defect => format!("warning: {}", self.message),
            NoteKind::Assumed => format!("assumed: {}", self.message),
        }
    }
}

impl Imported {
    /// Fills in the positions, in one pass over the text.
    pub(super) fn new(
        source: Source,
        mut policies: Vec<ImportedPolicy>,
        mut skipped: Vec<Skipped>,
        mut notes: Vec<Note>,
    ) -> Self {
        let mut places: Vec<(&mut Span, &mut Position)> = Vec::new();
        for policy in &mut policies {
            places.push((&mut policy.span, &mut policy.position));
            places.extend(policy.notes.iter_mut().map(|note| (&mut note.span, &mut note.position)));
        }
        places.extend(skipped.iter_mut().map(|skip| (&mut skip.span, &mut skip.position)));
        places.extend(notes.iter_mut().map(|note| (&mut note.span, &mut note.position)));
        places.sort_by_key(|(span, _)| span.start);
        let mut lines = LineCounter::default();
        for (span, position) in places {
            *position = lines.position(&source, span.start);
            *span = first_line(*span, source.text());
        }
        Self { policies, skipped, notes, source }
    }

    /// The text that it was read from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// All policies as one YAML file, with `---` between them.
    pub fn to_yaml(&self) -> String {
        let mut comments = Comments::default();
        if !self.notes.is_empty() {
            comments.at_head("about the whole file:");
        }
        self.notes.iter().for_each(|note| comments.at_head(note.comment()));
        let mut text = comments.alone();
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for (index, policy) in self.policies.iter().enumerate() {
            if index > 0 {
                text.push_str("---\n");
            }
            text.push_str(&policy.to_yaml());
        }
        text
    }

    /// What a person should hear of, each with the line in question: known defects as warnings, what
    /// was assumed or passed over as notes. Settings without a counterpart are only comments.
    ///
    /// Of more than 20 the first 20 are shown, and how many there are besides.
    pub fn render_notes(&self, colour: Colour) -> String {
        let notes = self.policies.iter().flat_map(|policy| &policy.notes).chain(&self.notes);
        let mut remarks: Vec<Remark<'_>> = notes
            .filter(|note| note.kind != NoteKind::NoCounterpart)
            .map(|note| Remark {
                is_warning: note.kind == NoteKind::Defect,
                message: match note.kind {
                    NoteKind::Assumed => format!("assumed: {}", note.message),
                    _ => note.message.clone(),
                },
                span: note.span,
                position: note.position,
                field: note.field.as_deref(),
            })
            .chain(self.skipped.iter().map(|skipped| Remark {
                is_warning: false,
                message: format!("{} is skipped: {}", skipped.what, skipped.why),
                span: skipped.span,
                position: skipped.position,
                field: None,
            }))
            .collect();
        remarks.sort_by_key(|remark| remark.span.start);
        // What concerns several policies or fields of a file is said once, where it comes up first.
        let mut said: BTreeMap<String, usize> = BTreeMap::new();
        remarks.dedup_by(|a, b| (a.span, &a.message) == (b.span, &b.message));
        remarks.retain(|remark| {
            let times = said.entry(remark.message.clone()).or_default();
            *times = times.saturating_add(1);
            *times == 1
        });
        for remark in &mut remarks {
            let times = said.get(&remark.message).copied().unwrap_or(1);
            match times {
                0 | 1 => {}
                2 => remark.message.push_str(" (and once more in this file)"),
                _ => {
                    let others = times.saturating_sub(1);
                    remark.message.push_str(&format!(" (and {others} times more in this file)"));
                }
            }
        }
        render_remarks(&self.source, &remarks, colour)
    }
}
