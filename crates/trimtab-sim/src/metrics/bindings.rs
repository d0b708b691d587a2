//! Which signal each metric of a policy takes.

use core::fmt;

use thiserror::Error;
use trimtab_engine::{Metric, MetricSource, Policy, SloRole, Strategy, StrategyName};

use super::names::{Meaning, exact_meaning, meaning, nearest};
use super::reading::is_per_replica;
use super::sampler::Sampler;
use super::signal::Signal;

/// The signals that the metrics of a policy take, in the policy's order.
///
/// A metric's name means, in this order:
///
/// 1. what an override says: a signal's name, or a published one;
/// 2. the longest signal's or published name that it ends with, after a separator (`_`, `:`, `.`,
///    `-`, `/`) if more comes before it. So `inference_requests_waiting` is `requests_waiting`, and
///    `vllm_num_requests_waiting` is what vLLM publishes as `vllm:num_requests_waiting`. Upper and
///    lower case and the separators count as the same.
///
/// Behind the name of a latency may stand `_p50`, `_p90`, `_p95`, `_p99` or `_mean` (which is meant
/// when there is none), and `_ms` or `_milliseconds`; without, it is in seconds. Counters are read
/// as their rates, with `_total`, `_per_second` or nothing at the end.
///
/// Published are the names of vLLM, SGLang, TensorRT-LLM, TGI, Triton, llama.cpp, the Gateway API
/// Inference Extension, llm-d, Ray Serve and DCGM. A Pods metric is read per replica. An Object or
/// External metric is read of the service: for the name of a server's own metric that is the sum
/// over the servers (the mean of a ratio), in which the gateway's queue is not, as in production;
/// for a signal's name it is the service as a whole.
///
/// The use of CPU and memory is not simulated. A resource metric needs an override to
/// `kv_cache_usage_ratio` or `gpu_utilization_ratio`: each pod then requests 1 of the resource and
/// uses that ratio of it, so that a target of 80 % utilization is a ratio of 0.8.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
/// use trimtab_sim::metrics::Bindings;
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 10,
///         "metrics": [{"type": "Pods", "pods": {"metric": {"name": "inference_requests_waiting"},
///             "target": {"type": "AverageValue", "averageValue": "4"}}}]}"#,
/// )?)?;
/// let bindings = Bindings::new(&policy, &[])?;
/// let bound: Vec<_> = bindings.iter().map(|(metric, signal)| format!("{metric}={signal}")).collect();
/// assert_eq!(bound, ["inference_requests_waiting=requests_waiting"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Bindings {
    metrics: Vec<Binding>,
}

/// A metric with what it takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Binding {
    pub(super) metric: String,
    pub(super) container: Option<String>,
    pub(super) meaning: Meaning,
    pub(super) form: Form,
}

/// How a signal becomes a reading.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One value per pod.
    PerPod,
    /// One value per pod, of which it requests 1.
    Resource,
    /// One value.
    Total,
}

/// A metric that the simulated cluster does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// An override is of a metric that the policy does not have.
    #[error("the policy has no metric `{metric}` to map: it has {}", list(known))]
    UnknownMetric {
        /// What the override says.
        metric: String,
        /// What the policy has.
        known: Vec<String>,
    },
    /// An override names a signal that there is not.
    #[error("there is no signal `{signal}` for `{metric}`{}: there are {}", hint(nearest), Signals)]
    UnknownSignal {
        /// The metric.
        metric: String,
        /// What the override says.
        signal: String,
        /// The signal that was perhaps meant.
        nearest: Option<String>,
    },
    /// A metric's name says nothing.
    #[error(
        "the simulated cluster has no metric `{metric}`{}: map it by `--metric {metric}=SIGNAL` to one of {}",
        hint(nearest),
        Signals
    )]
    UnknownName {
        /// The metric.
        metric: String,
        /// The signal that was perhaps meant.
        nearest: Option<String>,
    },
    /// A metric per pod of what the gateway alone knows.
    #[error(
        "`{metric}` is a metric per pod, and `{signal}` is the gateway's: use an External or Object metric"
    )]
    NotPerReplica {
        /// The metric.
        metric: String,
        /// Its signal.
        signal: Signal,
    },
    /// A resource's use, which is not simulated.
    #[error(
        "the use of `{metric}` is not simulated: map it by `--metric {metric}=SIGNAL` to kv_cache_usage_ratio or gpu_utilization_ratio"
    )]
    Resource {
        /// The metric.
        metric: String,
    },
    /// A resource's use is mapped to what is not a share of one.
    #[error(
        "`{metric}` is the use of a resource, and `{signal}` is no ratio: map it to kv_cache_usage_ratio or gpu_utilization_ratio"
    )]
    NotARatio {
        /// The metric.
        metric: String,
        /// The signal.
        signal: Signal,
    },
    /// A strategy samples its metric by itself, which only loads can be.
    #[error(
        "the strategy samples `{metric}` by itself, and `{signal}` can't be: map it by `--metric {metric}=SIGNAL` to requests_in_flight, requests_running, requests_waiting or requests_per_second"
    )]
    NotSampled {
        /// The metric.
        metric: String,
        /// The signal.
        signal: Signal,
    },
    /// Resource metrics of two containers.
    #[error(
        "the policy measures the containers `{first}` and `{second}`: a simulated replica has one"
    )]
    SeveralContainers {
        /// One.
        first: String,
        /// Another.
        second: String,
    },
}

