//! Which pods of a workload stand by, and how many serve besides.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::cluster::{Pod, STANDBY};
use crate::target::retirement::{COST_OF_GOING, Stand};

/// Pods that were asked for, for the pool, and that nobody has pointed out yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed {
    pub(super) count: usize,
    /// Who was there before: none of them is meant.
    pub(super) before: BTreeSet<String>,
}

/// A workload's pods, those that stand by apart from the others.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// How many replicas were asked for in all.
    pub(super) total: i32,
    /// Those that stand by, in the order of their names.
    pub(super) members: Vec<Pod>,
    /// Those that are to serve and wake up.
    pub(super) waking: Vec<Pod>,
    /// Those that could be what is owed, the best first.
    pub(super) claimable: Vec<Pod>,
    /// How many are owed, of those that there are and that are still to come.
    pub(super) owed: usize,
    /// How many of the members are no longer asked for, and only not gone yet.
    leaving: usize,
    /// The names of all that are there.
    pub(super) names: BTreeSet<String>,
}

impl Pool {
    pub(super) fn of(pods: Vec<Pod>, total: i32, owed: &Owed) -> Self {
        let mut pool = Self { total, ..Self::default() };
        let mut there = 0_usize;
        for pod in pods {
            pool.names.insert(String::from(pod.name()));
            if pod.is_gone() {
                continue;
            }
            there += 1;
            match pod.label(STANDBY) {
                Some(word) if word == Stand::Wakes.word() => pool.waking.push(pod),
                Some(_) => pool.members.push(pod),
                None if owed.count > 0
                    && pod.draining_since().is_none()
                    && !owed.before.contains(pod.name()) =>
                {
                    pool.claimable.push(pod);
                }
                None => {}
            }
        }
        // Those that are furthest from serving.
        pool.claimable.sort_by_key(|pod| (pod.is_ready(), Reverse(pod.created_at())));
        let asked = usize::try_from(total).unwrap_or(0);
        let coming = asked.saturating_sub(there);
        pool.owed = owed.count.min(pool.claimable.len() + coming);
        let released = pool.members.iter().filter(|pod| is_released(pod)).count();
        pool.leaving = released.min(there.saturating_sub(asked));
        pool
    }

    /// How many stand by or are on their way there.
    pub(super) fn size(&self) -> i32 {
        small((self.members.len() + self.owed).saturating_sub(self.leaving)).min(self.total.max(0))
    }

    /// How many serve, or are to: all others.
    pub(super) fn replicas(&self) -> i32 {
        self.total.max(0).saturating_sub(self.size())
    }

    /// What is no part of the observation.
    pub(super) fn apart(&self) -> Vec<String> {
        let owed = self.claimable.iter().take(self.owed);
        self.members.iter().chain(owed).map(|pod| String::from(pod.name())).collect()
    }
}

/// Whether it is to go, as too many stand by.
pub(super) fn is_released(pod: &Pod) -> bool {
    pod.deletion_cost() == COST_OF_GOING
}

/// A count as counts of replicas are.
pub(super) fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
