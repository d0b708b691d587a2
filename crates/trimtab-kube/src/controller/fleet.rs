//! Which policies there are, which of them are this replica's, and what is driven because of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use kube::Resource;
use tracing::{info, warn};
use trimtab_runtime::{Controller, WorkloadId};

use super::accept::{Made, Parts, Refusal, Valid, read};
use super::adoption::Adoption;
use super::lease::{TermFence, shard_of};
use super::metrics::KubeCounts;
use super::status::{Entrance, Named, StatusKeeper, now};
use crate::cluster::Cluster;
use crate::crd::{ACCEPTED, GuardedPolicy, HandOver, condition};

/// All policies that are watched.
pub(crate) struct Fleet {
    pub(crate) controller: Arc<Controller>,
    pub(crate) keeper: Arc<StatusKeeper>,
    parts: Parts,
    counts: Arc<KubeCounts>,
    shards: u32,
    /// Those that are this replica's.
    fences: BTreeMap<u32, TermFence>,
    policies: BTreeMap<WorkloadId, Seen>,
    adoption: Adoption,
}

/// A policy as it was last heard of, and what is done because of it.
struct Seen {
    named: Named,
    generation: Option<i64>,
    shard: u32,
    spec: Result<Valid, Refusal>,
    running: Option<Running>,
    /// Why it is not driven as it says, if it is not.
    refused: Option<&'static str>,
}

struct Running {
    made: Made,
    term: i32,
    hand_over: HandOver,
}

impl Seen {
    /// Whether it is driven so already.
    fn is_driven(&self, valid: &Valid, fence: &TermFence, hand_over: &HandOver) -> bool {
        self.refused.is_none()
            && self.running.as_ref().is_some_and(|running| {
                Arc::ptr_eq(&running.made.object, &valid.object)
                    && running.term == fence.term()
                    && running.hand_over == *hand_over
            })
    }

    /// What is to be said of it.
    fn entrance(
        &self,
        done: &Result<Made, Refusal>,
        hand_over: &HandOver,
        fence: &TermFence,
    ) -> Entrance {
        let (generation, at) = (self.generation, now());
        let accepted = match done {
            Ok(_) => condition(ACCEPTED, true, "Valid", "it is valid", generation, at),
            Err(Refusal { reason, message }) => {
                let goes_on = "; what was valid before runs on";
                let goes_on = if self.running.is_some() { goes_on } else { "" };
                condition(ACCEPTED, false, reason, &format!("{message}{goes_on}"), generation, at)
            }
        };
        let conditions = [Some(accepted), hand_over.condition(generation, at)];
        Entrance {
            named: self.named.clone(),
            generation,
            conditions: conditions.into_iter().flatten().collect(),
            fence: fence.clone(),
        }
    }
}

impl Fleet {
    pub(crate) fn new(
        controller: Arc<Controller>,
        keeper: Arc<StatusKeeper>,
        parts: Parts,
        counts: Arc<KubeCounts>,
        shards: u32,
    ) -> Self {
        Self {
            controller,
            keeper,
            parts,
            counts,
            shards,
            fences: BTreeMap::new(),
            policies: BTreeMap::new(),
            adoption: Adoption::default(),
        }
    }

    /// A policy is so now.
    pub(crate) async fn is(&mut self, object: GuardedPolicy) -> Option<WorkloadId> {
        let named = named(&object)?;
        let id = named.id.clone();
        let generation = object.meta().generation;
        let known = self.policies.get(&id);
        if known.is_some_and(|seen| seen.named == named && seen.generation == generation) {
            // Only its status is another, and that is ours.
            return Some(id);
        }
        if known.is_some_and(|seen| seen.named != named) {
            self.gone(&id).await;
        }
        let shard = shard_of(&named.uid, self.shards);
        let spec = read(object);
        let running = self.policies.get_mut(&id).and_then(|seen| seen.running.take());
        let seen = Seen { named, generation, shard, spec, running, refused: None };
        self.policies.insert(id.clone(), seen);
        self.reconcile(&id).await;
        Some(id)
    }

    /// A policy is no more.
    pub(crate) async fn gone(&mut self, id: &WorkloadId) {
        if self.policies.remove(id).is_some() {
            self.controller.remove(id).await;
            self.keeper.forget(id);
            info!(target: "trimtab", policy = id.as_str(), "no longer driven: it is gone");
            self.count();
        }
    }

