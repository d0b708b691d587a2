//! `trimtab evaluate`: a policy over recorded load, open loop.

mod feed;
mod history;
mod moment;
mod observations;
mod offered_load;
mod plot;
mod report;
mod requests;
mod rows;
mod table;
mod tally;
mod why;

use std::io::Write;

use trimtab_engine::strategy::hpa::MetricStatus;
use trimtab_engine::{
    Decision, DecisionRecord, LogEntry, MetricResult, Policy, ScaleUpdate, State,
};
use trimtab_manifest::{PolicyDocument, PolicyKind};
use trimtab_metric::Span;
use trimtab_test::{Form, Series};

use crate::Exit;
use crate::args::EvaluateArgs;
use crate::error::CommandError;
use crate::input::{is_stdin, stdin_once};
use crate::policy_file;
use crate::replace_file::FileToBe;
use feed::{Feed, Seen};
use history::History;
use report::{LoadLine, MappingLine, Picture, PolicyLine, Report};
use tally::Tally;

/// More decisions than anyone means to make: a hundred days of one per second.
const MOST_DECISIONS: u64 = 10_000_000;

pub(crate) fn run(args: &EvaluateArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let load = args.requests.as_deref().or(args.series.as_deref());
    stdin_once(&[("--policy", Some(&args.policy.policy)), ("--series or --requests", load)])?;
    let document = policy_file::load(&args.policy)?;
    let policy = &document.policy;
    let sync = args.sync.unwrap_or(policy.period());
    if sync <= Span::ZERO {
        return Err(CommandError::argument(format!(
            "`--sync {sync}` is no time between decisions"
        )));
    }
    let mut log = match args.log.as_deref() {
        Some(path) if is_stdin(path) => {
            return Err(CommandError::argument("`--log` has to name a file"));
        }
        Some(path) => Some(FileToBe::create(path)?),
        None => None,
    };
    let mut feed = Feed::open(args, policy, sync)?;
    if let Some(log) = &mut log {
        log.write_json_line(&LogEntry::Policy(policy.spec().clone()))?;
    }

    let first_count = feed.first_count().unwrap_or(policy.bounds().min.max(1));
    let mut run = Run {
        policy,
        state: State::for_policy(policy),
        replicas: args.replicas.unwrap_or(first_count),
        tally: Tally::new(policy),
        history: History::new(sync),
        log,
    };
    while let Some(seen) = feed.next(run.replicas)? {
        run.take(seen, &feed)?;
    }
    let Run { tally, history, log, .. } = run;
    if tally.decisions() == 0 {
        let message = format!("the file ends before the first decision, {sync} after its start");
        return Err(CommandError::in_file(feed.name(), message)
            .with_help("record for longer, or decide more often with `--sync`"));
    }
    if let Some(log) = log {
        log.commit()?;
    }

    let report = report(args, &document, &feed, sync, &tally);
    if args.json {
        report.write_json(out)?;
    } else {
        let metric = tally.winner();
        let picture = (!args.no_plot).then(|| Picture {
            history: &history,
            metric,
            title: title(policy, &report, metric),
            width: args.width.map_or_else(terminal_width, usize::from),
        });
        report.write_text(args.changes, picture.as_ref(), out)?;
    }
    Ok(Exit::Done)
}

/// A policy on its way through the load.
struct Run<'p> {
    policy: &'p Policy,
    state: State,
    replicas: i32,
    tally: Tally,
    history: History,
    log: Option<FileToBe>,
}

impl Run<'_> {
    /// Decides once.
    fn take(&mut self, seen: Seen, feed: &Feed) -> Result<(), CommandError> {
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
        if let Some(log) = &mut self.log {
            log.write_json_line(&LogEntry::Decision(record))?;
        }
        Ok(())
    }
}

/// What each metric was, by its place, where there is no series to show.
fn measured(policy: &Policy, decision: &Decision) -> Vec<Option<f64>> {
    let mut load = vec![None; policy.metrics().len()];
    for step in decision.metrics() {
        let MetricResult::Measured(measured) = &step.result else {
            continue;
        };
        let slot = usize::try_from(step.index).ok().and_then(|index| load.get_mut(index));
        if let Some(slot) = slot {
            *slot = Some(match measured.status {
                MetricStatus::Utilization { percent, .. } => f64::from(percent),
                MetricStatus::AverageValue { milli } | MetricStatus::Value { milli } => {
                    milli as f64 / 1000.0
                }
            });
        }
    }
    load
}

fn report(
    args: &EvaluateArgs,
    document: &PolicyDocument,
    feed: &Feed,
    sync: Span,
    tally: &Tally,
) -> Report {
    let kind = match document.kind {
        PolicyKind::ScalingPolicy => "ScalingPolicy",
        PolicyKind::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        _ => "policy",
    };
    let (mapping, server, sync_seconds) = match feed {
        Feed::Series { recorded, observer, server } => {
            let series = |index: usize| recorded.series().get(index).map(Series::column);
            let lines = observer.pairs().map(|pair| MappingLine {
                metric: pair.metric.clone(),
                series: series(pair.series).unwrap_or_default(),
            });
            (lines.collect(), server.clone(), Some(sync))
        }
        Feed::Observations(_) => (Vec::new(), None, None),
    };
    Report {
        policy: PolicyLine {
            name: document.metadata.name.clone(),
            kind: String::from(kind),
            digest: document.policy.digest(),
            bounds: document.policy.bounds(),
        },
        load: LoadLine {
            file: feed.name().to_owned(),
            extent: feed.extent(),
            rate_scale: args.rate_scale,
            first_decision: tally.first,
            last_decision: tally.last,
            sync_seconds,
        },
        mapping,
        server,
        assumptions: assumptions(feed),
        changes: tally.changes.clone(),
        totals: tally.totals(),
    }
}

/// What the numbers rest on.
fn assumptions(feed: &Feed) -> Vec<String> {
    let Feed::Series { observer, server, .. } = feed else {
        return vec![String::from(
            "open loop: where an observation says how many replicas there are, that counts, and the \
             policy's own count is only compared",
        )];
    };
    let mut texts = vec!["open loop: a decision takes effect at once, and all replicas are ready"];
    if server.is_some() {
        texts.push("a request takes its own time, however many wait (Little's law)");
        texts.push("each request holds its input and half of its output in the KV cache");
        return texts.into_iter().map(String::from).collect();
    }
    let has = |forms: &[Form]| observer.pairs().any(|pair| forms.contains(&pair.form));
    if has(&[Form::Shared]) {
        texts.push("totals stay as recorded, and the replicas share them equally");
    } else if has(&[Form::Total]) {
        texts.push("totals stay as recorded, however many replicas there are");
    }
    if has(&[Form::Each, Form::Percent]) {
        texts.push(
            "what each replica reports stays as recorded, however many there are: above its target, \
             such a metric drives the count to the maximum",
        );
    }
    texts.into_iter().map(String::from).collect()
}

/// The title of the load that is plotted.
fn title(policy: &Policy, report: &Report, metric: usize) -> String {
    match (report.mapping.get(metric), policy.metrics().get(metric)) {
        (Some(mapping), _) => mapping.series.clone(),
        (None, Some(metric)) => metric.name().to_owned(),
        (None, None) => String::from("load"),
    }
}

fn terminal_width() -> usize {
    terminal_size::terminal_size()
        .map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns).clamp(40, 160))
}
