//! WVA's settings: llm-d's saturation scaling and scale-to-zero configuration, and the metrics by role.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::policy::{
    ExternalMetricSource, Finite, MetricIdentifier, MetricSpec, MetricTarget, PodsMetricSource,
    PolicySpec,
};
use crate::strategy::wva::{percentage, token};

/// What `strategy: wva` needs to know: the saturation and scale-to-zero configuration of llm-d's
/// Workload Variant Autoscaler, and which metric of the policy is what.
///
/// The HPA that follows `wva_desired_replicas` with a target of 1 is the policy's own: `minReplicas`,
/// `maxReplicas`, `behavior` and `hpa`. The targets in `metrics` are not looked at.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 8, "strategy": "wva", "wva": {"queueSpareTrigger": 2}}"#,
/// )?)?;
/// let read: Vec<_> = policy.metrics().iter().map(|metric| metric.name()).collect();
/// assert_eq!(read, ["vllm:kv_cache_usage_perc", "vllm:num_requests_waiting"]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WvaSpec {
    /// `percentage` (V1, default) or `token` (V2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzer: Option<WvaAnalyzer>,
    /// The share of its KV cache from which on a replica is full, 0 to 1. Default 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_threshold: Option<Finite>,
    /// The waiting requests from which on a replica is full, at least 0. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_length_threshold: Option<Finite>,
    /// Under `percentage`: less spare KV cache asks for a replica, 0 to `kvCacheThreshold`.
    /// Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_spare_trigger: Option<Finite>,
    /// Under `percentage`: less spare queue asks for a replica, at least 0. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_spare_trigger: Option<Finite>,
    /// Under `token`: more demand than this share of the capacity asks for replicas, above 0 to 1.
    /// Default 0.85.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up_threshold: Option<Finite>,
    /// Under `token`: less demand than this share of the capacity lets some go, above 0 and below
    /// `scaleUpThreshold`. Default 0.7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down_boundary: Option<Finite>,
    /// Tokens that the KV cache of a replica can hold (`num_gpu_blocks` times `block_size` of
    /// `vllm:cache_config_info`), at least 1. Required under `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_capacity_tokens: Option<i32>,
    /// Under `token`: tokens that one step can compute (`--max-num-batched-tokens`), at least 1.
    /// Default 8192.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batched_tokens: Option<i32>,
    /// Under `token`: requests that a replica serves at once (`--max-num-seqs`), at least 1.
    /// Default 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sequences: Option<i32>,
    /// Whether the count goes to 0 when no request has come for the retention period; `minReplicas`
    /// has to be 0, and is by default. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to_zero: Option<bool>,
    /// The retention period, in seconds, at least 1. Default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_period_seconds: Option<i32>,
    /// Time between two analyses (`GLOBAL_OPT_INTERVAL`), in seconds, at least 1. Default 30. The HPA
    /// goes by its own sync period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimization_interval_seconds: Option<i32>,
    /// The Pods metric that is the used share of the KV cache, 0 to 1. Default
    /// `vllm:kv_cache_usage_perc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_usage: Option<String>,
    /// The Pods metric that is the waiting requests. Default `vllm:num_requests_waiting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_waiting: Option<String>,
    /// The Pods metric that is the mean tokens of a prompt. Default `vllm:request_prompt_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_input_tokens: Option<String>,
    /// The Pods metric that is the mean tokens of an answer. Default
    /// `vllm:request_generation_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_output_tokens: Option<String>,
    /// The Pods metric that is the share of prompt tokens found in the prefix cache, 0 to 1. Default
    /// `vllm:prefix_cache_hit_rate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_cache_hit_rate: Option<String>,
    /// The External or Object metric that is the requests that wait at the gateway. Default
    /// `inference_extension_flow_control_queue_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_queue_size: Option<String>,
    /// The External or Object metric that is the bytes of these requests. Default
    /// `inference_extension_flow_control_queue_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_queue_bytes: Option<String>,
    /// The External or Object metric that is above 0 while requests succeed. Default
    /// `vllm:request_success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<String>,
}

