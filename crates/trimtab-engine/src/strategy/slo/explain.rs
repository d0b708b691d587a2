//! What `slo` did, with the numbers that it did it with, and the words for it.

use alloc::format;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::average::Average;
use super::load::finite;
use super::offered::Load;
use super::signal::{Known, Seen};
use crate::observation::Unavailable;
use crate::policy::{Finite, SloRole};
use crate::trace::{Rule, Step};

/// A step of `strategy: slo`. Metrics are given by their place in the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum SloStep {
    /// What is known of a signal.
    Signal {
        /// Its place.
        index: u32,
        /// Its metric.
        name: String,
        /// What it may do.
        role: SloRole,
        /// Its target.
        target: Finite,
        /// That.
        known: Known,
    },
    /// What samples of a demand come to.
    Sampled {
        /// Whose.
        metric: u32,
        /// Over the window.
        mean: Finite,
        /// Over its last seconds.
        recent: Finite,
    },
    /// What a demand's reading leaves out of the load that is offered.
    Offered {
        /// Whose.
        metric: u32,
        /// What was read.
        read: Finite,
        /// What waits beside it.
        waiting: Finite,
        /// What was turned away.
        rejected: Finite,
        /// What the backlog becomes more by, per second.
        growth: Finite,
        /// What it takes to work the backlog off, per second.
        drain: Finite,
        /// All together.
        load: Finite,
    },
    /// A demand reads as much as it can: there may be more.
    Censored {
        /// Whose.
        metric: u32,
        /// It is taken for so many times as much.
        factor: Finite,
    },
    /// What one replica was seen to take at a full queue.
    Capacity {
        /// Of which demand.
        metric: u32,
        /// That, at the median.
        capacity: Finite,
        /// What it should have.
        target: Finite,
        /// Of so many observations.
        observations: u32,
    },
    /// How many replicas the service model takes for a rate.
    Model {
        /// Of which demand.
        metric: u32,
        /// Requests per second.
        rate: Finite,
        /// Mean tokens of a prompt.
        input_tokens: Finite,
        /// Mean tokens of an answer.
        output_tokens: Finite,
        /// Requests per second that one replica sustains.
        sustained: Finite,
        /// The least that meet the objectives.
        replicas: Finite,
        /// Seconds to the first token with so many, rounded up, at the objective's quantile.
        ttft: Finite,
        /// An objective is too near to what an idle replica takes.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        out_of_reach: bool,
        /// How many times as long as told a replica takes, where that is learned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slowness: Option<Finite>,
    },
    /// What the load needs, and what it may grow by within a lead time.
    Need {
        /// Whose load is the largest.
        metric: u32,
        /// The load over what one replica takes.
        need: Finite,
        /// What is kept beside it, in replicas.
        headroom: Finite,
        /// What it needed within the last lead time and what that may grow by, if that is more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grown: Option<Finite>,
        /// What is missing is too little for a start.
        #[serde(default, skip_serializing_if = "is_false")]
        within_tolerance: bool,
    },
    /// What a load counts as, by how many requests missed what was promised.
    ErrorBudget {
        /// The share that kept the promise.
        metric: u32,
        /// What was missed beyond what may be, in budgets of a window.
        overspent: Finite,
        /// What the load is multiplied by.
        factor: Finite,
    },
    /// No demand is known.
    NoLoad,
    /// No trigger is at its activation: nothing is added.
    NotTriggered,
    /// A trigger is not under its release, or would be at its activation with fewer.
    NotReleased {
        /// The fewest.
        floor: i32,
    },
    /// A latency is over its objective.
    Latency {
        /// Which.
        metric: u32,
        /// The latency over its objective.
        ratio: Finite,
        /// How many replicas were ready.
        ready: i32,
    },
    /// A latency is too near to its objective for anything to go.
    HeldByLatency {
        /// Which.
        metric: u32,
    },
    /// Nothing is known of a signal.
    Unknown {
        /// Which.
        metric: u32,
    },
    /// A guard is over its limit.
    Guard {
        /// Which.
        metric: u32,
        /// Over its hard limit.
        one_more: bool,
    },
    /// Replicas that should have been ready by now are not counted on.
    Overdue {
        /// How many.
        replicas: i32,
    },
    /// The last replica stays.
    LastReplica {
        /// Until then, if nothing comes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

impl SloStep {
    pub(super) fn sampled(metric: u32, average: &Average) -> Self {
        let (mean, recent) = (finite(average.mean), finite(average.recent()));
        Self::Sampled { metric, mean, recent }
    }

    pub(super) fn offered(metric: u32, read: f64, load: Load) -> Self {
        let Load { low, waiting, rejected, growth, drain, .. } = load;
        let [read, waiting, rejected, growth, drain, load] =
            [read, waiting, rejected, growth, drain, low].map(finite);
        Self::Offered { metric, read, waiting, rejected, growth, drain, load }
    }
}

/// The name of the signal at `index`.
pub(crate) fn name_of(steps: &[Step], index: u32) -> Option<&str> {
    steps.iter().find_map(|step| match &step.rule {
        Rule::Slo(SloStep::Signal { index: own, name, .. }) if *own == index => Some(name.as_str()),
        _ => None,
    })
}

/// Subject, measure and rule.
pub(crate) fn words(step: &SloStep, steps: &[Step]) -> (String, String, String) {
    let name = |index: &u32| name_of(steps, *index).unwrap_or("a signal").to_string();
    let plain = |rule: &str| (String::new(), String::new(), rule.to_string());
    match step {
        SloStep::Signal { name, role, target, known, .. } => {
            let target = Some(*target).filter(|_| *role != SloRole::Part);
            let (measure, rule) = known_words(*known, target);
            let rule = format!("{}{rule}", role_word(*role));
            (name.clone(), measure, rule)
        }
        SloStep::Sampled { metric, mean, recent } => {
            let rule = format!("sampled: {} on average, {} lately", number(*mean), number(*recent));
            (name(metric), String::new(), rule)
        }
        SloStep::Offered { metric, read, waiting, rejected, growth, drain, load } => {
            let more = [
                (*waiting, "that wait"),
                (*rejected, "turned away"),
                (*growth, "the backlog's growth"),
                (*drain, "to work it off"),
            ];
            let mut rule = format!("offered: {} read", number(*read));
            for (amount, what) in more.into_iter().filter(|(amount, _)| amount.get() != 0.0) {
                rule.push_str(&format!(", {} {what}", number(amount)));
            }
            (name(metric), number(*load), rule)
        }
        SloStep::Censored { metric, factor } => {
            let rule = format!("as much as it can read: taken {} times", number(*factor));
            (name(metric), String::new(), rule)
        }
        SloStep::Capacity { metric, capacity, target, observations } => {
            let (capacity, target) = (number(*capacity), number(*target));
            let rule = format!(
                "full replicas had {capacity}, the median of {observations}: {target} for each"
            );
            (name(metric), String::new(), rule)
        }
        SloStep::Model { metric, .. } => (name(metric), String::new(), model_words(step)),
        SloStep::Need { metric, need, headroom, grown, within_tolerance } => {
            let beside = match (grown, headroom.get()) {
                (Some(grown), _) => format!(", {:.2} with what it may grow by", grown.get()),
                (None, 0.0) => String::new(),
                (None, headroom) => format!(" and {headroom:.2} beside it"),
            };
            let end = if *within_tolerance { ": within the tolerance" } else { ", rounded up" };
            let rule = format!("the load needs {:.2}{beside}{end}", need.get());
            (name(metric), String::new(), rule)
        }
        SloStep::ErrorBudget { metric, overspent, factor } => {
            let (spent, what) = match overspent.get() {
                overspent if overspent > 0.0 => (overspent, "overspent"),
                to_spare => (0.0 - to_spare, "to spare"),
            };
            let factor = factor.get();
            let rule =
                format!("{spent:.2} of the error budget {what}: loads count {factor:.2} times");
            (name(metric), String::new(), rule)
        }
        SloStep::NoLoad => plain("no load is known: the count holds"),
        SloStep::NotTriggered => plain("no trigger is at its activation"),
        SloStep::NotReleased { floor } => plain(&format!("a trigger holds {floor}")),
        SloStep::Latency { metric, ratio, ready } => {
            let rule = format!("{:.2} of its objective, from {ready} ready", ratio.get());
            (name(metric), String::new(), rule)
        }
        SloStep::HeldByLatency { metric } => {
            (name(metric), String::new(), "too near to its objective for less".to_string())
        }
        SloStep::Unknown { metric } => {
            (name(metric), String::new(), "nothing is known of it".to_string())
        }
        SloStep::Guard { metric, one_more } => {
            let rule = if *one_more { "over its hard limit: one more" } else { "over its limit" };
            (name(metric), String::new(), rule.to_string())
        }
        SloStep::Overdue { replicas } => {
            plain(&format!("{replicas} should be ready by now, and are not counted on"))
        }
        SloStep::LastReplica { until: Some(until) } => {
            plain(&format!("the last replica stays until {until}, if nothing comes"))
        }
        SloStep::LastReplica { until: None } => plain("the last replica stays"),
    }
}

/// How the service model came to its count.
fn model_words(step: &SloStep) -> String {
    let SloStep::Model { rate, input_tokens, output_tokens, sustained, ttft, .. } = step else {
        return String::new();
    };
    let SloStep::Model { replicas, out_of_reach, slowness, .. } = step else {
        return String::new();
    };
    let slowness = match slowness {
        Some(slowness) => format!(", all takes {:.2} times as long as told", slowness.get()),
        None => String::new(),
    };
    let reach = if *out_of_reach { ", an objective is out of reach" } else { "" };
    format!(
        "{:.2} for {} per second of {:.0} + {:.0} tokens: one sustains {:.2}, TTFT {:.2} s{slowness}{reach}",
        replicas.get(),
        number(*rate),
        input_tokens.get(),
        output_tokens.get(),
        sustained.get(),
        ttft.get(),
    )
}

fn number(value: Finite) -> String {
    let text = format!("{:.3}", value.get());
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn role_word(role: SloRole) -> &'static str {
    match role {
        SloRole::Trigger => "trigger",
        SloRole::Demand => "demand",
        SloRole::Latency => "latency",
        SloRole::Guard => "guard",
        SloRole::Part => "part",
    }
}

fn known_words(known: Known, target: Option<Finite>) -> (String, String) {
    match known {
        Known::Value(Seen { low, high, silent }) => {
            let value = if low == high {
                number(low)
            } else {
                format!("{} to {}", number(low), number(high))
            };
            let silent = match silent {
                0 => String::new(),
                silent => format!(", {silent} silent"),
            };
            let of = target.map(|target| format!(" of {}", number(target))).unwrap_or_default();
            (format!("{value}{of}"), silent)
        }
        Known::Unavailable { why } => (String::new(), format!(", {}", reason(why))),
        Known::TooFew { reported, ready } => {
            (String::new(), format!(", only {reported} of {ready} replicas reported"))
        }
    }
}

fn reason(why: Unavailable) -> &'static str {
    match why {
        Unavailable::Missing => "no value",
        Unavailable::Stale => "the value is stale",
        Unavailable::Invalid => "the value can't be used",
        Unavailable::Failed => "the source could not be asked",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !*value
}
