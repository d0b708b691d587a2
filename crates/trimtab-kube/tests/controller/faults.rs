//! What goes wrong with an API server.

use std::time::{Duration, Instant};

use trimtab_apiserver::fixture::eventually;
use trimtab_apiserver::{ApiServer, Rule};

use crate::harness::{
    Running, SOON, apply, client, cluster, condition, events, queue, settings, spec, status,
    until_condition, until_replicas, workload,
};

/// A controller that has scaled once.
async fn at_work(server: &ApiServer) -> (kube::Client, Running) {
    let admin = cluster(server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let controller = Running::start(client(server), settings("one"));
    queue(server, 16);
    until_replicas(&admin, "llm", 2).await;
    (admin, controller)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_api_server_is_survived() {
    for server in ApiServer::both().await {
        let (admin, controller) = at_work(&server).await;
        server.restart().await;
        queue(&server, 40);
        eventually(SOON, "the server is back", || async { admin.apiserver_version().await.ok() })
            .await;
        until_replicas(&admin, "llm", 5).await;
        // Policies are still heard of.
        let mut more = spec("llm");
        more["minReplicas"] = 7.into();
        apply(&admin, "llm", more).await;
        until_replicas(&admin, "llm", 7).await;
        controller.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_expired_are_begun_anew_and_lose_nothing() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    server.faults().expire_watches();
    let mut more = spec("llm");
    more["minReplicas"] = 7.into();
    apply(&admin, "llm", more).await;
    until_replicas(&admin, "llm", 7).await;
    // What went while nobody watched is gone, too.
    server.faults().drop_watches();
    let policies: kube::Api<trimtab_kube::crd::ScalingPolicy> =
        kube::Api::namespaced(admin.clone(), crate::harness::NAMESPACE);
    policies.delete("llm", &kube::api::DeleteParams::default()).await.unwrap();
    server.faults().expire_watches();
    tokio::time::sleep(Duration::from_secs(4)).await;
    queue(&server, 80);
    trimtab_apiserver::fixture::never(Duration::from_secs(3), "it is scaled", || async {
        (crate::harness::replicas(&admin, "llm").await != 7).then_some(())
    })
    .await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_changes_the_object_meanwhile_is_not_overwritten_and_not_in_the_way() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    server.faults().conflict(Rule::any().verb("patch").resource("deployments.apps/scale"), 1);
    server
        .faults()
        .conflict(Rule::any().verb("patch").resource("scalingpolicies.trimtab.dev/status"), 2);
    queue(&server, 40);
    until_replicas(&admin, "llm", 5).await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_overloaded_is_waited_for() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    server.faults().too_many_requests(
        Rule::any().verb("patch").resource("deployments.apps/scale"),
        3,
        Duration::from_secs(1),
    );
    server.faults().too_many_requests(
        Rule::any().verb("patch").resource("scalingpolicies.trimtab.dev/status"),
        3,
        Duration::from_secs(1),
    );
    queue(&server, 40);
    until_replicas(&admin, "llm", 5).await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_asked_by_so_many_at_a_time() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    let names: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    for name in &names {
        let mut slow = spec(name);
        slow["hpa"]["syncPeriodSeconds"] = 5.into();
        workload(&admin, name, 1, slow).await;
    }
    let mut few = settings("one");
    few.scale_requests_at_once = 2;
    let controller = Running::start(client(&server), few);
    queue(&server, 16);
    for name in &names {
        until_replicas(&admin, name, 2).await;
    }
    // Less than what two at a time can do, so that no tick gives up in the middle of a look.
    let takes = Duration::from_millis(400);
    let scales = || Rule::any().verb("get").resource("deployments.apps/scale");
    server.faults().delay(scales(), 100_000, takes);
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.faults().clear_log();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let log = server.faults().log();
    let looks = log.iter().filter(|request| {
        request.verb == "get" && request.full_resource() == "deployments.apps/scale"
    });
    let times: Vec<Instant> = looks.filter_map(|look| look.at).collect();
    assert!(times.len() >= names.len(), "{}", times.len());
    for (first, third) in times.iter().zip(times.iter().skip(2)) {
        assert!(*third - *first >= takes, "three at a time: {:?}", *third - *first);
    }
    server.faults().clear();
    queue(&server, 24);
    for name in &names {
        until_replicas(&admin, name, 3).await;
    }
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_is_said_in_a_condition_and_told_once() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    server.faults().forbid(Rule::any().verb("patch").resource("deployments.apps/scale"));
    queue(&server, 40);
    let told = until_condition(&admin, "llm", "AbleToScale", "False FailedUpdateScale").await;
    assert!(told.contains("access is denied"), "{told}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let events = events(&admin).await;
    let failed = events.iter().filter(|event| event.starts_with("Warning FailedUpdateScale"));
    assert_eq!(failed.count(), 1, "{events:?}");
    server.faults().clear();
    until_replicas(&admin, "llm", 5).await;
    until_condition(&admin, "llm", "AbleToScale", "True").await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_are_denied_are_named_in_a_condition() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    server.faults().forbid(Rule::any().resource("queue.external.metrics.k8s.io"));
    let told =
        until_condition(&admin, "llm", "ScalingActive", "False FailedGetExternalMetric").await;
    assert!(told.contains("access is denied"), "{told}");
    server.faults().clear();
    until_condition(&admin, "llm", "ScalingActive", "True").await;
    assert!(condition(&admin, "llm", "Accepted").await.unwrap().starts_with("True"));
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_are_saved_at_the_end_once_a_late_renewal_has_come() {
    let server = ApiServer::in_process().await;
    let (admin, controller) = at_work(&server).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let since = trimtab_metric::Timestamp::from_millis(
        k8s_openapi::jiff::Timestamp::now().as_millisecond(),
    );
    server.faults().forbid(Rule::any().resource("leases.coordination.k8s.io"));
    // A renewal is good for three seconds: a lease is of six, and a request may take three.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let end = tokio::spawn(controller.end());
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.faults().clear();
    end.await.unwrap();
    let state = status(&admin, "llm").await.unwrap().state.unwrap().decode().unwrap();
    assert!(state.at >= since && state.pending.is_none(), "{}", state.at);
}
