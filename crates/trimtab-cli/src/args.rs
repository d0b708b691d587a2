//! What the command can be asked: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use trimtab_metric::Span;

use crate::backtest::args::{BACKTEST_EXAMPLES, BACKTEST_LONG, BacktestArgs};
use crate::controller::args::{CONTROLLER_EXAMPLES, CONTROLLER_LONG, ControllerArgs};
use crate::explain::args::{EXPLAIN_EXAMPLES, ExplainArgs};
use crate::import::{IMPORT_EXAMPLES, IMPORT_LONG, ImportArgs};
use crate::lint::args::{LINT_EXAMPLES, LINT_LONG, LintArgs};
use crate::live::args::{STATUS_EXAMPLES, StatusArgs, TOP_EXAMPLES, TopArgs};
use crate::record::args::{RECORD_EXAMPLES, RECORD_LONG, RecordArgs};
use crate::run::args::{KEDA_EXAMPLES, KEDA_LONG, RUN_EXAMPLES, RUN_LONG, RunArgs};
use crate::sweep::args::{SWEEP_EXAMPLES, SWEEP_LONG, SweepArgs};
use crate::test::args::{TEST_EXAMPLES, TEST_LONG, TestArgs};

/// How many replicas should there be, and why?
///
/// Exit codes: 0 done; 1 the answer is no (a test fails, a log replays differently, a vector does not
/// agree, an objective is missed that must not be); 2 a usage error or bad input; 3 warnings that must
/// not be, or what was linted is faulty; 130 interrupted. A file `-` is standard input; files that begin
/// as gzip does are unpacked.
#[derive(Debug, Parser)]
#[command(name = "trimtab", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to colour what is printed; `auto` is on a terminal, unless `NO_COLOR` is set
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Colour::Auto,
        value_name = "WHEN",
        display_order = 900
    )]
    pub(crate) color: Colour,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make one decision and explain it
    #[command(after_help = DECIDE_EXAMPLES)]
    Decide(DecideArgs),
    /// Try a policy on recorded load
    #[command(after_help = EVALUATE_EXAMPLES, after_long_help = EVALUATE_LONG)]
    Evaluate(EvaluateArgs),
    /// Compare policies on simulated GPU servers
    #[command(after_help = BACKTEST_EXAMPLES, after_long_help = BACKTEST_LONG)]
    Backtest(BacktestArgs),
    /// Tune fields of policies by backtests
    #[command(after_help = SWEEP_EXAMPLES, after_long_help = SWEEP_LONG)]
    Sweep(SweepArgs),
    /// Turn other autoscalers' manifests into policies
    #[command(after_help = IMPORT_EXAMPLES, after_long_help = IMPORT_LONG)]
    Import(ImportArgs),
    /// Record a Prometheus' history as what a policy would have seen
    #[command(after_help = RECORD_EXAMPLES, after_long_help = RECORD_LONG)]
    Record(RecordArgs),
    /// Test policies against what is expected of them
    #[command(after_help = TEST_EXAMPLES, after_long_help = TEST_LONG)]
    Test(TestArgs),
    /// Show how a decision was made: of a policy test, or of a running `trimtab run`
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Say what is wrong with manifests
    #[command(after_help = LINT_EXAMPLES, after_long_help = LINT_LONG)]
    Lint(LintArgs),
    /// Make the decisions of a log again and compare
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArgs),
    /// Drive workloads: ask, decide, scale, over and over
    #[command(after_help = RUN_EXAMPLES, after_long_help = RUN_LONG)]
    Run(RunArgs),
    /// Decide for KEDA: an external scaler that answers with the count that is wanted
    #[command(after_help = KEDA_EXAMPLES, after_long_help = KEDA_LONG)]
    KedaScaler(RunArgs),
    /// Say what a running `trimtab run` is doing
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Watch workloads live
    #[command(after_help = TOP_EXAMPLES)]
    Top(TopArgs),
    /// Drive the policies of a Kubernetes cluster
    #[command(after_help = CONTROLLER_EXAMPLES, after_long_help = CONTROLLER_LONG)]
    Controller(ControllerArgs),
    /// Print the definition of the `ScalingPolicy` resource, for a cluster
    #[command(after_help = "Examples:\n  trimtab crd | kubectl apply --server-side -f -")]
    Crd,
    /// Check the engine against recorded runs of real autoscalers
    #[command(after_help = CONFORM_EXAMPLES)]
    Conform(ConformArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Examples:\n  trimtab completions bash > \
        ~/.local/share/bash-completion/completions/trimtab")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const DECIDE_EXAMPLES: &str = "\
Examples:
  trimtab decide --policy hpa.yaml --observation now.yaml
  trimtab decide --policy hpa.yaml --observation now.yaml --state s.json --state-out s.json
  kubectl get hpa.v2.autoscaling llm -o yaml | trimtab decide --policy - --observation now.yaml";

const EVALUATE_EXAMPLES: &str = "\
Examples:
  trimtab evaluate --policy hpa.yaml --series series.csv
  trimtab evaluate --policy hpa.yaml --requests trace.csv.gz --rate-scale 3
  trimtab evaluate --policy hpa.yaml --series load.csv --map requests_waiting=queue
  trimtab evaluate --policy hpa.yaml --requests trace.csv.gz --log decisions.jsonl.gz";

const EVALUATE_LONG: &str = "\
Open loop: a decision takes effect at once, its replicas are Running and Ready since long ago, and \
the load does not answer to them.

Series (CSV with a header, or one observation a line as JSON):
  A column `time`, `timestamp`, `timestamp_s` or `t` holds RFC 3339 times or seconds. Every other \
column is a series. `NAME` is the total over all replicas, shared equally by those there are; \
`NAME/replica` is what each replica reports, however many there are (ratios, latencies). A column \
`replicas` is the recorded count, which the policy's own is compared with. An empty cell is a \
missing reading. Utilization targets take `RESOURCE/replica` or `RESOURCE_utilization`, in percent of the request. Each \
decision sees the last row at or before it.

Requests (CSV with the columns `timestamp_s,input_tokens,output_tokens`):
  A request is in flight for its input and output tokens times the seconds that each takes \
(defaults: Llama-3.1-70B on 4 A100s). The series are averages over the time between two decisions:
    requests_per_second           that arrive
    input_tokens_per_second       of those
    output_tokens_per_second      of those
    tokens_per_second             both
    requests_in_flight            by Little's law
    requests_waiting              in flight beyond --max-concurrency per replica
    kv_cache_usage_ratio/replica  tokens in flight over what the caches hold; a request counts \
with its input and half of its output

A metric of the policy takes the series of its own name, or the longest that its own name ends with \
after a separator (`inference_requests_waiting` takes `requests_waiting`), or what `--map` says.

Examples:
  trimtab evaluate --policy hpa.yaml --series series.csv
  trimtab evaluate --policy hpa.yaml --requests trace.csv.gz --rate-scale 3
  trimtab evaluate --policy hpa.yaml --series load.csv --map requests_waiting=queue
  trimtab evaluate --policy hpa.yaml --requests trace.csv.gz --log decisions.jsonl.gz";

const REPLAY_EXAMPLES: &str = "\
Examples:
  trimtab replay decisions.jsonl.gz";

const CONFORM_EXAMPLES: &str = "\
Examples:
  trimtab conform hpa_behavior.jsonl.gz hpa_reconcile.jsonl.gz
  trimtab conform --show 50 mine.jsonl";

/// The policy to decide by.
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// File with a HorizontalPodAutoscaler (autoscaling/v2) or a ScalingPolicy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// Which policy, where the file has several: its `metadata.name`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// What was seen: an observation as YAML or JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) observation: PathBuf,
    /// What the decision before left (default: no history)
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Where to write what this decision leaves; `-` prints it
    #[arg(long, value_name = "FILE")]
    pub(crate) state_out: Option<PathBuf>,
    /// The change is not carried out: rate limits do not count it. As with `mode: shadow` in the policy
    #[arg(long)]
    pub(crate) shadow: bool,
    /// Print the decision as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("load").required(true).args(["series", "requests"])))]
pub(crate) struct EvaluateArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Recorded series (CSV), or observations (JSON lines)
    #[arg(long, value_name = "FILE")]
    pub(crate) series: Option<PathBuf>,
    /// Recorded requests: a CSV of times and token counts
    #[arg(long, value_name = "FILE")]
    pub(crate) requests: Option<PathBuf>,
    /// Time between two decisions (default: the policy's sync period)
    #[arg(long, value_name = "SPAN")]
    pub(crate) sync: Option<Span>,
    /// How many replicas there are at first (default: the first recorded count, else minReplicas)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) replicas: Option<i32>,
    /// Gives a metric of the policy the series that it takes
    #[arg(long = "map", value_name = "METRIC=SERIES", value_parser = metric_and_series)]
    pub(crate) maps: Vec<(String, String)>,
    /// Multiplies the load: each request, or each total, counts this many times
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    pub(crate) rate_scale: f64,
    /// Write every decision to this log; gzipped if its name ends in `.gz`
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave the plot out
    #[arg(long, alias = "plain")]
    pub(crate) no_plot: bool,
    /// How many changes the table shows
    #[arg(long, value_name = "COUNT", default_value_t = 40)]
    pub(crate) changes: usize,
    /// Columns of the plot (default: the terminal's, else 80)
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(40..=400))]
    pub(crate) width: Option<u16>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// How a replica serves requests, for `--requests`.
