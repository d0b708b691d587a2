//! The metrics that inference servers export: of which pods report one each, what renamed ones are
//! called now, and which are shares.
//!
//! As read in vLLM 0.33, SGLang 0.5.23, TensorRT-LLM's `trtllm-serve`, TGI, Triton and llama.cpp.

/// Names that servers report per pod, without the endings of counters and histograms.
const KNOWN: [&str; 75] = [
    "vllm:num_requests_waiting",
    "vllm:num_requests_waiting_by_reason",
    "vllm:num_requests_running",
    "vllm:kv_cache_usage_perc",
    "vllm:engine_sleep_state",
    "vllm:cache_config_info",
    "vllm:lora_requests_info",
    "vllm:request_success",
    "vllm:prompt_tokens",
    "vllm:prompt_tokens_cached",
    "vllm:generation_tokens",
    "vllm:num_preemptions",
    "vllm:prefix_cache_queries",
    "vllm:prefix_cache_hits",
    "vllm:admission_rejections",
    "vllm:time_to_first_token_seconds",
    "vllm:inter_token_latency_seconds",
    "vllm:request_time_per_output_token_seconds",
    "vllm:e2e_request_latency_seconds",
    "vllm:request_queue_time_seconds",
    "vllm:request_prefill_time_seconds",
    "vllm:request_decode_time_seconds",
    "vllm:request_inference_time_seconds",
    "vllm:request_prompt_tokens",
    "vllm:request_generation_tokens",
    "vllm:iteration_tokens_total",
    "sglang:num_queue_reqs",
    "sglang:num_running_reqs",
    "sglang:token_usage",
    "sglang:num_used_tokens",
    "sglang:kv_available_tokens",
    "sglang:max_total_num_tokens",
    "sglang:gen_throughput",
    "sglang:cache_hit_rate",
    "sglang:num_retracted_reqs",
    "sglang:utilization",
    "sglang:time_to_first_token_seconds",
    "sglang:inter_token_latency_seconds",
    "sglang:e2e_request_latency_seconds",
    "sglang:queue_time_seconds",
    "sglang:prompt_tokens",
    "sglang:generation_tokens",
    "sglang:num_requests",
    "sglang:num_aborted_requests",
    "trtllm_num_requests_waiting",
    "trtllm_num_requests_running",
    "trtllm_kv_cache_utilization",
    "trtllm_kv_cache_hit_rate",
    "trtllm_time_to_first_token_seconds",
    "trtllm_time_per_output_token_seconds",
    "trtllm_e2e_request_latency_seconds",
    "trtllm_request_queue_time_seconds",
    "trtllm_request_success",
    "tgi_queue_size",
    "tgi_batch_current_size",
    "tgi_batch_current_max_tokens",
    "tgi_request_duration",
    "tgi_request_queue_duration",
    "tgi_request_inference_duration",
    "tgi_request_mean_time_per_token_duration",
    "tgi_request_count",
    "tgi_request_success",
    "nv_inference_pending_request_count",
    "nv_inference_request_success",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_trt_llm_request_metrics",
    "nv_trt_llm_kv_cache_block_metrics",
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    "llamacpp:prompt_tokens",
    "llamacpp:tokens_predicted",
    "llamacpp:n_busy_slots_per_decode",
];

/// Names of before, and what took their place, if anything did.
const RENAMED: [(&str, Option<&str>); 10] = [
    ("vllm:gpu_cache_usage_perc", Some("vllm:kv_cache_usage_perc")),
    ("vllm:time_per_output_token_seconds", Some("vllm:inter_token_latency_seconds")),
    ("vllm:gpu_prefix_cache_queries", Some("vllm:prefix_cache_queries")),
    ("vllm:gpu_prefix_cache_hits", Some("vllm:prefix_cache_hits")),
    ("vllm:avg_prompt_throughput_toks_per_s", Some("vllm:prompt_tokens")),
    ("vllm:avg_generation_throughput_toks_per_s", Some("vllm:generation_tokens")),
    ("vllm:num_requests_swapped", None),
    ("vllm:cpu_cache_usage_perc", None),
    ("llamacpp:kv_cache_usage_ratio", None),
    ("llamacpp:kv_cache_tokens", None),
];

/// Shares from 0 to 1, whatever they are called.
const SHARES: [&str; 9] = [
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:token_usage",
    "sglang:cache_hit_rate",
    "trtllm_kv_cache_utilization",
    "trtllm_kv_cache_hit_rate",
    "nv_gpu_utilization",
    "llamacpp:kv_cache_usage_ratio",
    "inference_pool_average_kv_cache_utilization",
];

