//! Tests are run: decision by decision, against what is expected.

mod compare;
mod fleet;
mod look;
mod tally;
mod watch;

pub use compare::Edit;

use std::collections::BTreeMap;

use trimtab_engine::{DecisionRecord, Policy, ScaleUpdate, State};
use trimtab_manifest::{Colour, Diagnostic, Severity, Source, Span as Place};
use trimtab_metric::{Span, Timestamp};

use self::compare::amount;
use self::fleet::Fleet;
use self::look::Look;
use self::tally::Tally;
use self::watch::{Finding, Watch};
use crate::format::{BacktestCase, BacktestFigure, Suite, Test, TestFile, TestLimits};

/// What came of a file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FileResult {
    /// The tests, in the order of the text.
    pub tests: Vec<TestResult>,
}

/// What came of a test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Its place in the file, from 1.
    pub number: usize,
    /// Where its name stands.
    pub place: Place,
    /// How many decisions were made.
    pub decisions: u64,
    /// What is not as expected; nothing: the test passed.
    pub failures: Vec<Failure>,
    /// How many backtests nobody ran.
    pub skipped_backtests: usize,
}

/// One thing that is not as expected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// What it is, where, and how the decision was made.
    pub diagnostic: Diagnostic,
    /// How long after the start the decision was made that it is about.
    pub at: Option<Span>,
    /// How that decision was made.
    pub explanation: Option<String>,
    /// The number to write in place of the expected one to have it as it is.
    pub bless: Option<Edit>,
}

/// A decision of a test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'r> {
    /// The test.
    pub test: &'r Test,
    /// Which decision, from 0.
    pub step: u64,
    /// What it depended on, and what was decided, with its trace.
    pub record: &'r DecisionRecord,
}

/// What a test needs of its host beside the text.
pub trait Host {
    /// Runs a backtest and gives its figures, in the order of [`BacktestCase::figures`]; nothing where there is no
    /// simulator. An error is why it can't be run.
    fn backtest(
        &mut self,
        policy: &Policy,
        case: &BacktestCase,
    ) -> Option<Result<Vec<f64>, String>> {
        let _ = (policy, case);
        None
    }

    /// Sees each decision.
    fn see(&mut self, policy: &Policy, step: Step<'_>) {
        let _ = (policy, step);
    }

    /// Whether to run a test.
    fn wants(&mut self, test: &Test) -> bool {
        let _ = test;
        true
    }
}

/// A host that runs all tests, and no backtests.
#[derive(Copy, Clone, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {}

impl FileResult {
    /// Whether every test passed.
    pub fn passed(&self) -> bool {
        self.tests.iter().all(TestResult::passed)
    }
}

