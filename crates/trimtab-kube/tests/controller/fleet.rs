//! Many policies at once.

use std::time::Duration;

use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, eventually};

use crate::harness::{
    NAMESPACE, Running, SOON, apply, client, cluster, queue, replicas, settings, spec, status,
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