/// The names with which servers begin their metrics.
const PREFIXES: [&str; 8] =
    ["vllm:", "sglang:", "trtllm_", "tgi_", "nv_inference_", "nv_trt_llm_", "llamacpp:", "vllm_"];

/// Whether an inference server reports it, so one value per pod.
pub(super) fn is_of_engine(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The old name that this is, and the one of now with the same ending.
pub(super) fn renamed(name: &str) -> Option<(&'static str, Option<String>)> {
    let (base, ending) = without_ending(name);
    let (old, new) = RENAMED.iter().find(|(old, _)| same(old, base) || same(old, name))?;
    let ending = if same(old, name) { "" } else { ending };
    Some((old, new.map(|new| format!("{new}{ending}"))))
}

/// Whether it is a share from 0 to 1: a known one, or the used or hit part of something, as a ratio.
pub(super) fn is_share(name: &str) -> bool {
    let words = || name.split(|char: char| !char.is_ascii_alphanumeric());
    let parts =
        ["usage", "utilization", "utilisation", "util", "used", "occupancy", "hit", "cache"];
    SHARES.iter().any(|share| same(share, name))
        || words().next_back() == Some("ratio") && words().any(|word| parts.contains(&word))
}

/// The known metric that a mistyped one of the same server is meant to be.
pub(super) fn mistyped(name: &str) -> Option<&'static str> {
    let prefix = PREFIXES.iter().find(|prefix| name.starts_with(**prefix))?;
    let (base, _) = without_ending(name);
    let is_known = |name: &str| {
        KNOWN.iter().any(|known| same(known, name))
            || RENAMED.iter().any(|(old, _)| same(old, name))
    };
    if is_known(base) || is_known(name) {
        return None;
    }
    let own: Vec<&'static str> =
        KNOWN.iter().copied().filter(|known| known.starts_with(prefix)).collect();
    // One letter in six may differ: `_running` and `_waiting` are different metrics.
    let nearest = crate::suggest::nearest(base, &own)?;
    let differ = nearest.len().abs_diff(base.len()) <= 2;
    (differ && close(base, nearest)).then_some(nearest)
}

/// Two names that differ in one place of at most two letters.
fn close(a: &str, b: &str) -> bool {
    let front = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let back = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    let shorter = a.len().min(b.len());
    front.saturating_add(back).saturating_add(2) >= shorter
}

/// The endings that Prometheus adds, and adapters to a statistic.
fn without_ending(name: &str) -> (&str, &str) {
    for ending in ["_total", "_bucket", "_count", "_sum", "_p50", "_p90", "_p95", "_p99"] {
        if let Some(base) = name.strip_suffix(ending) {
            return (base, ending);
        }
    }
    (name, "")
}

/// Adapters write `vllm_` for `vllm:`.
fn same(known: &str, name: &str) -> bool {
    known.len() == name.len()
        && known.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b':' && b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_before() {
        assert_eq!(
            renamed("vllm:gpu_cache_usage_perc").and_then(|(_, new)| new).as_deref(),
            Some("vllm:kv_cache_usage_perc")
        );
        assert_eq!(
            renamed("vllm:time_per_output_token_seconds_bucket")
                .and_then(|(_, new)| new)
                .as_deref(),
            Some("vllm:inter_token_latency_seconds_bucket")
        );
        assert_eq!(renamed("llamacpp:kv_cache_usage_ratio").map(|(_, new)| new), Some(None));
        assert_eq!(renamed("vllm:kv_cache_usage_perc"), None);
        assert!(renamed("vllm_gpu_cache_usage_perc").is_some());
    }

    #[test]
    fn shares() {
        for name in
            ["vllm:kv_cache_usage_perc", "inference_kv_cache_usage_ratio", "nv_gpu_utilization"]
        {
            assert!(is_share(name), "{name}");
        }
        for name in [
            "demand_to_capacity_ratio",
            "DCGM_FI_DEV_GPU_UTIL",
            "gpu_utilization",
            "kv_cache_usage_percent",
        ] {
            assert!(!is_share(name), "{name}");
        }
    }

    #[test]
    fn mistyped_names() {
        for (name, expected) in [
            ("vllm:num_request_waiting", Some("vllm:num_requests_waiting")),
            ("vllm:num_requests_wating", Some("vllm:num_requests_waiting")),
            ("sglang:num_queued_reqs", Some("sglang:num_queue_reqs")),
            ("vllm:num_requests_waiting", None),
            ("vllm:num_requests_paused", None),
            ("vllm:time_to_first_token_seconds_bucket", None),
            ("vllm:time_to_first_token_seconds_p95", None),
            ("vllm:something_else_entirely", None),
            ("num_request_waiting", None),
        ] {
            assert_eq!(mistyped(name), expected, "{name}");
        }
    }
}
