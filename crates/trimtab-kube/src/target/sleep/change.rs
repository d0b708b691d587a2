//! A change of a workload whose warm pool are pods of its own.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;
use trimtab_engine::WarmPlan;
use trimtab_runtime::{Change, TargetError};

use super::pool::{Owed, Pool, is_released, small};
use super::{KubeTarget, Mark, Sleeper, Stand, State, lock, server_of, starts};
use crate::cluster::Pod;
use crate::target::count::{Found, count_of};

/// So many pods wake up at a time.
const AT_ONCE: usize = 16;
/// A change waits so long for a pod that wakes up.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is to be done, once it is known how things are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// So many are to come from the pool.
    pub(super) promote: usize,
    /// So many of those that leave go to the pool, the first ones.
    pub(super) demote: usize,
    /// So many of the pool are too many.
    pub(super) release: usize,
    /// So many are asked for, for the pool.
    pub(super) refill: usize,
    /// So many stand by once it is done.
    pub(super) size: i32,
}

impl Steps {
    /// What is left to do of a change. What is done already is not done again.
    pub(super) fn of(pool: &Pool, change: &Change) -> Self {
        let Some(plan) = &change.warm else {
            return Self { promote: 0, demote: 0, release: 0, refill: 0, size: pool.size() };
        };
        let WarmPlan { size, promote, start: _, demote, refill, release } = *plan;
        let count = |count: i32| usize::try_from(count).unwrap_or(0);
        // One count says both who goes and who comes: they go first, and the next decision asks anew.
        let shrinks = change.replicas < change.from || release > 0;
        let refill = if shrinks { 0 } else { refill };
        let late = plan.refill.saturating_sub(refill);
        Self {
            promote: count(promote.min(change.replicas.saturating_sub(pool.replicas()))),
            demote: count(demote).min(change.retire.len()),
            release: count(release),
            refill: count(refill),
            size: size.saturating_sub(late).max(0),
        }
    }
}

/// A way to have one replica more.
enum Candidate {
    Pod(Box<Pod>, State),
    /// One that is not there yet.
    Owed,
}

/// How many came from the pool: of its pods, and of those on their way there.
#[derive(Copy, Clone, Default)]
struct Promoted {
    pods: usize,
    owed: usize,
}

impl KubeTarget {
    /// What adds capacity first, then what takes it away. A pod that does not wake up stays where it
    /// is; another is taken, and where there is none, one is started.
    pub(in super::super) async fn carry_out_asleep(
        &self,
        sleeper: &Sleeper,
        found: &Found,
        change: &Change,
    ) -> Result<(), TargetError> {
        let (pool, ..) = self.pool(sleeper, found).await?;
        let (from, to) = (change.from, change.replicas);
        if !(from.min(to)..=from.max(to)).contains(&pool.replicas()) {
            return Err(TargetError::Conflict);
        }
        let steps = Steps::of(&pool, change);
        let states = sleeper.states(&pool).await;
        let mut total = to.saturating_add(steps.size);
        let hoped = steps.promote.min(pool.members.len());
        sleeper.owe(&pool, &steps, Promoted { pods: hoped, owed: 0 }, steps.size);
        if total > pool.total {
            self.set_total(sleeper, found, total).await?;
        }
        let taken_back = self.mark(&change.take_back, Mark::Serves).await;
        let (came, gone) = self.promote(sleeper, &pool, &states, steps.promote).await;
        // Those that did not wake up still stand by, in place of some that were asked for.
        let short = steps.promote.saturating_sub(came.pods + came.owed);
        let more = small(short.saturating_sub(steps.refill));
        let release = if short > 0 { 0 } else { steps.release };
        let size = steps.size.saturating_add(more);
        let size = size.saturating_add(small(steps.release - release));
        if short > 0 {
            total = to.saturating_add(size);
            if total > pool.total {
                self.set_total(sleeper, found, total).await?;
            }
        }
        sleeper.owe(&pool, &Steps { release, ..steps }, came, size);
        let drained = self.mark(&change.drain, Mark::Drains).await;
        let (stay, go) = change.retire.split_at_checked(steps.demote).unwrap_or_default();
        let pooled = self.mark(stay, Mark::Stands(Stand::Idle)).await;
        if total < pool.total {
            // Who goes to the pool is there before others go.
            pooled?;
            let released = sleeper.released(&pool, &states, &gone, release);
            self.mark(&released, Mark::Goes).await?;
            self.mark(go, Mark::Goes).await?;
            self.set_total(sleeper, found, total).await?;
            return self.said(taken_back.and(drained), true);
        }
        self.said(taken_back.and(drained).and(pooled), total > pool.total)
    }

    /// The next decision sees what was not done, and asks for it again.
    fn said(&self, done: Result<(), TargetError>, is_set: bool) -> Result<(), TargetError> {
        match done {
            Err(error) if is_set => {
                let name = &self.main.name;
                tracing::warn!("{name}: the count is set, and not all else is done: {error}");
                Ok(())
            }
            done => done,
        }
    }

