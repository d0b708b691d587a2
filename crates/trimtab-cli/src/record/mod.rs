//! `trimtab record`: a Prometheus' history as what a policy would have seen.

pub(crate) mod args;
mod rates;

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use indicatif::ProgressStyle;
use serde::de::DeserializeOwned;
use trimtab_manifest::{Limits, from_str};
use trimtab_metric::Timestamp;
use trimtab_prometheus::{
    AuthSpec, PrometheusClient, PrometheusSource, QueriesSpec, RecordError, Recorded, Recorder,
    ServerSpec,
};

use crate::Exit;
use crate::error::CommandError;
use crate::input::{read_source, stdin_once};
use crate::policy_file;
use crate::process::Process;
use args::RecordArgs;

/// Times that were asked about, and how long it will take.
const TEMPLATE: &str = "{wide_bar} {human_pos} of {human_len} times, {eta} left";

/// Records.
pub(crate) fn run(
    args: &RecordArgs,
    process: Process,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CommandError> {
    stdin_once(&[
        ("--policy", Some(&args.policy.policy)),
        ("--server", args.server.as_deref()),
        ("--queries", args.queries.as_deref()),
    ])?;
    if args.output.as_os_str() == "-" {
        return Err(CommandError::argument("`--output` can't be standard output")
            .with_help("a recording that is interrupted goes on in its file: name one"));
    }
    let policy = policy_file::load(&args.policy)?.policy;
    let queries = queries(args)?;
    let client = PrometheusClient::new(&server(args)?).map_err(meant)?;
    let source = PrometheusSource::new(client.clone(), &queries).map_err(meant)?;
    for finding in source.lint(&policy) {
        writeln!(err, "note: {finding}")?;
    }
    let mut recorder = Recorder::new(client, policy, &queries).map_err(refused)?;
    if let Some(query) = &args.replicas {
        recorder = recorder.with_replicas(query);
    }
    if let Some(step) = args.step {
        recorder = recorder.with_step(step);
    }
    let recorded = record(args, process, &recorder)?;
    let Recorded { records, start, end, resumed, .. } = recorded;
    let file = args.output.display();
    let again = if resumed { ", begun before" } else { "" };
    writeln!(out, "{records} observations from {start} to {end} in `{file}`{again}")?;
    if let (Some(metric), Some(path)) = (&args.rate, &args.rates) {
        let windows = rates::write(&args.output, metric, path)?;
        writeln!(out, "{windows} windows of `{metric}` in `{}`", path.display())?;
    }
    Ok(Exit::Done)
}

fn record(
    args: &RecordArgs,
    process: Process,
    recorder: &Recorder,
) -> Result<Recorded, CommandError> {
    let end = args.end.unwrap_or_else(now);
    let start = end.saturating_sub(args.range);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CommandError::Write)?;
    let bar = process.progress_bar();
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    let mut progress = |progress: trimtab_prometheus::Progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let recorded = recorder.to_file(&args.output, start, end, &mut progress);
    let recorded = runtime.block_on(recorded);
    bar.finish_and_clear();
    recorded.map_err(refused)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Where the Prometheus is.
fn server(args: &RecordArgs) -> Result<ServerSpec, CommandError> {
    if let Some(file) = &args.server {
        let mut server: ServerSpec = read(file)?;
        server.connect.make_relative_to(&crate::run::directory(file));
        return Ok(server);
    }
    let mut server = ServerSpec::at(String::new());
    server.addresses.clone_from(&args.prometheus);
    // History takes longer than what is present.
    server.timeout_seconds = trimtab_metric::Span::from_secs(60);
    server.max_bytes = 64 << 20;
    if let Some(file) = &args.bearer_token_file {
        let auth = AuthSpec { bearer_token_file: Some(file.clone()), ..AuthSpec::default() };
        server.connect.auth = Some(auth);
    }
    Ok(server)
}

/// What is asked.
fn queries(args: &RecordArgs) -> Result<QueriesSpec, CommandError> {
    let mut queries: QueriesSpec = match &args.queries {
        Some(file) => read(file)?,
        None => QueriesSpec::default(),
    };
    queries.preset = args.preset.or(queries.preset);
    if let Some(matchers) = &args.matchers {
        queries.matchers.clone_from(matchers);
    }
    Ok(queries)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    let limits = Limits::default();
    Ok(from_str(&read_source(path, limits.max_bytes)?, &limits)?)
}

fn meant(error: trimtab_prometheus::SpecError) -> CommandError {
    CommandError::argument(error.to_string())
}

fn refused(error: RecordError) -> CommandError {
    let help = match &error {
        RecordError::Query { .. } => {
            "what was recorded before is kept, and the same command goes on from there"
        }
        RecordError::NoQueries(_) => {
            "name a `--preset` whose metrics the policy has, or give `--queries`"
        }
        _ => return CommandError::argument(error.to_string()),
    };
    CommandError::argument(error.to_string()).with_help(help)
}
