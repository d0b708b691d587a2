//! A policy tried on recorded load: what the command does, for whoever calls the library.

use std::io::BufReader;
use std::path::Path;

use thiserror::Error;
use trimtab_engine::{Decision, DecisionRecord, Policy, ScaleUpdate, State};
use trimtab_manifest::PolicyKind;
use trimtab_metric::Span;

use super::feed::{Feed, Seen};
use super::history::History;
use super::report::Report;
use super::tally::Tally;
use super::{measured, report};
use crate::error::CommandError;
use crate::input::Input;

pub use super::requests::Server;

/// More decisions than anyone means to make: a hundred days of one per second.
const MOST_DECISIONS: u64 = 10_000_000;

/// What a policy is tried on, and how.
#[derive(Debug)]
pub struct Trial {
    /// The load.
    pub load: Load,
    /// Time between two decisions; the policy's own by default.
    pub sync: Option<Span>,
    /// How many replicas there are at first; by default as recorded, else `minReplicas`.
    pub replicas: Option<i32>,
    /// Metrics of the policy, and the series that each takes.
    pub maps: Vec<(String, String)>,
    /// How many times each request, or each total, counts.
    pub rate_scale: f64,
}

/// Recorded load.
#[derive(Debug)]
pub struct Load(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Series(Input),
    Requests(Input, Server),
}

/// Whose policy is tried.
#[derive(Copy, Clone, Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) kind: PolicyKind,
    pub(super) policy: &'a Policy,
}

/// What came of it, and what the command draws of it.
pub(super) struct Done {
    pub(super) report: Report,
    pub(super) history: History,
    /// The metric that most often asked for the most, by its place.
    pub(super) metric: usize,
}

/// What came of it.
pub struct Evaluated(Report);

/// Why a policy can't be tried.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct EvaluateError {
    /// What is wrong.
    pub message: String,
    /// The file that it is in.
    pub file: Option<String>,
    /// The line of the file, from 1.
    pub line: Option<u64>,
    /// What would be right.
    pub help: Option<String>,
}

impl Load {
    /// The series of a file, or its observations.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub fn series(path: &Path) -> Result<Self, EvaluateError> {
        Ok(Self(Kind::Series(Input::open(path)?)))
    }

    /// The requests of a file, and how they are served.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub fn requests(path: &Path, server: Server) -> Result<Self, EvaluateError> {
        Ok(Self(Kind::Requests(Input::open(path)?, server)))
    }

    /// Series that are in memory, as a file has them, and what errors call them.
    pub fn series_of(name: &str, bytes: Vec<u8>) -> Self {
        Self(Kind::Series(Input::of_bytes(name, bytes)))
    }

    /// Requests that are in memory, as a file has them, and what errors call them.
    pub fn requests_of(name: &str, bytes: Vec<u8>, server: Server) -> Self {
        Self(Kind::Requests(Input::of_bytes(name, bytes), server))
    }
}

