//! What the warm pool gives and takes, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::WarmPlan;

/// A step of `warmPool`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum WarmStep {
    /// Nothing is known of the pool: nothing comes from it and nothing goes to it.
    Unknown {
        /// So many are started.
        start: i32,
    },
    /// What comes from the pool and goes to it.
    Plan {
        /// That.
        plan: WarmPlan,
        /// How many were in it, those on their way included.
        there: i32,
        /// How soon those serve that were ready in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promoted_in: Option<Span>,
        /// How soon those serve that are started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_in: Option<Span>,
    },
}

/// Subject, measure and rule.
pub(crate) fn words(step: &WarmStep) -> (String, String, String) {
    let plain = |rule: String| (String::new(), String::new(), rule);
    let (plan, there, promoted_in, started_in) = match *step {
        WarmStep::Unknown { start: 0 } => {
            return plain("nothing is known of the pool: it stays as it is".to_string());
        }
        WarmStep::Unknown { start } => {
            return plain(format!("nothing is known of the pool: {start} started"));
        }
        WarmStep::Plan { plan, there, promoted_in, started_in } => {
            (plan, there, promoted_in, started_in)
        }
    };
    let soon = |span: Option<Span>| span.map_or(String::new(), |span| format!(" in {span}"));
    let parts = [
        (plan.promote, "promoted", soon(promoted_in)),
        (plan.start, "started", soon(started_in)),
        (plan.demote, "returned", String::new()),
        (plan.refill, "refilled", String::new()),
        (plan.release, "released", String::new()),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, word, soon)| format!("{count} {word}{soon}"))
        .collect();
    let rule = if parts.is_empty() { "as it should be".to_string() } else { parts.join(", ") };
    (String::from("pool"), format!("{there} of {}", plan.size), rule)
}