#[derive(Debug, Args)]
#[command(next_help_heading = "The server, with --requests")]
pub(crate) struct ServerArgs {
    /// Seconds that an input token takes (default: 0.000182)
    #[arg(long, value_name = "SECONDS", value_parser = not_negative, conflicts_with = "series")]
    pub(crate) seconds_per_input_token: Option<f64>,
    /// Seconds that an output token takes (default: 0.0331)
    #[arg(long, value_name = "SECONDS", value_parser = not_negative, conflicts_with = "series")]
    pub(crate) seconds_per_output_token: Option<f64>,
    /// Requests that a replica serves at once (default: 16)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "series")]
    pub(crate) max_concurrency: Option<u32>,
    /// Tokens that a replica's KV cache holds (default: 396000)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "series")]
    pub(crate) kv_tokens: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The decision log: JSON lines
    #[arg(value_name = "LOG")]
    pub(crate) log: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ConformArgs {
    /// Vectors: JSON lines
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How many failures to show per file
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    pub(crate) show: usize,
    /// Write the decisions that were made to this log, each behind its policy; gzipped if its name
    /// ends in `.gz`
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

/// The colour choice, before the arguments are parsed: help and usage errors have colours, too.
pub(crate) fn colour_of(arguments: &[OsString]) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut arguments = arguments.iter().filter_map(|argument| argument.to_str());
    while let Some(argument) = arguments.next() {
        let value = match argument {
            "--" => break,
            "--color" => arguments.next(),
            _ => argument.strip_prefix("--color="),
        };
        match value {
            Some("always") => choice = ColorChoice::Always,
            Some("never") => choice = ColorChoice::Never,
            Some("auto") => choice = ColorChoice::Auto,
            _ => {}
        }
    }
    choice
}

fn metric_and_series(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((metric, series)) if !metric.is_empty() && !series.is_empty() => {
            Ok((metric.to_owned(), series.to_owned()))
        }
        _ => Err(String::from("write METRIC=SERIES, such as `inference_requests_waiting=queue`")),
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| String::from("it is not a number"))?;
    if number.is_finite() { Ok(number) } else { Err(String::from("it has to be finite")) }
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(|number| {
        if number > 0.0 { Ok(number) } else { Err(String::from("it has to be above 0")) }
    })
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|number| {
        if number >= 0.0 { Ok(number) } else { Err(String::from("it has to be 0 or more")) }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_colour_is_known_before_the_arguments_are() {
        let choice =
            |text: &str| colour_of(&text.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(choice("trimtab replay x"), ColorChoice::Auto);
        assert_eq!(choice("trimtab --color never replay"), ColorChoice::Never);
        assert_eq!(choice("trimtab replay x --color=always"), ColorChoice::Always);
        assert_eq!(choice("trimtab replay -- --color=always"), ColorChoice::Auto);
    }

    #[test]
    fn numbers_have_ranges() {
        assert!(positive("0").is_err() && positive("NaN").is_err() && positive("x").is_err());
        assert!(not_negative("-1").is_err() && not_negative("inf").is_err());
        assert_eq!((positive("2"), not_negative("0")), (Ok(2.0), Ok(0.0)));
    }
}
