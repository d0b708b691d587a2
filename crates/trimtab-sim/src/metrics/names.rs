//! Which signal a metric's name means: the names that servers publish, and what names end with.

use super::signal::{Signal, Statistic, Timing};

/// What a name means.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Meaning {
    pub(super) signal: Signal,
    /// What the value of the whole service is, where one is asked for.
    pub(super) whole: Whole,
    /// Units of the metric per unit of the signal: 1000 for milliseconds.
    pub(super) scale: f64,
}

/// How the value of the whole service comes about.
///
/// ```
/// use trimtab_sim::metrics::{Whole, published_names};
///
/// let of = |name| published_names().find(|known| known.name == name).unwrap().whole;
/// assert_eq!(of("vllm:num_requests_waiting"), Whole::Servers);
/// assert_eq!(of("vllm:kv_cache_usage_perc"), Whole::Mean);
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Whole {
    /// As the gateway and the servers together know it.
    Service,
    /// The sum over the servers' own series; the gateway is not in it.
    Servers,
    /// The mean over the servers' own series.
    Mean,
}

/// What a name in the table stands for.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Entry {
    Plain(Signal),
    /// A histogram, of which the rest of the name tells the statistic; the mean if it does not.
    Histogram(Timing),
}

/// A name that servers and gateways publish, and what it is taken for.
///
/// ```
/// use trimtab_sim::metrics::{Signal, published_names};
///
/// let running = published_names().find(|known| known.name == "vllm:num_requests_running").unwrap();
/// assert_eq!(running.signal, Signal::RequestsRunning);
/// ```
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct PublishedName {
    /// The name, without an end such as `_total`, `_bucket` or `_seconds` that may also be missing.
    pub name: &'static str,
    /// The signal. Of a latency it is the mean, unless the name goes on with another statistic.
    pub signal: Signal,
    /// What the value of the whole service is.
    pub whole: Whole,
}

use Entry::{Histogram, Plain};
use Signal as S;
use Whole::{Mean, Servers, Service};

