//! A metric that an autoscaler looks at: where it comes from, what it measures, what it should be.

use trimtab_prometheus::promql::Outline;

use crate::lint::field::Field;
use crate::propose::{Meaning, meaning};

/// One metric of an autoscaler, or one trigger.
#[derive(Debug)]
pub(in crate::lint) struct Signal<'n> {
    /// The whole of it: an item of `metrics` or `triggers`.
    pub(in crate::lint) field: Field<'n>,
    pub(in crate::lint) source: Source,
    /// Its name and where that is written.
    pub(in crate::lint) name: Option<Field<'n>>,
    /// The query that it comes of.
    pub(in crate::lint) query: Option<Field<'n>>,
    pub(in crate::lint) aim: Option<(Aim, Field<'n>)>,
    pub(in crate::lint) role: Role,
    metrics: Vec<&'n str>,
}

/// Of a query, in bytes.
pub(in crate::lint) const LONGEST: usize = 4000;

/// Where a metric comes from.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Source {
    /// CPU or memory of pods, or of one container of each.
    Resource,
    /// A value per pod, which is averaged.
    Pods,
    Object,
    External,
    /// Whatever a scaler of KEDA asks.
    Trigger,
    /// It starts and stops by the clock.
    Schedule,
}

/// How the target is to be understood.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Aim {
    /// Percent of what pods request.
    Utilization,
    /// For each replica.
    Average,
    /// As it is.
    Value,
}

/// What a metric measures.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(in crate::lint) enum Role {
    /// What waits.
    Queue,
    /// What is in flight, or comes: concurrency, rates, tokens.
    Load,
    /// A time.
    Latency,
    /// The used share of a KV cache.
    KvCache,
    /// How busy, full, hot a GPU is.
    Gpu,
    /// CPU or memory.
    Resource,
    /// The clock.
    Time,
    /// Another share of what there is.
    Usage,
}

impl<'n> Signal<'n> {
    /// The names of what it reads: of the metrics in its query, or its own.
    pub(in crate::lint) fn metrics(&self) -> &[&'n str] {
        &self.metrics
    }

    /// A signal with the names and the role that its query or its name says.
    pub(super) fn new(
        field: Field<'n>,
        source: Source,
        (name, query): (Option<Field<'n>>, Option<Field<'n>>),
        aim: Option<(Aim, Field<'n>)>,
    ) -> Self {
        // Nobody writes a longer one, and comparing its names would take long.
        let text = query.and_then(|query| query.text()).filter(|text| text.len() <= LONGEST);
        let mut metrics = text.map(|text| Outline::of(text).metrics()).unwrap_or_default();
        if metrics.is_empty() {
            metrics.extend(name.and_then(|name| name.text()).map(exported));
        }
        let role = Self::role_of(&metrics);
        Self { field, source, name, query, aim, role, metrics }
    }

    /// With another role than the name says.
    pub(super) fn with_role(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Where it says what it reads: the query, the name, or the whole.
    pub(in crate::lint) fn at_name(&self) -> Field<'n> {
        self.query.or(self.name).unwrap_or(self.field)
    }

    /// What it is called in messages.
    pub(in crate::lint) fn title(&self) -> String {
        let first = self.metrics().first().map(|name| (*name).to_owned());
        let type_ = || self.field.text_of("type").map(str::to_owned);
        crate::node::shortened(&first.or_else(type_).unwrap_or_default())
    }

    /// What the metrics that it reads measure: of several, the first that is not hardware.
    fn role_of(names: &[&str]) -> Role {
        let roles: Vec<Role> = names.iter().map(|name| role(name)).collect();
        let service = roles.iter().find(|role| !matches!(role, Role::Gpu | Role::Resource));
        service.or(roles.first()).copied().unwrap_or(Role::Load)
    }
}

/// The name that the server exports of one that Google's adapter reads: `vllm:num_requests_waiting` of
/// `prometheus.googleapis.com|vllm:num_requests_waiting|gauge`.
fn exported(name: &str) -> &str {
    let managed = name.strip_prefix("prometheus.googleapis.com").and_then(|rest| {
        let name = rest.strip_prefix(['|', '/'])?;
        name.split(['|', '/']).next().filter(|name| !name.is_empty())
    });
    managed.unwrap_or(name)
}

/// What the name of a metric says.
fn role(name: &str) -> Role {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|char: char| !char.is_ascii_alphanumeric()).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let is_cache = has(&["kv", "kvcache"])
        || lower.contains("token_usage")
        || lower.contains("gpu_cache_usage");
    if is_cache && !has(&["queue", "waiting"]) {
        return Role::KvCache;
    }
    if has(&["dcgm", "nvml", "nvidia", "accelerator", "habanalabs", "rocm", "neuroncore", "npu"])
        || (has(&["gpu", "gpus", "tpu"]) && !has(&["waiting", "queue", "requests"]))
    {
        return Role::Gpu;
    }
    if has(&["cpu", "memory", "mem"]) {
        return Role::Resource;
    }
    match meaning(name) {
        Meaning::Queue => Role::Queue,
        Meaning::Load => Role::Load,
        Meaning::Latency => Role::Latency,
        Meaning::Usage => Role::Usage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_say() {
        for (name, expected) in [
            ("DCGM_FI_DEV_GPU_UTIL", Role::Gpu),
            ("gpu_utilization", Role::Gpu),
            ("nv_gpu_utilization", Role::Gpu),
            ("DCGM_FI_DEV_FB_USED", Role::Gpu),
            ("vllm:kv_cache_usage_perc", Role::KvCache),
            ("vllm:gpu_cache_usage_perc", Role::KvCache),
            ("sglang:token_usage", Role::KvCache),
            ("nv_trt_llm_kv_cache_block_metrics", Role::KvCache),
            ("vllm:num_requests_waiting", Role::Queue),
            ("requests_in_flight", Role::Load),
            ("kubernetes.io|container|accelerator|duty_cycle", Role::Gpu),
            ("ttft_p95", Role::Latency),
            ("container_cpu_usage_seconds_total", Role::Resource),
            ("disk_usage_percent", Role::Usage),
            ("habanalabs_utilization", Role::Gpu),
            ("neuroncore_utilization_ratio", Role::Gpu),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
        assert_eq!(Signal::role_of(&["DCGM_FI_DEV_GPU_UTIL", "queue_length"]), Role::Queue);
    }

    #[test]
    fn names_of_a_managed_prometheus() {
        for (name, expected) in [
            (
                "prometheus.googleapis.com|vllm:num_requests_waiting|gauge",
                "vllm:num_requests_waiting",
            ),
            ("prometheus.googleapis.com/tgi_queue_size/gauge", "tgi_queue_size"),
            ("prometheus.googleapis.com", "prometheus.googleapis.com"),
            (
                "kubernetes.io|container|accelerator|duty_cycle",
                "kubernetes.io|container|accelerator|duty_cycle",
            ),
        ] {
            assert_eq!(exported(name), expected);
        }
    }
}
