//! What a large cluster takes in memory: 1,000 nodes and 20,000 pods, as they come over the wire.
//!
//! It is measured on one thread: what the API server that is played here allocates is given back
//! when it has answered.

use std::convert::Infallible;

use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trimtab_kube::cluster::{Cluster, Scope};

use crate::watched::{now, policy, select};

const NODES: usize = 1_000;
const PODS: usize = 20_000;
const PAGE: usize = 500;
const PER_WORKLOAD: usize = 20;
const NAMESPACES: usize = 50;

#[derive(Copy, Clone, PartialEq)]
enum Kind {
    /// Its pods have the same labels.
    Deployment,
    /// Each of its pods has labels of its own.
    StatefulSet,
}

#[test]
fn a_pod_takes_a_few_hundred_bytes() {
    let (nodes, _) = taken(0, Kind::Deployment);
    let (of_deployments, peak) = taken(PODS, Kind::Deployment);
    let (of_sets, _) = taken(PODS, Kind::StatefulSet);
    let wire = serde_json::to_vec(&pod(0, Kind::Deployment)).unwrap().len();
    let per_pod = |all: i64| (all - nodes) / PODS as i64;
    println!("{NODES} nodes: {} bytes each, the client included", nodes / NODES as i64);
    println!("{PODS} pods of Deployments: {} bytes each; {wire} as JSON", per_pod(of_deployments));
    println!("{PODS} pods of StatefulSets: {} bytes each", per_pod(of_sets));
    println!("most at any time: {} MiB", peak / 1024 / 1024);
    assert!(per_pod(of_deployments) < 512, "{}", per_pod(of_deployments));
    assert!(per_pod(of_sets) < 1024, "{}", per_pod(of_sets));
    assert!(nodes / (NODES as i64) < 4096, "{nodes}");
    // A page at a time is all that comes on top.
    assert!(peak - of_deployments < 64 * 1024 * 1024, "{peak}");
}

/// What is allocated while a cluster with so many pods is watched, and the most that was.
fn taken(pods: usize, kind: Kind) -> (i64, i64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut kept = None;
    let info = allocation_counter::measure(|| {
        runtime.block_on(async {
            let stop = CancellationToken::new();
            let cluster = Cluster::watch(client(pods, kind), Scope::all(), stop.clone());
            cluster.synced().await;
            kept = Some((cluster, stop.drop_guard()));
        });
    });
    let (cluster, _stop) = kept.unwrap();
    check(&cluster, pods, kind);
    (info.bytes_current, info.bytes_max as i64)
}

