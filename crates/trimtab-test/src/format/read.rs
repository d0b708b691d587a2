//! A text to tests: the file, its documents, and each test of them.

use trimtab_engine::Policy;
use trimtab_manifest::{
    Block, Diagnostic, Field, ManifestError, Problem, ProblemKind, Severity, Source, Span as Place,
    read_documents,
};
use trimtab_metric::{Span, Timestamp};

use super::policy::{NoPolicy, Tested, tested};
use super::read_backtest::backtests;
use super::read_checks::{Checks, checks};
use super::read_series::{Series, series};
use super::{Suite, Test, TestFile, TestLimits};

/// How the reader gets the text of another file: by its path from the test file. What can't be read is
/// said in a few words.
pub type Files<'f> = &'f mut dyn FnMut(&str) -> Result<Source, String>;

/// Reads a test file, within the default [`TestLimits`].
///
/// # Errors
///
/// Everything that is wrong with it, each with its place; or what is wrong with the first policy that it
/// names.
///
/// ```
/// use trimtab_manifest::Source;
/// use trimtab_test::read;
///
/// let source = Source::new("llm_test.yaml", "\
/// policy:
///   apiVersion: autoscaling/v2
///   kind: HorizontalPodAutoscaler
///   metadata: {name: llm}
///   spec:
///     scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
///     maxReplicas: 8
///     metrics:
///     - {type: External, external: {metric: {name: queue}, target: {type: AverageValue, averageValue: 4}}}
/// tests:
/// - name: a queue asks for more
///   input_series: [{series: queue, values: 0 30x3}]
///   expect: [{at: 15s, replicas: 4}, {at: 45s, replicas: 8, reasons: [metric.queue]}]
/// ");
/// let file = read(&source, &mut |path| Err(format!("there is no `{path}`")))?;
/// assert_eq!(file.len(), 1);
/// assert!(trimtab_test::run(&file).passed());
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
pub fn read(source: &Source, files: Files<'_>) -> Result<TestFile, ManifestError> {
    read_within(source, files, &TestLimits::default())
}

/// Reads a test file, within other limits.
///
/// # Errors
///
/// As [`read`].
pub fn read_within(
    source: &Source,
    files: Files<'_>,
    limits: &TestLimits,
) -> Result<TestFile, ManifestError> {
    let documents = read_documents(source, &limits.text)?;
    let mut reader = Reader::new(source, limits);
    if documents.len() > limits.max_documents {
        let most = limits.max_documents;
        let message = format!("there are more than {most} documents in {}", source.name());
        reader.problems.push(Problem::new(ProblemKind::DocumentCount, Place::default(), message));
        return Err(ManifestError::from_problems(source.clone(), reader.problems));
    }
    let mut suites = Vec::new();
    for document in &documents {
        match reader.suite(document.field(), files) {
            Ok(suite) => suites.extend(suite),
            Err(refused) => return Err(refused),
        }
    }
    if documents.is_empty() {
        let message = "there is no document here";
        reader.problems.push(Problem::new(ProblemKind::DocumentCount, Place::default(), message));
    }
    if reader.problems.is_empty() {
        Ok(TestFile { source: source.clone(), suites, warnings: reader.warnings })
    } else {
        Err(ManifestError::from_problems(source.clone(), reader.problems))
    }
}

/// On the way through a file.
pub(super) struct Reader<'s> {
    pub(super) source: &'s Source,
    pub(super) limits: &'s TestLimits,
    pub(super) problems: Vec<Problem>,
    warnings: Vec<Diagnostic>,
    names: Vec<String>,
    /// Values of series so far.
    pub(super) values: u64,
}

/// What a test has from its file.
#[derive(Copy, Clone)]
struct Defaults {
    interval: Span,
    start: Timestamp,
}