/// Names as published. `_total`, `_bucket`, `_seconds` and the like at the end are left out where
/// they may also be missing. Names whose meaning hangs on a label, and what the simulation does not
/// model (queue times, swapping, adapters), are not here.
const TABLE: &[(&str, Entry, Whole)] = &[
    // vLLM: docs.vllm.ai, "Production Metrics"; vllm/v1/metrics/loggers.py.
    ("vllm:num_requests_running", Plain(S::RequestsRunning), Servers),
    ("vllm:num_requests_waiting", Plain(S::RequestsWaiting), Servers),
    ("vllm:kv_cache_usage_perc", Plain(S::KvCacheUsageRatio), Mean),
    ("vllm:gpu_cache_usage_perc", Plain(S::KvCacheUsageRatio), Mean),
    ("vllm:request_success", Plain(S::CompletionsPerSecond), Servers),
    ("vllm:prompt_tokens", Plain(S::PromptTokensPerSecond), Servers),
    ("vllm:generation_tokens", Plain(S::GenerationTokensPerSecond), Servers),
    ("vllm:request_prompt_tokens", Plain(S::InputTokensMean), Servers),
    ("vllm:request_generation_tokens", Plain(S::OutputTokensMean), Servers),
    ("vllm:avg_prompt_throughput_toks_per_s", Plain(S::PromptTokensPerSecond), Servers),
    ("vllm:avg_generation_throughput_toks_per_s", Plain(S::GenerationTokensPerSecond), Servers),
    ("vllm:time_to_first_token", Histogram(Timing::Ttft), Servers),
    ("vllm:inter_token_latency", Histogram(Timing::Itl), Servers),
    // The name of the inter-token latency before it got its own.
    ("vllm:time_per_output_token", Histogram(Timing::Itl), Servers),
    ("vllm:request_time_per_output_token", Histogram(Timing::Tpot), Servers),
    ("vllm:e2e_request_latency", Histogram(Timing::E2e), Servers),
    // SGLang: docs.sglang.ai, "Production Metrics".
    ("sglang:num_running_reqs", Plain(S::RequestsRunning), Servers),
    ("sglang:num_queue_reqs", Plain(S::RequestsWaiting), Servers),
    ("sglang:token_usage", Plain(S::KvCacheUsageRatio), Mean),
    ("sglang:gen_throughput", Plain(S::GenerationTokensPerSecond), Servers),
    ("sglang:num_requests", Plain(S::CompletionsPerSecond), Servers),
    ("sglang:prompt_tokens", Plain(S::PromptTokensPerSecond), Servers),
    ("sglang:generation_tokens", Plain(S::GenerationTokensPerSecond), Servers),
    ("sglang:time_to_first_token", Histogram(Timing::Ttft), Servers),
    ("sglang:inter_token_latency", Histogram(Timing::Itl), Servers),
    ("sglang:time_per_output_token", Histogram(Timing::Tpot), Servers),
    ("sglang:e2e_request_latency", Histogram(Timing::E2e), Servers),
    // TensorRT-LLM's `trtllm-serve`, as llm-d and AIBrix map it.
    ("trtllm_num_requests_running", Plain(S::RequestsRunning), Servers),
    ("trtllm_num_requests_waiting", Plain(S::RequestsWaiting), Servers),
    ("trtllm_kv_cache_utilization", Plain(S::KvCacheUsageRatio), Mean),
    ("trtllm_request_success", Plain(S::CompletionsPerSecond), Servers),
    ("trtllm_time_to_first_token", Histogram(Timing::Ttft), Servers),
    ("trtllm_time_per_output_token", Histogram(Timing::Tpot), Servers),
    ("trtllm_e2e_request_latency", Histogram(Timing::E2e), Servers),
    // Text Generation Inference: its "Metrics" reference.
    ("tgi_batch_current_size", Plain(S::RequestsRunning), Servers),
    ("tgi_queue_size", Plain(S::RequestsWaiting), Servers),
    ("tgi_request_count", Plain(S::RequestsPerSecond), Servers),
    ("tgi_request_success", Plain(S::CompletionsPerSecond), Servers),
    ("tgi_request_input_length", Plain(S::InputTokensMean), Servers),
    ("tgi_request_generated_tokens", Plain(S::OutputTokensMean), Servers),
    ("tgi_request_mean_time_per_token_duration", Histogram(Timing::Tpot), Servers),
    ("tgi_request_duration", Histogram(Timing::E2e), Servers),
    // Triton Inference Server: docs/user_guide/metrics.md.
    ("nv_inference_pending_request_count", Plain(S::RequestsWaiting), Servers),
    ("nv_inference_request_success", Plain(S::CompletionsPerSecond), Servers),
    ("nv_inference_count", Plain(S::CompletionsPerSecond), Servers),
    ("nv_inference_first_response_histogram", Histogram(Timing::Ttft), Servers),
    ("nv_gpu_utilization", Plain(S::GpuUtilizationRatio), Mean),
    // llama.cpp: tools/server/README.md.
    ("llamacpp:requests_processing", Plain(S::RequestsRunning), Servers),
    ("llamacpp:requests_deferred", Plain(S::RequestsWaiting), Servers),
    ("llamacpp:kv_cache_usage_ratio", Plain(S::KvCacheUsageRatio), Mean),
    ("llamacpp:prompt_tokens", Plain(S::PromptTokensPerSecond), Servers),
    ("llamacpp:tokens_predicted", Plain(S::GenerationTokensPerSecond), Servers),
    ("llamacpp:prompt_tokens_seconds", Plain(S::PromptTokensPerSecond), Servers),
    ("llamacpp:predicted_tokens_seconds", Plain(S::GenerationTokensPerSecond), Servers),
    // Gateway API Inference Extension and llm-d's endpoint picker: their metrics guides.
    ("inference_pool_average_kv_cache_utilization", Plain(S::KvCacheUsageRatio), Mean),
    ("inference_pool_average_queue_size", Plain(S::RequestsWaiting), Mean),
    ("inference_pool_average_running_requests", Plain(S::RequestsRunning), Mean),
    ("inference_objective_request", Plain(S::RequestsPerSecond), Service),
    ("inference_objective_running_requests", Plain(S::RequestsInFlight), Service),
    ("inference_objective_input_tokens", Plain(S::InputTokensMean), Service),
    ("inference_objective_output_tokens", Plain(S::OutputTokensMean), Service),
    ("inference_objective_request_ttft", Histogram(Timing::Ttft), Service),
    ("inference_objective_request_tpot", Histogram(Timing::Tpot), Service),
    ("inference_objective_request_duration", Histogram(Timing::E2e), Service),
    ("inference_extension_flow_control_queue_size", Plain(S::GatewayQueueLength), Service),
    ("llm_d_epp_flow_control_queue_size", Plain(S::GatewayQueueLength), Service),
    ("llm_d_epp_request_running", Plain(S::RequestsInFlight), Service),
    // Ray Serve: docs.ray.io, "Monitor Your Application"; exported with `ray_` before the name.
    ("serve_replica_processing_queries", Plain(S::RequestsInFlight), Servers),
    ("serve_num_ongoing_requests_at_replicas", Plain(S::RequestsInFlight), Servers),
    ("serve_autoscaling_total_requests", Plain(S::RequestsInFlight), Service),
    ("serve_deployment_queued_queries", Plain(S::GatewayQueueLength), Service),
    ("serve_deployment_request_counter", Plain(S::CompletionsPerSecond), Servers),
    ("serve_deployment_processing_latency", Histogram(Timing::E2e), Servers),
    // NVIDIA DCGM: docs.nvidia.com/datacenter/dcgm, field identifiers.
    ("DCGM_FI_DEV_GPU_UTIL", Plain(S::GpuUtilizationPercent), Mean),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Plain(S::GpuUtilizationRatio), Mean),
    // Knative's `autoscaling.knative.dev/metric`, and what Ray Serve's target is of.
    ("concurrency", Plain(S::RequestsInFlight), Service),
    ("rps", Plain(S::RequestsPerSecond), Service),
    ("ongoing_requests", Plain(S::RequestsInFlight), Service),
    // Names in wide use that no server owns.
    ("input_tokens_per_second", Plain(S::PromptTokensPerSecond), Service),
    ("output_tokens_per_second", Plain(S::GenerationTokensPerSecond), Service),
    ("ttft", Histogram(Timing::Ttft), Service),
    ("tpot", Histogram(Timing::Tpot), Service),
    ("itl", Histogram(Timing::Itl), Service),
    ("e2e", Histogram(Timing::E2e), Service),
    ("time_to_first_token", Histogram(Timing::Ttft), Service),
    ("time_per_output_token", Histogram(Timing::Tpot), Service),
    ("inter_token_latency", Histogram(Timing::Itl), Service),
    ("e2e_request_latency", Histogram(Timing::E2e), Service),
];