    /// A listing is complete: what it did not name, within its scope, is gone.
    pub(crate) async fn listed(&mut self, scope: Option<&str>, names: &BTreeSet<WorkloadId>) {
        let in_scope = |seen: &Seen| scope.is_none_or(|scope| seen.named.namespace == scope);
        let gone: Vec<WorkloadId> = self
            .policies
            .iter()
            .filter(|(id, seen)| in_scope(seen) && !names.contains(*id))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            self.gone(&id).await;
        }
    }

    /// A shard is this replica's.
    pub(crate) async fn gained(&mut self, shard: u32, fence: TermFence) {
        self.fences.insert(shard, fence);
        let ids = self.of_shard(shard);
        info!(target: "trimtab", shard, policies = ids.len(), "decides from now on");
        for id in ids {
            self.reconcile(&id).await;
        }
    }

    /// A shard is this replica's no longer; what it decided is written if it may still be.
    pub(crate) async fn left(&mut self, shard: u32, may_save: bool) {
        let ids = self.of_shard(shard);
        join_all(ids.iter().map(|id| self.controller.remove(id))).await;
        if may_save {
            let failed = self.keeper.save_all(&ids).await;
            if failed > 0 {
                warn!(target: "trimtab", shard, failed, "states are not saved");
            }
        }
        self.fences.remove(&shard);
        for id in ids {
            self.keeper.forget(&id);
            if let Some(seen) = self.policies.get_mut(&id) {
                (seen.running, seen.refused) = (None, None);
            }
        }
        self.count();
    }

    /// What is known of HorizontalPodAutoscalers has changed.
    pub(crate) async fn adopted(&mut self, change: impl FnOnce(&mut Adoption)) {
        change(&mut self.adoption);
        let waits =
            |seen: &Seen| matches!(&seen.spec, Ok(valid) if valid.object.spec.host.adopt.is_some());
        let ids: Vec<WorkloadId> = self
            .policies
            .iter()
            .filter(|(_, seen)| waits(seen))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.reconcile(&id).await;
        }
    }

    /// Those that could not be told that they are refused are told again, and policies are made that are asked for.
    pub(crate) async fn again(&mut self) {
        let refused: Vec<WorkloadId> = self
            .policies
            .iter()
            .filter(|(_, seen)| seen.refused.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in refused {
            self.reconcile(&id).await;
        }
        self.make().await;
    }

    /// Makes the policies that HorizontalPodAutoscalers ask for.
    pub(crate) async fn make(&mut self) {
        let fences = &self.fences;
        let is_ours = |uid: &str| fences.contains_key(&shard_of(uid, self.shards));
        let is_there = |id: &WorkloadId| self.policies.contains_key(id);
        let (client, teller) = (&self.parts.client, self.keeper.teller());
        self.adoption.make(client, teller, is_ours, is_there).await;
    }

    pub(crate) fn cluster(&self) -> Cluster {
        self.parts.cluster.clone()
    }

    fn of_shard(&self, shard: u32) -> Vec<WorkloadId> {
        let of = self.policies.iter().filter(|(_, seen)| seen.shard == shard);
        of.map(|(id, _)| id.clone()).collect()
    }

    /// Drives a policy as it says, if it is this replica's and can be driven.
    async fn reconcile(&mut self, id: &WorkloadId) {
        let Some(seen) = self.policies.get_mut(id) else { return };
        let Some(fence) = self.fences.get(&seen.shard) else { return };
        let hand_over = match &seen.spec {
            Ok(valid) => self.adoption.hand_over(&valid.object),
            Err(_) => HandOver::Nobody,
        };
        let done = match &seen.spec {
            Ok(valid) if seen.is_driven(valid, fence, &hand_over) => return,
            Ok(valid) => {
                let mode = hand_over.mode(valid.object.spec.host.mode);
                let before = seen.running.as_ref().map(|running| &running.made);
                let workload = self.parts.workload(id, valid, mode, fence, before);
                workload.map(|workload| Made { object: Arc::clone(&valid.object), workload })
            }
            Err(refusal) => Err(refusal.clone()),
        };
        let entrance = seen.entrance(&done, &hand_over, fence);
        match done {
            Ok(made) => {
                seen.refused = None;
                self.keeper.enter(entrance).await;
                self.controller.set(made.workload.clone());
                seen.running = Some(Running { made, term: fence.term(), hand_over });
            }
            Err(Refusal { reason, message }) => {
                if seen.refused.replace(reason) != Some(reason) {
                    warn!(target: "trimtab", policy = id.as_str(), reason, "refused: {message}");
                }
                self.keeper.refuse(entrance).await;
            }
        }
        self.count();
    }

    fn count(&self) {
        let mut counts: BTreeMap<&str, usize> = [("Accepted", 0)].into();
        for seen in self.policies.values().filter(|seen| self.fences.contains_key(&seen.shard)) {
            *counts.entry(seen.refused.unwrap_or("Accepted")).or_default() += 1;
        }
        self.counts.policies(&counts.into_iter().collect::<Vec<_>>());
    }
}

/// What names an object; nothing if it has no name that a workload can have.
fn named(object: &GuardedPolicy) -> Option<Named> {
    let metadata = object.meta();
    let (namespace, name) = (metadata.namespace.clone()?, metadata.name.clone()?);
    let id = format!("{namespace}/{name}").parse().ok()?;
    Some(Named { id, namespace, name, uid: metadata.uid.clone()? })
}

/// The workload of an object that may be gone.
pub(crate) fn id_of(object: &GuardedPolicy) -> Option<WorkloadId> {
    named(object).map(|named| named.id)
}
