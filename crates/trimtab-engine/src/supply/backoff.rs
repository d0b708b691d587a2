//! Which pools fail, and for how long they are asked for nothing: what is remembered of each.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::rooms::{Room, Rooms};
use crate::policy::{Policy, SupplySettings};
use crate::state::State;

/// What the supply stage remembers: at most one entry per pool of the policy, and none of a pool on
/// which nobody waits and that never failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupplyState {
    /// By pool, in the policy's order.
    #[serde(default)]
    pub pools: Vec<PoolMemory>,
}

/// What is remembered of one pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolMemory {
    /// Its name.
    pub pool: String,
    /// How many times in a row it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Until when it is asked for nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Since when a replica waits for one of its nodes while none is free or coming.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// Replicas that it had: with more of them, a node has come.
    pub placed: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl SupplyState {
    pub(crate) fn heap_bytes(&self) -> usize {
        let names: usize = self.pools.iter().map(|pool| pool.pool.capacity()).sum();
        self.pools.capacity() * size_of::<PoolMemory>() + names
    }
}

/// Notes who waits for whom, which pools fail and which recovered, and tells the rooms.
pub(super) fn watch(
    settings: &SupplySettings,
    rooms: &mut Rooms,
    mut before: SupplyState,
    now: Timestamp,
) -> SupplyState {
    let mut memories: Vec<PoolMemory> = Vec::new();
    let known = settings.pools.iter().zip(&mut rooms.pools);
    for (pool, room) in known {
        let place = before.pools.iter().position(|memory| memory.pool == pool.name);
        let mut memory = place.map(|place| before.pools.swap_remove(place)).unwrap_or_default();
        // A clock that was set back does not lengthen a backoff.
        let latest = now.saturating_add(settings.max_backoff);
        memory.retry_at = memory.retry_at.map(|at| at.min(latest));
        room.backing_off_until = memory.retry_at.filter(|at| *at > now);
        memories.push(memory);
    }
    // Backing off before this, a pool is not asked for what waits.
    let (assigned, _) = rooms.assign(rooms.waiting);
    let known = settings.pools.iter().zip(&mut rooms.pools).zip(&mut memories).zip(assigned);
    for (((pool, room), memory), assigned) in known {
        if room.known {
            memory.note(settings, room, assigned, now);
        }
        room.backing_off_until = memory.retry_at.filter(|at| *at > now);
        if memory.is_worth_keeping() && memory.pool.is_empty() {
            memory.pool.clone_from(&pool.name);
        }
    }
    memories.retain(PoolMemory::is_worth_keeping);
    SupplyState { pools: memories }
}

impl PoolMemory {
    fn is_worth_keeping(&self) -> bool {
        self.failures > 0 || self.waiting_since.is_some()
    }

    /// One look at a pool that so many waiting replicas are assigned to.
    fn note(&mut self, settings: &SupplySettings, room: &Room, assigned: i64, now: Timestamp) {
        let placed = u32::try_from(room.placed).unwrap_or(u32::MAX);
        let has_come = self.is_worth_keeping() && placed > self.placed;
        self.placed = placed;
        let waits = assigned.max(room.waiting) > 0;
        if has_come || room.free > 0 {
            // Those that still wait have waited since then.
            (self.failures, self.retry_at) = (0, None);
            self.waiting_since = waits.then_some(now);
            return;
        }
        let in_vain = waits && room.coming == 0;
        if !in_vain || room.backing_off_until.is_some() {
            self.waiting_since = None;
            let forgiven =
                self.retry_at.is_none_or(|at| at.saturating_add(settings.max_backoff) <= now);
            if !in_vain && forgiven {
                (self.failures, self.retry_at) = (0, None);
            }
            return;
        }
        // What waits for this pool alone has waited since it was asked for, or since the last backoff.
        let asked = room.oldest.map(|at| self.retry_at.map_or(at, |retry| retry.max(at)));
        let since = self.waiting_since.or(asked).map_or(now, |since| since.min(now));
        self.waiting_since = Some(since);
        if since.saturating_add(settings.pending_after) <= now {
            self.failures = self.failures.saturating_add(1);
            self.retry_at = Some(now.saturating_add(backoff(settings, self.failures)));
            self.waiting_since = None;
        }
    }
}

/// Twice as long with each failure in a row.
fn backoff(settings: &SupplySettings, failures: u32) -> Span {
    let doublings = failures.saturating_sub(1).min(40);
    let millis = settings.backoff.as_millis().saturating_mul(1_i64 << doublings);
    Span::from_millis(millis).min(settings.max_backoff)
}

/// When a pool fails that has not yet, or is asked again.
pub(crate) fn next_deadline(policy: &Policy, state: &State, now: Timestamp) -> Option<Timestamp> {
    let settings = policy.supply()?;
    let pools = &state.envelope.as_ref()?.supply.as_ref()?.pools;
    let fails = |since: Timestamp| since.saturating_add(settings.pending_after);
    pools
        .iter()
        .flat_map(|pool| [pool.retry_at, pool.waiting_since.map(fails)])
        .flatten()
        .filter(|at| *at > now)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{PolicySpec, SupplyPoolSpec, SupplySpec};

    #[test]
    fn a_backoff_doubles_up_to_the_longest() {
        let pools = alloc::vec![SupplyPoolSpec { name: "a".into(), ..Default::default() }];
        let supply = Some(alloc::boxed::Box::new(SupplySpec { pools, ..Default::default() }));
        let policy = Policy::from_stored(PolicySpec { supply, ..PolicySpec::default() });
        let settings = policy.supply().unwrap();
        let seconds = |failures| backoff(settings, failures).as_millis() / 1000;
        assert_eq!([1, 2, 3, 4, 5].map(seconds), [300, 600, 1200, 1800, 1800]);
        assert_eq!(seconds(u32::MAX), 1800);
    }
}
