//! The metrics of each server, by the names that it publishes. Sources: the servers' own code and documentation; see
//! `docs/src/reference/prometheus.md` for the versions.

use super::PresetRole::{Backlog, Concurrency, Hardware, KvCache, Latency, Throughput};
use super::{Entry, PresetRole, Take};
use crate::query::Aggregate::{Max, Sum};

const fn pods(name: &'static str, role: PresetRole, target: i64, take: Take) -> Entry {
    Entry { name, per_pod: true, role, target, take }
}

const fn all(name: &'static str, role: PresetRole, target: i64, take: Take) -> Entry {
    Entry { name, per_pod: false, role, target, take }
}

const fn sum(names: &'static [&'static str]) -> Take {
    Take::Gauge { names, labels: "", series: Sum }
}

const fn max(names: &'static [&'static str]) -> Take {
    Take::Gauge { names, labels: "", series: Max }
}

const fn rate(names: &'static [&'static str]) -> Take {
    Take::Rate { names }
}

const fn p95(names: &'static [&'static str]) -> Take {
    Take::Quantile { names, permille: 950 }
}

// Earlier builds called the KV cache gpu_cache, and the time between tokens time_per_output_token.
pub(super) const VLLM: &[Entry] = &[
    pods("vllm:num_requests_running", Concurrency, 32_000, sum(&["vllm:num_requests_running"])),
    pods("vllm:num_requests_waiting", Backlog, 1_000, sum(&["vllm:num_requests_waiting"])),
    pods(
        "vllm:kv_cache_usage_perc",
        KvCache,
        900,
        max(&["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"]),
    ),
    all(
        "vllm:time_to_first_token_seconds_p95",
        Latency,
        1_500,
        p95(&["vllm:time_to_first_token_seconds"]),
    ),
    all(
        "vllm:inter_token_latency_seconds_p95",
        Latency,
        50,
        p95(&["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"]),
    ),
    all("vllm:request_success", Throughput, 1_000, rate(&["vllm:request_success_total"])),
    all("vllm:generation_tokens", Throughput, 1_000_000, rate(&["vllm:generation_tokens_total"])),
    pods("vllm:num_preemptions", KvCache, 1_000, rate(&["vllm:num_preemptions_total"])),
];

pub(super) const SGLANG: &[Entry] = &[
    pods("sglang:num_running_reqs", Concurrency, 32_000, sum(&["sglang:num_running_reqs"])),
    pods("sglang:num_queue_reqs", Backlog, 1_000, sum(&["sglang:num_queue_reqs"])),
    pods("sglang:token_usage", KvCache, 900, max(&["sglang:token_usage"])),
    all(
        "sglang:time_to_first_token_seconds_p95",
        Latency,
        1_500,
        p95(&["sglang:time_to_first_token_seconds"]),
    ),
    all(
        "sglang:inter_token_latency_seconds_p95",
        Latency,
        50,
        p95(&["sglang:inter_token_latency_seconds"]),
    ),
    all("sglang:num_requests", Throughput, 1_000, rate(&["sglang:num_requests_total"])),
    all("sglang:gen_throughput", Throughput, 1_000_000, sum(&["sglang:gen_throughput"])),
];

pub(super) const TRITON: &[Entry] = &[
    all("nv_inference_count", Throughput, 7_000, rate(&["nv_inference_count"])),
    all(
        "nv_inference_first_response_histogram_ms_p95",
        Latency,
        1_500_000,
        p95(&["nv_inference_first_response_histogram_ms"]),
    ),
    pods(
        "nv_inference_pending_request_count",
        Backlog,
        1_000,
        sum(&["nv_inference_pending_request_count"]),
    ),
    pods(
        "nv_trt_llm_requests_active",
        Concurrency,
        32_000,
        Take::Gauge {
            names: &["nv_trt_llm_request_metrics"],
            labels: "request_type=\"active\"",
            series: Sum,
        },
    ),
    pods(
        "nv_trt_llm_requests_waiting",
        Backlog,
        1_000,
        Take::Gauge {
            names: &["nv_trt_llm_request_metrics"],
            labels: "request_type=\"waiting\"",
            series: Sum,
        },
    ),
    pods(
        "nv_trt_llm_kv_cache_fraction",
        KvCache,
        900,
        Take::Gauge {
            names: &["nv_trt_llm_kv_cache_block_metrics"],
            labels: "kv_cache_block_type=\"fraction\"",
            series: Max,
        },
    ),
];

pub(super) const TENSORRT_LLM: &[Entry] = &[
    pods("trtllm_num_requests_running", Concurrency, 32_000, sum(&["trtllm_num_requests_running"])),
    pods("trtllm_num_requests_waiting", Backlog, 1_000, sum(&["trtllm_num_requests_waiting"])),
    pods("trtllm_kv_cache_utilization", KvCache, 900, max(&["trtllm_kv_cache_utilization"])),
    all(
        "trtllm_time_to_first_token_seconds_p95",
        Latency,
        1_500,
        p95(&["trtllm_time_to_first_token_seconds"]),
    ),
    all(
        "trtllm_time_per_output_token_seconds_p95",
        Latency,
        50,
        p95(&["trtllm_time_per_output_token_seconds"]),
    ),
    all("trtllm_request_success", Throughput, 1_000, rate(&["trtllm_request_success_total"])),
];

