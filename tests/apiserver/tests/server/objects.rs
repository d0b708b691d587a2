//! What both servers do with single objects.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;
use trimtab_apiserver::fixture::refusal;
use trimtab_apiserver::{ApiServer, fixture};

fn config_map(value: serde_json::Value) -> ConfigMap {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn objects_are_created_read_changed_and_deleted() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "objects").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "objects");
        let post = PostParams::default();
        let first = config_map(json!({"metadata": {"name": "first"}, "data": {"a": "b"}}));
        let created = api.create(&post, &first).await.unwrap();
        assert!(created.uid().is_some() && created.creation_timestamp().is_some());
        assert_eq!(created.namespace().as_deref(), Some("objects"));

        let again = refusal(api.create(&post, &first).await);
        assert_eq!((again.code, again.reason.as_str()), (409, "AlreadyExists"));
        assert_eq!(again.message, "configmaps \"first\" already exists");

        let mut changed = created.clone();
        changed.data.as_mut().unwrap().insert("c".into(), "d".into());
        let changed = api.replace("first", &post, &changed).await.unwrap();
        assert_ne!(changed.resource_version(), created.resource_version());
        assert_eq!(changed.uid(), created.uid());

        let stale = refusal(api.replace("first", &post, &created).await);
        assert_eq!((stale.code, stale.reason.as_str()), (409, "Conflict"));
        assert_eq!(
            stale.message,
            "Operation cannot be fulfilled on configmaps \"first\": the object has been modified; please apply your \
             changes to the latest version and try again"
        );

        // Nothing changed, so there is no new version.
        let same = api.replace("first", &post, &changed).await.unwrap();
        assert_eq!(same.resource_version(), changed.resource_version());

        let other = Preconditions { uid: Some("x".into()), resource_version: None };
        let params = DeleteParams::default().preconditions(other);
        assert_eq!(refusal(api.delete("first", &params).await).code, 409);
        let deleted = api.delete("first", &DeleteParams::default()).await.unwrap();
        assert!(deleted.right().unwrap().is_success());
        let gone = refusal(api.get("first").await);
        assert_eq!((gone.code, gone.reason.as_str()), (404, "NotFound"));
        assert_eq!(gone.message, "configmaps \"first\" not found");
        assert_eq!(gone.details.unwrap().kind, "configmaps");
    }
}

#[tokio::test]
async fn names_and_places_are_checked() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "names").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "names");
        let post = PostParams::default();
        let generated = config_map(json!({"metadata": {"generateName": "made-"}}));
        let generated = api.create(&post, &generated).await.unwrap().name_any();
        assert!(generated.starts_with("made-") && generated.len() == "made-".len() + 5);

        let bad =
            refusal(api.create(&post, &config_map(json!({"metadata": {"name": "Bad"}}))).await);
        assert_eq!((bad.code, bad.reason.as_str()), (422, "Invalid"));
        let nameless = refusal(api.create(&post, &config_map(json!({"metadata": {}}))).await);
        assert_eq!(nameless.code, 422);

        let nowhere: Api<ConfigMap> = Api::namespaced(client.clone(), "nowhere");
        let fine = config_map(json!({"metadata": {"name": "fine"}}));
        let refused = refusal(nowhere.create(&post, &fine).await);
        assert_eq!(refused.message, "namespaces \"nowhere\" not found");
        let listed = nowhere.list(&ListParams::default()).await.unwrap();
        assert!(listed.items.is_empty());
    }
}

#[tokio::test]
async fn the_generation_counts_changes_of_the_spec_alone() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "generation").await;
        let created = fixture::deployment(&client, "generation", "web", 3).await;
        assert_eq!(created.metadata.generation, Some(1));
        fixture::observe_replicas(&client, "generation", "web", 3, 2).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "generation");
        let params = PatchParams::default();
        let labelled = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
        let read = api.patch("web", &params, &labelled).await.unwrap();
        assert_eq!(read.metadata.generation, Some(1));
        let status = read.status.unwrap();
        assert_eq!((status.replicas, status.ready_replicas), (Some(3), Some(2)));
        let scaled = Patch::Merge(json!({"spec": {"replicas": 4}, "status": {"replicas": 9}}));
        let read = api.patch("web", &params, &scaled).await.unwrap();
        assert_eq!(read.metadata.generation, Some(2));
        // The status is written as a subresource only.
        assert_eq!(read.status.unwrap().replicas, Some(3));
        let spec = Patch::Merge(json!({"spec": {"replicas": 7}, "status": {"replicas": 4}}));
        let read = api.patch_status("web", &params, &spec).await.unwrap();
        assert_eq!(read.spec.unwrap().replicas, Some(4));
        assert_eq!(read.status.unwrap().replicas, Some(4));
        assert_eq!(read.metadata.generation, Some(2));
        // Annotations of a Deployment, and of nothing else, count as its spec.
        let annotated = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
        let read = api.patch("web", &params, &annotated).await.unwrap();
        assert_eq!(read.metadata.generation, Some(3));
        fixture::stateful_set(&client, "generation", "db", 2).await;
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "generation");
        let read = sets.patch("db", &params, &annotated).await.unwrap();
        assert_eq!(read.metadata.generation, Some(1));
    }
}

