//! Whether the nodes of a NodePool can take the pods of a workload, and what keeps them apart.

use std::cmp::Reverse;

use super::gpu_nodes::Obstacle;
use super::node_pool::NodePool;
use super::pod::{Gpus, PodTemplate, Taint, Wanted};
use super::requirement::{Allowed, is_well_known};
use super::workload::Workload;
use crate::lint::autoscaler::is_gpu;
use crate::lint::field::Field;
use crate::lint::set::Set;

/// One thing that keeps a pod off the nodes of a pool.
#[derive(Clone, Debug)]
pub(in crate::lint) enum Misfit<'n> {
    /// They have not the accelerators that it asks for.
    Gpu(Obstacle<'n>),
    /// They have a taint that it does not tolerate.
    Taint(Taint<'n>),
    /// They have not the label that it wants.
    Label(WantedLabel<'n>),
}

/// A label that a pod wants of its node and a pool does not bring.
#[derive(Clone, Debug)]
pub(in crate::lint) struct WantedLabel<'n> {
    pub(in crate::lint) key: &'n str,
    /// Where the pod asks for it.
    pub(in crate::lint) wanted: Field<'n>,
    /// Where the pool has other values of it, if it has it.
    pub(in crate::lint) brought: Option<Field<'n>>,
}

/// Where the pods of a workload can go. Pools are given by their places.
#[derive(Debug)]
pub(in crate::lint) enum Placement<'n> {
    /// Some pools take them; in ascending order.
    Fits {
        all: Vec<usize>,
        /// Those that are made for it: a pool of all kinds of nodes can make GPU nodes too.
        meant: Vec<usize>,
    },
    /// None does; this one is meant, and these keep them apart.
    Kept {
        pool: usize,
        misfits: Vec<Misfit<'n>>,
        /// Whether the pod names a label that the pool has, and not only asks for a GPU as it brings
        /// them.
        named: bool,
    },
    /// No pool of the set is meant for them.
    Elsewhere,
}

impl<'n> Placement<'n> {
    /// Where the pods of a workload that hold accelerators can go.
    pub(super) fn of(set: &Set<'n>, workload: &Workload<'n>, pools: &[NodePool<'n>]) -> Self {
        // KServe adds what a runtime says to what the service says.
        let is_whole = workload.document.group != "serving.kserve.io";
        let pod = &workload.pod;
        if !is_whole || !pod.asks_gpu() || set.is_patched(workload.document) {
            return Self::Elsewhere;
        }
        let (wanted, gpus) = (pod.wanted(), pod.gpus());
        let mut fits = Vec::new();
        let mut best: Option<(bool, Vec<Misfit<'n>>, usize)> = None;
        for (index, pool) in pools.iter().enumerate() {
            if set.are_apart(pool.document, workload.document) {
                continue;
            }
            let misfits = misfits(pod, &wanted, &gpus, pool);
            if misfits.is_empty() {
                fits.push(index);
                continue;
            }
            let named = names(&wanted, pool);
            let is_better = best.as_ref().is_none_or(|(was_named, others, _)| {
                (named, Reverse(misfits.len())) > (*was_named, Reverse(others.len()))
            });
            if is_better && (named || pool.is_for_gpus()) {
                best = Some((named, misfits, index));
            }
        }
        match best {
            _ if !fits.is_empty() => {
                let is_meant = |index: &usize| pools.get(*index).is_some_and(NodePool::is_for_gpus);
                let meant: Vec<usize> = fits.iter().copied().filter(is_meant).collect();
                let meant = if meant.is_empty() { fits.clone() } else { meant };
                Self::Fits { all: fits, meant }
            }
            // What has next to nothing in common was not meant.
            Some((named, misfits, pool)) if named || misfits.len() <= 2 => {
                Self::Kept { pool, misfits, named }
            }
            _ => Self::Elsewhere,
        }
    }

    /// The pools that are made for them.
    pub(in crate::lint) fn meant(&self) -> &[usize] {
        match self {
            Self::Fits { meant, .. } => meant,
            _ => &[],
        }
    }

    /// All pools that take them.
    pub(in crate::lint) fn all(&self) -> &[usize] {
        match self {
            Self::Fits { all, .. } => all,
            _ => &[],
        }
    }
}

/// Whether the pod names a label of the pool that only the pool's owner can have given.
fn names(wanted: &[Wanted<'_>], pool: &NodePool<'_>) -> bool {
    wanted.iter().flatten().any(|(key, (allowed, _))| {
        let is_own = !is_well_known(key) || *key == "karpenter.sh/nodepool";
        is_own
            && pool.label(key).is_some_and(|(brought, _)| {
                allowed
                    .listed()
                    .is_some_and(|mut values| values.any(|value| brought.contains(value)))
            })
    })
}

/// What keeps a pod off the nodes of a pool, in the alternative that has the least of it.
fn misfits<'n>(
    pod: &PodTemplate<'n>,
    wanted: &[Wanted<'n>],
    gpus: &Gpus<'n>,
    pool: &NodePool<'n>,
) -> Vec<Misfit<'n>> {
    let mut misfits: Vec<Misfit<'n>> = Vec::new();
    for (resource, (count, _)) in gpus {
        misfits.extend(pool.lacks(resource, *count).map(Misfit::Gpu));
    }
    let taints = pool.taints().filter(|taint| taint.repels() && !pod.tolerates(taint));
    misfits.extend(taints.map(Misfit::Taint));
    let labels = wanted.iter().map(|wanted| missing(wanted, pool));
    let labels = labels.min_by_key(Vec::len).unwrap_or_default();
    misfits.extend(labels.into_iter().map(Misfit::Label));
    misfits
}

/// The labels that are wanted and that a pool does not bring, as Karpenter compares them: those of the
/// cloud may be anything where the pool says nothing of them, all others have to be named.
fn missing<'n>(wanted: &Wanted<'n>, pool: &NodePool<'n>) -> Vec<WantedLabel<'n>> {
    let mut missing = Vec::new();
    for (key, (allowed, field)) in wanted {
        let brought = pool.label(key);
        let fits = match brought {
            Some((brought, _)) => meet(allowed, brought),
            None => is_well_known(key) || allowed.excludes(),
        };
        if !fits {
            let brought = brought.map(|(_, field)| *field);
            missing.push(WantedLabel { key, wanted: *field, brought });
        }
    }
    missing
}

fn meet(wanted: &Allowed<'_>, brought: &Allowed<'_>) -> bool {
    !wanted.and(brought).is_empty() || (wanted.excludes() && brought.excludes())
}

/// Whether a taint is the one that an asked-for accelerator is known by: some clusters tolerate it in the
/// name of the pods.
pub(in crate::lint) fn is_of_resource(taint: &Taint<'_>, pod: &PodTemplate<'_>) -> bool {
    is_gpu(taint.key()) && pod.gpus().contains_key(taint.key())
}
