//! The answers of the metrics APIs, in their forms.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{Metrics, MetricsApi, Sample, Usage};
use crate::memory::{Answer, Selector, Status};

/// What is known of a pod besides its metrics.
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
}

/// The resources of an API, as its legacy discovery has them.
pub(crate) fn discovery(api: MetricsApi, metrics: &Metrics) -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool, verbs: &[&str]| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": verbs});
    let resources: Vec<Value> = match api {
        MetricsApi::Resource => vec![
            resource("nodes", "NodeMetrics", false, &["get", "list"]),
            resource("pods", "PodMetrics", true, &["get", "list"]),
        ],
        MetricsApi::Custom => {
            let mut names: Vec<String> = metrics
                .objects
                .keys()
                .map(|(_, resource, _, metric)| format!("{resource}/{metric}"))
                .collect();
            names.sort();
            names.dedup();
            names.iter().map(|name| resource(name, "MetricValueList", true, &["get"])).collect()
        }
        MetricsApi::External => {
            let mut names: Vec<&String> = metrics.external.keys().map(|(_, name)| name).collect();
            names.sort();
            names.dedup();
            names
                .iter()
                .map(|name| resource(name, "ExternalMetricValueList", true, &["get"]))
                .collect()
        }
    };
    let version = format!("{}/{}", api.group(), api.version());
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
}

/// Answers a request to an API for what stands behind its group and version.
pub(crate) fn answer(
    api: MetricsApi,
    rest: &[&str],
    query: &BTreeMap<String, String>,
    metrics: &Metrics,
    pods: &[Pod],
) -> Answer {
    if let Some(code) = metrics.failing.get(&api) {
        return Err(Status::of(*code, "the metrics are not to be had"));
    }
    match (api, rest) {
        (_, []) => Ok(discovery(api, metrics)),
        (MetricsApi::Resource, ["pods"]) => usages(None, query, metrics, pods),
        (MetricsApi::Resource, ["namespaces", namespace, "pods"]) => {
            usages(Some(namespace), query, metrics, pods)
        }
        (MetricsApi::Resource, ["namespaces", namespace, "pods", name]) => {
            let found = pods.iter().find(|pod| pod.namespace == *namespace && pod.name == *name);
            let usage = metrics.usage.get(&((*namespace).into(), (*name).into()));
            match (found, usage) {
                (Some(pod), Some(usage)) => {
                    let mut of_pod = of_pod(pod, usage);
                    of_pod["kind"] = "PodMetrics".into();
                    of_pod["apiVersion"] = "metrics.k8s.io/v1beta1".into();
                    Ok(of_pod)
                }
                _ => Err(Status::not_found("metrics.k8s.io", "pods", name)),
            }
        }
        (MetricsApi::Custom, ["namespaces", namespace, resource, object, metric]) => {
            custom(namespace, resource, object, metric, query, metrics, pods)
        }
        (MetricsApi::External, ["namespaces", namespace, metric]) => {
            external(namespace, metric, query, metrics)
        }
        _ => Err(Status::no_such_resource()),
    }
}

fn selector(query: &BTreeMap<String, String>, name: &str) -> Result<Selector, Status> {
    Selector::parse(query.get(name).map_or("", String::as_str))
}

fn usages(
    namespace: Option<&str>,
    query: &BTreeMap<String, String>,
    metrics: &Metrics,
    pods: &[Pod],
) -> Answer {
    let selector = selector(query, "labelSelector")?;
    let items: Vec<Value> = pods
        .iter()
        .filter(|pod| namespace.is_none_or(|namespace| pod.namespace == namespace))
        .filter(|pod| selector.matches(&pod.labels))
        .filter_map(|pod| {
            let usage = metrics.usage.get(&(pod.namespace.clone(), pod.name.clone()))?;
            Some(of_pod(pod, usage))
        })
        .collect();
    Ok(json!({
        "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items,
    }))
}