/// All of it is there, and questions find it.
fn check(cluster: &Cluster, pods: usize, kind: Kind) {
    let found = cluster.pods("team-3", &select("app=llm-3")).unwrap();
    let expected = if pods == 0 { 0 } else { PER_WORKLOAD };
    assert_eq!(found.len(), expected);
    assert!(found.iter().all(|pod| pod.zone.is_some()));
    assert_eq!(cluster.nodes().unwrap().len(), NODES);
    if kind == Kind::Deployment {
        let pools = policy(r#"[{"name": "h100"}]"#, 1);
        let supply = cluster.supply(&pools, "team-3", &select("app=llm-3"), now()).unwrap();
        assert_eq!(supply[0].allocatable_gpus, Some(8 * NODES as u32));
        assert_eq!(supply[0].free_gpus, Some((8 * NODES).saturating_sub(pods) as u32));
    }
}

/// A client of a server that has these objects, and in which nothing happens.
fn client(pods: usize, kind: Kind) -> Client {
    let service = tower::service_fn(move |request: http::Request<Body>| async move {
        let answer = answer(request.uri(), pods, kind).await;
        Ok::<_, Infallible>(http::Response::new(Body::from(serde_json::to_vec(&answer).unwrap())))
    });
    Client::new(service, "default")
}

async fn answer(uri: &http::Uri, pods: usize, kind: Kind) -> Value {
    let query = uri.query().unwrap_or_default();
    if query.contains("watch=true") {
        return std::future::pending().await;
    }
    let (total, make): (usize, fn(usize, Kind) -> Value) = match uri.path() {
        "/api/v1/pods" => (pods, pod),
        "/api/v1/nodes" => (NODES, node),
        "/apis" => return json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
        _ => (0, pod),
    };
    let token = query.split('&').find_map(|pair| pair.strip_prefix("continue="));
    let first: usize = token.map_or(0, |token| token.parse().unwrap());
    let last = total.min(first + PAGE);
    let items: Vec<Value> = (first..last).map(|number| make(number, kind)).collect();
    let next = (last < total).then(|| last.to_string());
    json!({"apiVersion": "v1", "kind": "List", "items": items,
        "metadata": {"resourceVersion": "1", "continue": next}})
}

/// As an inference server's pod is: with what injectors, admission and field management add to it.
fn pod(number: usize, kind: Kind) -> Value {
    let (workload, place) = (number / PER_WORKLOAD, number % PER_WORKLOAD);
    let app = format!("llm-{workload}");
    let mut labels = json!({
        "app": app, "app.kubernetes.io/name": "vllm", "app.kubernetes.io/part-of": "inference",
        "app.kubernetes.io/managed-by": "Helm", "team": format!("team-{}", workload % NAMESPACES),
    });
    let name = match kind {
        Kind::Deployment => {
            labels["pod-template-hash"] = format!("5d4f9c{workload:04}").into();
            format!("{app}-5d4f9c{workload:04}-x{place:04}")
        }
        Kind::StatefulSet => {
            labels["controller-revision-hash"] = format!("{app}-7c9f8d").into();
            labels["statefulset.kubernetes.io/pod-name"] = format!("{app}-{place}").into();
            labels["apps.kubernetes.io/pod-index"] = place.to_string().into();
            format!("{app}-{place}")
        }
    };
    let since = "2026-11-24T08:02:11Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    let fields: Value =
        (0..60).map(|field| (format!("f:field-{field}"), json!({".": {}}))).collect();
    json!({
        "metadata": {
            "name": name, "namespace": format!("team-{}", workload % NAMESPACES), "labels": labels,
            "uid": format!("6f1c2a3e-0000-4000-8000-{number:012}"), "resourceVersion": "1",
            "generateName": format!("{app}-"), "creationTimestamp": since,
            "annotations": {"prometheus.io/scrape": "true", "checksum/config": "e3b0c44298fc1c149afbf4c8996fb924"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-5d4f9c"),
                "uid": "6f1c2a3e-0000-4000-8000-000000000000", "controller": true, "blockOwnerDeletion": true}],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "fieldsType": "FieldsV1", "fieldsV1": fields}],
        },
        "spec": {
            "nodeName": format!("ip-10-0-{}-{}.eu-central-1.compute.internal", number % NODES / 256, number % NODES % 256),
            "nodeSelector": {"karpenter.sh/nodepool": "h100"},
            "serviceAccountName": "default", "schedulerName": "default-scheduler",
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "volumes": [{"name": "kube-api-access", "projected": {"sources": []}}],
            "containers": [
                {"name": "server", "image": "vllm/vllm-openai:v0.33.0", "args": ["--model", "llama-3.1-8b"],
                    "env": [{"name": "HF_HOME", "value": "/models"}],
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi", "nvidia.com/gpu": "1"},
                        "limits": {"nvidia.com/gpu": "1"}}},
                {"name": "metrics-proxy", "image": "example.com/proxy:1",
                    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}},
            ],
        },
        "status": {
            "phase": "Running", "startTime": since, "hostIP": "10.0.0.1", "podIP": "10.1.0.1",
            "conditions": conditions,
            "containerStatuses": [{"name": "server", "restartCount": 1, "ready": true, "image": "i", "imageID": "i"}],
        },
    })
}

fn node(number: usize, _: Kind) -> Value {
    let mut labels = json!({
        "karpenter.sh/nodepool": "h100", "karpenter.sh/capacity-type": "spot",
        "topology.kubernetes.io/zone": format!("eu-central-1{}", ["a", "b", "c"][number % 3]),
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    });
    for label in 0..60 {
        labels[format!("feature.node.kubernetes.io/cpu-{label}")] = "true".into();
    }
    let has = json!({"cpu": "191450m", "memory": "2030Gi", "ephemeral-storage": "3Ti", "pods": "737",
        "hugepages-1Gi": "0", "hugepages-2Mi": "0", "nvidia.com/gpu": "8"});
    json!({
        "metadata": {"name": format!("ip-10-0-{}-{}.eu-central-1.compute.internal", number / 256, number % 256),
            "resourceVersion": "1", "creationTimestamp": "2026-11-24T08:02:11Z", "labels": labels},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
        "status": {"capacity": has, "allocatable": has, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}
