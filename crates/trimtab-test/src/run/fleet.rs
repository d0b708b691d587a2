//! The replicas of a test: asked for, ready, leaving.

use trimtab_engine::{ObservationRecord, PoolSupplyRecord, RetirePlan, WarmCounts};
use trimtab_metric::Timestamp;

use crate::feed::{Replica, ReplicaState};
use crate::format::{FleetInput, Ready, Test};

/// The replicas that there are, the oldest first.
pub(super) struct Fleet<'t> {
    input: &'t FleetInput,
    zones: &'t [String],
    replicas: Vec<Replica>,
    /// The next number.
    next: u32,
    /// What the scale says: what was decided last.
    asked: i32,
    /// When that was.
    asked_at: Timestamp,
}

impl<'t> Fleet<'t> {
    pub(super) fn new(test: &'t Test) -> Self {
        let count = u32::try_from(test.replicas).unwrap_or(0);
        let ready = test.ready_replicas.map_or(count, |ready| u32::try_from(ready).unwrap_or(0));
        let mut replicas: Vec<Replica> = (1..=count).map(Replica::ready).collect();
        for replica in replicas.iter_mut().skip(ready as usize) {
            replica.state = ReplicaState::Starting;
            replica.created = Some(test.start);
            replica.since = Some(test.start);
        }
        let (asked, asked_at) = (test.replicas, test.start);
        let (input, zones) = (&test.fleet, test.zones.as_slice());
        Self { input, zones, replicas, next: count.saturating_add(1), asked, asked_at }
    }

    /// What the scale says at a step; nothing where it can't be read.
    pub(super) fn count(&self, step: u64) -> Option<i32> {
        match &self.input.replicas {
            Some(counts) => counts.at(step).map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            None => Some(self.asked),
        }
    }

    /// The replicas at a step. Where the scale can't be read, those of before stay.
    pub(super) fn at(&mut self, step: u64, now: Timestamp) -> &[Replica] {
        if let Some(count) = self.count(step) {
            self.become_so_many(usize::try_from(count).unwrap_or(0));
        }
        match &self.input.ready {
            Ready::After(delay) => {
                for replica in &mut self.replicas {
                    let created = replica.created.unwrap_or(Timestamp::MIN);
                    if replica.state == ReplicaState::Starting && now.since(created) >= *delay {
                        replica.state = ReplicaState::Ready;
                        replica.since = Some(created.saturating_add(*delay));
                    }
                }
            }
            Ready::Counts(counts) => {
                let ready = counts.at(step).unwrap_or(0) as usize;
                for (index, replica) in self.replicas.iter_mut().enumerate() {
                    let becomes = index < ready && replica.state == ReplicaState::Starting;
                    if becomes {
                        replica.state = ReplicaState::Ready;
                        replica.since = Some(now);
                    } else if index >= ready && replica.state != ReplicaState::Starting {
                        let created = *replica.created.get_or_insert(now);
                        replica.state = ReplicaState::Starting;
                        replica.since = Some(created);
                    }
                }
            }
        }
        self.lose_readiness(step, now);
        for replica in &mut self.replicas {
            let mut own = self.input.own_in_flight.iter();
            let own = own.find(|(number, _)| *number == replica.number).map(|(_, counts)| counts);
            replica.in_flight =
                own.or(self.input.in_flight.as_ref()).and_then(|counts| counts.at(step));
        }
        &self.replicas
    }

    /// Adds replicas that start, or takes away first those that start, then the newest.
    fn become_so_many(&mut self, count: usize) {
        while self.replicas.len() > count {
            let starting =
                self.replicas.iter().rposition(|one| one.state == ReplicaState::Starting);
            match starting {
                Some(index) => drop(self.replicas.remove(index)),
                None => drop(self.replicas.pop()),
            }
        }
        let at_once = self.input.ready == Ready::After(trimtab_metric::Span::ZERO);
        while self.replicas.len() < count {
            let replica = Replica::ready(self.next);
            self.next = self.next.saturating_add(1);
            self.replicas.push(match at_once {
                true => replica,
                false => Replica {
                    state: ReplicaState::Starting,
                    created: Some(self.asked_at),
                    since: Some(self.asked_at),
                    ..replica
                },
            });
        }
    }

    /// The newest of those that were ready are not any more.
    fn lose_readiness(&mut self, step: u64, now: Timestamp) {
        let mut left = self.input.unready.at(step).unwrap_or(0);
        for replica in self.replicas.iter_mut().rev() {
            match replica.state {
                ReplicaState::Starting => {}
                ReplicaState::Ready if left > 0 => {
                    replica.state = ReplicaState::Unready;
                    replica.since = Some(now);
                    left -= 1;
                }
                ReplicaState::Unready if left > 0 => left -= 1,
                ReplicaState::Unready => {
                    replica.state = ReplicaState::Ready;
                    replica.since = Some(now);
                }
                ReplicaState::Ready => {}
            }
        }
    }

    /// What is seen besides pods and readings.
    pub(super) fn add_supply(&self, step: u64, observation: &mut ObservationRecord) {
        for (pod, replica) in observation.pods.iter_mut().zip(&self.replicas) {
            let place = replica.number.saturating_sub(1) as usize;
            pod.zone =
                place.checked_rem(self.zones.len()).and_then(|at| self.zones.get(at)).cloned();
        }
        if let Some((ready, starting)) = &self.input.warm {
            let known = ready.counts.is_empty() || ready.at(step).is_some();
            observation.warm = known.then(|| WarmCounts {
                ready: ready.at(step).unwrap_or(0),
                starting: starting.at(step).unwrap_or(0),
            });
        }
        if !self.input.pools.is_empty() {
            let pools = self.input.pools.iter().map(|(pool, counts)| {
                let [free_gpus, allocatable_gpus, coming_gpus, coming_nodes] = counts
                    .each_ref()
                    .map(|counts| counts.as_ref().and_then(|counts| counts.at(step)));
                let pool = pool.clone();
                let max_gpus = None;
                PoolSupplyRecord {
                    pool,
                    allocatable_gpus,
                    free_gpus,
                    coming_gpus,
                    coming_nodes,
                    max_gpus,
                }
            });
            observation.supply = Some(pools.collect());
        }
    }

    /// Whether what is decided is carried out.
    pub(super) fn follows(&self) -> bool {
        self.input.replicas.is_none()
    }

    /// Carries a decision out.
    pub(super) fn follow(&mut self, desired: i32, retire: Option<&RetirePlan>, now: Timestamp) {
        if let Some(plan) = retire {
            let places = |rows: &[u32]| -> Vec<usize> {
                rows.iter().filter_map(|row| usize::try_from(*row).ok()).collect()
            };
            for row in places(&plan.drain) {
                if let Some(replica) = self.replicas.get_mut(row) {
                    replica.draining_since = Some(now);
                }
            }
            for row in places(&plan.take_back) {
                if let Some(replica) = self.replicas.get_mut(row) {
                    replica.draining_since = None;
                }
            }
            let gone = places(&plan.retire);
            let mut row = 0;
            self.replicas.retain(|_| {
                row += 1;
                !gone.contains(&(row - 1))
            });
        }
        self.asked = desired;
        self.asked_at = now;
    }
}