impl TestResult {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Failure {
    /// As text, with the line in question; for terminals in colour.
    pub fn render(&self, source: &Source, colour: Colour) -> String {
        self.diagnostic.render(source, colour)
    }
}

/// Runs the tests of a file, within the default limits and without backtests.
pub fn run(file: &TestFile) -> FileResult {
    run_with(file, &mut NoHost, &TestLimits::default())
}

/// Runs the tests of a file that a host wants to have run.
pub fn run_with(file: &TestFile, host: &mut dyn Host, limits: &TestLimits) -> FileResult {
    let mut work = limits.max_work;
    let mut tests = Vec::new();
    for (suite, test) in file.tests() {
        if host.wants(test) {
            tests.push(run_test(suite, test, host, limits, &mut work));
        }
    }
    FileResult { tests }
}

/// Runs one test.
fn run_test(
    suite: &Suite,
    test: &Test,
    host: &mut dyn Host,
    limits: &TestLimits,
    work: &mut u64,
) -> TestResult {
    let mut run = Run::new(&suite.policy, test);
    let mut stopped = None;
    while run.step < test.steps {
        if let Err(why) = run.decide(host, limits, work) {
            stopped = Some(why);
            break;
        }
    }
    let decisions = run.step;
    let mut failures = run.finish(stopped.is_none());
    failures.extend(stopped.map(|why| {
        let at = test.offset(decisions);
        let message = format!("the test can't go on at {at}: {why}");
        let diagnostic = Diagnostic::new(Severity::Error, test.place, message).with_code("T010");
        Failure { diagnostic, at: None, explanation: None, bless: None }
    }));
    let mut skipped_backtests = 0;
    for case in &test.backtests {
        match host.backtest(&suite.policy, case) {
            None => skipped_backtests += 1,
            Some(figures) => failures.extend(backtested(case, figures)),
        }
    }
    if let Some(note) = &test.note {
        for failure in &mut failures {
            failure.diagnostic = failure.diagnostic.clone().with_note(note);
        }
    }
    let (name, number, place) = (test.name.clone(), test.number, test.place);
    TestResult { name, number, place, decisions, failures, skipped_backtests }
}

/// A test on its way.
struct Run<'t> {
    policy: &'t Policy,
    test: &'t Test,
    observer: crate::feed::Observer,
    fleet: Fleet<'t>,
    state: State,
    watches: Vec<Watch<'t>>,
    /// Those that are about one decision, by it; the others are about many.
    at: BTreeMap<u64, Vec<usize>>,
    many: Vec<usize>,
    tally: Tally,
    step: u64,
}

impl<'t> Run<'t> {
    fn new(policy: &'t Policy, test: &'t Test) -> Self {
        // The count before stood an interval before the first decision.
        let before = (test.start.saturating_sub(test.interval), test.replicas);
        let watches: Vec<Watch<'_>> =
            test.checks.iter().map(|check| Watch::new(check, before)).collect();
        let mut at: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        let mut many = Vec::new();
        for (index, watch) in watches.iter().enumerate() {
            match watch.step() {
                Some(step) => at.entry(step).or_default().push(index),
                None => many.push(index),
            }
        }
        Self {
            policy,
            test,
            observer: crate::feed::Observer::new(policy, test.pairs.clone()),
            fleet: Fleet::new(test),
            state: State::for_policy(policy),
            watches,
            at,
            many,
            tally: Tally::new(policy),
            step: 0,
        }
    }

    /// The next decision; why there is none if there can be none.
    fn decide(
        &mut self,
        host: &mut dyn Host,
        limits: &TestLimits,
        work: &mut u64,
    ) -> Result<(), String> {
        let (test, step) = (self.test, self.step);
        let offset = test.offset(step);
        let now: Timestamp = test.start.saturating_add(offset);
        let replicas = self.fleet.count(step);
        if replicas.is_some_and(|replicas| replicas > limits.max_replicas) {
            let most = limits.max_replicas;
            return Err(format!("there are more than {most} replicas"));
        }
        let fleet = self.fleet.at(step, now);
        let series = test.series().saturating_add(test.pairs.len()).saturating_add(1);
        let seen = fleet.len().saturating_add(1).saturating_mul(series);
        spend(work, seen.saturating_add(self.many.len()), limits)?;
        let mut observation = self.observer.observe(now, replicas, fleet, |pair| {
            let input = test.inputs.get(pair.series);
            input.map_or(crate::feed::Given::One(crate::format::Sample::Missing), |input| {
                input.at(step)
            })
        });
        self.fleet.add_supply(step, &mut observation);
        let before = std::mem::take(&mut self.state);
        let (mut record, state) = DecisionRecord::decide(self.policy, before, observation)
            .map_err(|error| error.to_string())?;
        self.state = state;
        if self.fleet.follows() {
            let state = std::mem::take(&mut self.state);
            self.state = record.settle(self.policy, state, ScaleUpdate::Applied);
            let decision = &record.decision;
            self.fleet.follow(decision.desired_replicas, decision.retire.as_ref(), now);
        }
        let look = Look::new(self.policy, &record.decision, step, offset);
        let at = self.at.get(&step).map(Vec::as_slice).unwrap_or_default();
        for index in self.many.iter().chain(at) {
            if let Some(watch) = self.watches.get_mut(*index) {
                watch.take(&look);
            }
        }
        if !test.totals.is_empty() {
            let unknown = look.words().iter().filter(|word| word.starts_with("error.")).count();
            self.tally.take(&record.decision, unknown);
        }
        spend(work, look.explained(), limits)?;
        host.see(self.policy, Step { test, step, record: &record });
        self.step += 1;
        Ok(())
    }

