//! The flap budget: how many starts and stops there were.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::envelope_state::EnvelopeState;
use crate::policy::FlapBudget;
use crate::state::push_tight;

/// Changes of the count within the period of the flap budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetireState {
    /// The oldest first, at most [`RetireState::MOST_CHANGES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<CountChange>,
}

/// A change of the count that was carried out.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountChange {
    /// When.
    pub at: Timestamp,
    /// Replicas that came.
    pub starts: i32,
    /// Replicas that went.
    pub stops: i32,
}

/// What was spent of a budget.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Spent {
    pub(super) starts: i32,
    pub(super) stops: i32,
}

impl RetireState {
    /// The most changes that are remembered one by one. Beyond, the two oldest become one with the
    /// later time: the budget is then never larger than it would be with both.
    pub const MOST_CHANGES: usize = 256;

    /// The changes of the last `period`; one exactly as old no longer counts.
    pub(super) fn within(&self, period: Span, now: Timestamp) -> Spent {
        let recent = self.changes.iter().filter(|change| change.at.saturating_add(period) > now);
        recent.fold(Spent::default(), |sum, change| Spent {
            starts: sum.starts.saturating_add(change.starts),
            stops: sum.stops.saturating_add(change.stops),
        })
    }

    /// When the first change leaves the period.
    pub(super) fn next_deadline(&self, period: Span, now: Timestamp) -> Option<Timestamp> {
        let leave = self.changes.iter().map(|change| change.at.saturating_add(period));
        leave.filter(|at| *at > now).min()
    }

    pub(crate) fn list_bytes(&self) -> usize {
        self.changes.capacity() * size_of::<CountChange>()
    }

    fn remember(&mut self, change: CountChange, period: Span) {
        self.changes.retain(|past| past.at.saturating_add(period) > change.at);
        if self.changes.len() >= Self::MOST_CHANGES {
            self.changes.sort_by_key(|past| past.at);
            let oldest = self.changes.remove(0);
            if let Some(next) = self.changes.first_mut() {
                next.starts = next.starts.saturating_add(oldest.starts);
                next.stops = next.stops.saturating_add(oldest.stops);
            }
        }
        push_tight(&mut self.changes, change);
    }
}

impl Spent {
    /// How many more stops may begin while `leaving` are under way: starts and stops together stay
    /// within the budget, and stops alone within half of it, so that the starts that take them back
    /// do, too.
    pub(super) fn left(self, changes: i32, leaving: i32) -> i32 {
        let stops = self.stops.saturating_add(leaving);
        let of_all = changes.saturating_sub(self.starts).saturating_sub(stops);
        let of_stops = changes.div_euclid(2).saturating_sub(stops);
        of_all.min(of_stops).max(0)
    }
}

/// Takes note of a change of the count, if there is a budget.
pub(crate) fn note_change(
    budget: Option<FlapBudget>,
    envelope: &mut Option<Box<EnvelopeState>>,
    (from, to): (i32, i32),
    at: Timestamp,
) {
    let Some(budget) = budget else { return };
    let (starts, stops) = (to.saturating_sub(from).max(0), from.saturating_sub(to).max(0));
    let past = envelope.get_or_insert_default().retire.get_or_insert_default();
    past.remember(CountChange { at, starts, stops }, budget.period);
}
