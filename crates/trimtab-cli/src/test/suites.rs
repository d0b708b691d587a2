//! All test files that are asked for, run one after the other.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use trimtab_engine::Policy;
use trimtab_manifest::Diagnostic;
use trimtab_test::{
    BacktestCase, FileResult, Host, Step, Test, TestFile, TestLimits, TestResult, run_with,
};

use super::args::TestArgs;
use super::backtest::Backtester;
use super::covered::Covered;
use super::discover;
use crate::error::CommandError;
use crate::process::Interrupt;

/// A test file and what came of it.
pub(super) struct Ran {
    /// As it was named.
    pub(super) path: String,
    pub(super) file: TestFile,
    pub(super) result: FileResult,
    /// How long it took.
    pub(super) took: Duration,
}

/// What came of all files.
pub(super) struct Outcome {
    pub(super) ran: Vec<Ran>,
    /// Files that could not be used.
    pub(super) refused: Vec<(String, CommandError)>,
    pub(super) covered: Covered,
    /// All files that were read.
    pub(super) read: Vec<PathBuf>,
}

impl Outcome {
    /// The tests that ran.
    pub(super) fn tests(&self) -> impl Iterator<Item = (&Ran, &TestResult)> {
        self.ran.iter().flat_map(|ran| ran.result.tests.iter().map(move |test| (ran, test)))
    }

    /// How many of them failed.
    pub(super) fn failed(&self) -> usize {
        self.tests().filter(|(_, test)| !test.passed()).count()
    }

    /// What is perhaps not meant as it is.
    pub(super) fn warnings(&self) -> impl Iterator<Item = (&Ran, &Diagnostic)> {
        self.ran.iter().flat_map(|ran| ran.file.warnings.iter().map(move |warning| (ran, warning)))
    }
}

pub(super) fn run(args: &TestArgs, interrupt: &Interrupt) -> Result<Outcome, CommandError> {
    let mut outcome = Outcome {
        ran: Vec::new(),
        refused: Vec::new(),
        covered: Covered::default(),
        read: Vec::new(),
    };
    for path in discover::find(&args.files)? {
        let name = path.display().to_string();
        match one(&path, args, interrupt, &mut outcome) {
            Ok(ran) => outcome.ran.push(ran),
            Err(error) => outcome.refused.push((name, error)),
        }
    }
    Ok(outcome)
}

/// Runs one file.
fn one(
    path: &Path,
    args: &TestArgs,
    interrupt: &Interrupt,
    outcome: &mut Outcome,
) -> Result<Ran, CommandError> {
    let name = path.display().to_string();
    let file = discover::load(path, &mut outcome.read)?;
    let start = Instant::now();
    let covered = (args.coverage || args.coverage_min.is_some()).then_some(&mut outcome.covered);
    let mut host = CommandHost {
        args,
        name: &name,
        covered,
        backtester: Backtester { test_file: path, interrupt },
    };
    if let Some(covered) = &mut host.covered {
        file.suites.iter().for_each(|suite| covered.begin(suite));
    }
    let result = run_with(&file, &mut host, &TestLimits::default());
    Ok(Ran { path: name, file, result, took: start.elapsed() })
}

/// What the command adds to the runner.
struct CommandHost<'a> {
    args: &'a TestArgs,
    name: &'a str,
    covered: Option<&'a mut Covered>,
    backtester: Backtester<'a>,
}

impl Host for CommandHost<'_> {
    fn backtest(
        &mut self,
        policy: &Policy,
        case: &BacktestCase,
    ) -> Option<Result<Vec<f64>, String>> {
        Some(self.backtester.run(policy, case))
    }

    fn see(&mut self, policy: &Policy, step: Step<'_>) {
        if let Some(covered) = &mut self.covered {
            covered.take(policy, step.record);
        }
    }

    fn wants(&mut self, test: &Test) -> bool {
        let id = title(self.name, &test.name);
        // What is left after an interrupt is not begun.
        !self.backtester.interrupt.is_noted()
            && self.args.run.as_ref().is_none_or(|regex| regex.is_match(&id))
    }
}

/// What a test is called.
pub(super) fn title(path: &str, name: &str) -> String {
    format!("{path}::{name}")
}

/// A count with its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