/// The names that [`Bindings`](super::Bindings) know, apart from the signals' own.
///
/// ```
/// assert!(trimtab_sim::metrics::published_names().any(|known| known.name == "DCGM_FI_DEV_GPU_UTIL"));
/// ```
pub fn published_names() -> impl Iterator<Item = PublishedName> {
    TABLE.iter().map(|&(name, entry, whole)| PublishedName {
        name,
        signal: match entry {
            Plain(signal) => signal,
            Histogram(timing) => Signal::Latency(timing, Statistic::Mean),
        },
        whole,
    })
}

/// What may be said behind a name.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Ending {
    Of(Statistic),
    /// So many units to a second.
    Unit(f64),
    /// What Prometheus and its adapter put behind counters and histograms.
    Kind,
}

const ENDINGS: [(&str, Ending); 13] = [
    ("_p50", Ending::Of(Statistic::P50)),
    ("_p90", Ending::Of(Statistic::P90)),
    ("_p95", Ending::Of(Statistic::P95)),
    ("_p99", Ending::Of(Statistic::P99)),
    ("_mean", Ending::Of(Statistic::Mean)),
    ("_avg", Ending::Of(Statistic::Mean)),
    ("_average", Ending::Of(Statistic::Mean)),
    ("_ms", Ending::Unit(1e3)),
    ("_milliseconds", Ending::Unit(1e3)),
    ("_seconds", Ending::Unit(1.0)),
    ("_total", Ending::Kind),
    ("_per_second", Ending::Kind),
    ("_bucket", Ending::Kind),
];

/// What stands between the parts of a name; any of them is as good as another.
const SEPARATORS: [char; 5] = ['_', ':', '.', '-', '/'];

/// What `name` means: a signal's name or a published one, with the longest of which it ends, after a
/// separator if there is more before it.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    resolve(name, |name, known| {
        name.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// What `name` means, if it is a signal's name or a published one, whole.
pub(super) fn exact_meaning(name: &str) -> Option<Meaning> {
    resolve(name, |name, known| name == known)
}

