//! How long does a start take, as far as starts were seen?

use alloc::vec::Vec;

use libm::{ceil, fmax};
use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::float::from_count;
use crate::observation::{PodTable, Readiness, Standing, Startup};
use crate::policy::LearnRules;

/// Starts that are remembered.
const MOST_STARTS: usize = 16;
/// Fewer than these say nothing.
const FEWEST_STARTS: usize = 3;

/// The last starts: at most 16.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Starts {
    /// The last time at which a pod became ready whose start is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<Timestamp>,
    /// How long they took, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    took: Vec<Span>,
}

impl Starts {
    /// Takes note of the pods that became ready since the last time, each once.
    pub(crate) fn note(&mut self, pods: &PodTable, rules: LearnRules, now: Timestamp) {
        let before = self.noted;
        let starts = pods.standing().iter().zip(pods.startup()).enumerate();
        for (row, (standing, pod)) in starts {
            let is_new = before.is_none_or(|before| pod.ready_since > before);
            let is_ready = *standing == Standing::Live && pod.readiness == Readiness::True;
            if !is_ready || !is_new || pod.ready_since > now {
                continue;
            }
            let asked = begun(pods, row, pod);
            let Some(took) = asked.map(|asked| pod.ready_since.since(asked)) else { continue };
            if took <= Span::ZERO || took > rules.most {
                continue;
            }
            self.noted = self.noted.max(Some(pod.ready_since));
            if self.took.len() >= MOST_STARTS {
                self.took.remove(0);
            }
            self.took.push(took);
        }
    }

    /// The lead time, once enough starts were seen, and from how many.
    pub(crate) fn learned(&self, rules: LearnRules) -> Option<(Span, u32)> {
        let count = self.took.len().min(MOST_STARTS);
        if count < FEWEST_STARTS {
            return None;
        }
        let mut room = [Span::ZERO; MOST_STARTS];
        let sorted = room.get_mut(..count)?;
        sorted.iter_mut().zip(&self.took).for_each(|(slot, took)| *slot = *took);
        sorted.sort_unstable();
        let rank = fmax(ceil(rules.quantile * from_count(count)) - 1.0, 0.0);
        let took = *sorted.get(super::rank(rank).min(count - 1))?;
        let bounded = took.min(rules.most).max(rules.least);
        Some((bounded, u32::try_from(count).unwrap_or(u32::MAX)))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.took.capacity() * size_of::<Span>()
    }
}

/// When a pod was asked for: its creation, or its start where that is not known.
pub(super) fn begun(pods: &PodTable, row: usize, pod: Startup) -> Option<Timestamp> {
    let started = Some(pod.start_time).filter(|start| *start != Startup::NOT_STARTED);
    pods.details(row).created_at.or(started)
}
