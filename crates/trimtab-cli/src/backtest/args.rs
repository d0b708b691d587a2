//! What `trimtab backtest` and `trimtab sweep` can be asked.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args};
use trimtab_metric::Span;
use trimtab_sim::{Objective, Scenario, ServiceProfile, TokenLength};

use crate::args::{not_negative, positive};
use crate::quality::args::SuiteArgs;

pub(crate) const BACKTEST_EXAMPLES: &str = "\
Examples:
  trimtab backtest
  trimtab backtest --policy hpa.yaml --scenario flash-crowd --lead-time 30s,2m,5m
  trimtab backtest --policy hpa.yaml --trace load.csv.gz --report report.html
  trimtab backtest --policy hpa.yaml --trace load.csv.gz --fail-on-miss";

pub(crate) const BACKTEST_LONG: &str = "\
Closed loop: requests are served by simulated replicas in virtual time, the policies see the metrics \
that those have, as late as in production, and the replicas that they ask for take their time to start. \
Without `--policy` the examples take part: three HorizontalPodAutoscalers, one by queue and KV cache, \
one by concurrency and one by GPU utilization. Each policy runs on each trace and scenario at each \
lead time, from the same seed: the same arguments give the same bytes.

Traces (CSV or JSON, gzipped or not; how a file begins tells which it is):
  requests    CSV with `timestamp_s`, `input_tokens`, `output_tokens`
  rates       CSV with `window_start_s` and `rate_rps`, `requests`, `mentions` or `generative_qps`
  Azure       CSV with `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`
  BurstGPT    CSV with `Timestamp`, `Request tokens`, `Response tokens`
  Mooncake    JSON lines with `timestamp`, `input_length`, `output_length`
  Prometheus  the answer to a range query, in requests per second

Signals, which metrics take by name or by `--metric`:
  requests_running, requests_waiting, requests_in_flight, kv_cache_usage_ratio,
  gpu_utilization_ratio, gpu_utilization_percent, requests_per_second, completions_per_second,
  prompt_tokens_per_second, generation_tokens_per_second, tokens_per_second,
  gateway_queue_length, rejected_per_second, attained_ratio,
  and ttft, tpot, itl or e2e with _p50, _p90, _p95, _p99 or _mean
A metric takes the signal that its name ends with, or the one that vLLM, SGLang, TensorRT-LLM, TGI, \
Triton, llama.cpp, Ray Serve, DCGM and the inference gateway publish under that name.

Examples:
  trimtab backtest
  trimtab backtest --policy hpa.yaml --scenario flash-crowd --lead-time 30s,2m,5m
  trimtab backtest --policy hpa.yaml --trace load.csv.gz --report report.html
  trimtab backtest --policy hpa.yaml --trace load.csv.gz --fail-on-miss";

#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// File with policies, all of which take part; may be repeated (default: the examples)
    #[arg(long = "policy", value_name = "FILE")]
    pub(crate) policies: Vec<PathBuf>,
    /// Only the policies of this `metadata.name`; may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) suite: SuiteArgs,
    #[command(flatten)]
    pub(crate) setting: SettingArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Write every decision on the first workload and lead time to this log, policy by policy;
    /// gzipped if its name ends in `.gz`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) log: Option<PathBuf>,
    /// Exit with 1 if a policy misses an objective, or `slo` a row of the suite
    #[arg(long, help_heading = "Output")]
    pub(crate) fail_on_miss: bool,
}

