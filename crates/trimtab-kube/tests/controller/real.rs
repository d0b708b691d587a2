//! What goes wrong with real API servers, by their own means: no leave, too many requests, watches that are too old, others
//! who write. Where the one in process has the same means, with that, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, eventually, never};
use trimtab_kube::connect_with;
use trimtab_kube::crd::{CONTROLLER_ACCESS, ScalingPolicy};

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, events, page, queue, replicas, settings,
    spec, status, until_condition, until_replicas, with_pages, workload,
};

/// A user with what the deployment gives, but for some verbs of some resources.
async fn somebody(server: &ApiServer, admin: &Client, name: &str, but: &[(&str, &str)]) -> Client {
    let rules: Vec<Value> = CONTROLLER_ACCESS.iter().map(|rule| rule.to_value()).collect();
    let mut some = Vec::new();
    for rule in rules {
        for resource in rule["resources"].as_array().unwrap() {
            let verbs = rule["verbs"].as_array().unwrap().iter();
            let left = verbs
                .filter(|verb| !but.iter().any(|(denied, of)| *verb == denied && resource == of));
            let verbs: Vec<&Value> = left.collect();
            if !verbs.is_empty() {
                let groups = &rule["apiGroups"];
                some.push(json!({"apiGroups": groups, "resources": [resource], "verbs": verbs}));
            }
        }
    }
    fixture::cluster_role(admin, name, some.into()).await;
    fixture::bind_cluster_role(admin, name, name).await;
    connect_with(server.config_of(name, &["system:authenticated"])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_scale_says_so_and_goes_on_once_it_may() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let no_scale = [("patch", "deployments/scale")];
        let client = somebody(&server, &admin, "reader", &no_scale).await;
        let controller = Running::start(client, settings("one"));
        queue(&server, 40);
        let told = until_condition(&admin, "llm", "AbleToScale", "False FailedUpdateScale").await;
        assert!(told.contains("access is denied") && told.contains("reader"), "{told}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let told = events(&admin).await;
        let failed = told.iter().filter(|event| event.starts_with("Warning FailedUpdateScale"));
        assert_eq!(failed.count(), 1, "{told:?}");
        assert_eq!(replicas(&admin, "llm").await, 1);
        let rest = json!([{"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]}]);
        fixture::cluster_role(&admin, "scaler", rest).await;
        fixture::bind_cluster_role(&admin, "scaler", "reader").await;
        until_replicas(&admin, "llm", 5).await;
        until_condition(&admin, "llm", "AbleToScale", "True").await;
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_policies_or_pods_decides_nothing_and_is_not_ready() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let blind = [("list", "scalingpolicies"), ("watch", "scalingpolicies")];
        let client = somebody(&server, &admin, "blind", &blind).await;
        let (settings, at) = with_pages(settings("one")).await;
        let controller = Running::start(client, settings);
        queue(&server, 40);
        eventually(SOON, "it says why it is not ready", || async {
            let page = page(at, "/readyz").await?;
            (page == "the policies are not listed yet\n").then_some(())
        })
        .await;
        never(Duration::from_secs(3), "somebody decides", || async {
            let told = status(&admin, "llm").await.is_some();
            (told || replicas(&admin, "llm").await != 1).then_some(())
        })
        .await;
        let rest = json!([{"apiGroups": ["trimtab.dev"], "resources": ["scalingpolicies"],
            "verbs": ["list", "watch"]}]);
        fixture::cluster_role(&admin, "seer", rest).await;
        fixture::bind_cluster_role(&admin, "seer", "blind").await;
        until_replicas(&admin, "llm", 5).await;
        controller.end().await;
    }
}

/// Gives a user one request for scales at a time, by the server's own priority and fairness.
async fn one_at_a_time(admin: &Client, user: &str) {
    let levels: Api<PriorityLevelConfiguration> = Api::all(admin.clone());
    let none = json!({"metadata": {"name": "none"}, "spec": {"type": "Limited", "limited": {
        "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }}});
    levels.create(&PostParams::default(), &serde_json::from_value(none).unwrap()).await.unwrap();
    let schemas: Api<FlowSchema> = Api::all(admin.clone());
    let schema = json!({"metadata": {"name": "turned-away"}, "spec": {
        "priorityLevelConfiguration": {"name": "none"}, "matchingPrecedence": 2,
        "rules": [{
            "subjects": [{"kind": "User", "user": {"name": user}}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["apps"],
                "resources": ["deployments/scale"], "namespaces": ["*"]}],
        }],
    }});
    let schema = serde_json::from_value(schema).unwrap();
    schemas.create(&PostParams::default(), &schema).await.unwrap();
}

/// Whoever writes the scale of `slow` is held up by a webhook that never answers.
async fn hold_up(admin: &Client) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let webhook = json!({"metadata": {"name": "slow"}, "webhooks": [{
        "name": "slow.trimtab.dev", "clientConfig": {"url": url}, "timeoutSeconds": 30,
        "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
            "resources": ["deployments/scale"]}],
        "matchConditions": [{"name": "slow", "expression": "request.name == 'slow'"}],
    }]});
    let webhooks: Api<ValidatingWebhookConfiguration> = Api::all(admin.clone());
    let webhook = serde_json::from_value(webhook).unwrap();
    webhooks.create(&PostParams::default(), &webhook).await.unwrap();
    listener
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_requests_away_is_waited_for() {
    let Some(server) = ApiServer::real().await else { return };
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let client = somebody(&server, &admin, "busy", &[]).await;
    let controller = Running::start(client.clone(), settings("one"));
    queue(&server, 16);
    until_replicas(&admin, "llm", 2).await;
    one_at_a_time(&admin, "busy").await;
    fixture::deployment(&admin, NAMESPACE, "slow", 1).await;
    let _never_answers = hold_up(&admin).await;
    let deployments: Api<Deployment> = Api::namespaced(client, NAMESPACE);
    let (held, mut count) = (deployments.clone(), 1);
    let holder = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            count += 1;
            let scale = Patch::Merge(json!({"spec": {"replicas": count}}));
            let _whatever = held.patch_scale("slow", &PatchParams::default(), &scale).await;
        }
    }));
    eventually(SOON, "requests are turned away", || async {
        let error = deployments.get_scale("llm").await.err()?;
        matches!(error, kube::Error::Api(status) if status.code == 429).then_some(())
    })
    .await;
    queue(&server, 40);
    until_condition(&admin, "llm", "AbleToScale", "False FailedGetScale").await;
    assert_eq!(replicas(&admin, "llm").await, 2);
    // It is in the way of neither statuses nor leases.
    let by = status(&admin, "llm").await.unwrap().decided_by.unwrap();
    assert_eq!(by.holder, "one");
    let schemas: Api<FlowSchema> = Api::all(admin.clone());
    schemas.delete("turned-away", &DeleteParams::default()).await.unwrap();
    drop(holder);
    until_replicas(&admin, "llm", 5).await;
    until_condition(&admin, "llm", "AbleToScale", "True").await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_are_too_old_for_a_server_are_begun_anew_and_lose_nothing() {
    let Some(server) = ApiServer::real().await else { return };
    let admin = cluster(&server).await;
    for name in ["llm", "gone"] {
        workload(&admin, name, 1, spec(name)).await;
    }
    let (settings, at) = with_pages(settings("one")).await;
    let controller = Running::start(client(&server), settings);
    queue(&server, 16);
    until_replicas(&admin, "llm", 2).await;
    until_replicas(&admin, "gone", 2).await;
    // A server that begins anew knows only what is, and says so to whoever asks for what came after something older.
    fixture::namespace(&admin, "elsewhere").await;
    server.restart().await;
    let policies: Api<ScalingPolicy> = Api::namespaced(admin.clone(), NAMESPACE);
    policies.delete("gone", &DeleteParams::default()).await.unwrap();
    let mut more = spec("llm");
    more["minReplicas"] = 7.into();
    apply(&admin, "llm", more).await;
    until_replicas(&admin, "llm", 7).await;
    eventually(SOON, "pods and policies were listed once more", || async {
        let page = page(at, "/metrics").await?;
        let counts = |name: &str, least: u32| {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            line.is_some_and(|count| count.trim().parse::<u32>().is_ok_and(|count| count >= least))
        };
        let pods = counts(r#"trimtab_kube_watch_listings{resource="pods",namespace=""}"#, 2);
        let policies =
            counts(r#"trimtab_kube_watch_restarts_total{resource="scalingpolicies"}"#, 1);
        (pods && policies).then_some(())
    })
    .await;
    queue(&server, 80);
    until_replicas(&admin, "llm", 10).await;
    never(Duration::from_secs(3), "a policy that is gone scales", || async {
        (replicas(&admin, "gone").await != 2).then_some(())
    })
    .await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_who_write_the_same_objects_all_the_time_lose_nothing_and_hold_nobody_up() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let controller = Running::start(client(&server), settings("one"));
        let stop = Arc::new(AtomicBool::new(false));
        let (writer, ended) = (admin.clone(), Arc::clone(&stop));
        let hammer = tokio::spawn(async move {
            let deployments: Api<Deployment> = Api::namespaced(writer.clone(), NAMESPACE);
            let resource = ApiResource::erase::<ScalingPolicy>(&());
            let policies: Api<DynamicObject> = Api::namespaced_with(writer, NAMESPACE, &resource);
            let mut count = 0;
            while !ended.load(Ordering::Relaxed) {
                count += 1;
                let note = json!({"metadata": {"annotations": {"count": count.to_string()}}});
                let by = PatchParams::default();
                deployments.patch("llm", &by, &Patch::Merge(&note)).await.unwrap();
                policies.patch("llm", &by, &Patch::Merge(&note)).await.unwrap();
            }
            count
        });
        for waiting in [40, 8, 64, 24] {
            queue(&server, waiting);
            until_replicas(&admin, "llm", i32::try_from(waiting / 8).unwrap()).await;
        }
        stop.store(true, Ordering::Relaxed);
        let count = hammer.await.unwrap();
        assert!(count > 20, "{count}");
        eventually(SOON, "the status says where it is", || async {
            let told = status(&admin, "llm").await?;
            (told.current_replicas == Some(3) && told.wanted_replicas == Some(3)).then_some(())
        })
        .await;
        controller.end().await;
        let deployments: Api<Deployment> = Api::namespaced(admin.clone(), NAMESPACE);
        let deployment = deployments.get("llm").await.unwrap();
        assert_eq!(deployment.annotations()["count"], count.to_string());
        let policies: Api<ScalingPolicy> = Api::namespaced(admin.clone(), NAMESPACE);
        let policy = policies.get("llm").await.unwrap();
        assert_eq!(policy.annotations()["count"], count.to_string());
        let told = policy.status.unwrap();
        assert!(told.state.unwrap().decode().unwrap().pending.is_none());
    }
}
