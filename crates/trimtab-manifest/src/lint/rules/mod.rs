//! The rules, one file per subject. Each is a function from all documents to what it finds in them.

mod budget;
mod gpu_request;
mod kserve;
mod liveness;
mod node_disruption;
mod node_pool;
mod placement;
mod readiness;
mod rollout;
mod signals;
mod target;
mod termination;

use super::rule::Rule;

/// The rules by subject, in the order of the reference.
pub(super) static GROUPS: [&[&Rule]; 12] = [
    signals::RULES,
    target::RULES,
    readiness::RULES,
    liveness::RULES,
    termination::RULES,
    gpu_request::RULES,
    placement::RULES,
    budget::RULES,
    rollout::RULES,
    node_pool::RULES,
    node_disruption::RULES,
    kserve::RULES,
];