    /// Sets how many there are in all, if that is another number.
    async fn set_total(
        &self,
        sleeper: &Sleeper,
        found: &Found,
        total: i32,
    ) -> Result<(), TargetError> {
        let scale = self.main.read(&self.host, found).await?;
        let before = count_of(&scale);
        if before != total {
            let version = scale.metadata.resource_version.as_deref();
            self.main.write(&self.host, found, (before, total), version).await?;
        }
        if let Some((_, seen)) = &mut lock(&sleeper.memory).seen {
            *seen = total;
        }
        Ok(())
    }

    /// Lets so many of the pool serve, the soonest first; how many it were, and which.
    async fn promote(
        &self,
        sleeper: &Sleeper,
        pool: &Pool,
        states: &[State],
        wanted: usize,
    ) -> (Promoted, BTreeSet<String>) {
        let mut candidates = sleeper.candidates(pool, states);
        let mut under_way = FuturesUnordered::new();
        let (mut came, mut gone) = (Promoted::default(), BTreeSet::new());
        loop {
            while under_way.len() < AT_ONCE
                && came.pods + came.owed + under_way.len() < wanted
                && let Some(next) = candidates.pop_front()
            {
                match next {
                    Candidate::Owed => came.owed += 1,
                    Candidate::Pod(pod, state) => {
                        under_way.push(self.promote_one(sleeper, *pod, state));
                    }
                }
            }
            match under_way.next().await {
                None => return (came, gone),
                Some((name, true)) => {
                    came.pods += 1;
                    gone.insert(name);
                }
                Some((_, false)) => {}
            }
        }
    }

    /// Whether a pod serves now, or as soon as it has started. One that takes longer goes on waking up,
    /// and is taken for one that will.
    async fn promote_one(&self, sleeper: &Sleeper, pod: Pod, state: State) -> (String, bool) {
        let name = String::from(pod.name());
        let hand = self.hand(sleeper);
        let Some(at) = server_of(&pod).filter(|_| state != State::Starting) else {
            let serves = starts(&pod) && hand.mark(&name, Mark::Promoted).await;
            return (name, serves);
        };
        if !hand.mark(&name, Mark::Stands(Stand::Wakes)).await {
            return (name, false);
        }
        let is_awake = match sleeper.crew.begin(&name, hand.wake(pod, at)) {
            Some(waits) => match timeout(PATIENCE, waits).await {
                Ok(is_awake) => is_awake.unwrap_or(false),
                Err(_) => true,
            },
            None => false,
        };
        (name, is_awake)
    }
}

impl Sleeper {
    /// Who could be promoted, the soonest first. Those that are busy can't.
    fn candidates(&self, pool: &Pool, states: &[State]) -> VecDeque<Candidate> {
        let rank = |pod: &Pod, state: State| match state {
            _ if self.troubles.refuses_to_wake(pod.name()) => 5,
            State::Awake => 0,
            State::Asleep => 1,
            State::Starting => 2,
            State::Unknown | State::Busy => 4,
        };
        let pods = pool.members.iter().zip(states.iter().copied());
        let mut ranked: Vec<(u8, Candidate)> = pods
            .filter(|(_, state)| *state != State::Busy)
            .map(|(pod, state)| (rank(pod, state), Candidate::Pod(Box::new(pod.clone()), state)))
            .collect();
        ranked.extend((0..pool.owed).map(|_| (3, Candidate::Owed)));
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// So many that go, those first whose loss is the least.
    fn released(
        &self,
        pool: &Pool,
        states: &[State],
        gone: &BTreeSet<String>,
        count: usize,
    ) -> Vec<String> {
        let loss = |pod: &Pod, state: State| match state {
            _ if is_released(pod) => 0,
            _ if self.troubles.refuses_to_wake(pod.name()) => 1,
            State::Unknown => 1,
            State::Starting => 2,
            State::Busy => 3,
            State::Asleep | State::Awake => 4,
        };
        let pods = pool.members.iter().zip(states.iter().copied());
        let pods = pods.filter(|(pod, _)| !gone.contains(pod.name()));
        let mut ranked: Vec<(u8, &Pod)> =
            pods.map(|(pod, state)| (loss(pod, state), pod)).collect();
        ranked.sort_by_key(|(loss, _)| *loss);
        ranked.into_iter().take(count).map(|(_, pod)| String::from(pod.name())).collect()
    }

    /// Remembers how many are asked for, for a pool of that size, and are none of those that are there.
    fn owe(&self, pool: &Pool, steps: &Steps, came: Promoted, size: i32) {
        let there = usize::try_from(pool.size()).unwrap_or(0).saturating_sub(pool.owed);
        let stays = (there + steps.demote).saturating_sub(came.pods + steps.release);
        let count = usize::try_from(size).unwrap_or(0).saturating_sub(stays);
        let mut before = pool.names.clone();
        for pod in &pool.claimable {
            before.remove(pod.name());
        }
        lock(&self.memory).owed = Owed { count, before };
    }
}
