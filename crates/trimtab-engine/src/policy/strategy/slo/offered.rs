//! How a policy says what makes a demand the load that is offered, and what one replica takes of it.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::policy::Finite;

/// What a demand's reading leaves out of the load that is offered, and when it is cut off.
///
/// The metrics that it names stand in `metrics`, and are read as wholes: of a metric per pod, the sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloOfferedSpec {
    /// What the demand counts. Default `inFlight`.
    #[serde(default)]
    pub counts: SloCounts,
    /// Requests that wait and are not in the reading: added. For `inFlight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Requests that were turned away since the last decision, as a count: added; by the second where
    /// the demand is a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Requests that are turned away, per second: added, as many as there would be of them at once
    /// where the demand is `inFlight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_per_second: Option<String>,
    /// How long a request stays, in seconds, above 0: what makes `rejectedPerSecond` a number in
    /// flight. Needed with both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residence_seconds: Option<Finite>,
    /// Requests that wait, where the demand is a rate: what they become more by is added to
    /// completions, and they are worked off. Needed for `completions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<String>,
    /// Within which time the backlog is to be worked off, in seconds, at least 0; 0 leaves it. Default:
    /// the lead time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_seconds: Option<i32>,
    /// At so much for each ready replica the reading is cut off, above 0: what one replica holds or
    /// does at most. Default: it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored_at: Option<Quantity>,
    /// At so much in all what waits is cut off, above 0: the room of the queue. Default: it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_censored_at: Option<Quantity>,
    /// By how much a load that is cut off is taken for more, in percent, at least 0. Default 25.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored_growth_percent: Option<Finite>,
}

/// What a demand counts.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SloCounts {
    /// What is there at a moment: requests, tokens.
    #[default]
    InFlight,
    /// What comes per second, whatever becomes of it.
    Arrivals,
    /// What is done per second: an overloaded server does no more than it can.
    Completions,
}

/// How a demand learns what one replica takes: by what it does while its queue is full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloLearnedSpec {
    /// The queue, by its name in `metrics`.
    pub queue: String,
    /// With so much of it for each ready replica, or more, they do what they can; above 0.
    pub queue_at: Quantity,
    /// How much of that a replica should have, in percent, above 0 to 100. Default 85.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_percent: Option<Finite>,
}

/// [`SloOfferedSpec`] with the defaults filled in and metrics by their places.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SloOffered {
    /// What the demand counts.
    pub counts: SloCounts,
    /// What waits beside it.
    pub waiting: Option<u32>,
    /// What was turned away since the last look.
    pub rejected: Option<u32>,
    /// What is turned away per second.
    pub rejected_per_second: Option<u32>,
    /// How long a request stays, in seconds; 1 where a rate is to stay one.
    pub residence: f64,
    /// What waits and is to be worked off.
    pub backlog: Option<u32>,
    /// Within which time.
    pub drain: Span,
    /// What one replica has at most.
    pub censored_at: Option<f64>,
    /// What waits at most.
    pub queue_censored_at: Option<f64>,
    /// A load that is cut off counts so many times.
    pub censored_factor: f64,
}

/// [`SloLearnedSpec`] with the defaults filled in and metrics by their places.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SloLearned {
    /// The queue.
    pub queue: Option<u32>,
    /// What of it makes a replica full.
    pub queue_at: f64,
    /// The share of what a full one does that one should have.
    pub share: f64,
}

impl SloOfferedSpec {
    /// The metrics that it names, with the fields that do.
    pub(in crate::policy) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("waiting", &self.waiting),
            ("rejected", &self.rejected),
            ("rejectedPerSecond", &self.rejected_per_second),
            ("backlog", &self.backlog),
        ]
        .into_iter()
        .filter_map(|(field, name)| Some((field, name.as_deref()?)))
    }

    pub(super) fn settings(
        &self,
        lead_time: Span,
        place: impl Fn(&str) -> Option<u32>,
    ) -> SloOffered {
        let of = |name: &Option<String>| name.as_deref().and_then(&place);
        let units = |quantity: &Quantity| crate::float::from_i64(quantity.milli()) / 1000.0;
        SloOffered {
            counts: self.counts,
            waiting: of(&self.waiting),
            rejected: of(&self.rejected),
            rejected_per_second: of(&self.rejected_per_second),
            residence: self.residence_seconds.map_or(1.0, Finite::get),
            backlog: of(&self.backlog),
            drain: self.drain_seconds.map_or(lead_time, |it| Span::from_secs(i64::from(it))),
            censored_at: self.censored_at.as_ref().map(units),
            queue_censored_at: self.queue_censored_at.as_ref().map(units),
            censored_factor: 1.0 + self.censored_growth_percent.map_or(25.0, Finite::get) / 100.0,
        }
    }
}

impl SloLearnedSpec {
    pub(super) fn settings(&self, place: impl Fn(&str) -> Option<u32>) -> SloLearned {
        SloLearned {
            queue: place(&self.queue),
            queue_at: crate::float::from_i64(self.queue_at.milli()) / 1000.0,
            share: self.target_percent.map_or(85.0, Finite::get) / 100.0,
        }
    }
}