/// Which of WVA's analyzers decides.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WvaAnalyzer {
    /// V1: spare KV cache and queue, one replica at a time.
    #[default]
    Percentage,
    /// V2: demand and capacity in tokens.
    Token,
}

/// What a metric of the policy is to WVA.
#[derive(Copy, Clone, Debug)]
pub(in crate::policy) struct Role {
    /// The field that names it.
    pub(in crate::policy) field: &'static str,
    /// Its name where the field is absent.
    pub(in crate::policy) default: &'static str,
    /// A value per pod, or one for all.
    pub(in crate::policy) per_pod: bool,
    /// The field itself.
    pub(in crate::policy) named: fn(&WvaSpec) -> Option<&String>,
}

/// All roles, in the order of [`WvaSignals`].
pub(in crate::policy) const ROLES: [Role; 8] = [
    role("kvCacheUsage", "vllm:kv_cache_usage_perc", true, |s| s.kv_cache_usage.as_ref()),
    role("requestsWaiting", "vllm:num_requests_waiting", true, |s| s.requests_waiting.as_ref()),
    role("averageInputTokens", "vllm:request_prompt_tokens", true, |s| {
        s.average_input_tokens.as_ref()
    }),
    role("averageOutputTokens", "vllm:request_generation_tokens", true, |s| {
        s.average_output_tokens.as_ref()
    }),
    role("prefixCacheHitRate", "vllm:prefix_cache_hit_rate", true, |s| {
        s.prefix_cache_hit_rate.as_ref()
    }),
    role("gatewayQueueSize", "inference_extension_flow_control_queue_size", false, |s| {
        s.gateway_queue_size.as_ref()
    }),
    role("gatewayQueueBytes", "inference_extension_flow_control_queue_bytes", false, |s| {
        s.gateway_queue_bytes.as_ref()
    }),
    role("requests", "vllm:request_success", false, |s| s.requests.as_ref()),
];

const fn role(
    field: &'static str,
    default: &'static str,
    per_pod: bool,
    named: fn(&WvaSpec) -> Option<&String>,
) -> Role {
    Role { field, default, per_pod, named }
}

impl Role {
    /// The metric's name.
    pub(in crate::policy) fn name<'a>(&self, spec: &'a WvaSpec) -> &'a str {
        (self.named)(spec).map_or(self.default, String::as_str)
    }

    /// The metric's place in the policy.
    pub(in crate::policy) fn index(&self, spec: &WvaSpec, metrics: &[MetricSpec]) -> Option<usize> {
        metrics.iter().position(|metric| self.fits(metric) == Some(self.name(spec)))
    }

    /// The name of a metric that may have the role by its type.
    fn fits<'a>(&self, metric: &'a MetricSpec) -> Option<&'a str> {
        let identifier = match (self.per_pod, metric.type_.as_str()) {
            (true, "Pods") => &metric.pods.as_ref()?.metric,
            (false, "External") => &metric.external.as_ref()?.metric,
            (false, "Object") => &metric.object.as_ref()?.metric,
            _ => return None,
        };
        Some(&identifier.name)
    }
}

impl WvaSpec {
    /// The metrics that a policy has that lists none: those of the analyzer, and those that scale to
    /// zero needs.
    pub(in crate::policy) fn default_metrics(&self) -> Vec<MetricSpec> {
        let token = self.analyzer == Some(WvaAnalyzer::Token);
        let to_zero = self.scale_to_zero == Some(true);
        let read = |role: &&Role| match role.field {
            "kvCacheUsage" | "requestsWaiting" => true,
            "averageInputTokens" | "averageOutputTokens" => token,
            "gatewayQueueSize" => token || to_zero,
            "requests" => to_zero,
            _ => false,
        };
        ROLES.iter().filter(read).map(|role| metric(role, role.name(self))).collect()
    }
}

/// A metric with a target of 1, at which nobody looks.
fn metric(role: &Role, name: &str) -> MetricSpec {
    let metric = MetricIdentifier { name: String::from(name), selector: None };
    let target = MetricTarget {
        type_: String::from("AverageValue"),
        average_value: Some(Quantity::from_units(1)),
        ..MetricTarget::default()
    };
    if role.per_pod {
        let pods = Some(PodsMetricSource { metric, target });
        MetricSpec { type_: String::from("Pods"), pods, ..MetricSpec::default() }
    } else {
        let external = Some(ExternalMetricSource { metric, target });
        MetricSpec { type_: String::from("External"), external, ..MetricSpec::default() }
    }
}