    /// What is not as expected; sums only of a test that ran to its end.
    fn finish(self, to_its_end: bool) -> Vec<Failure> {
        let (test, ran) = (self.test, self.step);
        let mut found: Vec<Finding> =
            self.watches.into_iter().flat_map(|watch| watch.finish(ran)).collect();
        for (total, wanted) in test.totals.iter().filter(|_| to_its_end) {
            let is = self.tally.total(*total);
            found.extend(amount(wanted, is).map(|unmet| Finding {
                code: "T008",
                place: unmet.place,
                message: format!(
                    "expected {} `{}`, got {}",
                    unmet.expected,
                    total.name(),
                    unmet.got
                ),
                label: format!("got {}", unmet.got),
                step: None,
                others: 0,
                explanation: None,
                bless: unmet.bless,
            }));
        }
        found.sort_by_key(|finding| finding.place.start);
        // A decision that several expectations are about is explained once.
        let mut explained: Vec<u64> = Vec::new();
        for finding in &mut found {
            match finding.step {
                Some(step) if explained.contains(&step) => finding.explanation = None,
                Some(step) if finding.explanation.is_some() => explained.push(step),
                _ => {}
            }
        }
        found.into_iter().map(|finding| failure(test, finding)).collect()
    }
}

/// Counts what is looked at, and the bytes that are said of it.
fn spend(work: &mut u64, cost: usize, limits: &TestLimits) -> Result<(), String> {
    *work = work.checked_sub(cost as u64).ok_or_else(|| {
        let most = limits.max_work;
        format!("the tests of this file look at more than {most} replicas and readings")
    })?;
    Ok(())
}

fn failure(test: &Test, finding: Finding) -> Failure {
    let at = finding.step.map(|step| test.offset(step));
    let mut diagnostic = Diagnostic::new(Severity::Error, finding.place, finding.message)
        .with_code(finding.code)
        .with_label(finding.label);
    if let Some(explanation) = &finding.explanation {
        diagnostic = diagnostic.with_note(explanation);
    }
    let explanation = finding.explanation.map(|text| text.to_string());
    match finding.others {
        0 => {}
        1 => diagnostic = diagnostic.with_note("1 more decision is like this"),
        others => {
            diagnostic = diagnostic.with_note(format!("{others} more decisions are like this"))
        }
    }
    Failure { diagnostic, at, explanation, bless: finding.bless }
}

/// What of a backtest is not as expected.
fn backtested(case: &BacktestCase, figures: Result<Vec<f64>, String>) -> Vec<Failure> {
    let failure = |diagnostic: Diagnostic| Failure {
        diagnostic: diagnostic.with_code("T009"),
        at: None,
        explanation: None,
        bless: None,
    };
    let figures = match figures {
        Ok(figures) => figures,
        Err(why) => {
            let message = format!("the backtest can't be run: {why}");
            return vec![failure(Diagnostic::new(Severity::Error, case.place, message))];
        }
    };
    let pairs = case.figures.iter().zip(figures);
    let unmet = pairs.filter_map(|((figure, wanted), is)| {
        let unmet = amount(wanted, is)?;
        let name = BacktestFigure::name(*figure);
        let message =
            format!("expected {} `{name}` of the backtest, got {}", unmet.expected, unmet.got);
        let label = format!("got {}", unmet.got);
        Some(failure(Diagnostic::new(Severity::Error, unmet.place, message).with_label(label)))
    });
    unmet.collect()
}
