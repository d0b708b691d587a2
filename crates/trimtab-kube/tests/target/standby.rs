//! The warm pool as a second workload, and replicas that leave in order.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trimtab_apiserver::{ApiServer, Rule, fixture};
use trimtab_engine::{WarmCounts, WarmPlan};
use trimtab_kube::cluster::{Cluster, Scope};
use trimtab_kube::target::{Discovery, KubeTarget};
use trimtab_runtime::{ScaleTarget, TargetError};

use crate::side::{Side, change, id, reference, sides};

async fn counts(side: &Side) -> (i32, i32) {
    let api: Api<Deployment> = Api::namespaced(side.client.clone(), &side.namespace);
    let count = async |name: &str| api.get(name).await.unwrap().spec.unwrap().replicas.unwrap();
    (count("llm").await, count("llm-standby").await)
}

fn plan(size: i32, promote: i32, demote: i32, refill: i32, release: i32) -> WarmPlan {
    WarmPlan { size, promote, start: 0, demote, refill, release }
}

#[tokio::test]
async fn a_pool_gives_and_takes() {
    for side in sides("standby").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 4).await;
        fixture::deployment(client, namespace, "llm-standby", 3).await;
        fixture::pods_of(client, namespace, "llm-standby", 2).await;
        let standby = reference("apps/v1", "Deployment", "llm-standby");
        let target = side.target("apps/v1", "Deployment", "llm").with_standby(&standby);
        let status = target.read(&id()).await.unwrap();
        assert_eq!(status.warm, Some(WarmCounts { ready: 2, starting: 1 }));
        for (replicas, warm, expected) in [
            (6, plan(2, 2, 0, 1, 0), (6, 2)),
            (5, plan(3, 0, 1, 0, 0), (5, 3)),
            (5, plan(1, 0, 0, 0, 2), (5, 1)),
            // Of the pool nothing is known: all are started, and it stays as it is.
            (6, WarmPlan { size: 9, start: 1, ..WarmPlan::default() }, (6, 1)),
        ] {
            let mut change = change(&target, replicas).await;
            change.warm = Some(warm);
            for _ in 0..2 {
                target.write(&id(), &change).await.unwrap();
                assert_eq!(counts(&side).await, expected);
            }
        }
    }
}

#[tokio::test]
async fn ready_ones_are_known_by_the_watch() {
    for side in sides("standby-watch").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 1).await;
        fixture::deployment(client, namespace, "llm-standby", 2).await;
        let pods = fixture::pods_of(client, namespace, "llm", 1).await;
        fixture::pods_of(client, namespace, "llm-standby", 1).await;
        let stop = CancellationToken::new();
        let scope = Scope::namespaces([namespace.clone()]).without_nodes();
        let cluster = Cluster::watch(client.clone(), scope, stop.clone());
        let standby = reference("apps/v1", "Deployment", "llm-standby");
        let target = side.target("apps/v1", "Deployment", "llm");
        let target = target.with_standby(&standby).with_cluster(cluster.clone());
        tokio::time::timeout(Duration::from_secs(30), cluster.synced()).await.unwrap();
        let status = target.read(&id()).await.unwrap();
        assert_eq!(status.warm, Some(WarmCounts { ready: 1, starting: 1 }));
        let names: Vec<String> = status.pods.unwrap().into_iter().map(|pod| pod.name).collect();
        assert_eq!(Some(&names[0]), pods[0].metadata.name.as_ref());
        stop.cancel();
    }
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_not_known_and_the_rest_goes_on() {
    for side in sides("standby-gone").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 4).await;
        let standby = reference("apps/v1", "Deployment", "nobody");
        let target = side.target("apps/v1", "Deployment", "llm").with_standby(&standby);
        let status = target.read(&id()).await.unwrap();
        assert_eq!((status.replicas, status.warm), (4, None));
    }
}

/// At no moment are there fewer, in the workload and the pool together, than before and after.
#[tokio::test]
async fn capacity_never_dips() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "dip").await;
    fixture::deployment(&client, "dip", "llm", 4).await;
    fixture::deployment(&client, "dip", "llm-standby", 2).await;
    let main = reference("apps/v1", "Deployment", "llm");
    let standby = reference("apps/v1", "Deployment", "llm-standby");
    let target = KubeTarget::new(client.clone(), Discovery::new(client.clone()), "dip", &main)
        .with_standby(&standby);
    let written = async |replicas: i32, warm: WarmPlan| {
        let mut change = change(&target, replicas).await;
        change.warm = Some(warm);
        server.faults().clear_log();
        target.write(&id(), &change).await.unwrap();
        let log = server.faults().log().into_iter();
        let names = log.filter(|one| one.verb == "patch").map(|one| one.name);
        // The first write of each meets the manager that created it, and is sent again.
        let mut names: Vec<String> = names.collect();
        names.dedup();
        names
    };
    assert_eq!(written(6, plan(0, 2, 0, 0, 0)).await, ["llm", "llm-standby"]);
    assert_eq!(written(5, plan(1, 0, 1, 0, 0)).await, ["llm-standby", "llm"]);

    // Who is to go to the pool and finds no place there stays.
    let rule = Rule::any().verb("patch").resource("deployments.apps/scale").name("llm-standby");
    server.faults().fail(rule.clone(), 1, 500);
    let mut demote = change(&target, 4).await;
    demote.warm = Some(plan(2, 0, 1, 0, 0));
    assert_eq!(target.write(&id(), &demote).await.unwrap_err().cause(), "unreachable");
    let status = target.read(&id()).await.unwrap();
    assert_eq!(status.replicas, 5);
    assert_eq!(status.warm, Some(WarmCounts { ready: 0, starting: 1 }));
    target.write(&id(), &demote).await.unwrap();
    // What adds is done, though the pool can't be made smaller.
    server.faults().fail(rule, 1, 500);
    let mut promote = change(&target, 6).await;
    promote.warm = Some(plan(0, 2, 0, 0, 0));
    target.write(&id(), &promote).await.unwrap();
    let status = target.read(&id()).await.unwrap();
    assert_eq!(status.replicas, 6);
    assert_eq!(status.warm, Some(WarmCounts { ready: 0, starting: 2 }));
}

