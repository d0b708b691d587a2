#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod decode;
mod diagnostic;
mod error;
mod fields;
mod host;
mod import;
mod lint;
mod locate;
mod metadata;
mod node;
mod policies;
mod propose;
mod read;
mod render;
mod sleep;
mod source;
mod spec;
mod standby;
mod suggest;
mod write;
mod yaml;

pub use decode::did_you_mean;
pub use diagnostic::Diagnostic;
pub use error::{ManifestError, Problem, ProblemKind};
pub use fields::{Block, Document, Field, read_documents};
pub use host::{
    AdoptSpec, DrainingSpec, HostMode, HostSpec, KubernetesSourceSpec, PrometheusSourceSpec,
    SourceSpec, StandbySpec,
};
pub use import::{
    Imported, ImportedPolicy, Note, NoteKind, PeerKind, Skipped, import, import_within,
};
pub use lint::{Finding, Related, Report, Rule, Severity, lint, lint_limits, lint_within};
pub use metadata::Metadata;
pub use policies::{
    Policies, PolicyDocument, PolicyKind, SkippedDocument, read_policies, read_policies_within,
    read_policy_at,
};
pub use propose::Change;
pub use read::from_str;
pub use render::Colour;
pub use sleep::SleepSpec;
pub use source::{Limits, Position, Source, Span};
pub use spec::ScalingPolicySpec;
pub use write::{Comments, WriteError, to_yaml};
