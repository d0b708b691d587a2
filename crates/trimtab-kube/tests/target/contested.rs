//! Who else scales the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, PostParams};
use serde_json::json;
use trimtab_apiserver::{ApiServer, Rule, fixture};
use trimtab_kube::target::{Discovery, KubeTarget};
use trimtab_runtime::{ScaleTarget, TargetError};

use crate::side::{Side, change, id, reference, replicas, scale_by, sides};

#[tokio::test]
async fn who_takes_the_count_again_and_again_has_it() {
    for side in sides("again").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        // The manifest's; then a hand, once.
        for (by_hand, ours) in [(None, 5), (Some(2), 6)] {
            if let Some(by_hand) = by_hand {
                scale_by(client, namespace, "llm", "argocd-controller", by_hand).await;
            }
            let change = change(&target, ours).await;
            target.write(&id(), &change).await.unwrap();
            assert_eq!(replicas(client, namespace, "llm").await, ours);
        }
        scale_by(client, namespace, "llm", "argocd-controller", 2).await;
        let change = change(&target, 7).await;
        let error = target.write(&id(), &change).await.unwrap_err();
        assert_eq!(error, TargetError::Contested("the field manager `argocd-controller`".into()));
        assert_eq!(target.write(&id(), &change).await, Err(error));
        assert_eq!(replicas(client, namespace, "llm").await, 2);
    }
}

#[tokio::test]
async fn another_autoscaler_of_the_same_target_is_not_fought() {
    for side in sides("contested").await {
        let Side { client, namespace, .. } = &side;
        for name in ["hpa", "keda", "ours", "free"] {
            fixture::deployment(client, namespace, name, 3).await;
        }
        fixture::install(client, &fixture::keda()).await;
        let to = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
        let hpa = |name: &str, target: &str, labels: serde_json::Value| {
            json!({
                "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": name, "labels": labels},
                "spec": {"scaleTargetRef": to(target), "maxReplicas": 9},
            })
        };
        let plural = "horizontalpodautoscalers";
        let kind = "HorizontalPodAutoscaler";
        side.create("autoscaling/v2", kind, plural, hpa("web", "hpa", json!({}))).await;
        let label = json!({"scaledobject.keda.sh/name": "queue"});
        side.create("autoscaling/v2", kind, plural, hpa("keda-hpa-queue", "keda", label)).await;
        let scaled = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "queue"},
            "spec": {"scaleTargetRef": {"name": "keda"}}, "status": {},
        });
        side.create("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", scaled).await;

        for (name, rival) in [
            ("hpa", Some("the HorizontalPodAutoscaler `web`")),
            ("keda", Some("the ScaledObject `queue`")),
            ("free", None),
        ] {
            let target = side.target("apps/v1", "Deployment", name);
            let status = target.read(&id()).await.unwrap();
            assert_eq!(status.contested.as_deref(), rival, "{name} is read all the same");
            let change = change(&target, 5).await;
            let written = target.write(&id(), &change).await;
            match rival {
                Some(rival) => assert_eq!(written, Err(TargetError::Contested(rival.into()))),
                None => assert_eq!(written, Ok(())),
            }
            let expected = if rival.is_some() { 3 } else { 5 };
            assert_eq!(replicas(client, namespace, name).await, expected);
        }
        // Without a look at ScaledObjects it is still seen whose HPA it is.
        if !side.server.is_real() {
            let faults = side.server.faults();
            faults.forbid(Rule::any().resource("scaledobjects.keda.sh").namespace(namespace));
            faults.forbid(Rule::any().resource("scaledobjects.keda.sh").namespace(""));
            let blind = Discovery::new(client.clone());
            let reference = reference("apps/v1", "Deployment", "keda");
            let target = KubeTarget::new(client.clone(), blind, namespace, &reference);
            let rival = target.rival().await.unwrap();
            assert_eq!(
                rival,
                "KEDA's HorizontalPodAutoscaler `keda-hpa-queue`, of the ScaledObject `queue`,"
            );
            faults.clear();
        }
    }
}

/// Who else scales it is asked once for all.
#[tokio::test]
async fn many_targets_share_what_is_known() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "many").await;
    let discovery = Discovery::new(client.clone());
    let mut targets = Vec::new();
    for number in 0..20 {
        let name = format!("llm-{number}");
        fixture::deployment(&client, "many", &name, 1).await;
        let reference = reference("apps/v1", "Deployment", &name);
        targets.push(KubeTarget::new(client.clone(), Arc::clone(&discovery), "many", &reference));
    }
    server.faults().clear_log();
    for _ in 0..3 {
        let id = id();
        let reads = targets.iter().map(|target| target.read(&id));
        for read in futures_util::future::join_all(reads).await {
            read.unwrap();
        }
    }
    let log = server.faults().log();
    let of =
        |part: &str| log.iter().filter(|request| request.full_resource().contains(part)).count();
    assert_eq!(of("deployments.apps/scale"), 60);
    assert_eq!(of("horizontalpodautoscalers"), 1);
    assert_eq!(
        log.len(),
        60 + 1 + 5,
        "a scale each, the resources of apps/v1 and a list of each rival"
    );
}

/// A list that does not come holds up nobody for long, and comes in the end.
#[tokio::test]
async fn what_is_known_is_used_until_there_is_more() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "slow").await;
    fixture::deployment(&client, "slow", "llm", 3).await;
    let reference = reference("apps/v1", "Deployment", "llm");
    let target =
        KubeTarget::new(client.clone(), Discovery::new(client.clone()), "slow", &reference);
    let hpas = Rule::any().verb("list").resource("horizontalpodautoscalers.autoscaling");
    server.faults().delay(hpas.clone(), 1, Duration::from_secs(3));
    let hpa = json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
            "maxReplicas": 9,
        },
    });
    let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), "slow");
    hpas.create(&PostParams::default(), &serde_json::from_value(hpa).unwrap()).await.unwrap();
    let start = Instant::now();
    // Whoever asks may even give up before.
    for _ in 0..2 {
        let read = tokio::time::timeout(Duration::from_millis(1500), target.read(&id())).await;
        assert_eq!(read.unwrap().unwrap().contested, None);
    }
    assert!(start.elapsed() < Duration::from_secs(3));
    let rival = fixture::eventually(Duration::from_secs(10), "the list comes", async || {
        target.rival().await
    });
    assert_eq!(rival.await, "the HorizontalPodAutoscaler `web`");
}
