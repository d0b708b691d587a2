//! The life of a replica: created, placed on a node, started, ready, drained, gone.

use super::Fleet;
use crate::metrics::Exporter;
use crate::simulation::agenda::Event;
use crate::simulation::replica::{Replica, State};
use crate::supply::NodeId;
use crate::{Moment, Server};

impl Fleet<'_> {
    /// Makes the fleet what was asked for: starts what is missing, stops what is too much, and fills
    /// the warm pool.
    pub(super) fn reconcile(&mut self, now: Moment) {
        let present = self.slots.iter().flatten().filter(|replica| replica.serves_workload());
        let present = present.count();
        let wanted = self.counts.wanted as usize;
        for _ in present..wanted {
            // A pool that the policy fills is emptied by the policy, too.
            if self.pool_by_policy || !self.promote(now) {
                self.create(now, false);
            }
        }
        for _ in wanted..present {
            if let Some(slot) = self.most_dispensable() {
                self.stop(now, slot);
            }
        }
        let warm = self.slots.iter().flatten().filter(|replica| replica.for_warm_pool).count();
        for _ in warm..self.pool_size as usize {
            self.create(now, true);
        }
        self.place_pending(now);
        self.note_counts(now);
    }

    /// Takes a replica from the warm pool, if there is one.
    pub(super) fn promote(&mut self, now: Moment) -> bool {
        let in_pool = |state: State| {
            let slots = self.slots.iter().enumerate();
            slots
                .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
                .filter(|(_, replica)| replica.for_warm_pool && replica.state == state)
                .min_by_key(|(_, replica)| replica.number)
                .map(|(slot, replica)| (slot, replica.number))
        };
        let (slot, number, warm) = match (in_pool(State::Warm), in_pool(State::Starting)) {
            (Some((slot, number)), _) => (slot, number, true),
            // It is on its way, and comes sooner than one that is started now.
            (None, Some((slot, number))) => (slot, number, false),
            (None, None) => match in_pool(State::Pending).filter(|_| self.pool_by_policy) {
                Some((slot, number)) => (slot, number, false),
                None => return false,
            },
        };
        if let Some(replica) = self.replica_mut(slot) {
            replica.for_warm_pool = false;
        }
        if warm {
            let ends = now.after_seconds(self.supply.wake_seconds());
            self.enter(now, slot, State::Waking);
            self.agenda.enter(ends, Event::Started { slot, replica: number });
        }
        true
    }

    /// The replica that goes first, as a ReplicaSet chooses: one without a node, then one that is not
    /// ready, then the newest.
    fn most_dispensable(&self) -> Option<usize> {
        let rank = |state: State| match state {
            State::Pending => 0,
            State::Starting => 1,
            State::Waking => 2,
            _ => 3,
        };
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
            .filter(|(_, replica)| replica.serves_workload())
            .min_by_key(|(_, replica)| {
                let stays = replica.draining_since.is_none();
                (rank(replica.state), stays, core::cmp::Reverse(replica.number))
            })
            .map(|(slot, _)| slot)
    }

    pub(super) fn create(&mut self, now: Moment, for_warm_pool: bool) -> usize {
        let number = self.created;
        self.created += 1;
        let replica = Replica {
            number,
            state: State::Pending,
            for_warm_pool,
            created: now,
            placed: None,
            node: None,
            draining_since: None,
            ready_since: now,
            server: Server::new(self.profile),
            exporter: Exporter::new(),
            exported_busy_nanos: 0,
            booked_busy_nanos: 0,
        };
        let slot = self.free.pop().unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(replica);
        }
        self.count(State::Pending, 1);
        slot
    }

    /// Gives nodes to the replicas that have none, those of the warm pool last and else the oldest
    /// first, as far as there are any.
    fn place_pending(&mut self, now: Moment) {
        if self.counts.of(State::Pending) == 0 {
            return;
        }
        let slots = self.slots.iter().enumerate();
        let mut pending: Vec<(bool, u64, usize)> = slots
            .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
            .filter(|(_, replica)| replica.state == State::Pending)
            .map(|(slot, replica)| (replica.for_warm_pool, replica.number, slot))
            .collect();
        pending.sort_unstable();
        for (_, number, slot) in pending {
            let Some(placement) = self.supply.place(now) else { return };
            self.put_on(now, slot, placement.node);
            self.recorder.starts += 1;
            self.agenda.enter(placement.ready, Event::Started { slot, replica: number });
        }
    }

    pub(super) fn put_on(&mut self, now: Moment, slot: usize, node: NodeId) {
        self.enter(now, slot, State::Starting);
        if let Some(replica) = self.replica_mut(slot) {
            replica.node = Some(node);
            replica.placed = Some(now);
        }
    }

    /// A start has ended: the replica serves, or is warm.
    pub(super) fn started(&mut self, now: Moment, slot: usize) {
        let for_warm_pool = self.replica(slot).is_some_and(|replica| replica.for_warm_pool);
        if for_warm_pool {
            return self.enter(now, slot, State::Warm);
        }
        let drains = self.replica(slot).is_some_and(|replica| replica.draining_since.is_some());
        self.enter(now, slot, if drains { State::Draining } else { State::Ready });
        if let Some(replica) = self.replica_mut(slot) {
            replica.ready_since = now;
        }
        if drains {
            return;
        }
        self.gateway.add(slot);
        self.dispatch(now);
    }

    /// A decision stops a replica.
    pub(super) fn stop(&mut self, now: Moment, slot: usize) {
        let placed = self.replica(slot).is_some_and(|replica| replica.node.is_some());
        self.recorder.stops += u64::from(placed);
        let deadline = now.after_seconds(self.cluster.control().drain_seconds);
        self.evict(now, slot, deadline);
    }

    /// The replica gets nothing new and is gone by `deadline`, or at once if it serves nothing.
    pub(super) fn evict(&mut self, now: Moment, slot: usize, deadline: Moment) {
        let Some(replica) = self.replica(slot) else { return };
        if replica.state == State::Draining && replica.server.in_flight() > 0 {
            // It goes at the earlier of the two deadlines.
            let replica = replica.number;
            return self.agenda.enter(deadline, Event::DrainEnds { slot, replica });
        }
        if replica.state != State::Ready || replica.server.in_flight() == 0 {
            return self.retire(now, slot);
        }
        let number = replica.number;
        self.enter(now, slot, State::Draining);
        if let Some(replica) = self.replica_mut(slot) {
            replica.ready_since = now;
        }
        self.agenda.enter(deadline, Event::DrainEnds { slot, replica: number });
    }

    /// The replica's node is taken back at `lost_at`.
    pub(super) fn interrupt(&mut self, now: Moment, slot: usize, lost_at: Moment) {
        self.count_loss(slot);
        self.evict(now, slot, lost_at);
    }

    /// The replica is gone with its node.
    pub(super) fn lose(&mut self, now: Moment, slot: usize) {
        self.count_loss(slot);
        self.retire(now, slot);
    }

    /// A replica that is draining was counted when that began.
    fn count_loss(&mut self, slot: usize) {
        let leaving = self.replica(slot).is_none_or(|replica| replica.state == State::Draining);
        self.recorder.losses += u64::from(!leaving);
    }

    /// The replica goes; what it still had is cut.
    pub(super) fn retire(&mut self, now: Moment, slot: usize) {
        self.leave(now, slot);
        let Some(mut replica) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        let cut = u64::from(replica.server.abort(now));
        self.recorder.requests.cut += cut;
        self.gateway_exporter.on_cut(cut);
        self.schedule.set(slot, Moment::NEVER);
        self.scraper.forget(now, replica.number);
        if let Some(node) = replica.node {
            self.supply.release(now, node);
        }
        self.free.push(slot);
        self.note_counts(now);
    }

    /// The replica changes its state.
    pub(super) fn enter(&mut self, now: Moment, slot: usize, state: State) {
        self.leave(now, slot);
        if let Some(replica) = self.replica_mut(slot) {
            replica.state = state;
        }
        self.count(state, 1);
        self.note_counts(now);
    }

    /// The books of the state that the replica is in are closed.
    fn leave(&mut self, now: Moment, slot: usize) {
        let Some(replica) = self.replica(slot) else { return };
        let (state, busy) = (replica.state, replica.server.busy_nanos(now));
        if state == State::Ready {
            let booked = replica.booked_busy_nanos;
            self.recorder.busy(busy - booked);
            self.gateway.remove(slot);
        }
        self.count(state, -1);
    }
}
