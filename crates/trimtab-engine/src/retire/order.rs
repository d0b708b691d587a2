//! Who leaves where replicas can leave in one order only, as those of a StatefulSet do.
//!
//! There a lower count takes the highest places, whoever stands there. So those in the places from
//! the wanted count on leave, and all below serve; the count falls as far as the topmost have
//! drained, one after the other.

use alloc::collections::BTreeMap;

use super::plan::{RetirePlan, has_had_its_time, is_idle, never_started, place};
use crate::observation::{Observation, Standing};
use crate::policy::RetireSettings;

/// Whether they do: the pods have places.
pub(super) fn is_kept(observation: &Observation) -> bool {
    standing(observation).next().is_some()
}

/// The pods that are there and stay for all that is known: their places and rows.
fn standing(observation: &Observation) -> impl Iterator<Item = (u32, usize)> + '_ {
    let rows = observation.pods.standing().iter().enumerate();
    rows.filter(|(_, standing)| **standing != Standing::Ignored)
        .filter_map(|(row, _)| Some((observation.pods.details(row).ordinal?, row)))
}

impl RetirePlan {
    /// Those in the places from [`wanted`](RetirePlan::wanted) on leave, all others serve.
    pub(super) fn choose_in_order(
        &mut self,
        observation: &Observation,
        settings: &RetireSettings,
        current: i32,
        may_go: bool,
    ) {
        let places: BTreeMap<u32, usize> = standing(observation).collect();
        let since = |row: usize| observation.pods.details(row).draining_since;
        let stays = u32::try_from(self.wanted.min(current)).unwrap_or(0);
        let count = u32::try_from(current).unwrap_or(0);
        let below = places.range(..stays).filter(|(_, row)| since(**row).is_some());
        self.take_back = below.map(|(_, row)| place(*row)).collect();
        let (mut goes, mut top) = (may_go, count);
        for (ordinal, row) in places.range(stays..count).rev() {
            let (ordinal, row) = (*ordinal, *row);
            self.vacate(goes, top.saturating_sub(ordinal).saturating_sub(1));
            top = ordinal;
            let has_drained = since(row).is_some_and(|since| {
                is_idle(observation, row) || has_had_its_time(observation, settings, since)
            });
            goes &= has_drained || never_started(observation, row);
            if goes {
                self.retire.push(place(row));
            } else if since(row).is_none() && may_go {
                self.drain.push(place(row));
            }
        }
        self.vacate(goes, top.saturating_sub(stays));
    }

    /// Places where nobody stands: the count may fall by them, if it does by all above.
    fn vacate(&mut self, goes: bool, places: u32) {
        if goes {
            let places = i32::try_from(places).unwrap_or(i32::MAX);
            self.not_created = self.not_created.saturating_add(places);
        }
    }
}
