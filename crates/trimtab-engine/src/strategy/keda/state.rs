//! What KEDA remembers of a `ScaledObject`: its status, and when its two loops look again.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use crate::observation::Unavailable;
use crate::policy::KedaSettings;

/// Everything that the `keda` strategy remembers beside what its HPA does. A few numbers for each
/// trigger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaState {
    /// The first observation, which stands for the object's creation; to the second, as Kubernetes
    /// writes times.
    pub created: Timestamp,
    /// When the executor looks again.
    pub next_poll: Timestamp,
    /// When the HPA looks again.
    pub next_sync: Timestamp,
    /// When a trigger was last active, to the second as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
    /// The executor's change that is not settled yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ExecutorChange>,
    /// Failed reads in a row, of either loop, for each metric of the policy. They are counted only
    /// where there is a fallback.
    pub failures: Vec<i32>,
    /// What the last poll read of the triggers with `useCachedMetrics`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cached: Vec<Option<CachedRead>>,
}

/// A change of the count by the executor.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecutorChange {
    /// When it was decided.
    pub at: Timestamp,
    /// Once it is written, a trigger counts as active.
    pub activates: bool,
}

/// What a poll read, after the fallback.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CachedRead {
    /// A value, in thousandths.
    Value(i64),
    /// Nothing.
    Failed(Unavailable),
}

impl KedaState {
    /// A `ScaledObject` that is new: both loops look at once.
    pub(super) fn new(settings: &KedaSettings, now: Timestamp) -> Self {
        let mut state = Self {
            created: to_the_second(now),
            next_poll: now,
            next_sync: now,
            last_active: None,
            change: None,
            failures: Vec::new(),
            cached: Vec::new(),
        };
        state.fit(settings);
        state
    }

    /// Makes room for the triggers. If there are others than before, nothing is known of them.
    pub(super) fn fit(&mut self, settings: &KedaSettings) {
        let count = settings.triggers.len();
        if self.failures.len() != count {
            self.failures = vec![0; count];
        }
        let any_cached = settings.triggers.iter().any(|trigger| trigger.use_cached_metrics);
        let room = if any_cached { count } else { 0 };
        if self.cached.len() != room {
            self.cached = vec![None; room];
        }
    }

    /// Takes note of what became of the executor's change; whether there was one at `at`.
    pub(crate) fn settle(&mut self, at: Timestamp, written: bool) -> bool {
        let Some(change) = self.change.take().filter(|change| change.at == at) else {
            return false;
        };
        if written && change.activates {
            self.note_active(at);
        }
        true
    }

    /// A trigger is active.
    pub(super) fn note_active(&mut self, now: Timestamp) {
        self.last_active = Some(to_the_second(now));
    }

    /// How many bytes its lists take.
    pub(crate) fn list_bytes(&self) -> usize {
        self.failures.capacity() * size_of::<i32>()
            + self.cached.capacity() * size_of::<Option<CachedRead>>()
    }
}

/// The status of a Kubernetes object holds times in whole seconds.
fn to_the_second(at: Timestamp) -> Timestamp {
    Timestamp::from_secs(at.as_millis().div_euclid(1000))
}