impl Bindings {
    /// Finds the signal of each metric. `overrides` are pairs of a metric (a container's resource as
    /// `container/resource`) and a signal; of several for one metric the last counts.
    ///
    /// A metric of a type that the engine does not know gets no signal and no reading, and so fails
    /// as it does in a cluster.
    ///
    /// # Errors
    ///
    /// [`BindError`] for the first metric that has no signal, or none that fits it.
    pub fn new(policy: &Policy, overrides: &[(String, String)]) -> Result<Self, BindError> {
        let titles: Vec<String> = policy.metrics().iter().map(title).collect();
        if let Some((metric, _)) = overrides.iter().find(|(metric, _)| !titles.contains(metric)) {
            return Err(BindError::UnknownMetric { metric: metric.clone(), known: titles });
        }
        let known = |metric: &&Metric| *metric.source() != MetricSource::Unknown;
        let metrics: Vec<Binding> = policy
            .metrics()
            .iter()
            .filter(known)
            .map(|metric| bind(metric, overrides))
            .collect::<Result<_, _>>()?;
        let is_slo = policy.spec().strategy == StrategyName::Slo; // reads what can't be sampled
        let sampled = metrics.iter().filter(|_| policy.sampling().is_some() && !is_slo);
        let unfit = sampled
            .map(|one| (one, one.meaning.signal))
            .find(|(_, signal)| !Sampler::takes(*signal));
        if let Some((binding, signal)) = unfit {
            return Err(BindError::NotSampled { metric: binding.metric.clone(), signal });
        }
        let mut containers = metrics.iter().filter_map(|binding| binding.container.as_ref());
        if let Some(first) = containers.next()
            && let Some(second) = containers.find(|container| *container != first)
        {
            let (first, second) = (first.clone(), second.clone());
            return Err(BindError::SeveralContainers { first, second });
        }
        Ok(Self { metrics })
    }

    /// The metrics' names with their signals.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Signal)> {
        self.metrics.iter().map(|binding| (binding.metric.as_str(), binding.meaning.signal))
    }

    /// What takes the samples of a policy whose strategy takes them by itself: for each metric, if it
    /// is sampled. `slo` samples those of its demands of the whole service that can be.
    pub fn samplers(&self, policy: &Policy) -> Vec<Option<Sampler>> {
        let Some(sampling) = policy.sampling() else { return Vec::new() };
        let is_sampled = |binding: &Binding| match policy.strategy() {
            Strategy::Slo(_) => {
                let metrics = policy.metrics().iter();
                let is_external = metrics
                    .filter(|metric| metric.name() == binding.metric)
                    .any(|metric| *metric.source() == MetricSource::External);
                let slo = policy.spec().slo.as_ref();
                let mut signals = slo.iter().flat_map(|slo| &slo.signals);
                let role = signals.find(|signal| signal.metric == binding.metric);
                let is_demand = role.is_none_or(|signal| signal.role == SloRole::Demand);
                is_external && is_demand && Sampler::takes(binding.meaning.signal)
            }
            _ => true,
        };
        let sampler = |binding: &Binding| {
            is_sampled(binding).then(|| Sampler::new(sampling, binding.meaning.signal))
        };
        self.metrics.iter().map(sampler).collect()
    }

    pub(super) fn bindings(&self) -> &[Binding] {
        &self.metrics
    }
}

fn bind(metric: &Metric, overrides: &[(String, String)]) -> Result<Binding, BindError> {
    let title = title(metric);
    let mapped = overrides.iter().rfind(|(metric, _)| *metric == title);
    let form = match metric.source() {
        MetricSource::Resource { .. } | MetricSource::ContainerResource { .. } => Form::Resource,
        MetricSource::Pods | MetricSource::Unknown => Form::PerPod,
        MetricSource::Object | MetricSource::External => Form::Total,
    };
    let meaning = match mapped {
        Some((_, signal)) => exact_meaning(signal).ok_or_else(|| BindError::UnknownSignal {
            metric: title.clone(),
            signal: signal.clone(),
            nearest: nearest(signal),
        })?,
        None if form == Form::Resource => return Err(BindError::Resource { metric: title }),
        None => meaning(metric.name()).ok_or_else(|| BindError::UnknownName {
            metric: title.clone(),
            nearest: nearest(metric.name()),
        })?,
    };
    let signal = meaning.signal;
    if form == Form::Resource && !signal.is_ratio() {
        return Err(BindError::NotARatio { metric: title, signal });
    }
    if form == Form::PerPod && !is_per_replica(signal) {
        return Err(BindError::NotPerReplica { metric: title, signal });
    }
    Ok(Binding {
        metric: metric.name().to_owned(),
        container: metric.container().map(str::to_owned),
        meaning,
        form,
    })
}

