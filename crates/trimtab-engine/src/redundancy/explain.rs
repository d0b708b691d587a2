//! What is left after a loss, and the words for it.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::policy::FailureDomain;
use crate::trace::{Rule, Step};

/// The count is raised until `left` is at least `need`, as far as bounds and nodes allow; where no more
/// domains are known than are lost, no count is enough, and it stays.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedundancyStep {
    /// Domains that may be lost.
    pub losses: i32,
    /// What they are.
    pub domain: FailureDomain,
    /// Domains that are known.
    pub domains: i32,
    /// Replicas of which the domain is not known: they are taken to be lost, too.
    pub unknown: i32,
    /// Replicas that are left of the count that came out.
    pub left: i32,
    /// Replicas that have to be left.
    pub need: i32,
}

/// Whether the count is what it is for this alone.
pub(crate) fn raised(steps: &[Step]) -> bool {
    let decided = steps.iter().rev().find(|step| step.from != step.to);
    decided.is_some_and(|step| matches!(step.rule, Rule::Redundancy(_)))
}

/// Subject, measure and rule.
pub(crate) fn words(step: &RedundancyStep) -> (String, String, String) {
    let RedundancyStep { losses, domains, unknown, left, need, .. } = *step;
    let (one, many) = match step.domain {
        FailureDomain::Zone => ("zone", "zones"),
        FailureDomain::Node => ("node", "nodes"),
    };
    let name = |count: i32| if count == 1 { one } else { many };
    let subject = format!("{domains} {}", name(domains));
    let rule = if losses >= domains {
        format!("no count survives the loss of {losses} of them")
    } else {
        let silent = match unknown {
            0 => String::new(),
            unknown => format!(" ({unknown} nobody knows where)"),
        };
        format!("{left} are left without {losses} {}, {need} have to be{silent}", name(losses))
    };
    (subject, String::new(), rule)
}
