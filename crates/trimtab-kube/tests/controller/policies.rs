//! Policies that can't be driven, and those that take another's place.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{eventually, never};
use trimtab_kube::crd::ScalingPolicy;

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, create, events, queue, replicas, settings,
    spec, status, until_condition, until_replicas, workload,
};

/// What no API server can check.
fn never_opens() -> serde_json::Value {
    json!([{"name": "day", "start": "99 8 * * *", "durationSeconds": 3600, "minReplicas": 2}])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_wrong_says_why_and_stops_no_other() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let mut wrong = spec("other");
        wrong["schedules"] = never_opens();
        apply(&admin, "wrong", wrong).await;
        let mut unknown = spec("other");
        unknown["sources"] =
            json!([{"prometheus": {"server": "main", "queries": {"preset": "vllm"}}}]);
        apply(&admin, "unknown", unknown).await;
        let controller = Running::start(client(&server), settings("one"));
        let told = until_condition(&admin, "wrong", "Accepted", "False Invalid").await;
        assert!(told.contains("spec.schedules[0].start"), "{told}");
        let told = until_condition(&admin, "unknown", "Accepted", "False SourcesUnusable").await;
        assert!(told.ends_with("there is no server `main`: `servers` is empty"), "{told}");
        queue(&server, 24);
        until_replicas(&admin, "llm", 3).await;
        let told = eventually(SOON, "events tell of both", || async {
            let events = events(&admin).await;
            (events.iter().filter(|event| event.starts_with("Warning")).count() == 2)
                .then_some(events)
        })
        .await;
        assert!(told.iter().any(|event| event.starts_with("Warning Invalid: ")), "{told:?}");
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_valid_runs_on_beside_a_spec_that_is_not() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let controller = Running::start(client(&server), settings("one"));
        until_condition(&admin, "llm", "Accepted", "True").await;
        let mut wrong = spec("llm");
        wrong["schedules"] = never_opens();
        apply(&admin, "llm", wrong).await;
        let told = until_condition(&admin, "llm", "Accepted", "False Invalid").await;
        assert!(told.ends_with("; what was valid before runs on"), "{told}");
        queue(&server, 24);
        until_replicas(&admin, "llm", 3).await;
        let mut right = spec("llm");
        right["minReplicas"] = 4.into();
        right["schedules"] = never_opens();
        right["schedules"][0]["start"] = "0 8 * * *".into();
        right["schedules"][0]["minReplicas"] = 4.into();
        apply(&admin, "llm", right).await;
        until_replicas(&admin, "llm", 4).await;
        until_condition(&admin, "llm", "Accepted", "True Valid").await;
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hpa_is_adopted_and_the_policy_waits_until_it_is_gone() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        trimtab_apiserver::fixture::deployment(&admin, NAMESPACE, "llm", 2).await;
        trimtab_apiserver::fixture::settle(&admin, NAMESPACE, "llm").await;
        let hpa = json!({
            "metadata": {"name": "llm", "annotations": {"trimtab.dev/adopt": "true"}},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
                "minReplicas": 1, "maxReplicas": 20,
                "metrics": [{"type": "External", "external": {
                    "metric": {"name": "queue"},
                    "target": {"type": "AverageValue", "averageValue": "8"},
                }}],
            },
        });
        create::<HorizontalPodAutoscaler>(&admin, NAMESPACE, hpa).await;
        queue(&server, 32);
        let controller = Running::start(client(&server), settings("one"));
        until_condition(&admin, "llm", "Adopted", "False HorizontalPodAutoscalerPresent").await;
        let policies: Api<ScalingPolicy> = Api::namespaced(admin.clone(), NAMESPACE);
        let made = policies.get("llm").await.unwrap();
        assert_eq!(made.spec.policy.max_replicas, 20);
        eventually(SOON, "it says what it would do", || async {
            (status(&admin, "llm").await?.wanted_replicas == Some(4)).then_some(())
        })
        .await;
        never(Duration::from_secs(1), "the count is changed", || async {
            (replicas(&admin, "llm").await != 2).then_some(())
        })
        .await;
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(admin.clone(), NAMESPACE);
        hpas.delete("llm", &DeleteParams::default()).await.unwrap();
        until_replicas(&admin, "llm", 4).await;
        until_condition(&admin, "llm", "Adopted", "True HorizontalPodAutoscalerGone").await;
        controller.end().await;
    }
}
