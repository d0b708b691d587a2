//! What becomes of the picture when the API server fails, refuses, forgets or falls silent.

use std::time::Duration;

use crate::watched::{NAMESPACE, SOON, Watched, now, policy, select};
use serde_json::json;
use trimtab_apiserver::fixture::{self, NodeFixture, PodFixture};
use trimtab_apiserver::{ApiServer, Faults, Rule};
use trimtab_engine::CapacityType;
use trimtab_kube::cluster::{ClusterSource, Part, Scope, WatchHealth, WorkloadPods};
use trimtab_runtime::{Ask, MetricSource, SourceError};

fn of(watched: &Watched, part: Part) -> WatchHealth {
    watched.cluster.health().into_iter().find(|one| one.part == part).unwrap()
}

#[tokio::test]
async fn an_expired_watch_is_listed_anew_and_forgets_who_is_gone() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, NAMESPACE).await;
    fixture::pods_of(&client, NAMESPACE, "llm", 3).await;
    for as_status in [false, true] {
        let watched = Watched::of(&server, Scope::all()).await;
        assert_eq!(of(&watched, Part::Pods).listings, 1);
        // It can't watch again before the pod is gone, so that only a listing says so.
        server.faults().fail(Rule::any().verb("watch").resource("pods"), 1000, 503);
        server.faults().drop_watches();
        fixture::pods_of(&client, NAMESPACE, "more", 1).await;
        let api: kube::Api<k8s_openapi::api::core::v1::Pod> =
            kube::Api::namespaced(client.clone(), NAMESPACE);
        api.delete("more-0", &kube::api::DeleteParams::default().grace_period(0)).await.unwrap();
        server.faults().compact();
        server.faults().clear();
        server.faults().gone_as_status(as_status);
        fixture::eventually(SOON, "the second listing", || async {
            (of(&watched, Part::Pods).listings == 2).then_some(())
        })
        .await;
        watched.count_is("app=llm", 3).await;
        watched.count_is("app=more", 0).await;
        assert_eq!(of(&watched, Part::Pods).error, None);
    }
}

#[tokio::test]
async fn a_watch_that_expires_while_it_is_open_goes_on() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, NAMESPACE).await;
    let watched = Watched::of(&server, Scope::all()).await;
    server.faults().expire_watches();
    fixture::pods_of(&client, NAMESPACE, "llm", 2).await;
    watched.count_is("app=llm", 2).await;
    assert!(of(&watched, Part::Pods).listings >= 2);
}

#[tokio::test]
async fn a_restart_of_the_api_server_is_survived() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::pods_of(&client, NAMESPACE, "llm", 2).await;
        let watched = Watched::of(&server, Scope::all()).await;
        server.restart().await;
        // What was seen is believed for a while.
        assert_eq!(
            watched.cluster.pods(NAMESPACE, &select("app=llm")).map(|pods| pods.len()),
            Some(2)
        );
        let client = server.client();
        PodFixture::new("late").label("app", "llm").ready().create(&client, NAMESPACE).await;
        watched.count_is("app=llm", 3).await;
    }
}

