//! From a policy to a count, and what is said of it.

use std::time::Duration;

use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{eventually, never};

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, condition, events, queue, replicas, settings,
    spec, status, until_condition, until_replicas, workload,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_found_and_its_workload_scaled_up_and_down() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let controller = Running::start(client(&server), settings("one"));
        until_condition(&admin, "llm", "Accepted", "True Valid").await;
        queue(&server, 40);
        until_replicas(&admin, "llm", 5).await;
        queue(&server, 8);
        until_replicas(&admin, "llm", 1).await;
        let told = eventually(SOON, "the status says so", || async {
            let status = status(&admin, "llm").await?;
            (status.current_replicas == Some(1) && status.ready_replicas == Some(1))
                .then_some(status)
        })
        .await;
        assert_eq!(told.wanted_replicas, Some(1));
        assert_eq!(told.observed_generation, Some(1));
        assert_eq!(told.decided_by.map(|by| by.holder).as_deref(), Some("one"));
        let stored = told.state.unwrap().decode().unwrap();
        assert!(stored.pending.is_none());
        assert!(stored.state.recommendations.is_some());
        let told = eventually(SOON, "events tell of both", || async {
            let events = events(&admin).await;
            let rescaled = events.iter().filter(|event| event.contains(" Rescaled: "));
            (rescaled.count() == 2).then_some(events)
        })
        .await;
        assert!(
            told.iter().any(|event| event.starts_with("Normal Rescaled: 1 -> 5: ")),
            "{told:?}"
        );
        assert!(
            told.iter().any(|event| event.starts_with("Normal Rescaled: 5 -> 1: ")),
            "{told:?}"
        );
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_it_says_what_it_would_do_and_does_nothing() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        let mut shadow = spec("llm");
        shadow["mode"] = "shadow".into();
        workload(&admin, "llm", 2, shadow).await;
        queue(&server, 40);
        let controller = Running::start(client(&server), settings("one"));
        eventually(SOON, "it wants 5", || async {
            (status(&admin, "llm").await?.wanted_replicas == Some(5)).then_some(())
        })
        .await;
        never(Duration::from_secs(2), "the count is changed", || async {
            (replicas(&admin, "llm").await != 2).then_some(())
        })
        .await;
        // It is told to go on by itself.
        apply(&admin, "llm", spec("llm")).await;
        until_replicas(&admin, "llm", 5).await;
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_deleted_scales_no_more_and_one_that_comes_back_is_new() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let controller = Running::start(client(&server), settings("one"));
        queue(&server, 16);
        until_replicas(&admin, "llm", 2).await;
        let policies: kube::Api<trimtab_kube::crd::ScalingPolicy> =
            kube::Api::namespaced(admin.clone(), NAMESPACE);
        policies.delete("llm", &kube::api::DeleteParams::default()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue(&server, 40);
        never(Duration::from_secs(3), "the count is changed", || async {
            (replicas(&admin, "llm").await != 2).then_some(())
        })
        .await;
        apply(&admin, "llm", spec("llm")).await;
        until_replicas(&admin, "llm", 5).await;
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_not_written_when_nothing_changes() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let controller = Running::start(client(&server), settings("one"));
    until_condition(&admin, "llm", "ScalingActive", "True").await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    server.faults().clear_log();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let log = server.faults().log();
    let of = |resource: &str| {
        log.iter()
            .filter(|request| request.full_resource() == resource && request.verb == "patch")
            .count()
    };
    assert_eq!(of("scalingpolicies.trimtab.dev/status"), 0);
    assert_eq!(of("events.events.k8s.io"), 0);
    let looks = log.iter().filter(|request| request.full_resource() == "deployments.apps/scale");
    assert!(looks.count() >= 8, "it looks each second");
    controller.end().await;
    assert!(condition(&admin, "llm", "Accepted").await.is_some());
}
