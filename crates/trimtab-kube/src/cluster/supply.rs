//! What the node pools of a policy have for one workload.

use std::sync::Arc;

use trimtab_engine::{Policy, PoolSupplyRecord, SupplyPool, SupplySettings};
use trimtab_metric::{Span, Timestamp};

use super::node::{Node, amount, is_accelerator};
use super::picture::Picture;
use super::pod::{Amounts, Pod};

/// A node that is not ready is on its way for so long after it was made; later it is broken.
const YOUNG: Span = Span::from_secs(900);

/// What is asked of the nodes, and what is known of Karpenter.
pub(super) struct Question<'a> {
    pub(super) now: Timestamp,
    /// The pods of the workload.
    pub(super) pods: &'a [&'a Pod],
    /// Whether it is known which NodePools there are.
    pub(super) knows_pools: bool,
    /// Whether it is known which nodes were asked for.
    pub(super) knows_claims: bool,
}

/// What one replica takes.
struct Replica<'a> {
    accelerator: &'a str,
    /// In thousandths.
    per_pod: i64,
    /// All that a pod requests, where a pod is known.
    totals: Option<&'a Amounts>,
}

impl Picture {
    /// One record per pool of the policy. What is not known is left out.
    pub(super) fn supply(
        &self,
        policy: &Policy,
        question: &Question<'_>,
    ) -> Option<Vec<PoolSupplyRecord>> {
        let settings = policy.supply()?;
        let pools = settings.pools.iter();
        Some(pools.map(|pool| self.pool(pool, settings, question)).collect())
    }

    fn pool(
        &self,
        pool: &SupplyPool,
        settings: &SupplySettings,
        question: &Question<'_>,
    ) -> PoolSupplyRecord {
        let mut record =
            PoolSupplyRecord { pool: pool.name.clone(), ..PoolSupplyRecord::default() };
        let nodes: Vec<&Node> = self.nodes_of(&pool.name).collect();
        let listed = question.knows_pools && self.karpenter.pools.contains_key(&*pool.name);
        if nodes.is_empty() && !listed && !self.pools.contains(&*pool.name) {
            // It has no nodes, or another name.
            return record;
        }
        let Some(replica) = replica(question.pods, &nodes, settings) else {
            if nodes.is_empty() {
                (record.allocatable_gpus, record.free_gpus) = (Some(0), Some(0));
                record.coming_gpus = self.coming(pool, None, question);
            }
            return record;
        };
        let offered = nodes.iter().map(|node| amount(&node.allocatable, replica.accelerator));
        record.allocatable_gpus = Some(offered.flatten().map(whole).fold(0, u32::saturating_add));
        let free = nodes.iter().filter(|node| node.takes_pods());
        let free = free.map(|node| self.free(node, &replica));
        record.free_gpus = Some(free.fold(0, u32::saturating_add));
        record.coming_gpus = self.coming(pool, Some(replica.accelerator), question);
        let node_pool = self.karpenter.pools.get(&*pool.name).filter(|_| question.knows_pools);
        let limit = node_pool.and_then(|pool| pool.it.limit_milli(replica.accelerator));
        record.max_gpus = limit.map(whole);
        record
    }

    fn nodes_of<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.values().map(|node| &node.it).filter(move |node| node.pool() == Some(pool))
    }

    /// The GPUs of a node on which whole replicas have room, and all else that they request.
    fn free(&self, node: &Node, replica: &Replica<'_>) -> u32 {
        let used = self.used_of(&node.name);
        let room = |resource: &str, requested: i64| {
            let has = amount(&node.allocatable, resource).unwrap_or(0);
            let left = has.saturating_sub(used.map_or(0, |used| used.of(resource))).max(0);
            left.checked_div(requested).unwrap_or(i64::MAX)
        };
        let mut fits = room(replica.accelerator, replica.per_pod);
        for (resource, requested) in replica.totals.into_iter().flatten() {
            fits = fits.min(room(resource, *requested));
        }
        if let Some(most) = amount(&node.allocatable, "pods") {
            let pods = used.map_or(0, |used| i64::from(used.pods));
            fits = fits.min((most / 1000).saturating_sub(pods).max(0));
        }
        whole(fits.saturating_mul(replica.per_pod))
    }

    fn used_of(&self, node: &str) -> Option<&super::pods::Used> {
        self.pods.used(node)
    }

    /// The GPUs of nodes on their way, without those of pods that have such a node already. `None`:
    /// nobody says.
    fn coming(
        &self,
        pool: &SupplyPool,
        accelerator: Option<&str>,
        question: &Question<'_>,
    ) -> Option<u32> {
        let claims = self.karpenter.claims.values().map(|claim| &claim.it);
        let claims = claims.filter(|claim| {
            question.knows_claims && claim.is_coming() && claim.pool.as_deref() == Some(&*pool.name)
        });
        let claims = claims.map(|claim| {
            let promised = accelerator.and_then(|accelerator| claim.promised(accelerator));
            (claim.node.as_deref(), promised)
        });
        let nodes = self.nodes_of(&pool.name);
        let nodes = nodes.filter(|node| node.is_coming(question.now, YOUNG, accelerator));
        let nodes = nodes.map(|node| {
            let promised = accelerator.and_then(|accelerator| node.promised(accelerator));
            (Some(&*node.name), promised)
        });
        let by_size = pool.gpus_per_node.map(|gpus| i64::from(gpus).saturating_mul(1000));
        let mut sum: u32 = 0;
        for (node, promised) in claims.chain(nodes) {
            // Of a node of unknown size nothing is known to come.
            let promised = promised.or(by_size).unwrap_or(0);
            let used = node.and_then(|node| self.used_of(node)).zip(accelerator);
            let used = used.map_or(0, |(used, accelerator)| used.of(accelerator));
            sum = sum.saturating_add(whole(promised.saturating_sub(used)));
        }
        (question.knows_claims || sum > 0).then_some(sum)
    }
}

/// What a replica takes: as its newest pod says; without one, the accelerators that the policy
/// says, if the nodes have only one kind.
fn replica<'a>(
    pods: &[&'a Pod],
    nodes: &[&'a Node],
    settings: &SupplySettings,
) -> Option<Replica<'a>> {
    let newest = pods.iter().max_by_key(|pod| (pod.created_at(), &pod.name));
    if let Some(pod) = newest {
        let totals = &pod.shape.totals;
        let mut requested =
            totals.iter().filter(|(name, milli)| *milli > 0 && is_accelerator(name));
        let (accelerator, per_pod) = requested.next()?;
        // Of two kinds nobody says which one counts.
        let one = requested.next().is_none();
        return one.then_some(Replica { accelerator, per_pod: *per_pod, totals: Some(totals) });
    }
    let mut kinds: Vec<&'a str> = nodes.iter().flat_map(|node| node.accelerators()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let per_pod = i64::from(settings.gpus_per_replica).saturating_mul(1000);
    match kinds.as_slice() {
        [accelerator] => Some(Replica { accelerator, per_pod, totals: None }),
        _ => None,
    }
}

fn whole(milli: i64) -> u32 {
    u32::try_from(milli.max(0) / 1000).unwrap_or(u32::MAX)
}

/// The accelerators that pods of a workload request, such as `nvidia.com/mig-1g.10gb`.
pub(super) fn accelerator_of(pods: &[&Pod]) -> Option<Arc<str>> {
    let newest = pods.iter().max_by_key(|pod| (pod.created_at(), &pod.name))?;
    let found = newest.shape.totals.iter().find(|(name, milli)| *milli > 0 && is_accelerator(name));
    found.map(|(name, _)| Arc::clone(name))
}
