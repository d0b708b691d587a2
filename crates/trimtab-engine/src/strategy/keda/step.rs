//! What KEDA did, with the numbers that it did it with, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::executor::Action;
use super::formula::EvaluationError;
use crate::explain::Decimal;
use crate::observation::Unavailable;
use crate::trace::{Rule, Step};

/// One step of a decision by the `keda` strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum KedaStep {
    /// Neither the executor nor the HPA looks.
    NotDue {
        /// When the executor does.
        poll: Timestamp,
        /// When the HPA does.
        sync: Timestamp,
    },
    /// An annotation stops everything.
    Paused,
    /// What the executor or the HPA read of a trigger.
    Trigger {
        /// Its metric.
        name: String,
        /// What was read.
        read: TriggerRead,
        /// Whether the executor takes it for active; nothing for the HPA.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        active: Option<bool>,
    },
    /// What the formula makes of the triggers.
    Composite {
        /// That, in thousandths.
        result: CompositeResult,
        /// Whether the executor takes it for active; nothing for the HPA.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        active: Option<bool>,
    },
    /// What the executor did.
    Executor {
        /// That.
        action: Action,
    },
}

/// What was read of a trigger. Amounts are thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum TriggerRead {
    /// A value.
    Value {
        /// That.
        milli: i64,
    },
    /// The value of the last poll.
    Cached {
        /// That.
        milli: i64,
    },
    /// Too many failures in a row: what the fallback reports instead.
    Fallback {
        /// That.
        milli: i64,
        /// How many.
        failures: i32,
    },
    /// Too many failures in a row: nil in the formula.
    Nil {
        /// How many.
        failures: i32,
    },
    /// Nothing.
    Failed {
        /// Why.
        why: Unavailable,
        /// How many failures in a row; 0 where there is no fallback to count for.
        failures: i32,
    },
}

/// What a formula comes to. Amounts are thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum CompositeResult {
    /// A number.
    Value {
        /// That.
        milli: i64,
    },
    /// Nil: the fallback's count times the target.
    Nil {
        /// That.
        milli: i64,
    },
    /// A fallback is at work: the first trigger's that has one, and no formula.
    Fallback {
        /// That.
        milli: i64,
    },
    /// A trigger failed, so the formula was not asked.
    TriggerFailed,
    /// Not a number, or one that no count of thousandths holds. KEDA reports some other number then.
    OutOfRange,
    /// Nil, without a fallback.
    NoFallback,
    /// The formula is not one that KEDA can compile.
    NotCompiled,
    /// The formula failed.
    Failed {
        /// Why.
        error: String,
    },
}

impl From<&EvaluationError> for CompositeResult {
    fn from(error: &EvaluationError) -> Self {
        Self::Failed { error: error.to_string() }
    }
}

impl CompositeResult {
    /// The number, if there is one.
    pub(super) fn milli(&self) -> Option<i64> {
        match self {
            Self::Value { milli } | Self::Nil { milli } | Self::Fallback { milli } => Some(*milli),
            _ => None,
        }
    }
}

/// Why the executor wrote a count, if it did.
pub(crate) fn reason_to_write(steps: &[Step]) -> Option<&'static str> {
    let action = steps.iter().find_map(|step| match &step.rule {
        Rule::Keda(KedaStep::Executor { action }) if step.from != step.to => Some(*action),
        _ => None,
    })?;
    match action {
        Action::Activate { .. } => Some("a trigger is active"),
        Action::Deactivate { .. } => Some("no trigger is active"),
        Action::RaiseToMin { .. } => Some("there are fewer than `minReplicas`"),
        _ => None,
    }
}

