//! What `retire` did, with the numbers that it did it with, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::RetirePlan;

/// A step of `retire`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum RetireStep {
    /// These drain already: to the strategy they are as gone.
    Draining {
        /// How many.
        replicas: i32,
    },
    /// Nothing is decided: those that drain go on, and none goes.
    Kept {
        /// How many.
        replicas: i32,
    },
    /// There were too many starts and stops for all to go that are to.
    FlapBudget {
        /// How many there may be.
        changes: i32,
        /// How many starts there were.
        starts: i32,
        /// How many stops there were or are under way.
        stops: i32,
        /// How many may begin now: of all, no more than there may be; of stops, no more than half of that.
        left: i32,
    },
    /// Who leaves.
    Plan {
        /// So many begin to drain.
        drain: i32,
        /// So many go.
        retire: i32,
        /// So many are taken back.
        take_back: i32,
        /// So many of those that drained before still do, or go.
        draining: i32,
        /// So many are to go and no listed pod stands for them: they stay.
        unlisted: i32,
    },
}

/// Subject, measure and rule.
pub(crate) fn words(step: &RetireStep) -> (String, String, String) {
    let rule = match *step {
        RetireStep::Draining { replicas } => format!("{replicas} of them {}", drain(replicas)),
        RetireStep::Kept { replicas } => format!("{replicas} {} on", drain(replicas)),
        RetireStep::FlapBudget { changes, starts, stops, left } => {
            format!("of {changes} changes {starts} started and {stops} stopped: {left} may go")
        }
        RetireStep::Plan { drain: begin, retire, take_back, draining, unlisted } => {
            let still = draining.saturating_sub(retire).max(0);
            let parts = [
                (take_back, format!("{take_back} taken back")),
                (retire, format!("{retire} {}", if retire == 1 { "goes" } else { "go" })),
                (
                    begin,
                    format!("{begin} {} to drain", if begin == 1 { "begins" } else { "begin" }),
                ),
                (still, format!("{still} still {}", drain(still))),
                (unlisted, format!("{unlisted} stay, since no pod is listed for them")),
            ];
            let parts: Vec<String> =
                parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
            if parts.is_empty() { "nobody leaves".to_string() } else { parts.join(", ") }
        }
    };
    (String::new(), String::new(), rule)
}

fn drain(replicas: i32) -> &'static str {
    if replicas == 1 { "drains" } else { "drain" }
}

/// Why the count falls.
pub(crate) fn reason_to_go(plan: &RetirePlan) -> Option<String> {
    match plan.retire.len() {
        0 => None,
        1 => Some("1 is idle or has had its time".to_string()),
        gone => Some(format!("{gone} are idle or have had their time")),
    }
}

/// Why the count stays.
pub(crate) fn reason_to_stay(plan: &RetirePlan) -> Option<String> {
    let (begin, back) = (plan.drain.len(), plan.take_back.len());
    let (begins, are) =
        (if begin == 1 { "begins" } else { "begin" }, if back == 1 { "is" } else { "are" });
    match (begin, back) {
        (0, 0) => None,
        (0, _) => Some(format!("{back} that drained {are} taken back")),
        (_, 0) => Some(format!("{begin} {begins} to drain")),
        _ => Some(format!("{begin} {begins} to drain, {back} {are} taken back")),
    }
}
