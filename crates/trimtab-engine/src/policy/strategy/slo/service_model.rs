//! How a policy describes one replica, and what its users are promised.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::policy::Finite;
use crate::strategy::slo::{Objectives, ServiceModel};

/// One replica in coefficients, the mix of its requests, and the objectives: the least count that
/// meets them then stands in place of load over target.
///
/// Reading a prompt of `n` tokens takes `prefillFixedSeconds + prefillSecondsPerToken n +
/// prefillSecondsPerTokenSquared n²`, a decode step of `b` sequences with `c` tokens of context in all
/// `decodeFixedSeconds + decodeSecondsPerSequence b + decodeSecondsPerContextToken c`. They are
/// the fields of the simulator's service profiles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloServiceModelSpec {
    /// The demand in requests per second that it is about, by its name in `metrics`.
    pub rate: String,
    /// Mean tokens of a prompt, at least 1: while `inputTokensMetric` is not known, or without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<Finite>,
    /// A metric that tells the mean tokens of a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_metric: Option<String>,
    /// Mean tokens of an answer, at least 1: while `outputTokensMetric` is not known, or without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<Finite>,
    /// A metric that tells the mean tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_metric: Option<String>,
    /// To read a prompt, whatever its length, in seconds, at least 0. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_fixed_seconds: Option<Finite>,
    /// To read a token of it, in seconds, above 0. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_seconds_per_token: Option<Finite>,
    /// To read it, per squared token, in seconds, at least 0. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_seconds_per_token_squared: Option<Finite>,
    /// A decode step, whatever the batch, in seconds, above 0. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_fixed_seconds: Option<Finite>,
    /// A decode step, per sequence, in seconds, at least 0. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_seconds_per_sequence: Option<Finite>,
    /// A decode step, per token of context, in seconds, at least 0. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_seconds_per_context_token: Option<Finite>,
    /// Sequences that are decoded at once at most (`--max-num-seqs`), at least 1. Default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sequences: Option<i32>,
    /// Tokens that one iteration reads at most (`--max-num-batched-tokens`), at least 1. Default 2048.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batched_tokens: Option<i32>,
    /// Tokens that the KV cache holds, at least 1. Default: room for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_tokens: Option<Finite>,
    /// The squared coefficient of variation of the times between arrivals, at least 0. Default 1, that
    /// of Poisson arrivals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival_variation: Option<Finite>,
    /// That of the services, at least 0. Default 1, that of exponential times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_variation: Option<Finite>,
    /// Prompts wait in one queue, such as a gateway's, and go to a replica that has time. Default
    /// false: each is sent to a replica when it comes, and waits there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_queue: Option<bool>,
    /// What users are promised.
    #[serde(default)]
    pub objectives: SloObjectivesSpec,
    /// Learning how much slower or faster the replicas are. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refit: Option<SloRefitSpec>,
}

/// What users are promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloObjectivesSpec {
    /// To the first token, in seconds, above 0. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_seconds: Option<Finite>,
    /// Per token after the first, at the mean, in seconds, above 0. Default: whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpot_seconds: Option<Finite>,
    /// The share of requests that get their first token in time, 0 to below 1. Default 0.95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Finite>,
}

/// How the model learns how much slower or faster the replicas are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloRefitSpec {
    /// A metric that tells the mean time from one token to the next in milliseconds, of which there
    /// are too few in a thousandth of a second.
    pub tpot_milliseconds: String,
}

/// [`SloServiceModelSpec`] with the defaults filled in and metrics by their places.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SloModel {
    /// The demand that it is about.
    pub rate: Option<u32>,
    /// The mean tokens of prompts.
    pub input: SloTokens,
    /// The mean tokens of answers.
    pub output: SloTokens,
    /// One replica.
    pub model: ServiceModel,
    /// What users are promised.
    pub objectives: Objectives,
    /// What tells the milliseconds from one token to the next, where the model learns.
    pub refit: Option<u32>,
}

/// A mean number of tokens.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct SloTokens {
    /// What tells it.
    pub metric: Option<u32>,
    /// What it is while that is not known.
    pub constant: Option<f64>,
}

impl SloServiceModelSpec {
    /// The metrics that it names beside its demand, with the fields that do.
    pub(in crate::policy) fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let refit = self.refit.as_ref().map(|refit| refit.tpot_milliseconds.as_str());
        [
            ("inputTokensMetric", self.input_tokens_metric.as_deref()),
            ("outputTokensMetric", self.output_tokens_metric.as_deref()),
            ("refit.tpotMilliseconds", refit),
        ]
        .into_iter()
        .filter_map(|(field, name)| Some((field, name?)))
    }

    pub(super) fn settings(&self, place: impl Fn(&str) -> Option<u32>) -> SloModel {
        let of = |name: &Option<String>| name.as_deref().and_then(&place);
        let tokens = |metric: &Option<String>, constant: Option<Finite>| SloTokens {
            metric: of(metric),
            constant: constant.map(Finite::get),
        };
        SloModel {
            rate: place(&self.rate),
            input: tokens(&self.input_tokens_metric, self.input_tokens),
            output: tokens(&self.output_tokens_metric, self.output_tokens),
            model: self.model(),
            objectives: self.objectives(),
            refit: self.refit.as_ref().and_then(|refit| place(&refit.tpot_milliseconds)),
        }
    }

    /// What users are promised and how their requests come, with what is not given at its default.
    pub fn objectives(&self) -> Objectives {
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        Objectives {
            ttft: number(self.objectives.ttft_seconds, 0.0),
            tpot: self.objectives.tpot_seconds.map(Finite::get),
            quantile: number(self.objectives.quantile, 0.95),
            arrival_variation: number(self.arrival_variation, 1.0),
            service_variation: number(self.service_variation, 1.0),
            shared_queue: self.shared_queue.unwrap_or(false),
        }
    }

    /// One replica, with what is not given at its default.
    pub fn model(&self) -> ServiceModel {
        let number = |value: Option<Finite>| value.map_or(0.0, Finite::get);
        ServiceModel {
            prefill_fixed: number(self.prefill_fixed_seconds),
            prefill_per_token: number(self.prefill_seconds_per_token),
            prefill_per_token_squared: number(self.prefill_seconds_per_token_squared),
            decode_fixed: number(self.decode_fixed_seconds),
            decode_per_sequence: number(self.decode_seconds_per_sequence),
            decode_per_context_token: number(self.decode_seconds_per_context_token),
            max_sequences: f64::from(self.max_sequences.unwrap_or(256)),
            max_batched_tokens: f64::from(self.max_batched_tokens.unwrap_or(2048)),
            kv_cache_tokens: self.kv_cache_tokens.map_or(f64::INFINITY, Finite::get),
        }
    }
}