#[tokio::test]
async fn without_leave_to_see_nodes_pods_are_known_and_supply_is_not() {
    for server in ApiServer::both().await {
        let admin = server.client();
        fixture::namespace(&admin, NAMESPACE).await;
        NodeFixture::new("n1")
            .label("karpenter.sh/nodepool", "h100")
            .label("topology.kubernetes.io/zone", "eu-1a")
            .label("karpenter.sh/capacity-type", "spot")
            .allocatable("nvidia.com/gpu", "8")
            .create(&admin)
            .await;
        PodFixture::new("llm-0")
            .label("app", "llm")
            .node("n1")
            .ready()
            .create(&admin, NAMESPACE)
            .await;
        let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]);
        fixture::cluster_role(&admin, "pods-only", rules).await;
        fixture::bind_cluster_role(&admin, "pods-only", "trimtab").await;
        let client = server.client_of("trimtab", &["system:authenticated"]);
        let watched = Watched::by(client, Scope::all());
        fixture::eventually(SOON, "pods are listed", || async {
            watched.cluster.is_synced().then_some(())
        })
        .await;
        let pods = watched.cluster.pods(NAMESPACE, &select("app=llm")).unwrap();
        assert_eq!(pods[0].node_name.as_deref(), Some("n1"));
        assert_eq!((&pods[0].zone, pods[0].capacity_type), (&None, CapacityType::Unknown));
        assert_eq!(watched.cluster.nodes().map(|nodes| nodes.len()), None);
        let pools = policy(r#"[{"name": "h100"}]"#, 1);
        assert_eq!(watched.cluster.supply(&pools, NAMESPACE, &select("app=llm"), now()), None);
        assert_eq!(watched.cluster.disruptions(NAMESPACE, &select("app=llm")), None);
        let nodes = of(&watched, Part::Nodes);
        assert!(!nodes.synced && nodes.error.unwrap().contains("forbidden"));
    }
}

#[tokio::test]
async fn without_leave_to_see_pods_nothing_is_known_and_the_reason_is_said() {
    let server = ApiServer::in_process().await;
    fixture::namespace(&server.client(), NAMESPACE).await;
    server.faults().forbid(Rule::any().verb("list").resource("pods"));
    let watched = Watched::by(server.client(), Scope::all());
    fixture::eventually(SOON, "it was tried", || async { of(&watched, Part::Pods).error }).await;
    assert!(!watched.cluster.is_synced());
    assert_eq!(watched.cluster.pods(NAMESPACE, &select("app=llm")), None);
    let pods = WorkloadPods::selected(NAMESPACE, select("app=llm"));
    let source = ClusterSource::new(watched.cluster.clone(), pods);
    let (id, policy) = ("inference/llm".parse().unwrap(), policy(r#"[{"name": "h100"}]"#, 1));
    assert!(source.provides(&policy).pods);
    let error = source.observe(Ask::new(&id, &policy, now())).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Unreachable(why) if why.contains("forbidden")),
        "{error}"
    );
    // The leave comes, and so do the pods.
    server.faults().clear();
    watched.count_is("app=llm", 0).await;
    let observed = source.observe(Ask::new(&id, &policy, now())).await.unwrap();
    assert_eq!(observed.pods, Some(vec![]));
}

#[tokio::test]
async fn what_is_not_heard_of_is_not_believed_for_ever() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, NAMESPACE).await;
    fixture::pods_of(&client, NAMESPACE, "llm", 2).await;
    // Nothing changes and no bookmark comes: that the watch is renewed shows that it lives.
    server.faults().no_bookmarks(true);
    let scope = Scope::all()
        .with_watch_timeout(Duration::from_secs(1))
        .with_stale_after(Duration::from_secs(4));
    let watched = Watched::of(&server, scope).await;
    let known = || watched.cluster.pods(NAMESPACE, &select("app=llm")).map(|pods| pods.len());
    let quiet = std::time::Instant::now();
    while quiet.elapsed() < Duration::from_secs(6) {
        assert_eq!(known(), Some(2), "{:?}", of(&watched, Part::Pods));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It is renewed no more.
    server.faults().fail(Rule::any().verb("watch"), Faults::ALWAYS, 500);
    server.faults().end_watches();
    fixture::eventually(SOON, "the picture is too old", || async {
        known().is_none().then_some(())
    })
    .await;
    let pods = WorkloadPods::selected(NAMESPACE, select("app=llm"));
    let source = ClusterSource::new(watched.cluster.clone(), pods);
    let (id, policy) = ("inference/llm".parse().unwrap(), policy(r#"[{"name": "h100"}]"#, 1));
    let error = source.observe(Ask::new(&id, &policy, now())).await.unwrap_err();
    assert!(matches!(&error, SourceError::Stale { .. }), "{error}");
    server.faults().clear();
    fixture::eventually(SOON, "the picture is current again", || async {
        (known() == Some(2)).then_some(())
    })
    .await;
}