/// Subject, measure and rule.
pub(crate) fn words(step: &KedaStep) -> (String, String, String) {
    let plain = |rule: &str| (String::new(), String::new(), rule.to_string());
    match step {
        KedaStep::NotDue { poll, sync } => {
            plain(&format!("KEDA looks again {poll}, its HPA {sync}"))
        }
        KedaStep::Paused => plain("KEDA is paused"),
        KedaStep::Trigger { name, read, active } => {
            let (measure, rule) = read_words(read);
            (name.clone(), measure, with_activity(rule, *active))
        }
        KedaStep::Composite { result, active } => {
            let (measure, rule) = composite_words(result);
            ("formula".to_string(), measure, with_activity(rule, *active))
        }
        KedaStep::Executor { action } => plain(&action_words(*action)),
    }
}

fn with_activity(rule: String, active: Option<bool>) -> String {
    let activity = match active {
        Some(true) => "active",
        Some(false) => "not active",
        None => return rule,
    };
    if rule.is_empty() { activity.to_string() } else { format!("{activity}: {rule}") }
}

fn read_words(read: &TriggerRead) -> (String, String) {
    let amount = |milli: &i64| Decimal(*milli).to_string();
    match read {
        TriggerRead::Value { milli } => (amount(milli), String::new()),
        TriggerRead::Cached { milli } => (amount(milli), "as at the last poll".to_string()),
        TriggerRead::Fallback { milli, failures } => {
            (amount(milli), format!("the fallback's, after {}", times(*failures)))
        }
        TriggerRead::Nil { failures } => ("nil".to_string(), format!("after {}", times(*failures))),
        TriggerRead::Failed { why, failures: 0 } => (String::new(), reason(*why).to_string()),
        TriggerRead::Failed { why, failures } => {
            (String::new(), format!("{}, {} so far", reason(*why), times(*failures)))
        }
    }
}

fn times(failures: i32) -> String {
    if failures == 1 { "1 failure".to_string() } else { format!("{failures} failures") }
}

fn reason(why: Unavailable) -> &'static str {
    match why {
        Unavailable::Missing => "no value",
        Unavailable::Stale => "the value is stale",
        Unavailable::Invalid => "the value can't be used",
        Unavailable::Failed => "the source could not be asked",
    }
}

fn composite_words(result: &CompositeResult) -> (String, String) {
    let amount = |milli: &i64| Decimal(*milli).to_string();
    match result {
        CompositeResult::Value { milli } => (amount(milli), String::new()),
        CompositeResult::Nil { milli } => (amount(milli), "the fallback's: it is nil".to_string()),
        CompositeResult::Fallback { milli } => {
            (amount(milli), "a trigger's fallback stands in".to_string())
        }
        CompositeResult::TriggerFailed => (String::new(), "a trigger failed".to_string()),
        CompositeResult::NoFallback => {
            (String::new(), "it is nil, and there is no fallback".to_string())
        }
        CompositeResult::OutOfRange => {
            (String::new(), "it is not a number that counts".to_string())
        }
        CompositeResult::NotCompiled => (String::new(), "it can't be compiled".to_string()),
        CompositeResult::Failed { error } => (String::new(), error.clone()),
    }
}

fn action_words(action: Action) -> String {
    match action {
        Action::Activate { to } => format!("a trigger is active: to {to} at once"),
        Action::ActivationPaused => "a trigger is active, but the way up is paused".to_string(),
        Action::StayActive => "a trigger is active".to_string(),
        Action::PartialError => "a trigger is active, another one failed".to_string(),
        Action::AwaitFallback => "a trigger failed: its fallback will say".to_string(),
        Action::TriggerError => "a trigger failed: nothing goes to 0".to_string(),
        Action::Deactivate { to } => {
            format!("no trigger is active, and the cooldown is over: to {to} at once")
        }
        Action::CoolDown { until } => format!("no trigger is active, cooling down until {until}"),
        Action::DeactivationPaused => {
            "no trigger is active, but the way down is paused".to_string()
        }
        Action::RaiseToMin { to } => format!("no trigger is active: to the minimum, {to}"),
        Action::Rest => "no trigger is active".to_string(),
    }
}
