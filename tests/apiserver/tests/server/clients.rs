//! What clients do besides, with both servers.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube_lease_manager::LeaseManagerBuilder;
use serde_json::{Value, json};
use trimtab_apiserver::fixture::{eventually, never, refusal};
use trimtab_apiserver::{ApiServer, fixture};

fn config_map(name: &str, data: Value) -> ConfigMap {
    let object = json!({"metadata": {"name": name, "labels": {"app": name}}, "data": data});
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn one_at_a_time_holds_a_lease() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "holders").await;
        let manager = async |identity: &str| {
            LeaseManagerBuilder::new(client.clone(), "leader")
                .with_namespace("holders")
                .with_identity(identity)
                .with_duration(3)
                .with_grace(1)
                .with_field_manager(identity)
                .build()
                .await
                .unwrap()
                .watch()
                .await
        };
        let (first, task) = manager("first").await;
        let within = Duration::from_secs(20);
        eventually(within, "the first leads", async || first.borrow().then_some(())).await;
        let (second, _) = manager("second").await;
        let while_it_is_held = Duration::from_secs(2);
        never(while_it_is_held, "two lead", async || second.borrow().then_some(())).await;
        // Whoever is not listened to gives it up.
        drop(first);
        task.await.unwrap().unwrap();
        eventually(within, "the second leads", async || second.borrow().then_some(())).await;
    }
}

#[tokio::test]
async fn patches_are_lists_of_operations_as_well() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "operations").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "operations");
        let made = config_map("one", json!({"a": "1", "b": "2"}));
        api.create(&PostParams::default(), &made).await.unwrap();
        let patch = |operations: Value| {
            Patch::<ConfigMap>::Json(serde_json::from_value(operations).unwrap())
        };
        let params = PatchParams::default();
        let changed = patch(json!([
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "replace", "path": "/data/a", "value": "3"},
            {"op": "remove", "path": "/data/b"},
            {"op": "add", "path": "/metadata/annotations", "value": {"x/y": "z"}},
            {"op": "copy", "from": "/metadata/annotations/x~1y", "path": "/data/d"},
        ]));
        let read = api.patch("one", &params, &changed).await.unwrap();
        assert_eq!(serde_json::to_value(read.data).unwrap(), json!({"a": "3", "d": "z"}));
        assert_eq!(read.metadata.annotations.unwrap()["x/y"], "z");
        let failing = patch(json!([{"op": "test", "path": "/data/a", "value": "1"}]));
        let status = refusal(api.patch("one", &params, &failing).await);
        assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    }
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "many").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "many");
        for name in ["one", "two", "three"] {
            api.create(&PostParams::default(), &config_map(name, json!({}))).await.unwrap();
        }
        let meant = ListParams::default().labels("app in (one, two)");
        let gone = api.delete_collection(&DeleteParams::default(), &meant).await.unwrap();
        assert_eq!(gone.left().unwrap().items.len(), 2);
        assert_eq!(api.list(&ListParams::default().labels("app")).await.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn a_trial_changes_nothing() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "trials").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "trials");
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        api.create(&trial, &config_map("one", json!({}))).await.unwrap();
        assert_eq!(refusal(api.get("one").await).code, 404);
        api.create(&PostParams::default(), &config_map("one", json!({"a": "1"}))).await.unwrap();
        let patch = Patch::Merge(json!({"data": {"a": "2"}}));
        let tried = api.patch("one", &PatchParams::default().dry_run(), &patch).await.unwrap();
        assert_eq!(tried.data.unwrap()["a"], "2");
        assert_eq!(api.get("one").await.unwrap().data.unwrap()["a"], "1");
    }
}

#[tokio::test]
async fn budgets_keep_pods_from_being_evicted() {
    for server in ApiServer::shared().await {
        // Such an answer is one that clients by themselves ask again after.
        let mut config = server.config();
        config.default_retry = false;
        let client = Client::try_from(config).unwrap();
        fixture::namespace(&client, "budgets").await;
        fixture::pods_of(&client, "budgets", "web", 2).await;
        fixture::budget(&client, "budgets", "web", &[("app", "web")], 1, 1).await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), "budgets");
        let params = EvictParams::default();
        pods.evict("web-0", &params).await.unwrap();
        assert_eq!(refusal(pods.get("web-0").await).code, 404);
        let status = refusal(pods.evict("web-1", &params).await);
        assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
        assert_eq!(
            status.message,
            "Cannot evict pod as it would violate the pod's disruption budget."
        );
    }
}
