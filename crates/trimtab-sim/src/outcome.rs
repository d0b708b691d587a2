//! What came of it: the results of a backtest, as they are written to JSON and drawn in the report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimtab_engine::Digest;

use crate::Objective;

/// A whole backtest: every policy on every workload at every lead time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backtest {
    /// What was assumed.
    pub settings: Settings,
    /// One per workload and lead time.
    pub comparisons: Vec<Comparison>,
}

/// What a backtest assumed, for whoever wants to run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The version of trimtab.
    pub trimtab: String,
    /// The seed that all chance came from.
    pub seed: u64,
    /// The service profile.
    pub profile: String,
    /// What was promised. The first one is the one that policies are ranked by.
    pub objectives: Vec<Objective>,
    /// What a cost is counted in: `GPU-hours`, or the currency where the pools have prices.
    pub cost_unit: String,
    /// All other settings as text by name, in the order in which to show them.
    pub details: Vec<(String, String)>,
}

/// The policies on one workload, with one lead time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comparison {
    /// What arrived.
    pub workload: WorkloadSummary,
    /// How long a start took, as text: `120s`, or `median 150s, p95 400s`.
    pub lead_time: String,
    /// The least that serving every request within the objectives takes.
    pub bound: BoundSummary,
    /// One per policy.
    pub runs: Vec<Run>,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSummary {
    /// Its name.
    pub name: String,
    /// How many requests.
    pub requests: u64,
    /// From the first arrival's clock zero to the last arrival, in seconds.
    pub seconds: f64,
    /// Mean tokens of a prompt.
    pub mean_input_tokens: f64,
    /// Mean tokens of an answer.
    pub mean_output_tokens: f64,
    /// The most requests per second over any minute of the clock.
    pub peak_per_second: f64,
}

/// The clairvoyant bound.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BoundSummary {
    /// In replica-seconds.
    pub replica_seconds: f64,
    /// In the unit of the costs, at the price of the cheapest pool.
    pub cost: f64,
}

/// One policy on one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// The policy's name.
    pub policy: String,
    /// Its fingerprint.
    pub digest: Digest,
    /// The fields that a sweep set, by path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuning: BTreeMap<String, String>,
    /// It could not [beat](crate::Candidate::to_beat) what it was to beat, and all here is up to the moment when
    /// that was sure.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub ended_early: bool,
    /// What became of the requests.
    pub requests: RequestCounts,
    /// One per objective, in their order.
    pub attainment: Vec<Attained>,
    /// What users felt.
    pub latency: Latency,
    /// Where the replicas' time went.
    pub replica_seconds: ReplicaSeconds,
    /// One per pool.
    pub pools: Vec<PoolCost>,
    /// The sum over the pools, in the unit of the costs.
    pub cost: f64,
    /// Replicas that were started.
    pub starts: u64,
    /// Replicas that were stopped by a decision.
    pub stops: u64,
    /// Replicas whose node was lost or taken back, but for those that were draining already.
    pub losses: u64,
    /// Seconds in which the ready replicas could do less than the work that arrived.
    pub under_provisioned_seconds: f64,
    /// The least replica-seconds that serve what this run served within the objectives.
    pub bound_replica_seconds: f64,
    /// `bound_replica_seconds` over the replica-seconds spent, in [0, 1].
    pub efficiency: f64,
    /// No other run attains more for less.
    pub on_front: bool,
    /// How many decisions were made.
    pub decisions: u64,
    /// The course of it.
    pub timeline: Timeline,
}

/// What became of the requests: each is served, rejected or cut, exactly once.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestCounts {
    /// All of them.
    pub arrived: u64,
    /// Got their last token.
    pub served: u64,
    /// Turned away at the gateway.
    pub rejected: u64,
    /// Lost with their replica, or still waiting when the simulation ended.
    pub cut: u64,
}

/// How far an objective was met.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attained {
    /// The share of all requests that were within it, in [0, 1].
    pub share: f64,
    /// Whether that is enough.
    pub met: bool,
}

/// Latencies in seconds, as they were felt: a request that was cut later has a first token, and
/// tokens until then.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// Time to first token, of the requests that got one.
    pub ttft: Quantiles,
    /// Time between two tokens of a request, token by token.
    pub itl: Quantiles,
    /// Time per output token, of the requests that were served.
    pub tpot: Quantiles,
    /// From arrival to the last token, of the requests that were served.
    pub e2e: Quantiles,
}

/// Quantiles in seconds, to three digits; all 0 where nothing was measured.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quantiles {
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// Of 20, one is above.
    pub p95: f64,
    /// Of 100, one is above.
    pub p99: f64,
}

/// Replica-seconds by state.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplicaSeconds {
    /// Wanted, but without a node: it costs nothing and serves nothing.
    pub pending: f64,
    /// On its way to being ready.
    pub starting: f64,
    /// Ready, with requests.
    pub busy: f64,
    /// Ready, without any.
    pub idle: f64,
    /// In the warm pool, or being promoted from it.
    pub warm: f64,
    /// Finishing its last requests.
    pub draining: f64,
}

impl ReplicaSeconds {
    /// What was spent: all but `pending`.
    pub fn spent(&self) -> f64 {
        self.starting + self.busy + self.idle + self.warm + self.draining
    }
}

/// What one pool cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolCost {
    /// The pool.
    pub pool: String,
    /// GPU-hours of its nodes, from launch to release, used or not.
    pub gpu_hours: f64,
    /// In the unit of the costs.
    pub cost: f64,
}

/// The course of a run in equal steps, in columns of one length. Counts are means over a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeline {
    /// The length of a step.
    pub step_seconds: f64,
    /// Requests that arrived per second.
    pub arrivals_per_second: Vec<f64>,
    /// Replicas that the arriving work keeps busy: work per second, in replicas.
    pub need: Vec<f64>,
    /// Replicas asked for.
    pub wanted: Vec<f64>,
    /// Replicas without a node.
    pub pending: Vec<f64>,
    /// Replicas starting.
    pub starting: Vec<f64>,
    /// Replicas ready.
    pub ready: Vec<f64>,
    /// Replicas warm.
    pub warm: Vec<f64>,
    /// Replicas draining.
    pub draining: Vec<f64>,
    /// Requests that wait, in the gateway and in the replicas.
    pub queue: Vec<f64>,
    /// Time to first token of what got its first token in the step: median; `None` without any.
    pub ttft_p50: Vec<Option<f64>>,
    /// The 95th percentile.
    pub ttft_p95: Vec<Option<f64>>,
    /// The 99th percentile.
    pub ttft_p99: Vec<Option<f64>>,
    /// The decision to show at each step: the last one that changed the count in it, else its last.
    pub decision: Vec<Option<u32>>,
    /// Those decisions.
    pub decisions: Vec<Explained>,
}

/// A decision in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explained {
    /// When, in whole seconds of the trace.
    pub at_seconds: i64,
    /// The replicas that there were.
    pub from: i32,
    /// The replicas that were asked for.
    pub to: i32,
    /// Why, in lines.
    pub text: String,
}