/// What policies are compared on.
#[derive(Debug, Args)]
pub(crate) struct SettingArgs {
    /// Gives a metric of the policies the signal that it takes; may be repeated
    #[arg(long = "metric", value_name = "METRIC=SIGNAL", value_parser = metric_and_signal)]
    pub(crate) metrics: Vec<(String, String)>,
    /// Share of the requests within a latency (ttft, tpot or e2e); may be repeated, and policies are
    /// ranked by the first
    #[arg(
        long = "objective",
        value_name = "OBJECTIVE",
        default_value = "ttft<=2s@99%",
        value_parser = objective
    )]
    pub(crate) objectives: Vec<Objective>,
    /// Where all chance comes from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How many simulations run at once (default: one per core)
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) fleet: FleetArgs,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadArgs {
    /// File with recorded requests or rates; may be repeated
    #[arg(long = "trace", value_name = "FILE")]
    pub(crate) traces: Vec<PathBuf>,
    /// Generated requests; may be repeated (default, without a trace: diurnal)
    #[arg(
        long = "scenario",
        value_name = "NAME",
        value_parser = PossibleValuesParser::new(Scenario::names())
    )]
    pub(crate) scenarios: Vec<String>,
    /// Multiplies the requests per second
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    pub(crate) rate_scale: f64,
    /// Multiplies the times of traces: with 2, the same requests take twice as long to arrive
    #[arg(
        long,
        value_name = "FACTOR",
        default_value_t = 1.0,
        value_parser = positive,
        requires = "traces"
    )]
    pub(crate) time_scale: f64,
    /// How long scenarios last (default: as long as each is meant to)
    #[arg(long, value_name = "SPAN")]
    pub(crate) duration: Option<Span>,
    /// Coefficient of variation of the gaps between arrivals, for scenarios and recorded rates; 1 is
    /// a Poisson process (default: the scenario's, the trace's, else 1)
    #[arg(long, value_name = "NUMBER", value_parser = not_negative)]
    pub(crate) interarrival_cv: Option<f64>,
    /// Tokens of the prompts, for scenarios and recorded rates, lognormal (default: 1020,4083)
    #[arg(long, value_name = "MEDIAN,P95", value_parser = token_length)]
    pub(crate) input_tokens: Option<TokenLength>,
    /// Tokens of the answers, likewise (default: 129,451)
    #[arg(long, value_name = "MEDIAN,P95", value_parser = token_length)]
    pub(crate) output_tokens: Option<TokenLength>,
    /// Leave out recorded requests without input or output tokens, such as failures
    #[arg(long, requires = "traces")]
    pub(crate) skip_zero_tokens: bool,
    /// Spread recorded requests with one timestamp up to the next (default: only Mooncake's)
    #[arg(
        long,
        value_name = "WHETHER",
        requires = "traces",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) spread: Option<bool>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub(crate) struct FleetArgs {
    /// Model and GPU that serve
    #[arg(
        long,
        value_name = "NAME",
        default_value = "llama-3.1-8b-a100",
        value_parser = PossibleValuesParser::new(
            ServiceProfile::builtin().into_iter().map(|profile| profile.name)
        )
    )]
    pub(crate) profile: String,
    /// File with another service profile
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub(crate) profile_file: Option<PathBuf>,
    /// File that describes the cluster: pools, starts, gateway, metrics
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster: Option<PathBuf>,
    /// Every start takes this long instead of the cluster's phases; several are compared one by one
    #[arg(long = "lead-time", value_name = "SPAN", value_delimiter = ',')]
    pub(crate) lead_times: Vec<Span>,
    /// How long a replica that is told to stop has to finish its requests, as its pod's
    /// `terminationGracePeriodSeconds` (default: the cluster's, else 30s)
    #[arg(long, value_name = "SPAN")]
    pub(crate) grace_period: Option<Span>,
}

/// Where what came of it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write all results as one JSON document; `-` prints it instead of the table
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report: one HTML page that needs no other file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write a picture of the comparison as SVG; of several, `-1`, `-2` and so on are put before the
    /// extension
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

fn metric_and_signal(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((metric, signal)) if !metric.is_empty() && !signal.is_empty() => {
            Ok((metric.to_owned(), signal.to_owned()))
        }
        _ => Err(String::from("write METRIC=SIGNAL, such as `queue=requests_waiting`")),
    }
}

/// Clap has already said which text it is.
fn objective(text: &str) -> Result<Objective, String> {
    text.parse()
        .map_err(|_| String::from("write it as `ttft<=2s@99%`, `tpot<=50ms` or `e2e<=30s@95%`"))
}

fn token_length(text: &str) -> Result<TokenLength, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let (median, p95) = match text.split_once(',') {
        Some((median, p95)) => (number(median), number(p95)),
        None => (number(text), number(text)),
    };
    median.zip(p95).and_then(|(median, p95)| TokenLength::from_median_and_p95(median, p95)).ok_or_else(
        || {
            format!(
                "write the median and the 95th percentile, such as `1020,4083`, from 1 to {} and the \
                 larger one last",
                TokenLength::MAX
            )
        },
    )
}
