//! What `slo` remembers of the load that is offered, of what replicas can take, and of its model.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::average::Noise;
use super::capacity::Learned;
use super::offered::Backlog;
use super::refit::Refit;

/// What a policy with `offered`, `learned` or `refit` remembers: under a kilobyte. One without
/// remembers nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SensingState {
    /// When it was last looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// Of each demand that has something to remember.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<DemandState>,
    /// How much slower the replicas are than their model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<Refit>,
}

/// What is remembered of one demand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DemandState {
    /// Its place among the metrics.
    pub metric: u32,
    /// What waited for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backlog: Backlog,
    /// What one replica takes of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub learned: Learned,
    /// How much of it comes and goes by chance, where it is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

/// What a later release adds counts only where it is set, so that a state keeps its digest.
impl Hash for DemandState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { metric, backlog, learned, noise } = self;
        (metric, backlog, learned).hash(hasher);
        noise.iter().for_each(|noise| noise.hash(hasher));
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl SensingState {
    /// Demands that remember something, at most: [the rules](crate::Policy::new) allow no more.
    pub const MOST_DEMANDS: usize = 3;

    /// What is remembered of the demand at `place`.
    pub(super) fn of(&self, place: u32) -> Option<&DemandState> {
        self.demands.iter().find(|demand| demand.metric == place)
    }

    /// The same, to take note in; nothing if there are too many already.
    pub(super) fn of_mut(&mut self, place: u32) -> Option<&mut DemandState> {
        if let Some(at) = self.demands.iter().position(|demand| demand.metric == place) {
            return self.demands.get_mut(at);
        }
        if self.demands.len() >= Self::MOST_DEMANDS {
            return None;
        }
        self.demands.reserve_exact(1);
        self.demands.push(DemandState { metric: place, ..DemandState::default() });
        self.demands.last_mut()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let lists =
            |demand: &DemandState| demand.backlog.list_bytes() + demand.learned.list_bytes();
        size_of::<Self>()
            + self.demands.capacity() * size_of::<DemandState>()
            + self.demands.iter().map(lists).sum::<usize>()
    }
}
