//! What `trimtab record` can be asked.

use std::path::PathBuf;

use clap::Args;
use trimtab_metric::{Span, Timestamp};
use trimtab_prometheus::Preset;

use crate::args::PolicyArgs;

pub(crate) const RECORD_EXAMPLES: &str = "\
Examples:
  trimtab record --prometheus http://localhost:9090 --policy vllm.yaml --preset vllm \\
    --matchers 'namespace=\"inference\"' --range 14d --output trace.jsonl.gz
  trimtab record --server prometheus.yaml --policy llm.yaml --queries queries.yaml --range 2d \\
    --output trace.jsonl.gz --rate requests_per_second --rates rates.csv
  trimtab evaluate --policy vllm.yaml --series trace.jsonl.gz";

pub(crate) const RECORD_LONG: &str = "\
Makes an observation for each time at which the policy would have decided: the same queries, and the same \
reading of their answers, as a controller has. A metric of the policy without a query is missing in the \
recording.

--queries FILE is YAML or JSON:
    metrics:
    - metric: requests_per_second        # its name in the policy
      query: sum(rate(requests_total[2m]))
    - metric: requests_waiting
      query: sum by (pod) (requests_waiting)
      perReplica: {label: pod}           # the default for metrics with a value per pod
--server FILE is YAML or JSON:
    addresses: [https://prometheus-0:9090, https://prometheus-1:9090]
    connect: {auth: {bearerTokenFile: token}, tls: {caFile: ca.pem}}
Both have all the fields of the reference (Prometheus).

The file is written piece by piece. When it is interrupted, `FILE.resume` says how far it is, and the same \
command goes on from there.

With --rate and --rates, the values of a metric become a trace of rates for `trimtab backtest --trace`.

Examples:
  trimtab record --prometheus http://localhost:9090 --policy vllm.yaml --preset vllm \\
    --matchers 'namespace=\"inference\"' --range 14d --output trace.jsonl.gz
  trimtab record --server prometheus.yaml --policy llm.yaml --queries queries.yaml --range 2d \\
    --output trace.jsonl.gz --rate requests_per_second --rates rates.csv
  trimtab evaluate --policy vllm.yaml --series trace.jsonl.gz";

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["prometheus", "server"])))]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["preset", "queries"])))]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Address of a Prometheus; of several that know the same the first that answers counts
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus: Vec<String>,
    /// File that says where the Prometheus is and how it is reached
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// File with a bearer token for `--prometheus`
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    pub(crate) bearer_token_file: Option<PathBuf>,
    /// Queries of a well-known server: vllm, sglang, triton, tensorrtLlm, tgi, llamaCpp, rayServe,
    /// kserve, dcgm or inferencePool
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<Preset>,
    /// What stands in the braces of the preset's selectors
    #[arg(long, value_name = "MATCHERS", requires = "preset")]
    pub(crate) matchers: Option<String>,
    /// File with queries by metric
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: Option<PathBuf>,
    /// Query for how many replicas were asked for (default: as many as there are pods with values)
    #[arg(long, value_name = "QUERY")]
    pub(crate) replicas: Option<String>,
    /// How far to go back, such as 14d or 36h
    #[arg(long, value_name = "SPAN", value_parser = range)]
    pub(crate) range: Span,
    /// Where to end (default: now)
    #[arg(long, value_name = "TIME")]
    pub(crate) end: Option<Timestamp>,
    /// Time between two observations, in whole seconds (default: the policy's sync period)
    #[arg(long, value_name = "SPAN")]
    pub(crate) step: Option<Span>,
    /// Where to write observations, a line each; gzipped if its name ends in `.gz`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Metric whose values are a rate of requests
    #[arg(long, value_name = "METRIC", requires = "rates")]
    pub(crate) rate: Option<String>,
    /// Where to write that rate as a trace (CSV)
    #[arg(long, value_name = "FILE", requires = "rate")]
    pub(crate) rates: Option<PathBuf>,
}

/// A span that may be days or weeks.
fn range(text: &str) -> Result<Span, String> {
    let days = |text: &str, days: i64| {
        let count: Option<i64> = text.parse().ok();
        count.and_then(|count| count.checked_mul(days * 86_400_000)).map(Span::from_millis)
    };
    let span = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(text), _) => days(text, 1),
        (_, Some(text)) => days(text, 7),
        _ => text.parse().ok(),
    };
    match span {
        Some(span) if span > Span::ZERO => Ok(span),
        _ => Err(String::from("write a span such as `14d`, `2w` or `36h`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("14d"), Ok(Span::from_secs(14 * 86_400)));
        assert_eq!(range("2w"), range("14d"));
        assert_eq!(range("36h"), Ok(Span::from_secs(36 * 3600)));
        for text in ["", "14", "d", "-1d", "0h", "1.5d", "99999999999999999d"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