fn of_pod(pod: &Pod, usage: &Usage) -> Value {
    let containers: Vec<Value> = usage
        .containers
        .iter()
        .map(|(name, usage)| json!({"name": name, "usage": usage}))
        .collect();
    let window = usage.window.unwrap_or(Duration::from_secs(30));
    json!({
        "metadata": {
            "name": pod.name,
            "namespace": pod.namespace,
            "labels": pod.labels,
            "creationTimestamp": second(None),
        },
        "timestamp": second(usage.at),
        "window": format!("{}s", window.as_secs_f64()),
        "containers": containers,
    })
}

fn custom(
    namespace: &str,
    resource: &str,
    object: &str,
    metric: &str,
    query: &BTreeMap<String, String>,
    metrics: &Metrics,
    pods: &[Pod],
) -> Answer {
    let labels = selector(query, "labelSelector")?;
    let of_metric = selector(query, "metricLabelSelector")?;
    let pod = |name: &str| pods.iter().find(|pod| pod.namespace == namespace && pod.name == name);
    let mut items = Vec::new();
    for ((in_namespace, of_resource, name, of_name), samples) in &metrics.objects {
        if in_namespace != namespace || of_resource != resource || of_name != metric {
            continue;
        }
        let meant = match object {
            "*" if resource == "pods" => pod(name).is_some_and(|pod| labels.matches(&pod.labels)),
            "*" => true,
            one => one == name,
        };
        if !meant {
            continue;
        }
        let samples = samples.iter().filter(|sample| of_metric.matches(&sample.labels));
        items.extend(samples.map(|sample| of_object(namespace, resource, name, metric, sample)));
    }
    if items.is_empty() {
        // As the adapters answer, which know no object without a value.
        let named = format!("{resource}/{object}");
        return Err(Status::of(
            404,
            &format!("the server could not find the metric {metric} for {named}"),
        ));
    }
    Ok(json!({
        "kind": "MetricValueList",
        "apiVersion": "custom.metrics.k8s.io/v1beta2",
        "metadata": {},
        "items": items,
    }))
}

fn of_object(namespace: &str, resource: &str, name: &str, metric: &str, sample: &Sample) -> Value {
    let (kind, version) = match resource {
        "pods" => ("Pod", "/v1"),
        "services" => ("Service", "/v1"),
        "namespaces" => ("Namespace", "/v1"),
        "deployments.apps" => ("Deployment", "apps/v1"),
        "statefulsets.apps" => ("StatefulSet", "apps/v1"),
        "ingresses.networking.k8s.io" => ("Ingress", "networking.k8s.io/v1"),
        other => (other, ""),
    };
    let mut value = json!({
        "describedObject": {"kind": kind, "namespace": namespace, "name": name, "apiVersion": version},
        "metric": {"name": metric},
        "timestamp": second(sample.at),
        "value": sample.value,
    });
    if !sample.labels.is_empty() {
        value["metric"]["selector"] = json!({"matchLabels": sample.labels});
    }
    if let Some(window) = sample.window {
        value["windowSeconds"] = window.as_secs().into();
    }
    value
}

fn external(
    namespace: &str,
    metric: &str,
    query: &BTreeMap<String, String>,
    metrics: &Metrics,
) -> Answer {
    let labels = selector(query, "labelSelector")?;
    let Some(samples) = metrics.external.get(&(namespace.into(), metric.into())) else {
        return Err(Status::of(404, &format!("the server could not find the metric {metric}")));
    };
    let items: Vec<Value> = samples
        .iter()
        .filter(|sample| labels.matches(&sample.labels))
        .map(|sample| {
            let mut value = json!({
                "metricName": metric,
                "metricLabels": sample.labels,
                "timestamp": second(sample.at),
                "value": sample.value,
            });
            if let Some(window) = sample.window {
                value["windowSeconds"] = window.as_secs().into();
            }
            value
        })
        .collect();
    Ok(json!({
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": items,
    }))
}

/// A time to the second, as these APIs have it.
fn second(at: Option<Timestamp>) -> String {
    crate::memory::timestamp(at.unwrap_or_else(Timestamp::now))
}
