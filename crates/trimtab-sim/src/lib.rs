#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod moment;
mod objective;
mod outcome;
mod profile;
mod random;
mod request;
mod server;

pub use moment::Moment;
pub use objective::{Measure, Objective, ParseObjectiveError};
pub use outcome::{
    Attained, Backtest, BoundSummary, Comparison, Explained, Latency, PoolCost, Quantiles,
    ReplicaSeconds, RequestCounts, Run, Settings, Timeline, WorkloadSummary,
};
pub use profile::{DecodeTime, PrefillTime, ServiceProfile};
pub use random::Random;
pub use request::{Request, Requests, Workload, WorkloadError};
pub use server::{Load, Server, ServerEvents};
