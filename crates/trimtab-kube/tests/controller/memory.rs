//! What the controller takes in memory for 2,000 policies and 20,000 pods.
//!
//! All runs on one thread, the API server, too, which is a few answers: what it allocates is given back when it has answered.
//! Time passes as fast as nothing is left to do.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use trimtab_kube::controller::{Settings, run};
use trimtab_metric::{Span, Timestamp};
use trimtab_runtime::Clock;

use crate::harness::NoSources;

const POLICIES: usize = 2_000;
const PODS: usize = 10;
const TEAMS: usize = 20;
/// As `docs/src/reference/controller.md` says it.
const MOST: i64 = 72 * 1024 * 1024;

#[test]
fn two_thousand_policies_of_ten_pods_each_stay_below_the_limit() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let paper = Arc::new(Paper::default());
    let mut running = None;
    let taken = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut settings = Settings::default();
            settings.clock = Some(Arc::new(TokioClock(Instant::now())));
            let stop = CancellationToken::new();
            let client = client(Arc::clone(&paper));
            let task = tokio::spawn(run(client, settings, Arc::new(NoSources), stop.clone()));
            // Each decides seven times, and has its status written.
            sleep(Duration::from_secs(110)).await;
            running = Some((task, stop));
        });
    });
    let counts = paper.counts.lock().unwrap().clone();
    println!("now {} MiB, at most {} MiB", mib(taken.bytes_current), mib(taken.bytes_max as i64));
    println!("{counts:?}");
    assert!(taken.bytes_current < MOST, "{} MiB", mib(taken.bytes_current));
    assert!((taken.bytes_max as i64) < MOST * 3 / 2, "{} MiB", mib(taken.bytes_max as i64));
    let per_policy = |what: &str| counts.get(what).copied().unwrap_or(0) as f64 / POLICIES as f64;
    // It did what it is for, and no more than that.
    let looks = per_policy("GET scale");
    assert!((6.0..=8.0).contains(&looks), "{looks} looks at each scale");
    let statuses = per_policy("PATCH status");
    assert!((1.0..=2.5).contains(&statuses), "{statuses} statuses written of each");
    assert_eq!(counts.get("PATCH scale"), None, "they are as they should be");
    let (task, stop) = running.unwrap();
    runtime.block_on(async {
        stop.cancel();
        task.await.unwrap().unwrap();
    });
}

fn mib(bytes: i64) -> i64 {
    bytes / 1024 / 1024
}

struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let noon: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        noon.saturating_add(Span::from_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap()))
    }
}

/// A cluster on paper, in which nothing happens.
#[derive(Default)]
struct Paper {
    leases: Mutex<BTreeMap<String, Value>>,
    /// How often something was asked.
    counts: Mutex<BTreeMap<String, u32>>,
}

fn client(paper: Arc<Paper>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let paper = Arc::clone(&paper);
        async move {
            let (parts, body) = request.into_parts();
            let query = parts.uri.query().unwrap_or_default().to_owned();
            if query.contains("watch=true") {
                return std::future::pending().await;
            }
            let body = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (code, answer) = paper.answer(&parts.method, parts.uri.path(), &query, body);
            let body = Body::from(serde_json::to_vec(&answer).unwrap());
            Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    Client::new(service, "default")
}

impl Paper {
    fn answer(&self, method: &Method, path: &str, query: &str, body: Value) -> (StatusCode, Value) {
        let last = path.rsplit('/').next().unwrap_or_default();
        *self.counts.lock().unwrap().entry(format!("{method} {last}")).or_default() += 1;
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let answer = match (method.as_str(), parts.as_slice()) {
            ("GET", ["api", "v1", "pods"]) => page(query, POLICIES * PODS, pod),
            ("GET", ["apis", "trimtab.dev", "v1alpha1", "scalingpolicies"]) => {
                page(query, POLICIES, policy)
            }
            ("GET", ["api", "v1", "nodes"])
            | ("GET", ["apis", "policy", "v1", "poddisruptionbudgets"])
            | ("GET", ["apis", "autoscaling", "v2", "horizontalpodautoscalers"]) => {
                page(query, 0, pod)
            }
            ("GET", ["apis"]) => {
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
            }
            ("GET", ["apis", "apps", "v1"]) => apps(),
            ("GET", [.., "deployments", name, "scale"]) => scale(name),
            ("GET", ["apis", "external.metrics.k8s.io", ..]) => queue(),
            ("GET", [.., "scalingpolicies", name, "status"]) => {
                policy(name.trim_start_matches("llm-").parse().unwrap())
            }
            ("PATCH", [.., "scalingpolicies", name, "status"]) => {
                let mut policy = policy(name.trim_start_matches("llm-").parse().unwrap());
                policy["status"] = body["status"].clone();
                policy
            }
            (_, ["apis", "coordination.k8s.io", .., "leases"])
            | ("PUT", ["apis", "coordination.k8s.io", ..]) => self.lease(method, body),
            ("POST", [.., "events"]) => body,
            _ => return (StatusCode::NOT_FOUND, unknown()),
        };
        (StatusCode::OK, answer)
    }

    fn lease(&self, method: &Method, mut lease: Value) -> Value {
        let mut leases = self.leases.lock().unwrap();
        if *method == Method::GET {
            let items: Vec<Value> = leases.values().cloned().collect();
            return json!({"kind": "LeaseList", "apiVersion": "coordination.k8s.io/v1",
                "metadata": {}, "items": items});
        }
        let name = lease["metadata"]["name"].as_str().unwrap().to_owned();
        let before =
            leases.get(&name).and_then(|lease| lease["metadata"]["resourceVersion"].as_str());
        let version: u64 = before.map_or(0, |version| version.parse().unwrap());
        lease["metadata"]["resourceVersion"] = (version + 1).to_string().into();
        leases.insert(name, lease.clone());
        lease
    }
}

fn unknown() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "the server could not find the requested resource"})
}