/// The known name that looks most like `name`, if it looks alike: by shared pairs of letters, so
/// that other spellings and orders of the words are found too.
pub(super) fn nearest(name: &str) -> Option<String> {
    let wanted = pairs(&normal(name));
    Signal::all()
        .map(|signal| signal.to_string())
        .map(|known| (alike(&wanted, &pairs(&known)), known))
        .filter(|(alike, _)| *alike >= 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

/// Tries the name as it is, then without what may be said behind a name, one ending at a time.
fn resolve(name: &str, fits: impl Fn(&str, &str) -> bool) -> Option<Meaning> {
    let name = normal(name);
    let mut rest = name.as_str();
    let mut statistic = None;
    let mut scale = None;
    loop {
        let known = lookup(rest, &fits);
        match known {
            Some((Plain(signal), whole)) => {
                let latency = matches!(signal, Signal::Latency(..));
                // A count has no milliseconds, and a quantile no other.
                let sound = (statistic.is_none()
                    || (statistic == Some(Statistic::Mean) && signal.is_mean()))
                    && (latency || scale.is_none());
                return sound.then_some(Meaning { signal, whole, scale: scale.unwrap_or(1.0) });
            }
            Some((Histogram(timing), whole)) => {
                let signal = Signal::Latency(timing, statistic.unwrap_or(Statistic::Mean));
                return Some(Meaning { signal, whole, scale: scale.unwrap_or(1.0) });
            }
            None => {}
        }
        let (shorter, ending) =
            ENDINGS.iter().find_map(|(text, ending)| Some((rest.strip_suffix(text)?, *ending)))?;
        match ending {
            Ending::Of(of) if statistic.is_none() => statistic = Some(of),
            Ending::Unit(unit) if scale.is_none() => scale = Some(unit),
            Ending::Kind => {}
            Ending::Of(_) | Ending::Unit(_) => return None,
        }
        rest = shorter;
    }
}

/// The longest known name that fits.
fn lookup(name: &str, fits: impl Fn(&str, &str) -> bool) -> Option<(Entry, Whole)> {
    let signals = Signal::all().map(|signal| (signal.to_string(), Plain(signal), Service));
    let published = TABLE.iter().map(|(known, entry, whole)| (normal(known), *entry, *whole));
    signals
        .chain(published)
        .filter(|(known, ..)| fits(name, known))
        .max_by_key(|(known, ..)| known.len())
        .map(|(_, entry, whole)| (entry, whole))
}

fn normal(name: &str) -> String {
    name.to_ascii_lowercase().replace(SEPARATORS, "_")
}

fn pairs(text: &str) -> Vec<(char, char)> {
    let mut pairs: Vec<_> = text.chars().zip(text.chars().skip(1)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Dice's coefficient.
fn alike(a: &[(char, char)], b: &[(char, char)]) -> f64 {
    let shared = a.iter().filter(|pair| b.binary_search(pair).is_ok()).count();
    2.0 * shared as f64 / (a.len() + b.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> String {
        meaning(name).map_or_else(
            || format!("nothing, perhaps {:?}", nearest(name)),
            |Meaning { signal, whole, scale }| format!("{signal} {whole:?} {scale}"),
        )
    }

    #[test]
    fn every_name_of_the_table_is_found_whole_and_renamed() {
        for (name, entry, whole) in TABLE {
            let adapted = normal(name);
            let prefixed = format!("s0-prometheus-{name}");
            for spelled in [*name, &adapted, &prefixed] {
                let found = meaning(spelled).unwrap_or_else(|| panic!("{spelled}"));
                assert_eq!(found.whole, *whole, "{spelled}");
                match entry {
                    Plain(signal) => assert_eq!(found.signal, *signal, "{spelled}"),
                    Histogram(timing) => {
                        let mean = Signal::Latency(*timing, Statistic::Mean);
                        assert_eq!(found.signal, mean, "{spelled}");
                        let slow = meaning(&format!("{spelled}_seconds_p99")).unwrap();
                        assert_eq!(slow.signal, Signal::Latency(*timing, Statistic::P99));
                    }
                }
            }
        }
    }

    #[test]
    fn every_signal_is_found_by_its_name() {
        for signal in Signal::all() {
            let expected = Meaning { signal, whole: Service, scale: 1.0 };
            assert_eq!(exact_meaning(&signal.to_string()), Some(expected));
            assert_eq!(meaning(&format!("team-a.{signal}")), Some(expected));
            assert_eq!(exact_meaning(&format!("a_{signal}")), None);
        }
    }

    #[test]
    fn names_as_they_are_met() {
        let names = [
            "inference_requests_waiting",
            "inference_kv_cache_usage_ratio",
            "vllm:num_requests_waiting",
            "vllm:request_success_total",
            "vllm_generation_tokens_per_second",
            "vllm:time_to_first_token_seconds_bucket",
            "vllm_time_to_first_token_seconds_p95",
            "vllm:e2e_request_latency_p99_ms",
            "inference_input_tokens_per_second",
            "llamacpp:prompt_tokens_total",
            "ray_serve_deployment_processing_latency_ms",
            "nv_inference_first_response_histogram_ms_p95",
            "inference_objective_request_total",
            "dcgm_fi_dev_gpu_util",
            "ttft_p95_ms",
            "ttft_milliseconds_p95",
            "chat/ttft_p95",
            "vllm:request_prompt_tokens",
            "vllm:request_generation_tokens_mean",
            "output_tokens_mean",
            // What is not simulated, or says two things at once.
            "vllm:request_prompt_tokens_p95",
            "vllm:request_queue_time_seconds",
            "llamacpp:tokens_predicted_seconds_total",
            "nv_inference_request_duration_us",
            "requests_waiting_p95",
            "requests_running_ms",
            "ttft_p95_p99",
            "notrequests_waiting_at_all",
            "xttft_p95",
            "waiting_requests",
            "request_waiting",
            "gpu_utilisation",
            "",
        ];
        let lines: Vec<String> =
            names.iter().map(|name| format!("{name}: {}", told(name))).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