/// Whichever request fails, there is no moment with fewer than before and after, and to do it again
/// does it.
#[tokio::test]
async fn whatever_fails_capacity_does_not_dip() {
    let server = Arc::new(ApiServer::in_process().await);
    let client = server.client();
    let (main, pool) = (
        reference("apps/v1", "Deployment", "llm"),
        reference("apps/v1", "Deployment", "llm-standby"),
    );
    // Promote two and start one; promote one and refill it; demote two; demote one and release one.
    let plans = [
        (7, plan(0, 2, 0, 0, 0)),
        (5, plan(2, 1, 0, 1, 0)),
        (2, plan(4, 0, 2, 0, 0)),
        (3, plan(2, 0, 1, 0, 1)),
    ];
    let requests = ["get", "patch"].map(|verb| ["llm", "llm-standby"].map(|name| (verb, name)));
    for (number, (to, warm)) in plans.into_iter().enumerate() {
        for (place, (verb, name)) in requests.into_iter().flatten().enumerate() {
            let side = Side {
                namespace: format!("dips-{number}-{place}"),
                ..Side::of(Arc::clone(&server), client.clone())
            };
            let Side { namespace, discovery, .. } = &side;
            fixture::namespace(&client, namespace).await;
            fixture::deployment(&client, namespace, "llm", 4).await;
            fixture::deployment(&client, namespace, "llm-standby", 2).await;
            let discovery = Arc::clone(discovery);
            let target = KubeTarget::new(client.clone(), discovery, namespace, &main);
            let target = target.with_standby(&pool);
            let mut change = change(&target, to).await;
            change.warm = Some(warm);
            let rule = Rule::any().verb(verb).resource("deployments.apps/scale").name(name);
            server.faults().fail(rule.namespace(namespace), 1, 500);
            let written = target.write(&id(), &change).await;
            let (llm, standby) = counts(&side).await;
            let said = format!("{verb} {name}: {written:?}, {llm} + {standby}");
            assert!(llm >= to.min(4), "{said}");
            assert!(llm + standby >= (to + warm.size).min(6), "{said}");
            server.faults().clear();
            target.write(&id(), &change).await.unwrap();
            assert_eq!(counts(&side).await, (to, warm.size), "{said}");
        }
    }
}

#[tokio::test]
async fn the_pods_of_a_stateful_set_have_places() {
    for side in sides("order").await {
        let Side { client, namespace, .. } = &side;
        fixture::stateful_set(client, namespace, "db", 4).await;
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        let start = Patch::Merge(json!({"spec": {"ordinals": {"start": 2}}}));
        sets.patch("db", &PatchParams::default(), &start).await.unwrap();
        for name in ["db-2", "db-3", "db-5", "db-x"] {
            let pod = fixture::PodFixture::new(name).label("app", "db").ready();
            pod.create(client, namespace).await;
        }
        let stop = CancellationToken::new();
        let scope = Scope::namespaces([namespace.clone()]).without_nodes();
        let cluster = Cluster::watch(client.clone(), scope, stop.clone());
        tokio::time::timeout(Duration::from_secs(30), cluster.synced()).await.unwrap();
        let target = side.target("apps/v1", "StatefulSet", "db").with_cluster(cluster);
        let pods = target.read(&id()).await.unwrap().pods.unwrap();
        let places: Vec<_> = pods.iter().map(|pod| (pod.name.as_str(), pod.ordinal)).collect();
        let expected = [("db-2", Some(0)), ("db-3", Some(1)), ("db-5", Some(3)), ("db-x", None)];
        assert_eq!(places, expected);

        // Nobody in the middle can go, and the topmost needs no cost.
        let mut down = change(&target, 3).await;
        down.retire = vec!["db-2".into()];
        down.replicas = 2;
        down.retire.push("db-5".into());
        assert!(matches!(target.write(&id(), &down).await, Err(TargetError::Refused(_))));
        let mut down = change(&target, 3).await;
        down.retire = vec!["db-5".into()];
        target.write(&id(), &down).await.unwrap();
        assert_eq!(sets.get("db").await.unwrap().spec.unwrap().replicas, Some(3));
        stop.cancel();
    }
}
