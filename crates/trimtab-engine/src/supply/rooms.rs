//! What the pools have room for: replicas that run there, GPUs that are free or coming, and limits.

use alloc::vec::Vec;

use trimtab_metric::Timestamp;

use crate::observation::{Observation, PoolSupply, Scale};
use crate::policy::{SupplyPool, SupplySettings};

/// More than any count: no limit is known.
const NO_LIMIT: i64 = i64::MAX;

/// The pools, in replicas.
pub(super) struct Rooms {
    /// Something is known of some pool.
    pub(super) known: bool,
    /// Replicas that have a node, in whatever pool.
    pub(super) placed: i64,
    /// Replicas that were asked for and have none.
    pub(super) waiting: i64,
    /// One per pool of the policy.
    pub(super) pools: Vec<Room>,
}

/// One pool, in replicas.
#[derive(Clone, Default)]
pub(super) struct Room {
    /// Those that run there.
    pub(super) placed: i64,
    /// Those that wait for a node of this pool and no other.
    pub(super) waiting: i64,
    /// When the oldest of them was asked for.
    pub(super) oldest: Option<Timestamp>,
    /// Whether anything is known of its nodes.
    pub(super) known: bool,
    /// Replicas that could start at once.
    pub(super) free: i64,
    /// Those that nodes are coming for.
    pub(super) coming: i64,
    /// How many more it may take, growth included.
    most: i64,
    /// Until when it is asked for nothing, if it failed.
    pub(super) backing_off_until: Option<Timestamp>,
}

impl Rooms {
    pub(super) fn new(settings: &SupplySettings, observation: &Observation, scale: Scale) -> Self {
        let mut rooms = Self {
            known: observation.supply.is_some(),
            placed: 0,
            waiting: 0,
            pools: alloc::vec![Room::default(); settings.pools.len()],
        };
        rooms.count(observation, scale);
        let seen = observation.supply.as_deref();
        for (index, (room, pool)) in rooms.pools.iter_mut().zip(&settings.pools).enumerate() {
            let seen = seen.and_then(|supply| *supply.pools.get(index)?);
            room.measure(pool, i64::from(settings.gpus_per_replica.max(1)), seen);
        }
        rooms
    }

    /// Who has a node, and who waits. Where no pods are listed, all that there are have one.
    fn count(&mut self, observation: &Observation, scale: Scale) {
        let mut listed: i64 = 0;
        let only = self.pools.len() == 1; // no other pool to be in
        for (waits, details) in observation.pods.placements() {
            listed += 1;
            let named = details.pool.and_then(|pool| usize::try_from(pool).ok());
            let named = named.or_else(|| only.then_some(0));
            let room = named.and_then(|pool| self.pools.get_mut(pool));
            match (waits, room) {
                (false, Some(room)) => room.placed += 1,
                (true, Some(room)) => {
                    room.waiting += 1;
                    room.oldest = match (room.oldest, details.created_at) {
                        (Some(oldest), Some(created)) => Some(oldest.min(created)),
                        (oldest, created) => oldest.or(created),
                    };
                }
                (_, None) => {}
            }
            if waits {
                self.waiting += 1;
            } else {
                self.placed += 1;
            }
        }
        if observation.pods.is_empty() {
            listed = i64::from(scale.status_replicas.max(0));
            self.placed = listed;
            if let [room] = self.pools.as_mut_slice() {
                room.placed = listed;
            }
        }
        // Asked for, and not even created.
        let unborn = (i64::from(scale.spec_replicas) - listed).max(0);
        self.waiting += unborn;
        if let [room] = self.pools.as_mut_slice() {
            room.waiting += unborn;
        }
    }

    /// How many more replicas nodes are there or coming for. A pool of which nothing is known may have
    /// nodes for as many as its limit allows; `None` if it has none, or nothing is known at all.
    pub(super) fn slots(&self) -> Option<i64> {
        let slots = self.pools.iter().map(|room| if room.known { room.ready() } else { room.most });
        Some(sum(slots)).filter(|slots| self.known && *slots < NO_LIMIT)
    }

    /// How many more the pools may take, growth included; `None` if there is no limit.
    pub(super) fn most(&self) -> Option<i64> {
        let rooms = self.pools.iter();
        let most = sum(rooms.map(|room| if room.known { room.may_take() } else { room.most }));
        Some(most).filter(|most| *most < NO_LIMIT)
    }

    /// How many pools are asked for nothing.
    pub(super) fn backing_off(&self) -> i64 {
        let count = self.pools.iter().filter(|room| room.backing_off_until.is_some()).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// Assigns so many starts to pools: those that wait for one pool alone to that, as far as it takes
    /// them, the others to the first that does. Returns what each gets, and what is left over.
    pub(super) fn assign(&self, starts: i64) -> (Vec<i64>, i64) {
        let mut left = starts.max(0);
        let mut take = |wish: i64| {
            let taken = wish.clamp(0, left);
            left -= taken;
            taken
        };
        let mut assigned: Vec<i64> =
            self.pools.iter().map(|room| take(room.waiting.min(room.may_take()))).collect();
        for (room, assigned) in self.pools.iter().zip(&mut assigned) {
            *assigned += take(room.may_take().saturating_sub(*assigned));
        }
        (assigned, left)
    }
}

impl Room {
    /// Replicas that nodes are there or coming for.
    pub(super) fn ready(&self) -> i64 {
        self.free.saturating_add(self.coming).min(self.most)
    }

    /// How many more it takes now: a pool that backs off does not grow.
    fn may_take(&self) -> i64 {
        if self.backing_off_until.is_some() { self.ready() } else { self.most }
    }

    /// GPUs as replicas. A GPU limit is one of the whole pool, so what others use counts, too.
    fn measure(&mut self, pool: &SupplyPool, gpus_per_replica: i64, seen: Option<PoolSupply>) {
        let by_count = pool.max_replicas.map_or(NO_LIMIT, i64::from);
        // The policy's limit and the pool's own: the lower one counts.
        let limits = [pool.max_gpus, seen.and_then(|seen| seen.max_gpus)];
        let max_gpus = limits.into_iter().flatten().min().map(i64::from);
        let by_gpus = max_gpus.map_or(NO_LIMIT, |gpus| gpus / gpus_per_replica);
        let limit = by_count.min(by_gpus);
        self.most = match limit {
            NO_LIMIT => NO_LIMIT,
            limit => (limit - self.placed).max(0),
        };
        let Some(seen) = seen else { return };
        let (free, coming) = (i64::from(seen.free_gpus), i64::from(seen.coming_gpus));
        self.known = true;
        (self.free, self.coming) = (free / gpus_per_replica, coming / gpus_per_replica);
        if let Some(max_gpus) = max_gpus {
            // At least what is free and what this workload uses is there.
            let least = free.saturating_add(self.placed.saturating_mul(gpus_per_replica));
            let there = seen.allocatable_gpus.map_or(least, |gpus| i64::from(gpus).max(least));
            let growth = max_gpus.saturating_sub(there).saturating_sub(coming).max(0);
            let whole = (free + coming + growth) / gpus_per_replica;
            self.most = self.most.min(whole.max(self.free + self.coming));
        }
    }
}

fn sum(counts: impl Iterator<Item = i64>) -> i64 {
    counts.fold(0, i64::saturating_add)
}
