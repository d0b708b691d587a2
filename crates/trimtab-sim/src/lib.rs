#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod backtest;
mod bound;
pub mod cluster;
pub mod metrics;
mod moment;
mod objective;
mod outcome;
mod profile;
mod random;
pub mod report;
mod request;
mod scenario;
mod server;
mod simulation;
pub mod supply;
mod survey;
pub mod sweep;
mod trace;
mod workload_summary;

pub use backtest::{BacktestError, Candidate, Plan, Progress, Quiet, Site};
pub use bound::{Bound, BoundBuilder, Overlap, Work};
pub use cluster::{Cluster, ClusterSpec, InvalidCluster};
pub use moment::Moment;
pub use objective::{Measure, Objective, ParseObjectiveError};
pub use outcome::{
    Attained, Backtest, BoundSummary, Comparison, Explained, Latency, PoolCost, Quantiles,
    ReplicaSeconds, RequestCounts, Run, Settings, Timeline, WorkloadSummary,
};
pub use profile::{Alone, DecodeTime, InvalidProfile, PrefillTime, ServiceProfile};
pub use random::Random;
pub use request::{Request, Requests, Workload, WorkloadError};
pub use scenario::Scenario;
pub use server::{Load, Served, Server, ServerEvents};
pub use simulation::{
    PoolsDisagree, Simulated, Simulation, SimulationError, Standing, Unwatched, Watch,
};
pub use survey::{Survey, SurveyError, survey};
pub use trace::{TokenLength, TokenLengths, Trace, TraceFormat, TraceOptions};
pub use workload_summary::{summarize, summarize_with};
