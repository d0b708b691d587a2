//! Conditions as Kubernetes objects have them: the engine's, and those of the resource itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use trimtab_engine::ConditionStatus;
use trimtab_metric::Timestamp;

/// Whether the spec is valid.
pub const ACCEPTED: &str = "Accepted";
/// Whether the autoscaler whose place the policy takes is gone.
pub const ADOPTED: &str = "Adopted";

/// The longest message of a condition, in characters, as Kubernetes has it.
const MOST_MESSAGE_CHARS: usize = 32_768;

/// A condition of the resource itself.
pub fn condition(
    type_: &str,
    holds: bool,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: (if holds { "True" } else { "False" }).to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(MOST_MESSAGE_CHARS).collect(),
        observed_generation: generation,
        last_transition_time: time(now),
    }
}

/// A condition of a decision, with its message.
pub fn condition_of(
    condition: &trimtab_engine::Condition,
    message: &str,
    generation: Option<i64>,
) -> Condition {
    let status = match condition.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    Condition {
        type_: format!("{:?}", condition.type_),
        status: status.to_owned(),
        reason: format!("{:?}", condition.reason),
        message: message.chars().take(MOST_MESSAGE_CHARS).collect(),
        observed_generation: generation,
        last_transition_time: time(condition.last_transition_time),
    }
}

/// As Kubernetes has times, which in these places are of whole seconds.
fn time(at: Timestamp) -> Time {
    let nearest = k8s_openapi::jiff::Timestamp::from_millisecond(at.as_millis());
    Time(nearest.unwrap_or_default())
}
