//! What both servers answer of metrics.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, PostParams};
use kube::{Client, Discovery};
use serde_json::{Value, json};
use trimtab_apiserver::{ApiServer, MetricsApi, Sample, fixture};

async fn get(client: &Client, path: &str) -> Result<Value, u16> {
    let request = hyper::Request::get(path).body(Vec::new()).unwrap();
    match client.request_text(request).await {
        Ok(text) => Ok(serde_json::from_str(&text).unwrap()),
        refused => Err(fixture::refusal(refused).code),
    }
}

fn names(list: &Value, at: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    let mut names: Vec<_> =
        items.map(|item| item.pointer(at).unwrap().as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn metrics_are_what_was_set() {
    for server in ApiServer::both().await {
        let client = server.client();
        let of_pods = "/apis/metrics.k8s.io/v1beta1/namespaces/metrics/pods";
        assert_eq!(get(&client, of_pods).await, Err(404));
        server.serve_metrics(&MetricsApi::ALL).await;
        fixture::namespace(&client, "metrics").await;
        fixture::pods_of(&client, "metrics", "web", 2).await;
        fixture::pods_of(&client, "metrics", "other", 1).await;
        server.set_metrics(|metrics| {
            for pod in ["web-0", "web-1", "other-0", "gone-0"] {
                metrics.usage("metrics", pod, "main", &[("cpu", "250m"), ("memory", "1Gi")]);
            }
            metrics.pod_metric("metrics", "web-0", "queue", "3");
            metrics.pod_metric("metrics", "web-1", "queue", "4500m");
            metrics.pod_metric("metrics", "other-0", "queue", "9");
            metrics.object_metric("metrics", "services", "front", "hits", "100");
            let zone = |name: &str, value: &str| Sample::new(value).label("zone", name);
            metrics.external_metric("metrics", "depth", [zone("a", "10"), zone("b", "20")]);
        });
        let groups = Discovery::new(client.clone()).run_aggregated().await.unwrap();
        for api in MetricsApi::ALL {
            assert!(groups.has_group(api.group()), "{api:?}");
        }
        let all = get(&client, of_pods).await.unwrap();
        assert_eq!(names(&all, "/metadata/name"), ["other-0", "web-0", "web-1"]);
        let web = get(&client, &format!("{of_pods}?labelSelector=app%3Dweb")).await.unwrap();
        assert_eq!(names(&web, "/metadata/name"), ["web-0", "web-1"]);
        assert_eq!(web["items"][0]["containers"][0]["usage"]["cpu"], "250m");
        let one = get(&client, &format!("{of_pods}/web-1")).await.unwrap();
        assert_eq!((&one["kind"], &one["window"]), (&json!("PodMetrics"), &json!("30s")));

        let custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/metrics";
        let queue = format!("{custom}/pods/*/queue?labelSelector=app%3Dweb");
        let queue = get(&client, &queue).await.unwrap();
        assert_eq!(names(&queue, "/describedObject/name"), ["web-0", "web-1"]);
        assert_eq!(names(&queue, "/value"), ["3", "4500m"]);
        let hits = get(&client, &format!("{custom}/services/front/hits")).await.unwrap();
        assert_eq!(names(&hits, "/value"), ["100"]);
        assert_eq!(get(&client, &format!("{custom}/services/front/none")).await, Err(404));
        let external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/metrics/depth";
        let depth = get(&client, external).await.unwrap();
        assert_eq!(names(&depth, "/value"), ["10", "20"]);
        let depth = get(&client, &format!("{external}?labelSelector=zone%3Db")).await.unwrap();
        assert_eq!(names(&depth, "/value"), ["20"]);
        server.set_metrics(|metrics| metrics.fail(MetricsApi::External, Some(500)));
        assert_eq!(get(&client, external).await, Err(500));
    }
}

#[tokio::test]
async fn the_real_autoscaler_goes_by_them() {
    let Some(server) = ApiServer::real().await else { return };
    server.serve_metrics(&MetricsApi::ALL).await;
    let flags = [
        "--controllers=horizontal-pod-autoscaler-controller",
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
    ];
    let Some(server) = server.with_controller_manager(&flags).await else { return };
    let client = server.client();
    fixture::namespace(&client, "hpa").await;
    fixture::deployment(&client, "hpa", "web", 2).await;
    fixture::settle(&client, "hpa", "web").await;
    server.set_metrics(|metrics| {
        // All that they asked for, when half of it is wanted.
        for pod in ["web-0", "web-1"] {
            metrics.usage("hpa", pod, "main", &[("cpu", "500m"), ("memory", "1Gi")]);
        }
    });
    let autoscaler: HorizontalPodAutoscaler = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 10,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {
                "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50},
            }}],
        },
    }))
    .unwrap();
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), "hpa");
    autoscalers.create(&PostParams::default(), &autoscaler).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "hpa");
    fixture::eventually(Duration::from_secs(60), "it is scaled", async || {
        let replicas = deployments.get("web").await.unwrap().spec.unwrap().replicas;
        (replicas == Some(4)).then_some(())
    })
    .await;
}
