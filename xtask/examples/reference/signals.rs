//! The page of the signals that policies can see, and of the published names that are taken for them.

use trimtab_sim::metrics::{Signal, Statistic, Timing, Whole, published_names};

use crate::{note, row};

const INTRODUCTION: &str = "
*What can a policy see of the simulated cluster, and by which name?*

Every metric of a policy takes a signal. Which one its name says, in this order:

1. `--metric METRIC=SIGNAL`, where `SIGNAL` is a name of this page (a container's resource is `CONTAINER/RESOURCE`);
2. the longest name of this page that the metric's name ends with, after `_`, `:`, `.`, `-` or `/` if there is more before
   it. Upper and lower case count as the same, and so do those separators: `inference_requests_waiting` is
   `requests_waiting`, and `vllm_num_requests_waiting` is `vllm:num_requests_waiting`.

What says nothing is an error with the nearest name. `--json` and the report list what was taken, under `settings`.

## Signals

| name | of a replica | of the service |
| --- | --- | --- |
";

const LATENCIES: &str = "
| latency | of a replica | of the service |
| --- | --- | --- |
";

const READINGS: &str = "
A latency is asked for with a statistic behind it: ";

const RULES: &str = "

- A **Pods** metric is read per replica. An **Object** or **External** metric is read of the service.
- Counts and shares are those at the last scrape. Rates and latencies are over `metrics.windowSeconds` of the
  [cluster](cluster.md), as Prometheus' `rate` has them. Quantiles are Prometheus' `histogram_quantile` over buckets with
  vLLM's bounds, and so as coarse as in production; a quantile of nothing is no reading.
- Behind a latency's name may stand `_ms` or `_milliseconds`; else it is in seconds (`_seconds` changes nothing). `_avg`
  and `_average` mean `_mean`, as does no statistic at all.
- Counters are read as their rates, with `_total`, `_per_second`, `_bucket` or nothing at the end.
- The gateway's own signals have no value per replica: a Pods metric of them is an error.
- CPU and memory are not simulated. A Resource or ContainerResource metric needs `--metric` to `kv_cache_usage_ratio` or
  `gpu_utilization_ratio`: each pod then requests 1 of the resource and uses that share of it.

## Published names

What these are taken for. *Whole* is what an Object or External metric of that name reads: the sum or the mean over the
servers' own series, in which the gateway's queue is not, or the service as the gateway and the servers together know it.
Of a latency, the servers' is over all their requests together.

| name | signal | whole |
| --- | --- | --- |
";

const ABSENT: &str = "
Names whose meaning hangs on a label are not here, nor is what the simulation does not have: queue times, swapping,
prefix-cache hits, adapters.
";

pub(crate) fn page() -> String {
    let mut page = String::from("# Signals\n\n");
    page.push_str(&note("`metrics::Signal` and `metrics::published_names()`"));
    page.push_str(INTRODUCTION);
    let plain = Signal::all().filter(|signal| !matches!(signal, Signal::Latency(..)));
    page.extend(plain.map(plain_row));
    page.push_str(LATENCIES);
    page.extend(timings().into_iter().map(timing_row));
    page.push_str(READINGS);
    page.push_str(&statistics());
    page.push_str(RULES);
    page.extend(published_names().map(|known| {
        let whole = match (known.whole, known.signal) {
            (Whole::Service, _) => "the service",
            (
                Whole::Servers,
                Signal::Latency(..) | Signal::InputTokensMean | Signal::OutputTokensMean,
            ) => "the servers",
            (Whole::Servers, _) => "sum of the servers",
            (Whole::Mean, _) => "mean of the servers",
        };
        row([format!("`{}`", known.name), signal_text(known.signal), whole.to_owned()])
    }));
    page.push_str(ABSENT);
    page
}

fn plain_row(signal: Signal) -> String {
    let (replica, service) = match signal {
        Signal::RequestsRunning => ("requests being read or decoded", "their sum"),
        Signal::RequestsWaiting => {
            ("requests in its queue", "their sum, and those in the gateway's queue")
        }
        Signal::RequestsInFlight => ("both", "both, and those in the gateway's queue"),
        Signal::KvCacheUsageRatio => ("used share of the KV cache, 0 to 1", "the mean"),
        Signal::GpuUtilizationRatio => (
            "share of the window with any work on its GPUs, 0 to 1: one request that decodes pegs it",
            "the mean",
        ),
        Signal::GpuUtilizationPercent => ("the same in percent", "the mean"),
        Signal::RequestsPerSecond => (
            "requests that came to it",
            "requests that came to the gateway, rejected ones included",
        ),
        Signal::CompletionsPerSecond => {
            ("requests that got their last token", "the same, counted at the gateway")
        }
        Signal::PromptTokensPerSecond => {
            ("prompt tokens of requests that got their first token", "their sum")
        }
        Signal::GenerationTokensPerSecond => ("tokens that were generated", "their sum"),
        Signal::TokensPerSecond => ("both", "their sum"),
        Signal::InputTokensMean => (
            "tokens of a prompt, at the mean over those that were read",
            "the mean over all servers' requests",
        ),
        Signal::OutputTokensMean => (
            "tokens of an answer, at the mean over those that ended",
            "the mean over all servers' requests",
        ),
        Signal::GatewayQueueLength => ("none", "requests in the gateway's queue"),
        Signal::RejectedPerSecond => ("none", "requests that the gateway turned away"),
        Signal::AttainedRatio => (
            "none",
            "of the requests that ended, with those turned away or cut, the share within all objectives",
        ),
        Signal::Latency(..) => ("", ""),
    };
    row([signal_text(signal), replica.to_owned(), service.to_owned()])
}

fn timing_row(timing: Timing) -> String {
    let (replica, service) = match timing {
        Timing::Ttft => {
            ("from its arrival there to the first token", "from its arrival at the gateway")
        }
        Timing::Tpot => ("per token after the first, one per request", "of all servers"),
        Timing::Itl => ("from one token to the next, one per token", "of all servers"),
        Timing::E2e => {
            ("from its arrival there to the last token", "from its arrival at the gateway")
        }
    };
    row([format!("`{timing}`"), replica.to_owned(), service.to_owned()])
}

/// Those that there are, in the order of the signals.
fn timings() -> Vec<Timing> {
    let mut timings: Vec<Timing> = latencies().map(|(timing, _)| timing).collect();
    timings.dedup();
    timings
}

fn statistics() -> String {
    let first = latencies().map(|(timing, _)| timing).next();
    let names: Vec<String> = latencies()
        .filter(|(timing, _)| Some(*timing) == first)
        .map(|(_, statistic)| format!("`_{statistic}`"))
        .collect();
    format!("{}.", names.join(", "))
}

fn latencies() -> impl Iterator<Item = (Timing, Statistic)> {
    Signal::all().filter_map(|signal| match signal {
        Signal::Latency(timing, statistic) => Some((timing, statistic)),
        _ => None,
    })
}

fn signal_text(signal: Signal) -> String {
    match signal {
        Signal::Latency(timing, _) => format!("`{timing}`"),
        plain => format!("`{plain}`"),
    }
}
