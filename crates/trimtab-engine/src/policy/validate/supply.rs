//! The rules for `supply` and `redundancy`.

use alloc::format;
use alloc::string::String;

use super::Errors;
use super::strategy::Within;
use crate::policy::{RedundancySpec, SupplySpec};

pub(super) fn supply(supply: &SupplySpec, errors: &mut Errors) {
    let gpus = supply.gpus_per_replica.unwrap_or(1);
    let mut within = Within { path: "spec.supply", errors };
    within.whole("gpusPerReplica", supply.gpus_per_replica, 1, i32::MAX);
    within.whole("maxPending", supply.max_pending, 0, i32::MAX);
    within.whole("pendingAfterSeconds", supply.pending_after_seconds, 1, i32::MAX);
    within.whole("backoffSeconds", supply.backoff_seconds, 1, i32::MAX);
    let least = supply.backoff_seconds.unwrap_or(1).max(1);
    within.whole("maxBackoffSeconds", supply.max_backoff_seconds, least, i32::MAX);
    for (index, pool) in supply.pools.iter().enumerate() {
        within.whole(&format!("pools[{index}].maxReplicas"), pool.max_replicas, 1, i32::MAX);
        holds_a_replica(&mut within, index, ("maxGpus", pool.max_gpus), gpus);
        holds_a_replica(&mut within, index, ("gpusPerNode", pool.gpus_per_node), gpus);
    }
    if supply.pools.is_empty() {
        let detail = "is empty: name at least one node pool that replicas may run on, such as \
                      `{name: on-demand}`";
        errors.required(String::from("spec.supply.pools"), detail);
    }
    for (index, pool) in supply.pools.iter().enumerate() {
        let field = format!("spec.supply.pools[{index}].name");
        if pool.name.is_empty() {
            errors
                .required(field, "is missing: set it to the name that observations give the pool");
        } else if supply.pools.iter().take(index).any(|other| other.name == pool.name) {
            errors.invalid(field, format!("is `{}`, as another pool's is", pool.name));
        }
    }
}

/// A replica runs on one node of one pool.
fn holds_a_replica(
    within: &mut Within<'_>,
    index: usize,
    (name, value): (&str, Option<i32>),
    gpus: i32,
) {
    if let Some(value) = value.filter(|value| *value < gpus) {
        let detail = format!("is {value} and has to be at least `gpusPerReplica`, {gpus}");
        within.errors.invalid(format!("{}.pools[{index}].{name}", within.path), detail);
    }
}

pub(super) fn redundancy(redundancy: &RedundancySpec, errors: &mut Errors) {
    let losses = redundancy.survive_domain_losses;
    let mut within = Within { path: "spec.redundancy", errors };
    if losses == 0 {
        let detail = "is missing: set it to how many domains may be lost, at least 1";
        within.errors.required(String::from("spec.redundancy.surviveDomainLosses"), detail);
    }
    within.whole("surviveDomainLosses", Some(losses).filter(|losses| *losses != 0), 1, i32::MAX);
    if let Some(domains) = redundancy.domains.filter(|domains| *domains <= losses.max(0)) {
        let detail =
            format!("is {domains} and has to be more than `surviveDomainLosses`, {losses}");
        errors.invalid(String::from("spec.redundancy.domains"), detail);
    }
}
