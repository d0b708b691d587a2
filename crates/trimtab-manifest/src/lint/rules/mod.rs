//! The rules, one file per subject. Each is a function from all documents to what it finds in them.

mod behavior;
mod budget;
mod gpu_request;
mod keda;
mod kserve;
mod limits;
mod liveness;
mod node_disruption;
mod node_pool;
mod placement;
mod policies;
mod readiness;
mod replicas;
mod requests;
mod rollout;
mod signals;
mod target;
mod termination;
mod thresholds;

use super::allow;
use super::rule::Rule;

/// The rules by subject, in the order of the reference.
pub(super) static GROUPS: [&[&Rule]; 20] = [
    signals::RULES,
    thresholds::RULES,
    limits::RULES,
    requests::RULES,
    replicas::RULES,
    behavior::RULES,
    keda::RULES,
    kserve::RULES,
    target::RULES,
    policies::RULES,
    readiness::RULES,
    liveness::RULES,
    termination::RULES,
    gpu_request::RULES,
    placement::RULES,
    rollout::RULES,
    budget::RULES,
    node_pool::RULES,
    node_disruption::RULES,
    allow::RULES,
];
