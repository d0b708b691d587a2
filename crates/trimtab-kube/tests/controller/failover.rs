//! Several replicas: one after the other, and never two at a time.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use serde_json::json;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{eventually, never};

use crate::harness::{
    HOME, Running, SOON, TestMoments, client, cluster, queue, replicas, settings, spec, status,
    until_replicas, workload,
};

/// Waits until somebody decides about a policy.
async fn until_decided_by(admin: &Client, name: &str, holder: &str) {
    eventually(SOON, &format!("{holder} decides about {name}"), || async {
        (status(admin, name).await?.decided_by?.holder == holder).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_goes_on_within_the_same_window() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        let mut window = spec("llm");
        window["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 40.into();
        workload(&admin, "llm", 1, window).await;
        queue(&server, 40);
        let first = Running::start(client(&server), settings("first"));
        until_replicas(&admin, "llm", 5).await;
        // The window has 5 in it from now on, and nobody else saw that.
        tokio::time::sleep(Duration::from_secs(3)).await;
        queue(&server, 8);
        let begun = tokio::time::Instant::now();
        let second = Running::start(client(&server), settings("second"));
        first.end().await;
        until_decided_by(&admin, "llm", "second").await;
        let took = begun.elapsed();
        never(Duration::from_secs(36).saturating_sub(took), "it is scaled down", || async {
            (replicas(&admin, "llm").await != 5).then_some(())
        })
        .await;
        until_replicas(&admin, "llm", 1).await;
        assert!(begun.elapsed() < Duration::from_secs(75), "{:?}", begun.elapsed());
        second.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_taken_up_within_a_second_or_so() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        workload(&admin, "llm", 1, spec("llm")).await;
        let first = Running::start(client(&server), settings("first"));
        until_decided_by(&admin, "llm", "first").await;
        let second = Running::start(client(&server), settings("second"));
        tokio::time::sleep(Duration::from_secs(3)).await;
        first.end().await;
        let leases: Api<Lease> = Api::namespaced(admin.clone(), HOME);
        eventually(Duration::from_secs(3), "the second holds the lease", || async {
            let spec = leases.get("trimtab-0").await.ok()?.spec?;
            (spec.holder_identity.as_deref() == Some("second")).then_some(())
        })
        .await;
        second.end().await;
        let spec = leases.get("trimtab-0").await.unwrap().spec.unwrap();
        assert_eq!(spec.holder_identity.unwrap_or_default(), "", "it was given back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_killed_is_followed_after_its_lease() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let first = Running::start(client(&server), settings("first"));
    until_decided_by(&admin, "llm", "first").await;
    let second = Running::start(client(&server), settings("second"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    first.kill();
    queue(&server, 40);
    never(Duration::from_secs(3), "it is scaled by whoever has no lease", || async {
        (replicas(&admin, "llm").await != 1).then_some(())
    })
    .await;
    until_replicas(&admin, "llm", 5).await;
    until_decided_by(&admin, "llm", "second").await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_one_that_was_killed_has_its_window() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        let mut window = spec("llm");
        window["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = 40.into();
        workload(&admin, "llm", 1, window).await;
        queue(&server, 40);
        let mut often = settings("first");
        often.save_interval = Duration::from_secs(1);
        let first = Running::start(client(&server), often);
        until_replicas(&admin, "llm", 5).await;
        let second = Running::start(client(&server), settings("second"));
        // The window has 5 in it until now, less what was not saved, and nobody else saw that.
        tokio::time::sleep(Duration::from_secs(4)).await;
        queue(&server, 8);
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(2)).await;
        first.kill();
        until_decided_by(&admin, "llm", "second").await;
        let took = begun.elapsed();
        never(Duration::from_secs(34).saturating_sub(took), "it is scaled down", || async {
            (replicas(&admin, "llm").await != 5).then_some(())
        })
        .await;
        until_replicas(&admin, "llm", 1).await;
        second.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_time_is_over_writes_nothing_though_it_does_not_know_of_the_other() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let moments = TestMoments::new();
    let mut paused = settings("first");
    paused.moments = moments.clone();
    // It is denied to renew, as if its answers never came; and a minute passes for it all at once.
    let first = Running::start(client_of(&server, "first"), paused);
    until_decided_by(&admin, "llm", "first").await;
    let of_first = || trimtab_apiserver::Rule::any().user("first");
    server.faults().forbid(of_first().resource("leases.coordination.k8s.io"));
    moments.pass(Duration::from_secs(60));
    server.faults().clear_log();
    queue(&server, 40);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let written = server.faults().log_of("first").into_iter().filter(|request| {
        request.verb == "patch" && request.full_resource() != "events.events.k8s.io"
    });
    assert_eq!(written.collect::<Vec<_>>(), [], "it wrote after its time");
    let second = Running::start(client(&server), settings("second"));
    until_replicas(&admin, "llm", 5).await;
    until_decided_by(&admin, "llm", "second").await;
    // It hears of the other once it may look again, and still writes nothing.
    server.faults().clear();
    server.faults().clear_log();
    queue(&server, 8);
    until_replicas(&admin, "llm", 1).await;
    let written = server.faults().log_of("first").into_iter().filter(|request| {
        request.verb == "patch" && request.full_resource() != "events.events.k8s.io"
    });
    assert_eq!(written.collect::<Vec<_>>(), []);
    first.end().await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_clocks_stood_still_finds_out_by_the_status() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let mut frozen = settings("first");
    // For it no time passes any more: its fence stays open.
    frozen.moments = std::sync::Arc::new(Frozen(std::sync::OnceLock::new()));
    let first = Running::start(client_of(&server, "first"), frozen);
    until_decided_by(&admin, "llm", "first").await;
    let of_first = || trimtab_apiserver::Rule::any().user("first");
    server.faults().forbid(of_first().resource("leases.coordination.k8s.io"));
    let second = Running::start(client(&server), settings("second"));
    until_decided_by(&admin, "llm", "second").await;
    server.faults().clear_log();
    for waiting in [40, 8, 64, 16] {
        queue(&server, waiting);
        until_replicas(&admin, "llm", i32::try_from(waiting / 8).unwrap()).await;
    }
    let scaled = server.faults().log_of("first").into_iter().filter(|request| {
        request.verb == "patch" && request.full_resource() == "deployments.apps/scale"
    });
    assert_eq!(scaled.collect::<Vec<_>>(), []);
    assert_eq!(status(&admin, "llm").await.unwrap().decided_by.unwrap().holder, "second");
    first.end().await;
    second.end().await;
}

/// The moment at which it is first asked, for ever.
struct Frozen(std::sync::OnceLock<trimtab_kube::controller::Moment>);

impl trimtab_kube::controller::Moments for Frozen {
    fn now(&self) -> trimtab_kube::controller::Moment {
        *self.0.get_or_init(|| {
            trimtab_kube::controller::Moments::now(&trimtab_kube::controller::SystemMoments)
        })
    }
}

/// A client as somebody of that name, who may do everything.
fn client_of(server: &ApiServer, user: &str) -> Client {
    trimtab_kube::connect_with(server.config_of(user, &["system:masters"])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_shared_and_moved_when_replicas_come_and_go() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        let names: Vec<String> = (0..8).map(|number| format!("w{number}")).collect();
        for name in &names {
            let mut small = spec(name);
            small["maxReplicas"] = 3.into();
            workload(&admin, name, 1, small).await;
        }
        let of = |identity: &str| {
            let mut settings = settings(identity);
            settings.leases.shards = 4;
            settings
        };
        let first = Running::start(client(&server), of("first"));
        for name in &names {
            until_decided_by(&admin, name, "first").await;
        }
        let second = Running::start(client(&server), of("second"));
        eventually(SOON, "the leases are shared", || async {
            (held(&admin).await == [("first".into(), 2), ("second".into(), 2)]).then_some(())
        })
        .await;
        queue(&server, 24);
        for name in &names {
            until_replicas(&admin, name, 3).await;
        }
        second.end().await;
        eventually(SOON, "the first has all again", || async {
            (held(&admin).await == [("first".into(), 4)]).then_some(())
        })
        .await;
        queue(&server, 16);
        for name in &names {
            until_replicas(&admin, name, 2).await;
        }
        first.end().await;
    }
}

/// How many shards each has.
async fn held(admin: &Client) -> Vec<(String, usize)> {
    let leases: Api<Lease> = Api::namespaced(admin.clone(), HOME);
    let shards = kube::api::ListParams::default().labels("trimtab.dev/lease=shard");
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for lease in leases.list(&shards).await.unwrap() {
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        *counts.entry(holder).or_default() += 1;
    }
    counts.remove("");
    counts.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_somebody_removes_is_made_again() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    workload(&admin, "llm", 1, spec("llm")).await;
    let controller = Running::start(client(&server), settings("one"));
    until_decided_by(&admin, "llm", "one").await;
    let leases: Api<Lease> = Api::namespaced(admin.clone(), HOME);
    leases.delete("trimtab-0", &kube::api::DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    queue(&server, 40);
    until_replicas(&admin, "llm", 5).await;
    let version = json!({"found": leases.get("trimtab-0").await.is_ok()});
    assert_eq!(version, json!({"found": true}));
    controller.end().await;
}
