//! What a workload is doing, for people and for tools that ask.

use serde::{Deserialize, Serialize};
use trimtab_engine::{
    Conditions, Digest, Outcome, PodPhase, PodRecord, Readiness, ScaleReason, StrategyName,
};
use trimtab_metric::Timestamp;

use crate::sink::Tick;
use crate::{Mode, WorkloadId};

/// What a workload was doing at its last tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WorkloadStatus {
    /// Its name.
    pub workload: WorkloadId,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// The rule that decides.
    pub strategy: StrategyName,
    /// The policy's digest.
    pub policy: Digest,
    /// When.
    pub at: Timestamp,
    /// The count that was read; the last known one if it could not be read.
    pub current_replicas: i32,
    /// The count that is wanted.
    pub desired_replicas: i32,
    /// What was written to the target, or would have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to: Option<i32>,
    /// How far the decision came.
    pub outcome: Outcome,
    /// Why the scale is to be changed.
    pub reason: ScaleReason,
    /// The replicas by what they are, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicaCounts>,
    /// The conditions.
    #[serde(default)]
    pub conditions: Conditions,
    /// What could not be read or done, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The decision in words: a line per step.
    pub explanation: String,
}

/// Replicas by what they are.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicaCounts {
    /// They serve, and take new work.
    pub ready: u32,
    /// They are on their way.
    pub starting: u32,
    /// They take no new work.
    pub draining: u32,
}

impl WorkloadStatus {
    /// What a tick says.
    pub fn of(tick: &Tick) -> Self {
        let decision = &tick.record.decision;
        let missing = tick.missing.iter().map(|missing| {
            let metric = missing.metric.as_deref().unwrap_or("all of its metrics");
            format!("{}: {metric}: {}", missing.source, missing.error)
        });
        let target = tick.target_error.iter().map(|error| format!("target: {error}"));
        let store = tick.store_error.iter().map(|error| format!("state: {error}"));
        Self {
            workload: tick.workload.clone(),
            mode: tick.mode,
            strategy: tick.policy.spec().strategy,
            policy: tick.record.policy,
            at: tick.record.observation.time,
            current_replicas: decision.current_replicas,
            desired_replicas: decision.desired_replicas,
            scale_to: decision.scale_to,
            outcome: decision.outcome,
            reason: decision.reason,
            replicas: ReplicaCounts::of(&tick.record.observation.pods),
            conditions: decision.conditions,
            problems: missing.chain(target).chain(store).collect(),
            explanation: decision.explain().to_string(),
        }
    }
}

impl ReplicaCounts {
    /// Those of these pods; `None` if there is none, since then they are most likely not known.
    pub fn of(pods: &[PodRecord]) -> Option<Self> {
        if pods.is_empty() {
            return None;
        }
        let mut counts = Self::default();
        for pod in pods.iter().filter(|pod| is_there(pod)) {
            if pod.draining_since.is_some() {
                counts.draining += 1;
            } else if pod.ready.is_some_and(|ready| ready.status == Readiness::True) {
                counts.ready += 1;
            } else {
                counts.starting += 1;
            }
        }
        Some(counts)
    }
}

fn is_there(pod: &PodRecord) -> bool {
    !pod.terminating && !matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed)
}