impl<'s> Reader<'s> {
    fn new(source: &'s Source, limits: &'s TestLimits) -> Self {
        let (problems, warnings, names) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, limits, problems, warnings, names, values: 0 }
    }

    /// A problem of a value.
    pub(super) fn unusable(&mut self, field: &Field<'_>, message: impl AsRef<str>, help: &str) {
        let problem = field.problem(ProblemKind::Unusable, message);
        self.problems.push(if help.is_empty() { problem } else { problem.with_help(help) });
    }

    fn suite(&mut self, root: Field<'_>, files: Files<'_>) -> Result<Option<Suite>, ManifestError> {
        let Some(mut top) = Block::new(root.clone(), &mut self.problems) else { return Ok(None) };
        let tested = match tested(&mut top, self.source, files) {
            Ok(tested) => Some(tested),
            Err(NoPolicy::Here(problems)) => {
                self.problems.extend(problems);
                None
            }
            Err(NoPolicy::There(error)) => return Err(error),
        };
        let interval = self.interval(&mut top);
        let start = top.get::<Timestamp>("start", &mut self.problems);
        let list = top.field("tests");
        top.refuse_rest(&mut self.problems);
        let Some(list) = list else {
            self.problems.push(top.missing("tests").with_help("a test file has a list of tests"));
            return Ok(None);
        };
        let items = list.items(&mut self.problems);
        if items.is_empty() && list.is_list() {
            self.unusable(&list, "there are no tests here", "");
        }
        // What a test says can't be told without its policy.
        let Some(Tested { policy, metadata, origin, warnings }) = tested else { return Ok(None) };
        self.warnings.extend(warnings);
        let defaults = Defaults {
            interval: interval.unwrap_or(policy.period()),
            start: start.map_or(Timestamp::UNIX_EPOCH, |(start, _)| start),
        };
        let mut tests = Vec::new();
        for item in items {
            if self.names.len() >= self.limits.max_tests {
                let most = self.limits.max_tests;
                self.unusable(&item, format!("there are more than {most} tests"), "");
                break;
            }
            tests.extend(self.test(item, &policy, defaults));
        }
        if !tests.is_empty() && !tests.iter().any(Test::expects_something) {
            let help = "say what a decision has to be, such as `expect: [{at: 1m, replicas: 4}]`";
            self.unusable(&list, "no test here expects anything", help);
        }
        Ok(Some(Suite { policy, metadata, origin, tests }))
    }

    fn interval(&mut self, block: &mut Block<'_>) -> Option<Span> {
        let (interval, field) = block.get::<Span>("interval", &mut self.problems)?;
        if interval <= Span::ZERO {
            let message = format!("`{interval}` is no time between two decisions");
            self.unusable(&field, message, "it is longer than nothing, such as `15s`");
            return None;
        }
        Some(interval)
    }

    fn test(&mut self, item: Field<'_>, policy: &Policy, defaults: Defaults) -> Option<Test> {
        let mut block = Block::new(item, &mut self.problems)?;
        let before = self.problems.len();
        let name = block.required::<String>("name", &mut self.problems);
        let note = block.get::<String>("note", &mut self.problems).map(|(note, _)| note);
        let interval = self.interval(&mut block).unwrap_or(defaults.interval);
        let start = block.get::<Timestamp>("start", &mut self.problems);
        let (replicas, ready_replicas) = self.initial(&mut block, policy);
        let zones = block.get::<Vec<String>>("zones", &mut self.problems);
        let Series { pairs, inputs, fleet, steps } = series(self, &mut block, policy);
        let duration = self.duration(&mut block, interval);
        let steps = duration.unwrap_or(steps);
        let Checks { checks, totals } = checks(self, &mut block, policy, interval, steps);
        let backtests = backtests(self, &mut block);
        block.refuse_rest(&mut self.problems);
        let (name, field) = name?;
        self.names(&name, &field);
        if self.problems.len() > before {
            return None;
        }
        if steps == 0 && !(checks.is_empty() && totals.is_empty()) {
            let help = "give a series with values, or a `duration`";
            self.unusable(&field, "the test has no decisions", help);
            return None;
        }
        if steps > self.limits.max_steps {
            let most = self.limits.max_steps;
            self.unusable(&field, format!("the test has more than {most} decisions"), "");
            return None;
        }
        let test = Test {
            name,
            place: field.span(),
            number: self.names.len(),
            note,
            interval,
            start: start.map_or(defaults.start, |(start, _)| start),
            steps,
            replicas,
            ready_replicas,
            zones: zones.map_or(Vec::new(), |(zones, _)| zones),
            pairs,
            inputs,
            fleet,
            checks,
            totals,
            backtests,
        };
        if !test.expects_something() {
            let message = format!("the test `{}` expects nothing", test.name);
            self.warnings.push(
                Diagnostic::new(Severity::Warning, field.span(), message).with_help(
                    "say what has to hold under `expect`, `always`, `never` or `totals`",
                ),
            );
        }
        Some(test)
    }

    fn names(&mut self, name: &str, field: &Field<'_>) {
        if name.trim().is_empty() {
            self.unusable(field, "a test has a name", "");
        } else if self.names.iter().any(|other| other == name) {
            let message = format!("there are two tests `{name}`");
            self.unusable(field, message, "say what is different about it");
        }
        self.names.push(name.to_owned());
    }

    /// The counts before the first decision.
    fn initial(&mut self, block: &mut Block<'_>, policy: &Policy) -> (i32, Option<i32>) {
        let default = policy.bounds().min.max(1).min(self.limits.max_replicas);
        let Some(mut initial) = block.block("initial", &mut self.problems) else {
            return (default, None);
        };
        let replicas = initial.get::<i32>("replicas", &mut self.problems);
        let ready = initial.get::<i32>("ready_replicas", &mut self.problems);
        initial.refuse_rest(&mut self.problems);
        for (count, field) in replicas.iter().chain(&ready) {
            if *count < 0 {
                self.unusable(field, format!("`{count}` is no count"), "it is 0 or more");
            } else if *count > self.limits.max_replicas {
                let most = self.limits.max_replicas;
                self.unusable(field, format!("a test has at most {most} replicas"), "");
            }
        }
        let count = replicas.map_or(default, |(replicas, _)| replicas);
        if let Some((ready, field)) = ready.as_ref().filter(|(ready, _)| *ready > count) {
            self.unusable(field, format!("{ready} of {count} replicas can't be ready"), "");
        }
        (count, ready.map(|(ready, _)| ready))
    }

    /// How many decisions there are within `duration`.
    fn duration(&mut self, block: &mut Block<'_>, interval: Span) -> Option<u64> {
        let (duration, field) = block.get::<Span>("duration", &mut self.problems)?;
        let steps = self.step(duration, interval, &field)?;
        Some(steps.saturating_add(1))
    }

    /// The decision that is so long after the first.
    pub(super) fn step(&mut self, at: Span, interval: Span, field: &Field<'_>) -> Option<u64> {
        let (at, interval) = (at.as_millis(), interval.as_millis().max(1));
        if at < 0 {
            self.unusable(field, "nothing is decided before the start", "");
            return None;
        }
        if at % interval != 0 {
            let interval = Span::from_millis(interval);
            let message =
                format!("`{}` is no multiple of the interval, {interval}", Span::from_millis(at));
            let nearest = at.saturating_add(interval.as_millis() / 2) / interval.as_millis();
            let nearest = Span::from_millis(nearest.saturating_mul(interval.as_millis()));
            self.unusable(field, message, &format!("there is a decision at {nearest}"));
            return None;
        }
        u64::try_from(at / interval).ok()
    }
}