/// [`WvaSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct WvaSettings {
    /// Which analyzer decides.
    pub analyzer: WvaAnalyzer,
    /// V1's thresholds.
    pub percentage: percentage::Thresholds,
    /// V2's thresholds.
    pub token: token::Thresholds,
    /// How the inference server is set up.
    pub engine: token::Engine,
    /// Tokens that the KV cache of a replica can hold; 0 if not known.
    pub kv_cache_capacity: i64,
    /// After how long without a request the count goes to 0; nothing if it never does.
    pub retention: Option<Span>,
    /// Time between two analyses.
    pub optimization_interval: Span,
    /// Which metric is what.
    pub signals: WvaSignals,
}

/// Which metric of the policy is what, by its place; those that the policy does not have are nothing.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct WvaSignals {
    /// The used share of the KV cache.
    pub kv_cache_usage: Option<usize>,
    /// Waiting requests.
    pub requests_waiting: Option<usize>,
    /// Mean tokens of a prompt.
    pub average_input_tokens: Option<usize>,
    /// Mean tokens of an answer.
    pub average_output_tokens: Option<usize>,
    /// The share of prompt tokens found in the prefix cache.
    pub prefix_cache_hit_rate: Option<usize>,
    /// Requests that wait at the gateway.
    pub gateway_queue_size: Option<usize>,
    /// Their bytes.
    pub gateway_queue_bytes: Option<usize>,
    /// Above 0 while requests succeed.
    pub requests: Option<usize>,
}

impl WvaSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = WvaSpec::default();
        let spec = policy.wva.as_deref().unwrap_or(&absent);
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let whole = |value: Option<i32>, default: i64| value.map_or(default, i64::from);
        let (v1, v2) = (percentage::Thresholds::default(), token::Thresholds::default());
        let engine = token::Engine::default();
        let retention = Span::from_secs(whole(spec.retention_period_seconds, 600));
        Self {
            analyzer: spec.analyzer.unwrap_or_default(),
            percentage: percentage::Thresholds {
                kv_cache: number(spec.kv_cache_threshold, v1.kv_cache),
                queue_length: number(spec.queue_length_threshold, v1.queue_length),
                kv_spare: number(spec.kv_spare_trigger, v1.kv_spare),
                queue_spare: number(spec.queue_spare_trigger, v1.queue_spare),
            },
            token: token::Thresholds {
                kv_cache: number(spec.kv_cache_threshold, v2.kv_cache),
                queue_length: number(spec.queue_length_threshold, v2.queue_length),
                scale_up: number(spec.scale_up_threshold, v2.scale_up),
                scale_down: number(spec.scale_down_boundary, v2.scale_down),
            },
            engine: token::Engine {
                max_batched_tokens: whole(spec.max_batched_tokens, engine.max_batched_tokens),
                max_sequences: whole(spec.max_sequences, engine.max_sequences),
            },
            kv_cache_capacity: whole(spec.kv_cache_capacity_tokens, 0),
            retention: (spec.scale_to_zero == Some(true)).then_some(retention),
            optimization_interval: Span::from_secs(whole(spec.optimization_interval_seconds, 30)),
            signals: WvaSignals::of(spec, policy.metrics.as_deref().unwrap_or_default()),
        }
    }
}

impl WvaSignals {
    fn of(spec: &WvaSpec, metrics: &[MetricSpec]) -> Self {
        let [
            kv_cache_usage,
            requests_waiting,
            average_input_tokens,
            average_output_tokens,
            prefix_cache_hit_rate,
            gateway_queue_size,
            gateway_queue_bytes,
            requests,
        ] = ROLES.map(|role| role.index(spec, metrics));
        Self {
            kv_cache_usage,
            requests_waiting,
            average_input_tokens,
            average_output_tokens,
            prefix_cache_hit_rate,
            gateway_queue_size,
            gateway_queue_bytes,
            requests,
        }
    }
}
