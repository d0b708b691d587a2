//! A decision as it is logged: all that it depended on, so that it can be made again.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::decide::decide_traced;
use crate::decision::Decision;
use crate::digest::Digest;
use crate::observation::{ObservationError, ObservationRecord};
use crate::policy::{Policy, PolicySpec};
use crate::settle::{ScaleUpdate, settle};
use crate::state::State;

/// One line of a decision log. A policy stands before the decisions that were made by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "one is written or read at a time")]
pub enum LogEntry {
    /// A policy.
    Policy(PolicySpec),
    /// A decision by a policy that stands before it.
    Decision(DecisionRecord),
}

/// A decision with all that it depended on.
///
/// ```
/// use trimtab_engine::{DecisionRecord, ObservationRecord, Policy, PolicySpec, ScaleUpdate, State};
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10,
///         "metrics": [{"type": "External", "external": {
///             "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
/// )?;
/// let policy = Policy::new(spec)?;
/// let observation: ObservationRecord = serde_json::from_str(
///     r#"{"time": 0, "replicas": 2, "readings": [{"metric": "q", "value": "25"}]}"#,
/// )?;
/// let (mut record, state) =
///     DecisionRecord::decide(&policy, State::for_policy(&policy), observation)?;
/// assert_eq!(record.decision.scale_to, Some(4));
/// // … write it to the target …
/// let state = record.settle(&policy, state, ScaleUpdate::Applied);
/// assert_eq!(record.after, state.digest());
/// assert_eq!(record.again(&policy)?, record); // what replaying a log checks
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionRecord {
    /// Whose decision it is, where a log has those of several workloads. Nothing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// The policy's digest.
    pub policy: Digest,
    /// What was seen.
    pub observation: ObservationRecord,
    /// The state before.
    pub before: State,
    /// What was decided.
    pub decision: Decision,
    /// What became of the change of scale; absent if there was none, or nobody carried it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<ScaleUpdate>,
    /// The digest of the state after.
    pub after: Digest,
}

impl DecisionRecord {
    /// As [`decide_traced`], and records it; returns the state after, too.
    ///
    /// # Errors
    ///
    /// [`ObservationError`] when the observation does not fit the policy.
    pub fn decide(
        policy: &Policy,
        before: State,
        observation: ObservationRecord,
    ) -> Result<(Self, State), ObservationError> {
        let resolved = observation.resolve(policy)?;
        let (decision, state) = decide_traced(policy, before.clone(), &resolved);
        let after = state.digest();
        let policy = policy.digest();
        let record =
            Self { workload: None, policy, observation, before, decision, update: None, after };
        Ok((record, state))
    }

    /// As [`settle()`](crate::settle()), and records it. Not called in shadow mode, where nobody
    /// carries out the change.
    pub fn settle(&mut self, policy: &Policy, state: State, update: ScaleUpdate) -> State {
        let moves = |plan: &crate::RetirePlan| plan.serving != plan.wanted;
        if self.decision.scale_to.is_none() && !self.decision.retire.as_ref().is_some_and(moves) {
            return state;
        }
        let state = settle(policy, state, &self.decision, update);
        self.update = Some(update);
        self.after = state.digest();
        state
    }

    /// Makes the recorded decision again, with the present code. A log replays when the result is
    /// equal to the record. A record without a trace is compared without one.
    ///
    /// # Errors
    ///
    /// [`ObservationError`] when the observation does not fit the policy.
    pub fn again(&self, policy: &Policy) -> Result<Self, ObservationError> {
        let (mut again, state) =
            Self::decide(policy, self.before.clone(), self.observation.clone())?;
        again.workload.clone_from(&self.workload);
        if let Some(update) = self.update {
            again.settle(policy, state, update);
        }
        if self.decision.trace.is_none() {
            again.decision.trace = None;
        }
        Ok(again)
    }
}
