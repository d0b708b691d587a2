//! Whose place a policy takes, and who is fought with: told as events and in a condition.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, eventually};

use crate::harness::{
    NAMESPACE, Running, SOON, client, cluster, condition, create, queue, replicas, settings, spec,
    until_condition, until_replicas, workload,
};

/// Events about an object as `type reason: note`.
async fn events_of(admin: &Client, kind: &str, name: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(admin.clone(), NAMESPACE);
    let all = events.list(&ListParams::default()).await.unwrap().items;
    let is_about = |event: &Event| {
        event.regarding.as_ref().is_some_and(|of| {
            of.kind.as_deref() == Some(kind) && of.name.as_deref() == Some(name) && of.uid.is_some()
        })
    };
    let text = |text: Option<String>| text.unwrap_or_default();
    let told = all.into_iter().filter(is_about);
    told.map(|event| format!("{} {}: {}", text(event.type_), text(event.reason), text(event.note)))
        .collect()
}

/// Waits for an event about an object that begins so.
async fn until_told(admin: &Client, kind: &str, name: &str, begin: &str) -> String {
    eventually(SOON, &format!("{kind} {name}: {begin}"), || async {
        let told = events_of(admin, kind, name).await;
        told.into_iter().find(|event| event.starts_with(begin))
    })
    .await
}

/// Sets the count of `llm`, as a deployment tool does that puts back what its manifest says.
async fn put_back(admin: &Client, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(admin.clone(), NAMESPACE);
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "llm"},
        "spec": {"replicas": replicas},
    });
    let by = PatchParams::apply("argocd-controller").force();
    deployments.patch("llm", &by, &Patch::Apply(manifest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_is_taken_over_is_told_and_so_is_a_fight() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        put_back(&admin, 1).await;
        let controller = Running::start(client(&server), settings("one"));
        until_condition(&admin, "llm", "Accepted", "True").await;
        assert_eq!(condition(&admin, "llm", "Contested").await, None);

        // What the manifest says is taken over, once.
        queue(&server, 40);
        until_replicas(&admin, "llm", 5).await;
        let told = until_condition(&admin, "llm", "Contested", "False TookOver").await;
        let expected = "Deployment inference/llm: the count was";
        assert!(told.contains(expected) && told.contains("`argocd-controller`"), "{told}");
        assert!(told.ends_with(", and is taken over"), "{told}");
        let told = until_told(&admin, "ScalingPolicy", "llm", "Normal TookOver").await;
        assert!(told.contains("`argocd-controller`") && told.ends_with("taken over"), "{told}");
        queue(&server, 24);
        until_replicas(&admin, "llm", 3).await;

        // Put back the first time it may be a hand.
        put_back(&admin, 1).await;
        until_replicas(&admin, "llm", 3).await;
        let again = "the count was changed by `argocd-controller`, and is set again";
        let told = until_told(
            &admin,
            "ScalingPolicy",
            "llm",
            "Normal TookOver: Deployment inference/llm: the count was changed",
        )
        .await;
        assert!(told.ends_with(again), "{told}");
        assert!(condition(&admin, "llm", "Contested").await.unwrap().ends_with(again));

        // The second time it is a fight, which nobody wins by writing more often.
        put_back(&admin, 1).await;
        let told = until_condition(&admin, "llm", "Contested", "True ScaledByOther").await;
        assert!(told.contains("the field manager `argocd-controller` scales it, too"), "{told}");
        let told = until_told(&admin, "ScalingPolicy", "llm", "Warning ScaledByOther").await;
        assert!(told.contains("the field manager `argocd-controller`"), "{told}");
        // It stays so where nothing is to be written, too.
        queue(&server, 8);
        fixture::never(std::time::Duration::from_secs(8), "it says otherwise", || async {
            let told = condition(&admin, "llm", "Contested").await;
            let is_so = told.as_ref().is_some_and(|told| told.starts_with("True ScaledByOther"));
            (!is_so || replicas(&admin, "llm").await != 1).then_some(told)
        })
        .await;
        let told = events_of(&admin, "ScalingPolicy", "llm").await;
        let fights = told.iter().filter(|event| event.contains("ScaledByOther")).count();
        assert_eq!(fights, 1, "{told:?}");
        controller.end().await;
    }
}

fn hpa(name: &str, target: Value) -> Value {
    json!({
        "metadata": {"name": name, "annotations": {"trimtab.dev/adopt": "true"}},
        "spec": {
            "scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 20,
            "metrics": [{"type": "External", "external": {
                "metric": {"name": "queue"},
                "target": {"type": "AverageValue", "averageValue": "8"},
            }}],
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hpa_that_asks_for_a_policy_is_told_what_became_of_it() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        fixture::deployment(&admin, NAMESPACE, "llm", 2).await;
        fixture::settle(&admin, NAMESPACE, "llm").await;
        queue(&server, 16);
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"});
        create::<HorizontalPodAutoscaler>(&admin, NAMESPACE, hpa("llm", target.clone())).await;
        // It has more metrics than a policy may have.
        let mut long = hpa("long", target);
        let metrics = (0..33).map(|number| {
            let mut metric = long["spec"]["metrics"][0].clone();
            metric["external"]["metric"]["name"] = format!("queue-{number}").into();
            metric
        });
        long["spec"]["metrics"] = metrics.collect();
        long["spec"]["scaleTargetRef"]["name"] = "long".into();
        create::<HorizontalPodAutoscaler>(&admin, NAMESPACE, long).await;
        let controller = Running::start(client(&server), settings("one"));
        let kind = "HorizontalPodAutoscaler";
        let told = until_told(&admin, kind, "llm", "Normal PolicyMade: ").await;
        assert!(told.contains("the ScalingPolicy `llm` has the same settings"), "{told}");
        let told = until_told(&admin, kind, "long", "Warning PolicyNotMade: ").await;
        assert!(told.contains("spec.metrics"), "{told}");
        until_condition(&admin, "llm", "Adopted", "False HorizontalPodAutoscalerPresent").await;
        // Beside it, the policy says that another one scales, and writes nothing.
        let told = until_condition(&admin, "llm", "Contested", "True ScaledByOther").await;
        assert!(told.contains("the HorizontalPodAutoscaler `llm`"), "{told}");
        until_told(&admin, "ScalingPolicy", "llm", "Warning ScaledByOther").await;
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(admin.clone(), NAMESPACE);
        hpas.delete("llm", &DeleteParams::default()).await.unwrap();
        until_told(&admin, "ScalingPolicy", "llm", "Normal HorizontalPodAutoscalerGone: ").await;
        queue(&server, 40);
        until_replicas(&admin, "llm", 5).await;
        controller.end().await;
    }
}
