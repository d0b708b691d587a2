//! Many policies at once, and a policy beside the HPA that it was made of.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use serde_json::json;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, eventually};

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, create, queue, replicas, settings, spec,
    status, until_condition, workload,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_policies_are_scaled_and_few_statuses_written() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    let names: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
    for name in &names {
        fixture::deployment(&admin, NAMESPACE, name, 1).await;
        let mut slow = spec(name);
        slow["hpa"]["syncPeriodSeconds"] = 3.into();
        apply(&admin, name, slow).await;
    }
    queue(&server, 16);
    let controller = Running::start(client(&server), settings("one"));
    for name in &names {
        eventually(SOON, &format!("{name} is scaled"), || async {
            (replicas(&admin, name).await == 2).then_some(())
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    server.faults().clear_log();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let log = server.faults().log();
    let of = |what: &str| {
        log.iter()
            .filter(|request| request.full_resource() == what && request.verb == "patch")
            .count()
    };
    assert_eq!(of("scalingpolicies.trimtab.dev/status"), 0, "nothing changes");
    let looks = log.iter().filter(|request| request.full_resource() == "deployments.apps/scale");
    assert!(looks.count() >= 200, "each is looked at each 3 s");
    // All states are saved at the end, and are of the last seconds.
    let ends = trimtab_metric::Timestamp::from_millis(
        k8s_openapi::jiff::Timestamp::now().as_millisecond() - 9_000,
    );
    controller.end().await;
    for name in &names {
        let state = status(&admin, name).await.unwrap().state.unwrap().decode().unwrap();
        assert!(state.at >= ends && state.pending.is_none(), "{name}: {}", state.at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_it_wants_what_the_hpa_wants_at_every_step() {
    let Some(server) = ApiServer::real().await else { return };
    let flags = [
        "--controllers=horizontal-pod-autoscaler-controller",
        "--horizontal-pod-autoscaler-sync-period=2s",
    ];
    let Some(server) = server.with_controller_manager(&flags).await else { return };
    let admin = cluster(&server).await;
    let mut shadow = spec("llm");
    shadow["mode"] = "shadow".into();
    shadow["hpa"]["syncPeriodSeconds"] = 2.into();
    workload(&admin, "llm", 1, shadow.clone()).await;
    let mut hpa = shadow;
    for own in ["mode", "hpa"] {
        hpa.as_object_mut().unwrap().remove(own);
    }
    let hpa = json!({"metadata": {"name": "llm"}, "spec": hpa});
    create::<HorizontalPodAutoscaler>(&admin, NAMESPACE, hpa).await;
    let controller = Running::start(client(&server), settings("one"));
    until_condition(&admin, "llm", "ScalingActive", "True").await;
    let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(admin.clone(), NAMESPACE);
    for waiting in [40, 24, 160, 90, 7, 65, 8] {
        queue(&server, waiting);
        let wanted = i32::try_from(waiting.div_ceil(8)).unwrap().clamp(1, 20);
        eventually(SOON, &format!("both want {wanted} for {waiting}"), || async {
            fixture::settle(&admin, NAMESPACE, "llm").await;
            let theirs = hpas.get("llm").await.ok()?.status?.desired_replicas;
            let ours = status(&admin, "llm").await?.wanted_replicas?;
            let is = replicas(&admin, "llm").await;
            (theirs == wanted && ours == wanted && is == wanted).then_some(())
        })
        .await;
    }
    controller.end().await;
}