#[tokio::test]
async fn what_was_not_said_has_defaults_and_what_can_not_be_is_refused() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "defaults").await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "defaults");
        let template = fixture::pod_template("web");
        let post = PostParams::default();
        let deployment = |spec| {
            serde_json::from_value::<Deployment>(json!({"metadata": {"name": "web"}, "spec": spec}))
                .unwrap()
        };
        let wrong = deployment(json!({
            "selector": {"matchLabels": {"app": "other"}}, "template": template,
        }));
        let refused = refusal(api.create(&post, &wrong).await);
        assert_eq!(refused.code, 422);
        assert!(
            refused.message.contains("`selector` does not match template `labels`"),
            "{refused}"
        );
        let right = deployment(json!({
            "selector": {"matchLabels": {"app": "web"}}, "template": template,
        }));
        let spec = api.create(&post, &right).await.unwrap().spec.unwrap();
        assert_eq!(spec.replicas, Some(1));
        assert_eq!(spec.strategy.unwrap().type_.as_deref(), Some("RollingUpdate"));
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.termination_grace_period_seconds, Some(30));
        let below = Patch::Merge(json!({"spec": {"replicas": -1}}));
        let refused = refusal(api.patch("web", &PatchParams::default(), &below).await);
        assert_eq!(
            refused.message,
            "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        );
        let set = fixture::stateful_set(&client, "defaults", "db", 2).await;
        assert_eq!(set.spec.unwrap().pod_management_policy.as_deref(), Some("OrderedReady"));
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "defaults");
        assert_eq!(sets.list(&ListParams::default()).await.unwrap().items.len(), 1);
    }
}

#[tokio::test]
async fn finalizers_hold_what_is_deleted() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "finalizers").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "finalizers");
        let held = config_map(json!({
            "metadata": {"name": "held", "finalizers": ["example.com/hold"]},
        }));
        api.create(&PostParams::default(), &held).await.unwrap();
        let dying = api.delete("held", &DeleteParams::default()).await.unwrap().left().unwrap();
        assert!(dying.metadata.deletion_timestamp.is_some());
        let still = api.get("held").await.unwrap();
        assert!(still.metadata.deletion_timestamp.is_some());
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch("held", &PatchParams::default(), &free).await.unwrap();
        assert_eq!(refusal(api.get("held").await).code, 404);
    }
}

#[tokio::test]
async fn pods_on_nodes_take_time_to_end() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "ending").await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), "ending");
        let bound = fixture::PodFixture::new("bound").node("n1").ready();
        let bound = bound.create(&client, "ending").await;
        assert_eq!(bound.spec.unwrap().node_name.as_deref(), Some("n1"));
        fixture::PodFixture::new("waiting").create(&client, "ending").await;
        pods.delete("waiting", &DeleteParams::default()).await.unwrap();
        assert_eq!(refusal(pods.get("waiting").await).code, 404);
        pods.delete("bound", &DeleteParams::default()).await.unwrap();
        let ending = pods.get("bound").await.unwrap().metadata;
        assert_eq!(ending.deletion_grace_period_seconds, Some(30));
        assert!(ending.deletion_timestamp.is_some());
        pods.delete("bound", &DeleteParams::default().grace_period(0)).await.unwrap();
        assert_eq!(refusal(pods.get("bound").await).code, 404);

        let mut moved = fixture::PodFixture::new("fixed").create(&client, "ending").await;
        moved.spec.as_mut().unwrap().priority_class_name = Some("high".into());
        let refused = refusal(pods.replace("fixed", &PostParams::default(), &moved).await);
        assert_eq!(refused.code, 422);
        assert!(
            refused.message.contains("pod updates may not change fields other than"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn leases_are_never_written_blindly() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "leases").await;
        let api: Api<Lease> = Api::namespaced(client.clone(), "leases");
        let lease = |holder: &str| -> Lease {
            serde_json::from_value(json!({
                "metadata": {"name": "leader"},
                "spec": {
                    "holderIdentity": holder,
                    "leaseDurationSeconds": 15,
                    "renewTime": "2026-01-02T03:04:05.678901Z",
                },
            }))
            .unwrap()
        };
        let post = PostParams::default();
        let created = api.create(&post, &lease("a")).await.unwrap();
        assert_eq!(created.spec.as_ref().unwrap().holder_identity.as_deref(), Some("a"));
        let refused = refusal(api.replace("leader", &post, &lease("b")).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        let mut mine = created.clone();
        mine.spec.as_mut().unwrap().holder_identity = Some("c".into());
        let renewed = api.replace("leader", &post, &mine).await.unwrap();
        assert_eq!(renewed.spec.unwrap().renew_time, mine.spec.clone().unwrap().renew_time);
        assert_eq!(refusal(api.replace("leader", &post, &mine).await).code, 409);
    }
}