/// A page of a list, as it is asked for.
fn page(query: &str, total: usize, make: fn(usize) -> Value) -> Value {
    let field = |name: &str| {
        let number = query.split('&').find_map(|pair| pair.strip_prefix(name));
        number.and_then(|number| number.parse::<usize>().ok())
    };
    let first = field("continue=").unwrap_or(0);
    let last = total.min(first + field("limit=").unwrap_or(500));
    let next = (last < total).then(|| last.to_string());
    let items: Vec<Value> = (first..last).map(make).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items,
        "metadata": {"resourceVersion": "1", "continue": next}})
}

fn team(policy: usize) -> String {
    format!("team-{}", policy % TEAMS)
}

fn policy(number: usize) -> Value {
    let name = format!("llm-{number}");
    json!({
        "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": team(number), "generation": 1, "resourceVersion": "1",
            "uid": format!("6f1c2a3e-0000-4000-8000-{number:012}")},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1, "maxReplicas": 50, "strategy": "hpa", "mode": "active",
            "metrics": [{"type": "External", "external": {
                "metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "8"},
            }}],
        },
    })
}

fn pod(number: usize) -> Value {
    let (workload, place) = (number / PODS, number % PODS);
    let since = "2026-11-24T08:02:11Z";
    let condition =
        |type_: &str| json!({"type": type_, "status": "True", "lastTransitionTime": since});
    json!({
        "metadata": {
            "name": format!("llm-{workload}-5d4f9c-x{place:04}"), "namespace": team(workload),
            "labels": {"app": format!("llm-{workload}"), "pod-template-hash": "5d4f9c"},
            "uid": format!("7f1c2a3e-0000-4000-8000-{number:012}"), "resourceVersion": "1",
            "creationTimestamp": since,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "name": format!("llm-{workload}-5d4f9c"), "uid": "6f1c2a3e-0000-4000-8000-000000000000"}],
        },
        "spec": {"nodeName": format!("node-{}", number % 500), "containers": [{"name": "server",
            "resources": {"requests": {"cpu": "4", "memory": "32Gi", "nvidia.com/gpu": "1"}}}]},
        "status": {"phase": "Running", "startTime": since,
            "conditions": [condition("PodScheduled"), condition("Ready")]},
    })
}

fn apps() -> Value {
    let one = |name: &str, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
        "resources": [one("deployments", "Deployment"), one("deployments/scale", "Scale")]})
}

fn scale(name: &str) -> Value {
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": name, "resourceVersion": "1"},
        "spec": {"replicas": PODS}, "status": {"replicas": PODS, "selector": format!("app={name}")},
    })
}

/// As much as they are for.
fn queue() -> Value {
    json!({"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {}, "items": [{"metricName": "queue", "metricLabels": {},
            "timestamp": "2026-11-24T12:00:00Z", "value": (8 * PODS).to_string()}]})
}
