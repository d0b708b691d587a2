//! What `slo` found beside the count: what its conditions say.

use trimtab_metric::Timestamp;

use super::signal::Known;
use crate::condition::{ConditionReason, ConditionType, Conditions, Finding};
use crate::observation::Unavailable;
use crate::policy::SloRole;

/// What was found on the way through the signals.
#[derive(Default)]
pub(super) struct Found {
    signals: Unknown,
    guards: Unknown,
    /// The first guard at its hard limit, else the first at its limit.
    guard: Option<Guard>,
    /// How many replicas are overdue, and how many are asked for in their place.
    pub(super) overdue: (i32, i32),
}

/// Of how many signals nothing is known.
#[derive(Copy, Clone, Default)]
struct Unknown {
    /// The first in the policy, and why.
    first: Option<(u32, ConditionReason)>,
    count: i32,
    all: i32,
}

/// A guard at its limit.
#[derive(Copy, Clone)]
struct Guard {
    place: u32,
    is_hard: bool,
    /// At least so many replicas.
    floor: i32,
}

impl Found {
    /// What is known of the signal at `place`.
    pub(super) fn signal(&mut self, place: u32, role: SloRole, known: Known) {
        let reason = match known {
            Known::Value(_) => None,
            Known::Unavailable { why: Unavailable::Missing } => {
                Some(ConditionReason::MetricMissing)
            }
            Known::Unavailable { why: Unavailable::Stale } => Some(ConditionReason::MetricStale),
            Known::Unavailable { why: Unavailable::Invalid } => {
                Some(ConditionReason::MetricInvalid)
            }
            Known::Unavailable { why: Unavailable::Failed } => {
                Some(ConditionReason::MetricUnreadable)
            }
            Known::TooFew { .. } => Some(ConditionReason::TooFewReplicasReport),
        };
        self.signals.count(place, reason);
        if role == SloRole::Guard {
            self.guards.count(place, reason);
        }
    }

    /// The guard at `place` is at its limit.
    pub(super) fn guard(&mut self, place: u32, is_hard: bool, floor: i32) {
        if self.guard.is_none_or(|guard| is_hard && !guard.is_hard) {
            self.guard = Some(Guard { place, is_hard, floor });
        }
    }

    /// Says so.
    pub(super) fn tell(&self, conditions: &mut Conditions, now: Timestamp) {
        let unknown = match self.signals {
            Unknown { first: Some((place, reason)), count, all } => {
                Finding::holds(reason, [count, all]).about(place)
            }
            _ => Finding::fails(ConditionReason::MetricsKnown),
        };
        conditions.note(ConditionType::MetricsUnknown, unknown, now);
        let guard = match (self.guard, self.guards) {
            (Some(Guard { place, is_hard: true, floor }), _) => {
                Finding::holds(ConditionReason::GuardAtHardLimit, [floor, 0]).about(place)
            }
            (Some(Guard { place, is_hard: false, floor }), _) => {
                Finding::holds(ConditionReason::GuardAtLimit, [floor, 0]).about(place)
            }
            (None, Unknown { first: Some((place, reason)), count, all }) => {
                Finding::unknown(reason, [count, all]).about(place)
            }
            (None, _) => Finding::fails(ConditionReason::GuardsUnderLimits),
        };
        conditions.note(ConditionType::GuardActive, guard, now);
        let overdue = match self.overdue {
            (0, _) => Finding::fails(ConditionReason::NoneOverdue),
            (late, replaced) => Finding::holds(ConditionReason::ReplicasOverdue, [late, replaced]),
        };
        conditions.note(ConditionType::ColdStartOverdue, overdue, now);
    }
}

impl Unknown {
    fn count(&mut self, place: u32, reason: Option<ConditionReason>) {
        self.all = self.all.saturating_add(1);
        let Some(reason) = reason else { return };
        self.count = self.count.saturating_add(1);
        if self.first.is_none_or(|(first, _)| place < first) {
            self.first = Some((place, reason));
        }
    }
}
