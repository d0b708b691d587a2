//! What well-known inference servers publish, and how it is read: names, queries, roles, and targets to begin with.

mod servers;
mod take;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::query::{MetricQuery, POD_LABEL, PerReplica};
pub(crate) use take::Take;

/// A well-known server.
///
/// Its metrics have the names of the policies in `examples/presets`. Where a server renamed a metric, both names are asked
/// for; one that a build does not publish is missing, and not zero.
///
/// ```
/// use trimtab_prometheus::{Preset, PresetArgs};
///
/// let args = PresetArgs::matching(r#"namespace="inference""#);
/// let metrics = Preset::Vllm.metrics(&args);
/// let kv = metrics.iter().find(|metric| metric.query.metric == "vllm:kv_cache_usage_perc").unwrap();
/// assert_eq!(
///     kv.query.query,
///     "max by (pod) (vllm:kv_cache_usage_perc{namespace=\"inference\"} or \
///      vllm:gpu_cache_usage_perc{namespace=\"inference\"})"
/// );
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Preset {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// Triton, with or without its backend for TensorRT-LLM.
    Triton,
    /// TensorRT-LLM's `trtllm-serve`.
    TensorrtLlm,
    /// Text Generation Inference.
    Tgi,
    /// llama.cpp's server.
    LlamaCpp,
    /// Ray Serve.
    RayServe,
    /// KServe's Python server.
    Kserve,
    /// GPUs, by DCGM's exporter: guards, and nothing to scale on.
    Dcgm,
    /// The gateway of an inference pool.
    InferencePool,
}

/// What queries of a preset are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresetArgs {
    /// What stands in the braces of each selector.
    pub matchers: String,
    /// The window of rates.
    pub window: Span,
    /// The label that names the pod.
    pub pod_label: String,
}

impl Default for PresetArgs {
    fn default() -> Self {
        let pod_label = String::from(POD_LABEL);
        Self { matchers: String::new(), window: Span::from_secs(120), pod_label }
    }
}

impl PresetArgs {
    /// Series that match this, and all else by default.
    pub fn matching(matchers: impl Into<String>) -> Self {
        Self { matchers: matchers.into(), ..Self::default() }
    }
}

/// A metric of a preset.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PresetMetric {
    /// Its name and its query.
    pub query: MetricQuery,
    /// It has a value per pod (a `Pods` metric); else one for all (`External`).
    pub per_pod: bool,
    /// What it says.
    pub role: PresetRole,
    /// A target to begin with, to be made your own.
    pub target: Quantity,
}

/// What a metric says about a server.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PresetRole {
    /// How much it does at a time: what a policy scales on.
    Concurrency,
    /// What waits: a guard, or a trigger.
    Backlog,
    /// How long it takes.
    Latency,
    /// How full its KV cache is: a guard.
    KvCache,
    /// How much is asked or done per second.
    Throughput,
    /// What the hardware says: a guard, and never what to scale on.
    Hardware,
}

/// A metric as the tables have it.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Entry {
    /// Its name in policies.
    pub(crate) name: &'static str,
    pub(crate) per_pod: bool,
    pub(crate) role: PresetRole,
    /// Thousandths.
    pub(crate) target: i64,
    pub(crate) take: Take,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 10] = [
        Self::Vllm,
        Self::Sglang,
        Self::Triton,
        Self::TensorrtLlm,
        Self::Tgi,
        Self::LlamaCpp,
        Self::RayServe,
        Self::Kserve,
        Self::Dcgm,
        Self::InferencePool,
    ];

    /// Its name, as in a configuration.
    ///
    /// ```
    /// assert_eq!(trimtab_prometheus::Preset::TensorrtLlm.name(), "tensorrtLlm");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Triton => "triton",
            Self::TensorrtLlm => "tensorrtLlm",
            Self::Tgi => "tgi",
            Self::LlamaCpp => "llamaCpp",
            Self::RayServe => "rayServe",
            Self::Kserve => "kserve",
            Self::Dcgm => "dcgm",
            Self::InferencePool => "inferencePool",
        }
    }

    /// Its metrics with their queries.
    pub fn metrics(self, args: &PresetArgs) -> Vec<PresetMetric> {
        let metric = |entry: &Entry| PresetMetric {
            query: MetricQuery {
                metric: String::from(entry.name),
                query: entry.take.query(entry.per_pod, args),
                per_replica: entry.per_pod.then(|| PerReplica { label: args.pod_label.clone() }),
                ..MetricQuery::default()
            },
            per_pod: entry.per_pod,
            role: entry.role,
            target: Quantity::from_milli(entry.target),
        };
        self.entries().iter().map(metric).collect()
    }

    /// The gauge of what a pod is serving, for draining.
    #[cfg(feature = "client")]
    pub(crate) fn in_flight(self) -> Option<Take> {
        let entries = self.entries().iter();
        let mut serving =
            entries.filter(|entry| entry.per_pod && entry.role == PresetRole::Concurrency);
        serving.next().map(|entry| entry.take)
    }

    pub(crate) fn entries(self) -> &'static [Entry] {
        match self {
            Self::Vllm => servers::VLLM,
            Self::Sglang => servers::SGLANG,
            Self::Triton => servers::TRITON,
            Self::TensorrtLlm => servers::TENSORRT_LLM,
            Self::Tgi => servers::TGI,
            Self::LlamaCpp => servers::LLAMA_CPP,
            Self::RayServe => servers::RAY_SERVE,
            Self::Kserve => servers::KSERVE,
            Self::Dcgm => servers::DCGM,
            Self::InferencePool => servers::INFERENCE_POOL,
        }
    }
}

impl std::str::FromStr for Preset {
    type Err = crate::SpecError;

    fn from_str(text: &str) -> Result<Self, crate::SpecError> {
        Self::ALL.into_iter().find(|preset| preset.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join("`, `");
            crate::SpecError::new(format!("there is no preset `{text}`: it is one of `{names}`"))
        })
    }
}
