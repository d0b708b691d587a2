//! What a metric's name says about what it measures.

/// What is measured.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// What the replicas share: requests in flight, arrivals, tokens per second.
    Load,
    /// What waits for a replica.
    Queue,
    /// A time.
    Latency,
    /// A share of what there is.
    Usage,
}

/// A name with one of these is a time.
const LATENCY: [&str; 8] = ["latency", "duration", "ttft", "tpot", "itl", "e2e", "time", "delay"];
/// A name with one of these is a share of what there is.
const USAGE: [&str; 9] = [
    "usage",
    "utilization",
    "utilisation",
    "util",
    "perc",
    "percent",
    "occupancy",
    "saturation",
    "dcgm",
];
/// A name with one of these is a rate.
const RATE: [&str; 5] = ["rps", "qps", "tps", "rate", "throughput"];
/// A name with one of these is what waits; the last are queues by their product, as KEDA names them.
const QUEUE: [&str; 11] = [
    "waiting", "queue", "queued", "pending", "backlog", "lag", "deferred", "sqs", "kafka",
    "rabbitmq", "pubsub",
];

/// What a name says, word by word. A name that says nothing is taken for a load.
pub(crate) fn meaning(name: &str) -> Meaning {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|char: char| !char.is_ascii_alphanumeric()).collect();
    let any = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let both = |first: &str, second: &str| {
        words.iter().zip(words.iter().skip(1)).any(|pair| pair == (&first, &second))
    };
    // Of a histogram of times, `_count` is how many there were.
    let counts = words.last() == Some(&"count");
    if (any(&LATENCY) || both("first", "response")) && !counts {
        Meaning::Latency
    } else if any(&USAGE) || both("kv", "cache") {
        Meaning::Usage
    } else if any(&RATE) || both("per", "second") || both("per", "s") {
        Meaning::Load
    } else if any(&QUEUE) {
        Meaning::Queue
    } else {
        Meaning::Load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_servers_publish() {
        let told = [
            (
                Meaning::Load,
                "requests_running requests_in_flight requests_per_second rejected_per_second \
                 tokens_per_second completions_per_second concurrency rps ongoing_requests \
                 vllm:num_requests_running vllm:avg_generation_throughput_toks_per_s \
                 vllm:generation_tokens sglang:num_running_reqs sglang:gen_throughput \
                 trtllm_num_requests_running tgi_batch_current_size tgi_request_count \
                 tgi_request_duration_count nv_inference_count llamacpp:requests_processing \
                 llamacpp:prompt_tokens_seconds inference_objective_running_requests \
                 serve_autoscaling_total_requests serve_replica_processing_queries",
            ),
            (
                Meaning::Queue,
                "requests_waiting gateway_queue_length vllm:num_requests_waiting \
                 sglang:num_queue_reqs trtllm_num_requests_waiting tgi_queue_size \
                 nv_inference_pending_request_count llamacpp:requests_deferred \
                 inference_pool_average_queue_size inference_extension_flow_control_queue_size \
                 serve_deployment_queued_queries inference_requests_waiting_total \
                 queue_messages_ready s2-aws-sqs-batch-jobs s0-kafka-orders consumer_lag",
            ),
            (
                Meaning::Latency,
                "ttft tpot itl e2e ttft_p95 vllm:time_to_first_token_seconds_p95 \
                 vllm:inter_token_latency vllm:request_time_per_output_token_p50 \
                 sglang:e2e_request_latency tgi_request_mean_time_per_token_duration_mean \
                 nv_inference_first_response_histogram_ms_p95 inference_objective_request_ttft \
                 serve_deployment_processing_latency vllm:request_queue_time_seconds",
            ),
            (
                Meaning::Usage,
                "kv_cache_usage_ratio gpu_utilization_ratio gpu_utilization_percent \
                 vllm:kv_cache_usage_perc vllm:gpu_cache_usage_perc sglang:token_usage \
                 trtllm_kv_cache_utilization nv_gpu_utilization llamacpp:kv_cache_usage_ratio \
                 DCGM_FI_DEV_GPU_UTIL DCGM_FI_PROF_GR_ENGINE_ACTIVE \
                 inference_pool_average_kv_cache_utilization",
            ),
        ];
        for (expected, names) in told {
            for name in names.split_whitespace() {
                assert_eq!(meaning(name), expected, "{name}");
            }
        }
    }
}
