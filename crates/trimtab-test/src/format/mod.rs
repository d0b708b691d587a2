//! What a test file says, checked and with the places of all that is expected.

mod expectation;
mod input;
mod limits;
mod notation;
mod policy;
mod read;
mod read_backtest;
mod read_checks;
mod read_fleet;
mod read_series;
mod series_name;

pub use expectation::{
    BacktestCase, BacktestFigure, BacktestLoad, Check, ConditionWanted, Count, Limit, Matcher,
    StepLimit, Total, Wanted, Word,
};
pub use input::{CountSeries, FleetInput, MetricInput, Ready};
pub use limits::TestLimits;
pub use notation::{Item, Notation, NotationError, Sample};
pub use policy::PolicyOrigin;
pub use read::{Files, read, read_within};

use trimtab_engine::Policy;
use trimtab_manifest::{Diagnostic, Metadata, Source, Span as Place};
use trimtab_metric::{Span, Timestamp};

use crate::feed::Pair;

/// A test file: its suites, one per document.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestFile {
    /// The text.
    pub source: Source,
    /// Its documents.
    pub suites: Vec<Suite>,
    /// What is perhaps not meant as it is.
    pub warnings: Vec<Diagnostic>,
}

/// The tests of one policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suite {
    /// The policy.
    pub policy: Policy,
    /// What it is called.
    pub metadata: Metadata,
    /// Where it is from.
    pub origin: PolicyOrigin,
    /// The tests, in the order of the text.
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its place in the file, from 1.
    pub number: usize,
    /// Why it has to be so.
    pub note: Option<String>,
    /// Time between two decisions.
    pub interval: Span,
    /// The time of the first decision.
    pub start: Timestamp,
    /// How many decisions there are.
    pub steps: u64,
    /// The count before the first decision.
    pub replicas: i32,
    /// How many of those are ready, if not all.
    pub ready_replicas: Option<i32>,
    /// The zones that replicas are put into, in turn.
    pub zones: Vec<String>,
    /// What each metric takes, in the policy's order.
    pub pairs: Vec<Pair>,
    /// The series by [`Pair::series`].
    pub inputs: Vec<MetricInput>,
    /// What the replicas do.
    pub fleet: FleetInput,
    /// What is expected of decisions, in the order of the text.
    pub checks: Vec<Check>,
    /// What is expected of sums.
    pub totals: Vec<(Total, Wanted)>,
    /// What is expected of the policy on simulated servers.
    pub backtests: Vec<BacktestCase>,
}

impl TestFile {
    /// How many tests there are.
    pub fn len(&self) -> usize {
        self.suites.iter().map(|suite| suite.tests.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tests with their suites, in the order of the text.
    pub fn tests(&self) -> impl Iterator<Item = (&Suite, &Test)> {
        self.suites.iter().flat_map(|suite| suite.tests.iter().map(move |test| (suite, test)))
    }
}

impl Test {
    /// Whether anything is expected.
    pub fn expects_something(&self) -> bool {
        !(self.checks.is_empty() && self.totals.is_empty() && self.backtests.is_empty())
    }

    /// How many series there are, of single replicas and labels too.
    pub(crate) fn series(&self) -> usize {
        let inputs = self.inputs.iter().map(MetricInput::series);
        inputs.sum::<usize>().saturating_add(self.fleet.own_in_flight.len())
    }

    /// How long after the start a decision is made.
    pub fn offset(&self, step: u64) -> Span {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        Span::from_millis(self.interval.as_millis().saturating_mul(step))
    }
}
