//! What a peer's manifest says as a policy of trimtab's own strategy: a proposal to read.
//!
//! It is a step behind the import, from policy to policy, and pure.

#[cfg(test)]
mod laws;
mod meaning;
mod peer;
mod signals;
mod translate;

pub(crate) use self::meaning::{Meaning, meaning};
pub use self::translate::Change;
use self::translate::{Refusal, Translation, translate};
use crate::error::printable;
use crate::import::{Imported, ImportedPolicy, Note, NoteKind, document};
use crate::{ManifestError, Problem, ProblemKind};
use trimtab_engine::{FieldError, Policy};

impl Imported {
    /// What was imported as policies under `strategy: slo`, each with what
    /// [changed](ImportedPolicy::changes) and why.
    ///
    /// It is a proposal: what a metric measures is told by its name, and how long a start takes is
    /// in no manifest. `lead_time` is that in seconds; without it 180 are assumed.
    ///
    /// # Errors
    ///
    /// Policies that `slo` cannot take over, all of them: no metric says how many replicas there
    /// have to be, or a formula makes one number of all.
    ///
    /// ```
    /// use trimtab_engine::StrategyName;
    /// use trimtab_manifest::{Source, import};
    ///
    /// let source = Source::new("hpa.yaml", "\
    /// apiVersion: autoscaling/v2
    /// kind: HorizontalPodAutoscaler
    /// metadata: {name: llm}
    /// spec:
    ///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
    ///   maxReplicas: 8
    ///   metrics:
    ///   - type: Pods
    ///     pods:
    ///       metric: {name: requests_in_flight}
    ///       target: {type: AverageValue, averageValue: 16}
    /// ");
    /// let proposed = import(&source)?.propose_slo(Some(240))?;
    /// let spec = proposed.policies[0].policy.spec();
    /// assert_eq!(spec.strategy, StrategyName::Slo);
    /// assert_eq!(spec.slo.as_ref().unwrap().lead_time_seconds, Some(240));
    /// # Ok::<(), trimtab_manifest::ManifestError>(())
    /// ```
    pub fn propose_slo(&self, lead_time: Option<i32>) -> Result<Self, ManifestError> {
        let mut problems = Vec::new();
        let mut policies = Vec::new();
        for policy in &self.policies {
            match proposed(policy, lead_time) {
                Ok(policy) => policies.push(policy),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            let mut proposed = self.clone();
            proposed.policies = policies;
            Ok(proposed)
        } else {
            Err(ManifestError::from_problems(self.source().clone(), problems))
        }
    }

    /// What changed in each policy and why, a line for each; empty for an import that proposes
    /// nothing.
    pub fn render_changes(&self) -> String {
        let mut text = String::new();
        for policy in self.policies.iter().filter(|policy| !policy.changes.is_empty()) {
            let name = printable(&policy.metadata.name);
            text.push_str(&format!("`{name}` of a {} under `slo`:\n", policy.kind));
            for change in &policy.changes {
                text.push_str(&format!("  {}\n", change.line()));
            }
        }
        text
    }
}

fn proposed(given: &ImportedPolicy, lead: Option<i32>) -> Result<ImportedPolicy, Vec<Problem>> {
    let translation =
        translate(&given.policy, lead).map_err(|refusal| vec![refused(&refusal, given)])?;
    let Translation { spec, changes, places } = translation;
    let policy = Policy::new(spec.clone()).map_err(|invalid| {
        invalid.errors().iter().map(|error| broken_rule(error, given)).collect::<Vec<_>>()
    })?;
    let document = document(&given.metadata, &spec).map_err(|problem| vec![problem])?;
    let notes = given.notes.iter().filter_map(|note| kept(note, &places)).collect();
    Ok(ImportedPolicy { policy, notes, changes, document, ..given.clone() })
}

fn refused(refusal: &Refusal, given: &ImportedPolicy) -> Problem {
    let message = format!("no proposal for {}: {}", named(given), refusal.message);
    Problem::new(ProblemKind::NoCounterpart, given.span, message).with_help(refusal.help)
}

fn broken_rule(error: &FieldError, given: &ImportedPolicy) -> Problem {
    let message =
        format!("no proposal for {}: `{}` {}", named(given), error.field(), error.detail());
    Problem::new(ProblemKind::Rule(error.kind()), given.span, message)
        .with_help("the field is one of the proposal under `strategy: slo`")
}

fn named(given: &ImportedPolicy) -> String {
    format!("`{}`", given.metadata.name)
}

/// A note of the import, where the proposal still has what it is about. What is known to go wrong
/// with the peer does not go wrong here.
fn kept(note: &Note, places: &[Option<usize>]) -> Option<Note> {
    const GONE: [&str; 5] =
        ["spec.keda", "spec.knative", "spec.rayServe", "spec.behavior", "spec.hpa"];
    /// The rate limits are the HPA's in `slo` too.
    const KEPT: [&str; 2] = ["spec.behavior.scaleUp", "spec.behavior.scaleDown.policies"];
    let field = note.policy_field.as_deref().unwrap_or_default();
    if KEPT.iter().any(|kept| field.starts_with(kept)) {
        return Some(note.clone());
    }
    if note.kind == NoteKind::Defect {
        return None;
    }
    if GONE.iter().any(|gone| field.starts_with(gone)) {
        return None;
    }
    let Some((index, rest)) =
        field.strip_prefix("spec.metrics[").and_then(|rest| rest.split_once(']'))
    else {
        return Some(note.clone());
    };
    let place = places.get(index.parse::<usize>().ok()?).copied().flatten()?;
    let mut note = note.clone();
    note.policy_field = Some(format!("spec.metrics[{place}]{rest}"));
    Some(note)
}
