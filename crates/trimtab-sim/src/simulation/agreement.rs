//! Whether a policy that asks for nodes speaks of the cluster that it is run on.

use thiserror::Error;
use trimtab_engine::Policy;

use crate::ServiceProfile;
use crate::cluster::Cluster;

/// Why the supply of a policy can't be simulated on a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoolsDisagree {
    /// The cluster has no such pool.
    #[error(
        "the policy's `supply.pools` has `{pool}`, and the cluster's pools are {known}: \
         give them the same names"
    )]
    Unknown {
        /// The policy's pool.
        pool: String,
        /// The cluster's.
        known: String,
    },
    /// A replica is not what the policy takes it for.
    #[error(
        "the policy's `supply.gpusPerReplica` is {policy}, and a replica of `{profile}` has {gpus} GPUs"
    )]
    GpusPerReplica {
        /// What the policy says.
        policy: u32,
        /// The service profile.
        profile: String,
        /// What it has.
        gpus: u32,
    },
}

pub(super) fn check(
    policy: &Policy,
    cluster: &Cluster,
    profile: &ServiceProfile,
) -> Result<(), PoolsDisagree> {
    let Some(supply) = policy.supply() else { return Ok(()) };
    let has = |name: &str| cluster.pools().iter().any(|pool| pool.name == name);
    if let Some(pool) = supply.pools.iter().find(|pool| !has(&pool.name)) {
        let names: Vec<String> =
            cluster.pools().iter().map(|pool| format!("`{}`", pool.name)).collect();
        return Err(PoolsDisagree::Unknown { pool: pool.name.clone(), known: names.join(", ") });
    }
    let gpus = profile.gpus.max(1);
    if supply.gpus_per_replica != gpus {
        return Err(PoolsDisagree::GpusPerReplica {
            policy: supply.gpus_per_replica,
            profile: profile.name.clone(),
            gpus,
        });
    }
    Ok(())
}
