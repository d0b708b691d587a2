//! The plan: which replicas begin to drain, which go, and which are taken back.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::explain::RetireStep;
use super::{listed, victims};
use crate::observation::{Observation, Scale, Standing};
use crate::policy::RetireSettings;

/// Who leaves. Replicas are given by their place in the observation's `pods`.
///
/// The host stops sending new work to those in `drain`, sends it again to those in `take_back`, and
/// removes those in `retire`: with [`Decision::scale_to`](crate::Decision::scale_to) the count falls by
/// as many. From the next observation on it says `drainingSince` of the first, no longer of the second,
/// and lists the third as terminating or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetirePlan {
    /// How many replicas were asked for and did not drain.
    pub serving: i32,
    /// How many of those there should be. Rate limits count the changes of it.
    pub wanted: i32,
    /// These begin to drain, the first choice first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drain: Vec<u32>,
    /// These go: those that drained and are idle, then those that have had their time, then those that
    /// never started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retire: Vec<u32>,
    /// These no longer drain, the one that began last first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub take_back: Vec<u32>,
    /// So many go that were asked for and do not exist yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_created: i32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(value: &i32) -> bool {
    *value == 0
}

/// The replicas that drain.
pub(super) struct Draining {
    /// Since when and which, the first one first.
    rows: Vec<(Timestamp, usize)>,
    /// How many of the present count they are.
    pub(super) counted: i32,
}

impl Draining {
    pub(super) fn of(observation: &Observation, current: i32) -> Self {
        let rows = observation
            .pods
            .draining()
            .filter(|(row, _)| !observation.pods.is_beyond(*row, current));
        let mut rows: Vec<_> = rows.map(|(row, since)| (since, row)).collect();
        rows.sort_unstable();
        let counted = count(rows.len()).min(current.max(0));
        Self { rows, counted }
    }

    /// So many are taken back, if there are as many.
    pub(super) fn take_back(&mut self, replicas: i32) -> Vec<u32> {
        let replicas = replicas.min(self.counted).max(0);
        self.counted = self.counted.saturating_sub(replicas);
        let keep = self.rows.len().saturating_sub(usize::try_from(replicas).unwrap_or(0));
        self.rows.drain(keep..).rev().map(|(_, row)| place(row)).collect()
    }

    /// Those that go now, `most` at most: idle ones first.
    pub(super) fn gone(
        &self,
        observation: &Observation,
        settings: &RetireSettings,
        most: i32,
    ) -> Vec<u32> {
        let idle = self.rows.iter().filter(|(_, row)| is_idle(observation, *row));
        let rest = self.rows.iter().filter(|(_, row)| !is_idle(observation, *row));
        let rest = rest.filter(|(since, row)| {
            has_had_its_time(observation, settings, *since) || never_started(observation, *row)
        });
        let most = usize::try_from(most).unwrap_or(0);
        idle.chain(rest).take(most).map(|(_, row)| place(*row)).collect()
    }
}

impl RetirePlan {
    /// Finds those that are to go, `replicas` of them: what does not exist yet, then what never
    /// started, then the others, which drain. Returns how many no listed pod stands for: they stay.
    pub(super) fn choose(
        &mut self,
        observation: &Observation,
        settings: &RetireSettings,
        scale: Scale,
        replicas: i32,
    ) -> i32 {
        let replicas = replicas.max(0);
        let exist = listed(observation).max(scale.status_replicas);
        self.not_created = scale.spec_replicas.saturating_sub(exist).clamp(0, replicas);
        let rest = replicas.saturating_sub(self.not_created);
        if rest == 0 {
            return 0;
        }
        let victims = victims::choose(&observation.pods, &settings.order, rest);
        let unlisted = rest.saturating_sub(count(victims.len()));
        for row in victims {
            match observation.pods.standing().get(row) {
                Some(Standing::Pending) => self.retire.push(place(row)),
                _ => self.drain.push(place(row)),
            }
        }
        unlisted
    }

    /// The count once those that go are gone.
    pub(super) fn leaves(&self, current: i32) -> i32 {
        current.saturating_sub(count(self.retire.len())).saturating_sub(self.not_created)
    }

    /// Whether it leaves every replica as it is.
    pub fn is_empty(&self) -> bool {
        let rows = [&self.drain, &self.retire, &self.take_back];
        rows.iter().all(|rows| rows.is_empty()) && self.not_created == 0
    }

    pub(super) fn step(&self, leaving: i32, unlisted: i32) -> RetireStep {
        RetireStep::Plan {
            drain: count(self.drain.len()),
            retire: count(self.retire.len()).saturating_add(self.not_created),
            take_back: count(self.take_back.len()),
            draining: leaving,
            unlisted,
        }
    }
}

pub(super) fn is_idle(observation: &Observation, row: usize) -> bool {
    observation.pods.details(row).in_flight == Some(0)
}

pub(super) fn never_started(observation: &Observation, row: usize) -> bool {
    observation.pods.standing().get(row) == Some(&Standing::Pending)
}

pub(super) fn has_had_its_time(
    observation: &Observation,
    settings: &RetireSettings,
    since: Timestamp,
) -> bool {
    since.saturating_add(settings.max_session) <= observation.now
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

pub(super) fn place(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
