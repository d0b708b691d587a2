//! What `slo` remembers of a workload.

use alloc::boxed::Box;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::error_budget::ErrorBudget;
use super::sensing::SensingState;
use super::surge::Surge;

/// Everything that the `slo` strategy remembers beside recommendations and scale events: under a
/// kilobyte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SloState {
    /// How the need grew within lead times.
    #[serde(default)]
    pub surge: Surge,
    /// How many replicas were ready last; nothing before the first observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<i32>,
    /// When that last became more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_rose_at: Option<Timestamp>,
    /// Since when nothing has been to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Timestamp>,
    /// Of the load that is offered, of what a replica takes, and of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensing: Option<Box<SensingState>>,
    /// What is left of the error budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget: Option<ErrorBudget>,
}

/// What a later release adds counts only where it is set, so that a state keeps its digest.
impl Hash for SloState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { surge, ready, ready_rose_at, idle_since, sensing, error_budget } = self;
        (surge, ready, ready_rose_at, idle_since).hash(hasher);
        sensing.iter().for_each(|sensing| sensing.hash(hasher));
        error_budget.iter().for_each(|budget| budget.hash(hasher));
    }
}

impl SloState {
    /// Takes note of how many replicas are ready.
    pub(super) fn note_ready(&mut self, now: Timestamp, ready: i32) {
        if self.ready.is_some_and(|before| ready > before) {
            self.ready_rose_at = Some(now);
        }
        self.ready = Some(ready);
    }

    /// Takes note of whether there is nothing to be done.
    pub(super) fn note_idle(&mut self, now: Timestamp, idle: bool) {
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
    }

    pub(crate) fn list_bytes(&self) -> usize {
        let sensing = self.sensing.as_ref().map_or(0, |sensing| sensing.heap_bytes());
        self.surge.list_bytes() + sensing
    }
}
