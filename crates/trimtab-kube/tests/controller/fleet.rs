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
    // A renewal may be late where the machine is busy.
    let mut settings = settings("one");
    settings.leases.duration = Duration::from_secs(30);
    let controller = Running::start(client(&server), settings);
    for name in &names {
        eventually(SOON, &format!("{name} is scaled"), || async {
            (replicas(&admin, name).await == 2).then_some(())
        })
        .await;
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    server.faults().clear_log();
    let since = trimtab_metric::Timestamp::from_millis(
        k8s_openapi::jiff::Timestamp::now().as_millisecond(),
    );
    let looks = |name: &str| {
        let log = server.faults().log();
        let of_scale =
            log.iter().filter(|request| request.full_resource() == "deployments.apps/scale");
        of_scale.filter(|request| request.name == name).count()
    };
    // The first look may be of a decision that began before, the last of one that the end interrupts: of three, the second
    // is of one that was made since.
    for name in &names {
        eventually(SOON, &format!("{name} is looked at again and again"), || async {
            (looks(name) >= 3).then_some(())
        })
        .await;
    }
    let written = server.faults().log().into_iter().filter(|request| {
        request.full_resource() == "scalingpolicies.trimtab.dev/status" && request.verb == "patch"
    });
    assert_eq!(written.count(), 0, "nothing changes");
    // All states are saved at the end, and are of what was seen last.
    controller.end().await;
    for name in &names {
        let state = status(&admin, name).await.unwrap().state.unwrap().decode().unwrap();
        assert!(state.at >= since && state.pending.is_none(), "{name}: {}", state.at);
    }
}
