//! The metrics APIs as the HPA asks them, and every way in which they have nothing to say.

use std::sync::{Arc, Mutex};

use crate::watched::{NAMESPACE, SOON, now, select};
use kube::Client;
use serde_json::json;
use trimtab_apiserver::fixture::{self, PodFixture};
use trimtab_apiserver::{ApiServer, MetricsApi, Rule, Sample};
use trimtab_engine::{CrossVersionObjectReference, Policy, Unavailable};
use trimtab_kube::cluster::WorkloadPods;
use trimtab_kube::connect_with;
use trimtab_kube::metrics::{KubeMetrics, MetricsApis};
use trimtab_kube::target::Discovery;
use trimtab_metric::Span;
use trimtab_runtime::{Ask, MetricSource, Observed};

fn policy(metrics: serde_json::Value) -> Policy {
    let spec = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
        "maxReplicas": 9, "metrics": metrics,
    });
    Policy::new(serde_json::from_value(spec).unwrap()).unwrap()
}

/// One metric of each type.
fn all_types() -> Policy {
    let average = json!({"type": "AverageValue", "averageValue": "4"});
    let value = json!({"type": "Value", "value": "100"});
    let utilization = json!({"type": "Utilization", "averageUtilization": 80});
    policy(json!([
        {"type": "Resource", "resource": {"name": "cpu", "target": utilization}},
        {"type": "ContainerResource",
         "containerResource": {"name": "memory", "container": "main", "target": average}},
        {"type": "Pods", "pods": {"target": average,
            "metric": {"name": "waiting", "selector": {"matchLabels": {"queue": "chat"}}}}},
        {"type": "Object", "object": {"target": value, "metric": {"name": "rps"},
            "describedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}}},
        {"type": "External", "external": {"target": value,
            "metric": {"name": "queue", "selector": {
                "matchExpressions": [{"key": "env", "operator": "In", "values": ["prod", "eu"]}]}}}},
    ]))
}

fn source(client: &Client) -> KubeMetrics {
    let reference = CrossVersionObjectReference {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "llm".into(),
    };
    let discovery = Discovery::new(client.clone());
    let pods = WorkloadPods::of_scale(client.clone(), discovery, NAMESPACE, &reference);
    KubeMetrics::new(MetricsApis::new(client.clone()), pods)
}

async fn observe(source: &KubeMetrics, policy: &Policy) -> Observed {
    let id = "inference/llm".parse().unwrap();
    source.observe(Ask::new(&id, policy, now())).await.unwrap()
}

/// What could not be read, and why, each on a line.
fn problems(observed: &Observed) -> String {
    let unavailable = |metric: &str| {
        observed.readings.iter().find(|one| one.metric == metric).and_then(|one| one.unavailable)
    };
    let lines = observed.problems.iter().map(|problem| {
        let (metric, error) = (&problem.metric, &problem.error);
        format!("{metric}: {:?}: {}: {error}", unavailable(metric).unwrap(), error.cause())
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn workload(client: &Client) {
    fixture::namespace(client, NAMESPACE).await;
    fixture::deployment(client, NAMESPACE, "llm", 2).await;
    fixture::observe_replicas(client, NAMESPACE, "llm", 2, 2).await;
    fixture::pods_of(client, NAMESPACE, "llm", 2).await;
    PodFixture::new("stranger").label("app", "other").ready().create(client, NAMESPACE).await;
}

fn values(server: &ApiServer) {
    let at = "2026-11-24T09:59:45Z".parse().unwrap();
    server.set_metrics(|metrics| {
        for (pod, cpu) in [("llm-0", "1500m"), ("llm-1", "250123456n"), ("stranger", "9")] {
            metrics.usage(NAMESPACE, pod, "main", &[("cpu", cpu), ("memory", "1Gi")]);
            metrics.usage_at(NAMESPACE, pod, at, std::time::Duration::from_secs(15));
            let sample = Sample::new("6500m").at(at).label("queue", "chat");
            metrics.pod_metric(NAMESPACE, pod, "waiting", sample);
        }
        let sample = Sample::new("1850").at(at);
        metrics.object_metric(NAMESPACE, "deployments.apps", "llm", "rps", sample);
        let series = [("40", "prod"), ("35.5", "eu"), ("1k", "dev")];
        let series = series.map(|(value, env)| Sample::new(value).at(at).label("env", env));
        metrics.external_metric(NAMESPACE, "queue", series);
    });
}

#[tokio::test]
async fn every_type_of_metric_is_read_exactly() {
    for server in ApiServer::both().await {
        let client = connect_with(server.config()).unwrap();
        workload(&client).await;
        server.serve_metrics(&MetricsApi::ALL).await;
        values(&server);
        let (source, policy) = (source(&client), all_types());
        let names = ["cpu", "memory", "waiting", "rps", "queue"];
        assert_eq!(source.provides(&policy).metrics, names);
        let observed = fixture::eventually(SOON, "the APIs answer", || async {
            let observed = observe(&source, &policy).await;
            observed.problems.is_empty().then_some(observed)
        })
        .await;
        let form = json!({"podMetrics": observed.pod_metrics, "readings": observed.readings});
        insta::assert_yaml_snapshot!("every_type", form);
        // What is older than is asked for is not there.
        let fresh = source.with_max_age(Span::from_secs(60));
        let observed = observe(&fresh, &policy).await;
        assert_eq!((observed.pod_metrics, observed.readings.len()), (None, 5));
        for reading in observed.readings {
            assert_eq!(reading.unavailable, Some(Unavailable::Stale), "{}", reading.metric);
        }
    }
}

#[tokio::test]
async fn the_paths_are_those_of_the_hpa() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    values(&server);
    let source = source(&client);
    server.faults().clear_log();
    observe(&source, &all_types()).await;
    let mut asked: Vec<String> = server
        .faults()
        .log()
        .into_iter()
        .filter(|one| one.path.contains("metrics.k8s.io/"))
        .map(|one| format!("{}?{}", one.path, one.query))
        .collect();
    asked.sort();
    insta::assert_snapshot!(asked.join("\n"), @r"
    /apis/custom.metrics.k8s.io/v1beta2/namespaces/inference/deployments.apps/llm/rps?
    /apis/custom.metrics.k8s.io/v1beta2/namespaces/inference/pods/%2A/waiting?labelSelector=app%3Dllm&metricLabelSelector=queue%3Dchat
    /apis/external.metrics.k8s.io/v1beta1/namespaces/inference/queue?labelSelector=env%20in%20%28eu%2Cprod%29
    /apis/metrics.k8s.io/v1beta1/namespaces/inference/pods?labelSelector=app%3Dllm
    ");
}

#[tokio::test]
async fn an_api_that_is_not_there_says_so() {
    for server in ApiServer::both().await {
        let client = connect_with(server.config()).unwrap();
        workload(&client).await;
        let observed = observe(&source(&client), &all_types()).await;
        assert_eq!(observed.pod_metrics, None);
        insta::assert_snapshot!("not_installed", problems(&observed));
    }
}

#[tokio::test]
async fn an_api_without_values_says_so() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    let observed = observe(&source(&client), &all_types()).await;
    insta::assert_snapshot!(problems(&observed), @r"
    cpu: Missing: empty: the answer is empty: no metrics returned from the resource metrics API
    memory: Missing: empty: the answer is empty: no metrics returned from the resource metrics API
    waiting: Missing: empty: the answer is empty: the server could not find the metric waiting for pods/*
    rps: Missing: empty: the answer is empty: the server could not find the metric rps for deployments.apps/llm
    queue: Missing: empty: the answer is empty: the server could not find the metric queue
    ");
}

#[tokio::test]
async fn one_api_that_fails_takes_no_other_with_it() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    values(&server);
    server.set_metrics(|metrics| metrics.fail(MetricsApi::Custom, Some(503)));
    let observed = observe(&source(&client), &all_types()).await;
    insta::assert_snapshot!(problems(&observed), @r"
    waiting: Failed: unreachable: can't be reached: the metrics are not to be had
    rps: Failed: unreachable: can't be reached: the metrics are not to be had
    ");
    assert!(observed.pod_metrics.is_some());
    let queue = observed.readings.iter().find(|one| one.metric == "queue").unwrap();
    assert_eq!(queue.values.as_ref().map(Vec::len), Some(2));
}

#[tokio::test]
async fn whoever_may_not_ask_is_told() {
    for server in ApiServer::both().await {
        let client = connect_with(server.config()).unwrap();
        workload(&client).await;
        server.serve_metrics(&MetricsApi::ALL).await;
        values(&server);
        let rules = json!([
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
            {"apiGroups": ["external.metrics.k8s.io"], "resources": ["*"], "verbs": ["get", "list"]},
        ]);
        fixture::cluster_role(&client, "external-only", rules).await;
        fixture::bind_cluster_role(&client, "external-only", "trimtab").await;
        let user = server.config_of("trimtab", &["system:authenticated"]);
        let user = connect_with(user).unwrap();
        let observed = fixture::eventually(SOON, "the external API answers", || async {
            let observed = observe(&source(&user), &all_types()).await;
            let external = observed.readings.iter().any(|one| one.values.is_some());
            external.then_some(observed)
        })
        .await;
        let denied: Vec<_> =
            observed.problems.iter().map(|one| (&*one.metric, one.error.cause())).collect();
        let denied_all = ["cpu", "memory", "waiting", "rps"].map(|metric| (metric, "denied"));
        assert_eq!(denied, denied_all, "real: {}", server.is_real());
    }
}

#[tokio::test]
async fn without_its_scale_or_a_selector_no_pods_are_asked_for() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    fixture::namespace(&client, NAMESPACE).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    values(&server);
    server.faults().clear_log();
    let policy = all_types();
    let observed = observe(&source(&client), &policy).await;
    let asked = |observed: &Observed| {
        problems(observed).lines().take(3).map(String::from).collect::<Vec<_>>()
    };
    assert!(
        asked(&observed).iter().all(|line| line.contains("not found")),
        "{:?}",
        asked(&observed)
    );
    let everything = WorkloadPods::selected(NAMESPACE, select(""));
    let all = KubeMetrics::new(MetricsApis::new(client.clone()), everything);
    let observed = observe(&all, &policy).await;
    assert!(asked(&observed).iter().all(|line| line.contains("selector is empty")));
    let pods = server.faults().log().into_iter().filter(|one| one.path.contains("/pods"));
    assert_eq!(pods.count(), 0);
}

#[tokio::test]
async fn what_many_ask_at_once_is_asked_once() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    values(&server);
    let apis = MetricsApis::new(client.clone());
    let sources: Vec<Arc<KubeMetrics>> = (0..50)
        .map(|_| WorkloadPods::selected(NAMESPACE, select("app=llm")))
        .map(|pods| Arc::new(KubeMetrics::new(Arc::clone(&apis), pods)))
        .collect();
    server.faults().clear_log();
    let slow = Rule::any().resource("queue.external.metrics.k8s.io");
    server.faults().delay(slow, 1, std::time::Duration::from_millis(300));
    let policy = all_types();
    let all = sources.iter().map(|source| observe(source, &policy));
    for observed in futures_util::future::join_all(all).await {
        assert_eq!(problems(&observed), "");
        assert_eq!(observed.readings.len(), 3);
    }
    let asked = server.faults().log().into_iter().filter(|one| one.path.contains("/namespaces/"));
    assert_eq!(asked.count(), 4, "pods' metrics, one of pods, one of an object, one from outside");
}

#[tokio::test]
async fn one_who_gives_up_leaves_the_others_their_answer() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&MetricsApi::ALL).await;
    values(&server);
    let apis = MetricsApis::new(client.clone());
    let source = || {
        let pods = WorkloadPods::selected(NAMESPACE, select("app=llm"));
        KubeMetrics::new(Arc::clone(&apis), pods)
    };
    server.faults().delay(Rule::any(), 1, std::time::Duration::from_millis(500));
    let (policy, hasty, patient) = (all_types(), source(), source());
    let gives_up =
        tokio::time::timeout(std::time::Duration::from_millis(100), observe(&hasty, &policy));
    let (gave_up, answer) = futures_util::join!(gives_up, observe(&patient, &policy));
    assert!(gave_up.is_err());
    assert_eq!(problems(&answer), "");
}

#[tokio::test]
async fn what_others_answer_is_not_asked_for() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    workload(&client).await;
    server.serve_metrics(&[MetricsApi::Resource]).await;
    values(&server);
    let source = source(&client).without(["waiting", "rps", "queue", "memory"]);
    let policy = all_types();
    assert_eq!(source.provides(&policy).metrics, ["cpu"]);
    let observed = observe(&source, &policy).await;
    assert_eq!(problems(&observed), "");
    assert!(observed.readings.is_empty() && observed.pod_metrics.is_some());
}

/// A cluster whose custom metrics API has these versions, the first of which it prefers; what it
/// was asked for; and its answers, which are those of that version.
fn adapter(versions: &'static [&'static str]) -> (Client, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let path = request.uri().path().to_owned();
        let answer = of_adapter(&path, versions);
        log.lock().unwrap().push(path);
        async move { Ok::<_, std::convert::Infallible>(answer) }
    });
    (Client::new(service, "default"), asked)
}

fn of_adapter(path: &str, versions: &[&str]) -> http::Response<kube::client::Body> {
    let group = "custom.metrics.k8s.io";
    let list = |version: &str, of_version: serde_json::Value| {
        let mut item = json!({"describedObject": {"kind": "Namespace", "name": "inference"},
            "timestamp": "2026-11-24T09:59:45Z", "value": "12500m"});
        item.as_object_mut().unwrap().extend(of_version.as_object().unwrap().clone());
        json!({"kind": "MetricValueList", "apiVersion": format!("{group}/{version}"), "items": [item]})
    };
    let version = path.strip_prefix("/apis/custom.metrics.k8s.io/").unwrap_or_default();
    let answer = match version.split_once('/').map_or("", |(version, _)| version) {
        "v1beta1" => list("v1beta1", json!({"metricName": "rps", "window": 90})),
        "v1beta2" => list("v1beta2", json!({"metric": {"name": "rps"}, "windowSeconds": 90})),
        _ => {
            let version = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
            let all: Vec<_> = versions.iter().map(version).collect();
            json!({"kind": "APIGroup", "name": group, "versions": all, "preferredVersion": all[0]})
        }
    };
    http::Response::new(kube::client::Body::from(serde_json::to_vec(&answer).unwrap()))
}

#[tokio::test]
async fn the_version_is_the_one_that_the_cluster_prefers_if_it_is_known() {
    let average = json!({"type": "AverageValue", "averageValue": "4"});
    let policy = policy(json!([
        {"type": "Pods", "pods": {"target": average, "metric": {"name": "waiting"}}},
        {"type": "Object", "object": {"target": {"type": "Value", "value": "1"},
            "metric": {"name": "rps"},
            "describedObject": {"apiVersion": "v1", "kind": "Namespace", "name": "elsewhere"}}},
    ]));
    for (versions, chosen) in [
        (&["v1beta1"][..], Some("v1beta1")),
        (&["v1beta1", "v1beta2"], Some("v1beta1")),
        (&["v1beta2", "v1beta1"], Some("v1beta2")),
        (&["v1", "v1beta1", "v1beta2"], Some("v1beta1")),
        (&["v1"], None),
    ] {
        let (client, asked) = adapter(versions);
        let pods = WorkloadPods::selected(NAMESPACE, select("app=llm"));
        let source = KubeMetrics::new(MetricsApis::new(client), pods);
        let observed = observe(&source, &policy).await;
        observe(&source, &policy).await;
        let asked = asked.lock().unwrap().clone();
        let Some(version) = chosen else {
            assert_eq!(asked, ["/apis/custom.metrics.k8s.io"]);
            assert!(problems(&observed).contains("no version of `custom.metrics.k8s.io`"));
            continue;
        };
        // Once for all, and of the own namespace whatever the reference says.
        let root = format!("/apis/custom.metrics.k8s.io/{version}/namespaces/inference");
        let paths = [format!("{root}/pods/%2A/waiting"), format!("{root}/metrics/rps")];
        assert_eq!(
            asked,
            ["/apis/custom.metrics.k8s.io".to_string(), paths[0].clone(), paths[1].clone()]
        );
        assert_eq!(problems(&observed), "");
        let [waiting, rps] = observed.readings.as_slice() else { panic!("{observed:?}") };
        let sample = &waiting.pods.as_ref().unwrap()["inference"];
        assert_eq!(sample.window, Some(Span::from_secs(90)), "{version}");
        assert_eq!(rps.value.as_ref().unwrap().milli(), 12_500);
    }
}
