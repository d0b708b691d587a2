//! The rules for `retire`.

use alloc::format;
use alloc::string::String;

use super::Errors;
use super::strategy::Within;
use crate::policy::{PolicySpec, RetireSpec, StrategyName, VictimRule};

/// A week, in seconds.
const WEEK_SECONDS: i32 = 604_800;

pub(super) fn retire(retire: &RetireSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.retire", errors };
    within.whole("maxSessionSeconds", retire.max_session_seconds, 0, WEEK_SECONDS);
    if let Some(budget) = &retire.flap_budget {
        within.whole("flapBudget.changes", Some(budget.changes), 2, i32::MAX);
        within.whole("flapBudget.periodSeconds", Some(budget.period_seconds), 1, WEEK_SECONDS);
    }
    let field = |name: &str| format!("spec.retire.{name}");
    if let Some(order) = &retire.victim_order {
        victim_order(order, &field("victimOrder"), errors);
        if retire.prefer_spot.is_some() {
            let detail =
                "is for the default order, and `victimOrder` is given: say it there, as `spot`";
            errors.forbidden(field("preferSpot"), detail);
        }
    }
    if retire.projection == Some(true) && spec.strategy != StrategyName::Slo {
        let detail = format!(
            "is for the triggers of `strategy: slo`, and this policy's is `{}`: leave it out",
            spec.strategy
        );
        errors.forbidden(field("projection"), detail);
    }
}

fn victim_order(order: &[VictimRule], field: &str, errors: &mut Errors) {
    if order.is_empty() {
        let detail =
            "is empty: give at least one rule, or leave the field out for the default order";
        errors.required(String::from(field), detail);
    }
    for (index, rule) in order.iter().enumerate() {
        if order.iter().take(index).any(|before| before == rule) {
            errors.invalid(format!("{field}[{index}]"), "stands before, too: give each rule once");
        }
    }
}
