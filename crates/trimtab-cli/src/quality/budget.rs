//! An error budget for who is tuned: it corrects targets that are wrong on another load by what is served there.

use trimtab_engine::{Finite, MetricSpec, Policy, PolicySpec};
use trimtab_manifest::{Source, read_policies};

use crate::error::CommandError;

/// What one that has a budget is called, and the policy that the budget is taken from.
pub(super) const BUDGETED: &str = "slo-budget";
const EXAMPLE: &str = include_str!("../../policies/slo-budget.yaml");

/// The same policy with the error budget of the example, where this share of the requests was promised: nothing where
/// its strategy has no budget, or where none of them may miss.
pub(super) fn budgeted(of: &Policy, share: f64) -> Result<Option<Policy>, CommandError> {
    let example = read_policies(&Source::new("slo-budget.yaml", EXAMPLE))?;
    let example = example.policies.first().map(|document| document.policy.spec());
    let spec = example.and_then(|example| add(example, share, of.spec().clone()));
    let policy = spec.map(Policy::new).transpose();
    policy.map_err(|error| CommandError::argument(error.to_string()))
}

fn add(example: &PolicySpec, share: f64, mut to: PolicySpec) -> Option<PolicySpec> {
    let from = example.slo.as_ref()?;
    let mut budget = from.error_budget.clone()?;
    budget.objective = Some(Finite::new(share).filter(|_| share < 1.0)?);
    let slo = to.slo.as_mut()?;
    let signals = from.signals.iter().filter(|signal| signal.metric == budget.attained);
    slo.signals.extend(signals.cloned());
    let attained = |metric: &&MetricSpec| {
        metric.external.as_ref().is_some_and(|external| external.metric.name == budget.attained)
    };
    let metrics = example.metrics.iter().flatten().filter(attained);
    to.metrics.get_or_insert_default().extend(metrics.cloned());
    slo.error_budget = Some(budget);
    Some(to)
}