/// A metric's name; a container's resource with its container, as `container/resource`.
fn title(metric: &Metric) -> String {
    match metric.container() {
        Some(container) => format!("{container}/{}", metric.name()),
        None => metric.name().to_owned(),
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// All signals, in a sentence.
struct Signals;

impl fmt::Display for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for signal in Signal::all().filter(|signal| !matches!(signal, Signal::Latency(..))) {
            write!(f, "{signal}, ")?;
        }
        f.write_str("and ttft, tpot, itl or e2e with _p50, _p90, _p95, _p99 or _mean")
    }
}

#[cfg(test)]
mod tests {
    use trimtab_engine::PolicySpec;

    use super::*;

    fn policy(metrics: &str) -> Policy {
        let text = format!(
            r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
                "maxReplicas": 10, "metrics": [{metrics}]}}"#
        );
        Policy::from_stored(serde_json::from_str::<PolicySpec>(&text).unwrap())
    }

    fn pods(name: &str) -> String {
        format!(
            r#"{{"type": "Pods", "pods": {{"metric": {{"name": "{name}"}},
                "target": {{"type": "AverageValue", "averageValue": "4"}}}}}}"#
        )
    }

    fn container(container: &str) -> String {
        format!(
            r#"{{"type": "ContainerResource", "containerResource": {{"name": "cpu",
                "container": "{container}",
                "target": {{"type": "Utilization", "averageUtilization": 80}}}}}}"#
        )
    }

    const CPU: &str = r#"{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 80}}}"#;

    fn bound(metrics: &str, overrides: &[(&str, &str)]) -> Result<String, String> {
        let overrides: Vec<_> =
            overrides.iter().map(|(metric, to)| (metric.to_string(), to.to_string())).collect();
        let bindings =
            Bindings::new(&policy(metrics), &overrides).map_err(|error| error.to_string())?;
        let pairs: Vec<_> =
            bindings.iter().map(|(name, signal)| format!("{name}={signal}")).collect();
        Ok(pairs.join(" "))
    }

    #[test]
    fn overrides_come_first_and_the_last_of_them_counts() {
        let metric = pods("requests_waiting");
        assert_eq!(bound(&metric, &[]).unwrap(), "requests_waiting=requests_waiting");
        let twice =
            [("requests_waiting", "itl_p50"), ("requests_waiting", "vllm:num_requests_running")];
        assert_eq!(bound(&metric, &twice).unwrap(), "requests_waiting=requests_running");
    }

    #[test]
    fn a_resource_is_a_ratio_by_override_alone() {
        let ratio = [("cpu", "gpu_utilization_ratio")];
        assert_eq!(bound(CPU, &ratio).unwrap(), "cpu=gpu_utilization_ratio");
        let both = format!("{CPU}, {}", container("vllm"));
        let overrides =
            [("cpu", "kv_cache_usage_ratio"), ("vllm/cpu", "DCGM_FI_PROF_GR_ENGINE_ACTIVE")];
        assert_eq!(
            bound(&both, &overrides).unwrap(),
            "cpu=kv_cache_usage_ratio cpu=gpu_utilization_ratio"
        );
    }

    #[test]
    fn a_metric_of_an_unknown_type_takes_nothing() {
        assert_eq!(bound(r#"{"type": "Moon"}"#, &[]).unwrap(), "");
    }

    #[test]
    fn each_error_says_what_would_be_right() {
        let two = format!("{}, {}", container("vllm"), container("proxy"));
        let overrides =
            [("vllm/cpu", "kv_cache_usage_ratio"), ("proxy/cpu", "kv_cache_usage_ratio")];
        let errors = [
            bound(&pods("queue"), &[("q", "ttft_p95")]),
            bound(&pods("queue"), &[("queue", "request_waiting")]),
            bound(&pods("queue_time"), &[]),
            bound(&pods("kv_cache_usage"), &[]),
            bound(&pods("gateway_queue_length"), &[]),
            bound(CPU, &[]),
            bound(&container("vllm"), &[]),
            bound(CPU, &[("cpu", "gpu_utilization_percent")]),
            bound(&two, &overrides),
        ];
        let errors: Vec<String> = errors.into_iter().map(Result::unwrap_err).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
