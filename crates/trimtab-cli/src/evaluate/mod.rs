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
mod trial;
mod why;

pub use trial::{EvaluateError, Evaluated, Load, Server, Trial};

use std::io::Write;

use trimtab_engine::strategy::hpa::MetricStatus;
use trimtab_engine::{Decision, LogEntry, MetricResult, Policy};
use trimtab_manifest::PolicyKind;
use trimtab_metric::Span;
use trimtab_test::{Form, Series};

use crate::Exit;
use crate::args::EvaluateArgs;
use crate::error::CommandError;
use crate::input::{Input, is_stdin, stdin_once};
use crate::policy_file;
use crate::replace_file::FileToBe;
use feed::Feed;
use report::{LoadLine, MappingLine, Picture, PolicyLine, Report};
use tally::Tally;
use trial::{Done, Kind, Subject};

pub(crate) fn run(args: &EvaluateArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let path = args.requests.as_deref().or(args.series.as_deref());
    stdin_once(&[("--policy", Some(&args.policy.policy)), ("--series or --requests", path)])?;
    let document = policy_file::load(&args.policy)?;
    let policy = &document.policy;
    let mut log = match args.log.as_deref() {
        Some(path) if is_stdin(path) => {
            return Err(CommandError::argument("`--log` has to name a file"));
        }
        Some(path) => Some(FileToBe::create(path)?),
        None => None,
    };
    let trial = trial(args)?;
    if let Some(log) = &mut log {
        log.write_json_line(&LogEntry::Policy(policy.spec().clone()))?;
    }
    let subject = Subject { name: &document.metadata.name, kind: document.kind, policy };
    let done = trial.go(subject, &mut |record| match &mut log {
        Some(log) => log.write_json_line(&LogEntry::Decision(record)),
        None => Ok(()),
    })?;
    if let Some(log) = log {
        log.commit()?;
    }

    let Done { report, history, metric } = done;
    if args.json {
        report.write_json(out)?;
    } else {
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

/// What the arguments ask for.
fn trial(args: &EvaluateArgs) -> Result<Trial, CommandError> {
    let load = match (&args.requests, &args.series) {
        (Some(path), _) => Kind::Requests(Input::open(path)?, Server::new(&args.server)),
        (None, Some(path)) => Kind::Series(Input::open(path)?),
        (None, None) => return Err(CommandError::argument("there is no load to try it on")),
    };
    Ok(Trial {
        load: Load(load),
        sync: args.sync,
        replicas: args.replicas,
        maps: args.maps.clone(),
        rate_scale: args.rate_scale,
    })
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

fn report(rate_scale: f64, subject: Subject<'_>, feed: &Feed, sync: Span, tally: &Tally) -> Report {
    let kind = match subject.kind {
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
            name: subject.name.to_owned(),
            kind: String::from(kind),
            digest: subject.policy.digest(),
            bounds: subject.policy.bounds(),
        },
        load: LoadLine {
            file: feed.name().to_owned(),
            extent: feed.extent(),
            rate_scale,
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