pub(super) const TGI: &[Entry] = &[
    pods("tgi_batch_current_size", Concurrency, 32_000, sum(&["tgi_batch_current_size"])),
    pods("tgi_queue_size", Backlog, 1_000, sum(&["tgi_queue_size"])),
    all(
        "tgi_request_mean_time_per_token_duration_mean",
        Latency,
        50,
        Take::Mean { names: &["tgi_request_mean_time_per_token_duration"] },
    ),
    all("tgi_request_queue_duration_p95", Latency, 1_500, p95(&["tgi_request_queue_duration"])),
    all(
        "tgi_request_count",
        Throughput,
        1_000,
        rate(&["tgi_request_count", "tgi_request_count_total"]),
    ),
];

// Newer builds have no KV gauges: where there are none, they are missing.
pub(super) const LLAMA_CPP: &[Entry] = &[
    pods(
        "llamacpp:requests_processing",
        Concurrency,
        4_000,
        sum(&["llamacpp:requests_processing"]),
    ),
    pods("llamacpp:requests_deferred", Backlog, 1_000, sum(&["llamacpp:requests_deferred"])),
    pods("llamacpp:kv_cache_usage_ratio", KvCache, 900, max(&["llamacpp:kv_cache_usage_ratio"])),
    all(
        "llamacpp:tokens_predicted",
        Throughput,
        1_000_000,
        rate(&["llamacpp:tokens_predicted_total"]),
    ),
];

// Its replicas are actors and not pods, so that there is one value for all.
pub(super) const RAY_SERVE: &[Entry] = &[
    all(
        "ray_serve_replica_processing_queries",
        Concurrency,
        2_000,
        sum(&[
            "ray_serve_replica_processing_queries",
            "ray_serve_num_ongoing_requests_at_replicas",
        ]),
    ),
    all(
        "ray_serve_deployment_queued_queries",
        Backlog,
        1_000,
        sum(&["ray_serve_deployment_queued_queries"]),
    ),
    all(
        "ray_serve_deployment_processing_latency_ms_p95",
        Latency,
        1_500_000,
        p95(&["ray_serve_deployment_processing_latency_ms"]),
    ),
    all(
        "ray_serve_deployment_request_counter",
        Throughput,
        1_000,
        rate(&[
            "ray_serve_deployment_request_counter_total",
            "ray_serve_deployment_request_counter",
        ]),
    ),
];

pub(super) const KSERVE: &[Entry] = &[
    all(
        "request_predict_seconds_count",
        Throughput,
        1_000,
        rate(&["request_predict_seconds_count"]),
    ),
    all("request_predict_seconds_p95", Latency, 1_500, p95(&["request_predict_seconds"])),
];

// The share of time in which a GPU did anything is near 100 % for every decoding server, and says nothing about load.
pub(super) const DCGM: &[Entry] = &[
    pods("DCGM_FI_DEV_GPU_UTIL", Hardware, 95_000, max(&["DCGM_FI_DEV_GPU_UTIL"])),
    pods("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Hardware, 950, max(&["DCGM_FI_PROF_GR_ENGINE_ACTIVE"])),
    pods(
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        Hardware,
        900,
        max(&["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"]),
    ),
    pods("DCGM_FI_PROF_DRAM_ACTIVE", Hardware, 900, max(&["DCGM_FI_PROF_DRAM_ACTIVE"])),
    pods("DCGM_FI_DEV_GPU_TEMP", Hardware, 85_000, max(&["DCGM_FI_DEV_GPU_TEMP"])),
    pods("DCGM_FI_DEV_XID_ERRORS", Hardware, 1_000, max(&["DCGM_FI_DEV_XID_ERRORS"])),
];

// Since 2026 some of them begin with `llm_d_epp_`.
pub(super) const INFERENCE_POOL: &[Entry] = &[
    all(
        "inference_pool_average_running_requests",
        Concurrency,
        32_000,
        max(&["inference_pool_average_running_requests"]),
    ),
    all(
        "inference_pool_average_queue_size",
        Backlog,
        1_000,
        max(&["inference_pool_average_queue_size"]),
    ),
    all(
        "inference_pool_average_kv_cache_utilization",
        KvCache,
        900,
        max(&["inference_pool_average_kv_cache_utilization"]),
    ),
    all(
        "inference_objective_request",
        Throughput,
        1_000,
        rate(&["inference_objective_request_total"]),
    ),
    all(
        "inference_objective_running_requests",
        Concurrency,
        32_000,
        sum(&["inference_objective_running_requests", "llm_d_epp_request_running"]),
    ),
    all(
        "inference_extension_flow_control_queue_size",
        Backlog,
        1_000,
        sum(&["inference_extension_flow_control_queue_size", "llm_d_epp_flow_control_queue_size"]),
    ),
    all(
        "inference_extension_flow_control_pool_saturation",
        KvCache,
        800,
        max(&[
            "inference_extension_flow_control_pool_saturation",
            "llm_d_epp_flow_control_pool_saturation",
        ]),
    ),
    all(
        "inference_objective_request_ttft_seconds_p95",
        Latency,
        1_500,
        p95(&["inference_objective_request_ttft_seconds"]),
    ),
];
