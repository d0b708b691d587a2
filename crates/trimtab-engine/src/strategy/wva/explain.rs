//! What WVA did, with the numbers that it did it with, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};

use libm::round;
use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::percentage::Verdict;
use crate::policy::Finite;

/// A step of WVA's own.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum WvaStep {
    /// V1: the spare KV cache and queue.
    #[serde(rename_all = "camelCase")]
    Spare {
        /// What follows.
        verdict: Verdict,
        /// Replicas that reported.
        reporting: i32,
        /// Those that are not saturated.
        non_saturated: i32,
        /// Their mean spare KV cache.
        kv_cache: Finite,
        /// Their mean spare queue.
        queue: Finite,
    },
    /// V1: a replica is on its way, or does not report, so nothing new is decided.
    InTransition {
        /// How many replicas there are.
        current: i32,
        /// How many report.
        reporting: i32,
        /// What was published and is not reached.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        desired: Option<i32>,
    },
    /// V2: demand and capacity in tokens.
    #[serde(rename_all = "camelCase")]
    Tokens {
        /// What is wanted.
        demand: Finite,
        /// What the ready replicas can hold.
        supply: Finite,
        /// What is missing.
        required: Finite,
        /// What may go.
        spare: Finite,
        /// What one replica can hold.
        per_replica: i64,
    },
    /// Between two analyses, the count of the last one.
    Published {
        /// When the next one is due.
        next: Timestamp,
    },
    /// Without scale to zero one replica stays.
    AtLeastOne,
    /// No request has come for the retention period.
    Idle {
        /// Since when.
        since: Timestamp,
    },
    /// The HPA does not follow: the change is within its tolerance.
    Tolerated {
        /// What was published over what is there; absent when it is not finite.
        ratio: Option<Finite>,
    },
    /// Requests wait at the gateway, and there is no replica.
    Woken {
        /// How many, in thousandths.
        queued: i64,
    },
    /// There is no replica, and no request waits at the gateway.
    Asleep,
}

/// Subject, measure and rule.
pub(crate) fn words(step: &WvaStep) -> (String, String, String) {
    let plain = |rule: &str| (String::new(), String::new(), rule.to_string());
    match step {
        WvaStep::Spare { verdict, reporting, non_saturated, kv_cache, queue } => {
            let measure = format!("KV {:.3}, queue {:.1}", kv_cache.get(), queue.get());
            let rule = match verdict {
                Verdict::ScaleUp => "too little is spare: one more",
                Verdict::AwaitsPending => "too little is spare, and a replica is starting",
                Verdict::ScaleDown => "one less leaves enough spare",
                Verdict::Enough | Verdict::InTransition => "enough is spare, and one less is not",
            };
            let full = reporting.saturating_sub(*non_saturated);
            let full = if full == 0 { String::new() } else { format!(" ({full} full)") };
            ("spare".to_string(), measure, format!("{rule}{full}"))
        }
        WvaStep::InTransition { current, reporting, desired } => {
            let rule = match desired {
                Some(desired) => format!("in transition: {desired} published, {current} there"),
                None => format!("in transition: {reporting} of {current} report"),
            };
            plain(&rule)
        }
        WvaStep::Tokens { demand, supply, required, spare, per_replica } => {
            let tokens = |value: &Finite| round(value.get());
            let measure = format!("{} of {}", tokens(demand), tokens(supply));
            let rule = if *per_replica <= 0 {
                "no replica has a known capacity".to_string()
            } else if required.get() > 0.0 {
                format!("{} missing at {per_replica} each, rounded up", tokens(required))
            } else if spare.get() > 0.0 {
                format!("{} spare at {per_replica} each, rounded down", tokens(spare))
            } else {
                "neither missing nor spare".to_string()
            };
            ("tokens".to_string(), measure, rule)
        }
        WvaStep::Published { next } => plain(&format!("as published; next analysis {next}")),
        WvaStep::AtLeastOne => plain("one replica stays"),
        WvaStep::Idle { since } => plain(&format!("no request since {since}")),
        WvaStep::Tolerated { ratio } => {
            let ratio = ratio.map_or(f64::NAN, Finite::get);
            plain(&format!("the HPA tolerates a ratio of {ratio:.3}"))
        }
        WvaStep::Woken { queued } => {
            plain(&format!("{} requests wait at the gateway", queued / 1000))
        }
        WvaStep::Asleep => plain("no request waits at the gateway"),
    }
}
