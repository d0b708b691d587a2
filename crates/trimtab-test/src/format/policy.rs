//! The policy that is tested: beside the tests, among them, or imported from another autoscaler's manifest.

use trimtab_engine::Policy;
use trimtab_manifest::{
    Block, Diagnostic, Field, ManifestError, Metadata, Note, NoteKind, Problem, ProblemKind,
    Severity, Source, import, read_policies, read_policy_at,
};
use trimtab_metric::Span;

use super::read::Files;

/// Where a tested policy is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOrigin {
    /// A file, by its path from the test file.
    File(String),
    /// The test file itself.
    Inline,
    /// Another autoscaler's manifest, by its path from the test file.
    Manifest(String),
}

impl PolicyOrigin {
    /// The path that was read beside the test file.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::File(path) | Self::Manifest(path) => Some(path),
            Self::Inline => None,
        }
    }
}

/// A policy with its name and where it is from.
pub(super) struct Tested {
    pub(super) policy: Policy,
    pub(super) metadata: Metadata,
    pub(super) origin: PolicyOrigin,
    /// What is known to go wrong with the manifest, where it is one.
    pub(super) warnings: Vec<Diagnostic>,
}

/// Why there is none.
pub(super) enum NoPolicy {
    /// The test file says something wrong.
    Here(Vec<Problem>),
    /// The file that it names is refused.
    There(ManifestError),
}

impl From<Problem> for NoPolicy {
    fn from(problem: Problem) -> Self {
        Self::Here(vec![problem])
    }
}

/// Reads `policy` or `manifest` of a document.
pub(super) fn tested(
    top: &mut Block<'_>,
    source: &Source,
    files: Files<'_>,
) -> Result<Tested, NoPolicy> {
    match (top.field("policy"), top.field("manifest")) {
        (Some(policy), None) if policy.is_mapping() && !is_reference(&policy) => {
            let document = read_policy_at(&policy, source).map_err(NoPolicy::Here)?;
            let (policy, metadata) = (document.policy, document.metadata);
            let (origin, warnings) = (PolicyOrigin::Inline, Vec::new());
            Ok(Tested { policy, metadata, origin, warnings })
        }
        (Some(policy), None) => {
            let reference = Reference::read(policy, &["path", "name"])?;
            let found = read_policies(&reference.open(files)?).map_err(NoPolicy::There)?;
            let all = found.policies.into_iter();
            let all = all.map(|found| (found.metadata, found.policy, Vec::new()));
            reference.choose(all.collect(), PolicyOrigin::File)
        }
        (None, Some(manifest)) => {
            let reference = Reference::read(manifest, &["path", "name", "strategy", "lead_time"])?;
            let mut imported = import(&reference.open(files)?).map_err(NoPolicy::There)?;
            if reference.slo {
                imported = imported.propose_slo(reference.lead_time).map_err(NoPolicy::There)?;
            }
            let all = imported.policies.into_iter();
            let all = all.map(|found| (found.metadata, found.policy, found.notes));
            reference.choose(all.collect(), PolicyOrigin::Manifest)
        }
        (Some(_), Some(manifest)) => Err(manifest
            .problem(ProblemKind::Unusable, "`policy` and `manifest` are both there")
            .with_help("name the one that is tested")
            .into()),
        (None, None) => Err(top
            .missing("policy")
            .with_help("name the policy that is tested, such as `policy: checkout.yaml`")
            .into()),
    }
}

/// Whether a mapping names a policy and is none.
fn is_reference(field: &Field<'_>) -> bool {
    let mut unheard = Vec::new();
    Block::new(field.clone(), &mut unheard)
        .is_some_and(|mut block| block.field("path").is_some() && block.field("kind").is_none())
}

/// A file, and which policy of it.
struct Reference<'n> {
    field: Field<'n>,
    path: String,
    name: Option<String>,
    slo: bool,
    lead_time: Option<i32>,
}

