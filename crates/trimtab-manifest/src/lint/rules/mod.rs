//! The rules, one file per subject. Each is a function from all documents to what it finds in them.

mod behavior;
mod keda;
mod limits;
mod policies;
mod replicas;
mod requests;
mod signals;
mod target;
mod thresholds;

use super::allow;
use super::rule::Rule;

/// The rules by subject, in the order of the reference.
pub(super) static GROUPS: [&[&Rule]; 10] = [
    signals::RULES,
    thresholds::RULES,
    limits::RULES,
    requests::RULES,
    replicas::RULES,
    behavior::RULES,
    keda::RULES,
    target::RULES,
    policies::RULES,
    allow::RULES,
];
