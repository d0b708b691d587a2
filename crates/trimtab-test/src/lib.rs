#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bless;
mod coverage;
mod feed;
mod format;
mod run;
pub mod words;

pub use bless::{Conflict, bless};
pub use coverage::{Coverage, Part};
pub use feed::{Form, Given, Observer, Pair, PairError, Replica, ReplicaState, Series, pair};
pub use format::{
    BacktestCase, BacktestFigure, BacktestLoad, Check, ConditionWanted, Count, CountSeries, Files,
    FleetInput, Item, Limit, Matcher, MetricInput, Notation, NotationError, PolicyOrigin, Ready,
    Sample, StepLimit, Suite, Test, TestFile, TestLimits, Total, Wanted, Word, read, read_within,
};
pub use run::{Edit, Failure, FileResult, Host, NoHost, Step, TestResult, run, run_with};
