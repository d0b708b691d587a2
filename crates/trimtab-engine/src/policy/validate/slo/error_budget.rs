//! The rules for the error budget.

use alloc::format;

use super::{Errors, Names, Within};
use crate::policy::{SloRole, SloSpec};

const PATH: &str = "spec.slo.errorBudget";

pub(super) fn error_budget(slo: &SloSpec, names: &Names<'_>, errors: &mut Errors) {
    let Some(budget) = &slo.error_budget else { return };
    let field = format!("{PATH}.attained");
    let own = slo.signals.iter().find(|signal| signal.metric == budget.attained);
    if names.has(&budget.attained, field.clone(), errors)
        && own.is_none_or(|own| own.role == SloRole::Demand)
    {
        let detail = format!(
            "is `{}`, a demand: set it to the share of requests that kept the promise, and give that the role `part`",
            budget.attained
        );
        errors.invalid(field, detail);
    }
    match budget.objective {
        None => {
            let detail =
                "is missing: set it to the share of requests that is promised, such as 0.99";
            errors.required(format!("{PATH}.objective"), detail);
        }
        Some(objective) if objective.get() <= 0.0 || objective.get() >= 1.0 => {
            let detail = format!("is {objective} and has to be above 0 and below 1");
            errors.invalid(format!("{PATH}.objective"), detail);
        }
        Some(_) => {}
    }
    let mut within = Within { path: PATH, errors };
    within.whole("windowSeconds", budget.window_seconds, 60, 2_592_000);
    within.number("leastPercent", budget.least_percent, 10.0, 100.0);
    within.number("mostPercent", budget.most_percent, 100.0, 1000.0);
}