impl<'n> Reference<'n> {
    fn read(field: Field<'n>, known: &[&'static str]) -> Result<Self, NoPolicy> {
        let mut problems = Vec::new();
        let plain = |field: Field<'n>, path: String| Self {
            field,
            path,
            name: None,
            slo: false,
            lead_time: None,
        };
        if !field.is_mapping() {
            let path = field.decode::<String>(&mut problems);
            return path.map(|path| plain(field, path)).ok_or(NoPolicy::Here(problems));
        }
        let Some(mut block) = Block::new(field, &mut problems) else {
            return Err(NoPolicy::Here(problems));
        };
        let path = block.required::<String>("path", &mut problems);
        let name = block.get::<String>("name", &mut problems);
        let (mut strategy, mut lead_time) = (None, None);
        if known.contains(&"strategy") {
            strategy = block.get::<String>("strategy", &mut problems);
            lead_time = block.get::<Span>("lead_time", &mut problems);
        }
        block.refuse_rest(&mut problems);
        if let Some((strategy, field)) = strategy.as_ref().filter(|(name, _)| name != "slo") {
            let message = format!("`{strategy}` can't be proposed");
            problems
                .push(field.problem(ProblemKind::Unusable, message).with_help("known is `slo`"));
        }
        let seconds = lead_time.as_ref().and_then(|(span, field)| {
            let seconds = i32::try_from(span.as_millis() / 1000).ok();
            let fits = seconds.filter(|seconds| {
                (1..=3600).contains(seconds) && Span::from_secs((*seconds).into()) == *span
            });
            if fits.is_none() {
                let message = "`lead_time` has to be whole seconds from 1s to 1h";
                problems.push(field.problem(ProblemKind::Unusable, message));
            } else if strategy.is_none() {
                let message = "`lead_time` is for `strategy: slo`";
                problems.push(field.problem(ProblemKind::Unusable, message));
            }
            fits
        });
        match path {
            Some((path, field)) if problems.is_empty() => Ok(Self {
                name: name.map(|(name, _)| name),
                slo: strategy.is_some(),
                lead_time: seconds,
                ..plain(field, path)
            }),
            _ => Err(NoPolicy::Here(problems)),
        }
    }

    fn open(&self, files: Files<'_>) -> Result<Source, NoPolicy> {
        files(&self.path).map_err(|why| {
            let message = format!("`{}` can't be read: {why}", self.path);
            let problem = self.field.problem(ProblemKind::Unusable, message);
            problem.with_help("paths are relative to the test file").into()
        })
    }

    fn choose(
        self,
        mut found: Vec<(Metadata, Policy, Vec<Note>)>,
        origin: fn(String) -> PolicyOrigin,
    ) -> Result<Tested, NoPolicy> {
        let names: Vec<String> =
            found.iter().map(|(metadata, ..)| format!("`{}`", metadata.name)).collect();
        let is_wanted =
            |metadata: &Metadata| self.name.as_ref().is_none_or(|name| *name == metadata.name);
        found.retain(|(metadata, ..)| is_wanted(metadata));
        match (found.pop(), found.is_empty()) {
            (Some((metadata, policy, notes)), true) => {
                let defects = notes.iter().filter(|note| note.kind == NoteKind::Defect);
                let warnings = defects.map(|note| {
                    let message = format!("`{}`: {}", self.path, note.message);
                    Diagnostic::new(Severity::Warning, self.field.span(), message)
                });
                let warnings = warnings.collect();
                Ok(Tested { policy, metadata, origin: origin(self.path), warnings })
            }
            (None, _) => {
                let name = self.name.as_deref().unwrap_or_default();
                let message = format!("there is no policy `{name}` in `{}`", self.path);
                let help = format!("there is {}", names.join(", "));
                Err(self.field.problem(ProblemKind::Unusable, message).with_help(help).into())
            }
            (Some(_), false) => {
                let count = names.len();
                let message = format!("there are {count} policies in `{}`", self.path);
                let help = format!(
                    "choose one as `{{path: {}, name: NAME}}`: {}",
                    self.path,
                    names.join(", ")
                );
                Err(self.field.problem(ProblemKind::Unusable, message).with_help(help).into())
            }
        }
    }
}
