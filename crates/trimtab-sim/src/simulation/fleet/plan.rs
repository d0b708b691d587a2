//! What a policy with `retire` or `warmPool` says is carried out: who drains, who goes, who is taken
//! back, and what the warm pool gives and takes.

use trimtab_engine::{Decision, WarmCounts, WarmPlan};

use super::Fleet;
use crate::Moment;
use crate::metrics::PodView;
use crate::simulation::agenda::Event;
use crate::simulation::replica::State;

/// What a decision says, with replicas by number.
#[derive(Clone, Debug, Default)]
pub(in crate::simulation) struct Orders {
    replicas: Option<u32>,
    drain: Vec<u64>,
    retire: Vec<u64>,
    take_back: Vec<u64>,
    warm: WarmPlan,
}

impl Fleet<'_> {
    /// How many stand by, where the policy asks.
    pub(in crate::simulation) fn warm_counts(&self) -> Option<WarmCounts> {
        if !self.pool_by_policy {
            return None;
        }
        let pool = self.slots.iter().flatten().filter(|replica| replica.for_warm_pool);
        Some(pool.fold(WarmCounts::default(), |mut counts, replica| {
            let count = match replica.state {
                State::Warm => &mut counts.ready,
                _ => &mut counts.starting,
            };
            *count += 1;
            counts
        }))
    }

    /// What the decision on these pods says beside the count, if the policy has something to say.
    pub(in crate::simulation) fn orders_of(
        &self,
        decision: &Decision,
        pods: &[PodView],
    ) -> Option<Orders> {
        if !self.pool_by_policy && !self.retires_by_policy {
            return None;
        }
        let numbers = |rows: &[u32]| {
            rows.iter().filter_map(|row| Some(pods.get(*row as usize)?.id)).collect()
        };
        let mut orders = Orders {
            replicas: decision.scale_to.map(|replicas| u32::try_from(replicas).unwrap_or(0)),
            warm: decision.warm.unwrap_or_default(),
            ..Orders::default()
        };
        if let Some(plan) = &decision.retire {
            orders.drain = numbers(&plan.drain);
            orders.retire = numbers(&plan.retire);
            orders.take_back = numbers(&plan.take_back);
        }
        Some(orders)
    }

    /// Carries it out at `at`.
    pub(in crate::simulation) fn order(&mut self, at: Moment, orders: Orders) {
        self.orders.push_back(orders);
        self.agenda.enter(at, Event::CarryOut);
    }

    pub(in crate::simulation) fn carry_out(&mut self, now: Moment) {
        let Some(orders) = self.orders.pop_front() else { return };
        for number in &orders.take_back {
            self.take_back(now, *number);
        }
        for number in &orders.drain {
            self.drain(now, *number);
        }
        let mut demote = orders.warm.demote;
        for number in &orders.retire {
            demote -= i32::from(self.let_go(now, *number, demote > 0));
        }
        if !self.retires_by_policy {
            (0..demote).for_each(|_| self.demote_one(now));
        }
        for _ in 0..orders.warm.promote {
            self.promote(now);
        }
        if self.pool_by_policy {
            self.resize_pool(now, &orders.warm);
        }
        if let Some(replicas) = orders.replicas {
            self.counts.wanted = replicas;
        }
        self.reconcile(now);
        self.dispatch(now);
    }

    fn slot_of(&self, number: u64) -> Option<usize> {
        self.slots.iter().position(|slot| slot.as_ref().is_some_and(|it| it.number == number))
    }

    /// It gets nothing new.
    fn drain(&mut self, now: Moment, number: u64) {
        let Some(slot) = self.slot_of(number) else { return };
        let Some(replica) = self.replica_mut(slot) else { return };
        if replica.state == State::Draining {
            return; // its node is taken back
        }
        replica.draining_since = Some(now);
        if replica.state == State::Ready {
            self.enter(now, slot, State::Draining);
        }
    }

    /// It gets new work again.
    fn take_back(&mut self, now: Moment, number: u64) {
        let Some(slot) = self.slot_of(number) else { return };
        let Some(replica) = self.replica_mut(slot) else { return };
        if replica.draining_since.take().is_none() || replica.state != State::Draining {
            return;
        }
        replica.booked_busy_nanos = replica.server.busy_nanos(now);
        let load = replica.server.in_flight();
        self.enter(now, slot, State::Ready);
        self.gateway.add_again(slot, load);
    }

    /// It goes, or into the pool if it is idle and the pool has room; whether it went there.
    fn let_go(&mut self, now: Moment, number: u64, to_pool: bool) -> bool {
        let Some(slot) = self.slot_of(number) else { return false };
        let Some(replica) = self.replica_mut(slot) else { return false };
        replica.draining_since = None;
        if to_pool && replica.state == State::Draining && replica.server.in_flight() == 0 {
            self.demote(now, slot);
            return true;
        }
        self.stop(now, slot);
        false
    }

    /// One that is ready and idle goes into the pool, the newest first.
    fn demote_one(&mut self, now: Moment) {
        let slots = self.slots.iter().enumerate();
        let idle = slots
            .filter_map(|(slot, replica)| Some((slot, replica.as_ref()?)))
            .filter(|(_, it)| it.state == State::Ready && it.server.in_flight() == 0);
        let newest = idle.max_by_key(|(_, replica)| replica.number).map(|(slot, _)| slot);
        if let Some(slot) = newest {
            self.demote(now, slot);
        }
    }

    fn demote(&mut self, now: Moment, slot: usize) {
        self.enter(now, slot, State::Warm);
        if let Some(replica) = self.replica_mut(slot) {
            replica.for_warm_pool = true;
        }
    }

    /// The pool gets as many as the plan makes of what is in it; what is too much goes, the newest
    /// first.
    fn resize_pool(&mut self, now: Moment, plan: &WarmPlan) {
        let in_pool = |fleet: &Self| {
            let slots = fleet.slots.iter().enumerate();
            let pool = slots
                .filter_map(|(slot, replica)| Some((replica.as_ref()?, slot)))
                .filter(|(replica, _)| replica.for_warm_pool);
            pool.map(|(replica, slot)| (replica.number, slot)).collect::<Vec<_>>()
        };
        for _ in 0..plan.release {
            if let Some((_, slot)) = in_pool(self).into_iter().max() {
                self.stop(now, slot);
            }
        }
        let refill = usize::try_from(plan.refill).unwrap_or(0);
        self.pool_size = u32::try_from(in_pool(self).len() + refill).unwrap_or(u32::MAX);
    }
}
