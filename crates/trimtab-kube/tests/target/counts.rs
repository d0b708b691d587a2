//! Counts of all kinds: read, written, and not written over.

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::json;
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_engine::Selector;
use trimtab_kube::target::{Discovery, DiscoveryError};
use trimtab_runtime::{Change, ScaleTarget, TargetError};

use crate::side::{self, Side, change, id, reference, replicas, scale_by, sides};

#[tokio::test]
async fn a_deployment_up_down_to_zero_and_back() {
    for side in sides("counts").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        fixture::observe_replicas(client, namespace, "llm", 3, 2).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        assert_eq!(target.name(), format!("Deployment {namespace}/llm"));
        let mut from = 3;
        for to in [5, 2, 0, 4] {
            let status = target.read(&id()).await.unwrap();
            assert_eq!((status.replicas, status.status_replicas), (from, 3));
            assert_eq!(
                (status.selector, status.pods, status.contested),
                (Selector::Ok, None, None)
            );
            let mut change = Change::of(from, to);
            change.version = status.version;
            target.write(&id(), &change).await.unwrap();
            assert_eq!(replicas(client, namespace, "llm").await, to);
            from = to;
        }
        let object = side::deployments(client, namespace).get("llm").await.unwrap();
        let owner = object.managed_fields().iter().find(|entry| {
            entry.manager.as_deref() == Some("trimtab")
                && entry.subresource.as_deref() == Some("scale")
        });
        assert_eq!(owner.unwrap().operation.as_deref(), Some("Apply"));
    }
}

#[tokio::test]
async fn a_stateful_set_and_a_kind_of_somebody_else() {
    for side in sides("kinds").await {
        let Side { client, namespace, .. } = &side;
        fixture::stateful_set(client, namespace, "db", 3).await;
        let target = side.target("apps/v1", "StatefulSet", "db");
        let change = change(&target, 4).await;
        target.write(&id(), &change).await.unwrap();
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        assert_eq!(sets.get("db").await.unwrap().spec.unwrap().replicas, Some(4));

        fixture::install(client, &fixture::engine()).await;
        let engine = json!({
            "apiVersion": "example.dev/v1", "kind": "Engine", "metadata": {"name": "v8"},
            "spec": {"replicas": 2}, "status": {},
        });
        side.create("example.dev/v1", "Engine", "engines", engine).await;
        let target = side.target("example.dev/v1", "Engine", "v8");
        let status = target.read(&id()).await.unwrap();
        assert_eq!((status.replicas, status.selector), (2, Selector::Empty));
        let change = side::change(&target, 7).await;
        target.write(&id(), &change).await.unwrap();
        assert_eq!(target.read(&id()).await.unwrap().replicas, 7);

        // Its scale can't be applied; who takes the count is known all the same.
        let resource =
            side.discovery.find(&reference("example.dev/v1", "Engine", "v8")).await.unwrap();
        let engines: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &resource.resource);
        let by = PatchParams { field_manager: Some("other".into()), ..PatchParams::default() };
        for (theirs, ours) in
            [(2, Ok(())), (1, Err(TargetError::Contested("the field manager `other`".into())))]
        {
            let patch = Patch::Merge(json!({"spec": {"replicas": theirs}}));
            engines.patch_scale("v8", &by, &patch).await.unwrap();
            let change = side::change(&target, 7).await;
            assert_eq!(target.write(&id(), &change).await, ours);
        }
    }
}

#[tokio::test]
async fn what_can_t_be_scaled_is_said_with_what_would_be_right() {
    for side in sides("wrong").await {
        let mut said = Vec::new();
        for (api_version, kind) in [
            ("apps/v1", "DaemonSet"),
            ("apps/v1", "deployment"),
            ("v1", "Deployment"),
            ("acme.dev/v1", "Rocket"),
            ("apps/v1/x", "Deployment"),
        ] {
            let error = side.discovery.find(&reference(api_version, kind, "x")).await.unwrap_err();
            said.push(error.to_string());
        }
        insta::assert_yaml_snapshot!("wrong_kinds", said);
        let old = side.discovery.find(&reference("apps/v1beta1", "Deployment", "x")).await.unwrap();
        assert_eq!(old.resource.api_version, "apps/v1", "another version of the group");
        let error = side.target("apps/v1", "Deployment", "nobody").read(&id()).await.unwrap_err();
        assert_eq!(error.cause(), "not_found");
        let error = side.target("apps/v1", "Deployment", "../x").read(&id()).await.unwrap_err();
        assert_eq!(error.cause(), "refused");
    }
}

#[tokio::test]
async fn what_was_changed_since_it_was_read_is_a_conflict() {
    for side in sides("conflict").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        let change = change(&target, 5).await;
        scale_by(client, namespace, "llm", "kubectl", 4).await;
        assert_eq!(target.write(&id(), &change).await, Err(TargetError::Conflict));
        assert_eq!(replicas(client, namespace, "llm").await, 4);
        // Written again after its answer was lost, it is done.
        let change = side::change(&target, 5).await;
        target.write(&id(), &change).await.unwrap();
        target.write(&id(), &change).await.unwrap();
    }
}

#[tokio::test]
async fn a_kind_that_is_removed_and_comes_back_is_found_again() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    let discovery = Discovery::new(client.clone());
    let engine = reference("example.dev/v1", "Engine", "v8");
    let missing = discovery.find(&engine).await.unwrap_err();
    assert!(matches!(missing, DiscoveryError::Kind { .. }));
    fixture::install(&client, &fixture::engine()).await;
    server.faults().clear_log();
    assert_eq!(discovery.find(&engine).await, Err(missing), "not asked at every look");
    assert!(server.faults().log().is_empty());
    assert!(Discovery::new(client.clone()).find(&engine).await.is_ok());
}