impl Trial {
    /// Tries a policy, by its name and the form that it was written in, and shows every decision; whoever
    /// sees one and says `false` ends it there.
    ///
    /// # Errors
    ///
    /// What is wrong with the load, or that it does not fit the policy.
    ///
    /// ```
    /// use trimtab_cli::{Load, Trial};
    /// use trimtab_manifest::PolicyKind;
    ///
    /// let policy = trimtab_engine::Policy::new(serde_json::from_str(
    ///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    ///         "maxReplicas": 10, "metrics": [{"type": "External", "external": {
    ///             "metric": {"name": "queue"},
    ///             "target": {"type": "AverageValue", "averageValue": "8"}}}]}"#,
    /// )?)?;
    /// let load = Load::series_of("series", b"time,queue\n0,8\n60,40\n120,40\n".to_vec());
    /// let trial = Trial { load, sync: None, replicas: None, maps: Vec::new(), rate_scale: 1.0 };
    ///
    /// let mut peak = 0;
    /// trial.run("llm", PolicyKind::ScalingPolicy, &policy, |decision| {
    ///     peak = peak.max(decision.desired_replicas);
    ///     true
    /// })?;
    /// assert_eq!(peak, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(
        self,
        name: &str,
        kind: PolicyKind,
        policy: &Policy,
        mut each: impl FnMut(&Decision) -> bool,
    ) -> Result<Evaluated, EvaluateError> {
        let refused = if !(self.rate_scale.is_finite() && self.rate_scale > 0.0) {
            Some(format!("a rate scale of `{}` is no positive number", self.rate_scale))
        } else {
            let negative = self.replicas.filter(|replicas| *replicas < 0);
            negative.map(|replicas| format!("`{replicas}` replicas: a count is 0 or more"))
        };
        if let Some(message) = refused {
            return Err(CommandError::argument(message).into());
        }
        let done = self.go(Subject { name, kind, policy }, &mut |record| {
            if each(&record.decision) { Ok(()) } else { Err(CommandError::Interrupted) }
        })?;
        Ok(Evaluated(done.report))
    }

    /// The same, and each record goes to `each` once it is counted.
    pub(super) fn go(
        self,
        subject: Subject<'_>,
        each: &mut dyn FnMut(DecisionRecord) -> Result<(), CommandError>,
    ) -> Result<Done, CommandError> {
        let policy = subject.policy;
        let sync = self.sync.unwrap_or(policy.period());
        if sync <= Span::ZERO {
            return Err(CommandError::argument(format!(
                "`--sync {sync}` is no time between decisions"
            )));
        }
        let (replicas, rate_scale) = (self.replicas, self.rate_scale);
        let mut feed = Feed::open(self, policy, sync)?;
        let first_count = feed.first_count().unwrap_or(policy.bounds().min.max(1));
        let mut run = Run {
            policy,
            state: State::for_policy(policy),
            replicas: replicas.unwrap_or(first_count),
            tally: Tally::new(policy),
            history: History::new(sync),
        };
        while let Some(seen) = feed.next(run.replicas)? {
            each(run.take(seen, &feed)?)?;
        }
        let Run { tally, history, .. } = run;
        if tally.decisions() == 0 {
            let message =
                format!("the file ends before the first decision, {sync} after its start");
            return Err(CommandError::in_file(feed.name(), message)
                .with_help("record for longer, or decide more often with `--sync`"));
        }
        let report = report(rate_scale, subject, &feed, sync, &tally);
        Ok(Done { report, history, metric: tally.winner() })
    }
}

/// A policy on its way through the load.
struct Run<'p> {
    policy: &'p Policy,
    state: State,
    replicas: i32,
    tally: Tally,
    history: History,
}

impl Run<'_> {
    /// Decides once.
    fn take(&mut self, seen: Seen, feed: &Feed) -> Result<DecisionRecord, CommandError> {
        if self.tally.decisions() == MOST_DECISIONS {
            let message = format!("there would be more than {MOST_DECISIONS} decisions");
            return Err(CommandError::in_file(feed.name(), message).with_help(
                "check that the times are in seconds, or decide less often (`--sync`)",
            ));
        }
        let Seen { observation, values, recorded, follows } = seen;
        let before = std::mem::take(&mut self.state);
        let (mut record, state) = DecisionRecord::decide(self.policy, before, observation)
            .map_err(|error| feed.wrong(error.to_string()))?;
        self.state =
            if follows { record.settle(self.policy, state, ScaleUpdate::Applied) } else { state };
        let decision = &record.decision;
        self.replicas = decision.desired_replicas;
        self.tally.take(decision, recorded);
        let load = if values.is_empty() { measured(self.policy, decision) } else { values };
        self.history.take(decision.at, load, decision.desired_replicas);
        Ok(record)
    }
}

impl Evaluated {
    /// The report as one JSON document, as `trimtab evaluate --json` writes it.
    ///
    /// # Errors
    ///
    /// None: whatever is in it can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.0)
    }
}

impl From<CommandError> for EvaluateError {
    fn from(error: CommandError) -> Self {
        let (file, line) = match &error {
            CommandError::Line { file, line, .. } => (Some(file.clone()), Some(*line)),
            CommandError::File { file, .. }
            | CommandError::Read { file, .. }
            | CommandError::Directory { file }
            | CommandError::TooLarge { file, .. } => (Some(file.clone()), None),
            _ => (None, None),
        };
        Self { message: error.to_string(), file, line, help: error.help() }
    }
}

impl Input {
    /// Bytes that are in memory, and what errors call them.
    fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        let reader = BufReader::new(std::io::Cursor::new(bytes));
        Self::plain(name.to_owned(), Box::new(reader))
    }
}
