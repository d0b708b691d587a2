//! The rules for `spec.wva`: those of llm-d's configuration, and that its metrics are there.

use alloc::format;
use alloc::string::String;

use super::Errors;
use super::strategy::Within;
use crate::policy::strategy::WVA_ROLES;
use crate::policy::{Finite, PolicySpec, WvaAnalyzer, WvaSpec};

/// Checks thresholds and roles.
pub(super) fn wva(wva: &WvaSpec, spec: &PolicySpec, errors: &mut Errors) {
    let mut within = Within { path: "spec.wva", errors };
    within.number("kvCacheThreshold", wva.kv_cache_threshold, 0.0, 1.0);
    within.number("queueLengthThreshold", wva.queue_length_threshold, 0.0, f64::MAX);
    within.number("kvSpareTrigger", wva.kv_spare_trigger, 0.0, 1.0);
    within.number("queueSpareTrigger", wva.queue_spare_trigger, 0.0, f64::MAX);
    within.share("scaleUpThreshold", wva.scale_up_threshold);
    within.share("scaleDownBoundary", wva.scale_down_boundary);
    within.whole("kvCacheCapacityTokens", wva.kv_cache_capacity_tokens, 1, i32::MAX);
    within.whole("maxBatchedTokens", wva.max_batched_tokens, 1, i32::MAX);
    within.whole("maxSequences", wva.max_sequences, 1, i32::MAX);
    within.whole("retentionPeriodSeconds", wva.retention_period_seconds, 1, i32::MAX);
    within.whole("optimizationIntervalSeconds", wva.optimization_interval_seconds, 1, i32::MAX);
    orders(wva, errors);
    let token = wva.analyzer == Some(WvaAnalyzer::Token);
    if token && wva.kv_cache_capacity_tokens.is_none() {
        let detail = "is missing: `analyzer: token` needs how many tokens the KV cache of a replica \
                      holds, the product of `num_gpu_blocks` and `block_size` of vLLM's \
                      `vllm:cache_config_info`";
        errors.required(String::from("spec.wva.kvCacheCapacityTokens"), detail);
    }
    let min = spec.min_replicas.unwrap_or(0);
    let to_zero = wva.scale_to_zero == Some(true);
    if to_zero && min > 0 {
        let detail = format!("is true, and `minReplicas` is {min}: it has to be 0");
        errors.invalid(String::from("spec.wva.scaleToZero"), detail);
    }
    roles(wva, spec, to_zero, errors);
}

/// Of two numbers one has to be larger.
fn orders(wva: &WvaSpec, errors: &mut Errors) {
    let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
    let (threshold, trigger) =
        (number(wva.kv_cache_threshold, 0.8), number(wva.kv_spare_trigger, 0.1));
    if trigger > threshold {
        let detail =
            format!("is {trigger} and has to be at most `kvCacheThreshold`, which is {threshold}");
        errors.invalid(String::from("spec.wva.kvSpareTrigger"), detail);
    }
    let (up, down) = (number(wva.scale_up_threshold, 0.85), number(wva.scale_down_boundary, 0.7));
    if down >= up {
        let detail = format!("is {down} and has to be below `scaleUpThreshold`, which is {up}");
        errors.invalid(String::from("spec.wva.scaleDownBoundary"), detail);
    }
}

/// What is needed or named has to be in `metrics`, and of the right type.
fn roles(wva: &WvaSpec, spec: &PolicySpec, to_zero: bool, errors: &mut Errors) {
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    for role in WVA_ROLES {
        let needed = match role.field {
            "kvCacheUsage" | "requestsWaiting" => true,
            "requests" => to_zero,
            _ => false,
        };
        let named = (role.named)(wva).is_some();
        if (needed || named) && role.index(wva, metrics).is_none() {
            let types = if role.per_pod { "a Pods metric" } else { "an External or Object metric" };
            let name = role.name(wva);
            let detail = format!(
                "is `{name}`{}, which `metrics` does not have as {types}: list it there, or name \
                 another",
                if named { "" } else { " by default" }
            );
            errors.invalid(format!("spec.wva.{}", role.field), detail);
        }
    }
}
