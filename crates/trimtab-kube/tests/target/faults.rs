//! What goes wrong, and what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trimtab_apiserver::{ApiServer, Rule, fixture};
use trimtab_engine::WarmPlan;
use trimtab_kube::cluster::{Cluster, Scope};
use trimtab_kube::connect_with;
use trimtab_kube::target::{Discovery, Fence, KubeTarget, RetirementSpec};
use trimtab_runtime::{Change, ScaleTarget};

use crate::side::{Side, change, id, reference, replicas, sides};

#[tokio::test]
async fn what_went_wrong_is_said_as_what_it_is() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    fixture::namespace(&client, "faults").await;
    fixture::deployment(&client, "faults", "llm", 3).await;
    let reference = reference("apps/v1", "Deployment", "llm");
    let target =
        || KubeTarget::new(client.clone(), Discovery::new(client.clone()), "faults", &reference);
    let scale = || Rule::any().resource("deployments.apps/scale");
    let faults = server.faults();

    faults.forbid(scale().verb("patch"));
    let denied = target();
    let to_five = change(&denied, 5).await;
    let error = denied.write(&id(), &to_five).await.unwrap_err();
    assert_eq!(error.cause(), "denied");
    assert!(error.to_string().contains("cannot patch resource \"deployments/scale\""), "{error}");
    faults.clear();

    for code in [500, 503, 504] {
        faults.fail(scale().verb("patch"), trimtab_apiserver::Faults::ALWAYS, code);
        let error = target().write(&id(), &to_five).await.unwrap_err();
        assert!(error.is_passing(), "{code}: {error}");
        faults.clear();
    }
    faults.fail(scale().verb("patch"), 1, 422);
    assert_eq!(target().write(&id(), &to_five).await.unwrap_err().cause(), "refused");
    faults.break_off(scale().verb("patch"), 1);
    assert_eq!(target().write(&id(), &to_five).await.unwrap_err().cause(), "unreachable");
    // It was done, and nobody heard of it.
    faults.lose_answer(scale().verb("patch"), 1);
    let target = target();
    assert_eq!(target.write(&id(), &to_five).await.unwrap_err().cause(), "unreachable");
    assert_eq!(target.write(&id(), &to_five).await, Ok(()));
    assert_eq!(replicas(&client, "faults", "llm").await, 5);
}

#[tokio::test]
async fn a_server_that_asks_for_it_is_left_alone() {
    let server = ApiServer::in_process().await;
    let client = connect_with(server.config()).unwrap();
    fixture::namespace(&client, "busy").await;
    fixture::deployment(&client, "busy", "llm", 3).await;
    let reference = reference("apps/v1", "Deployment", "llm");
    let discovery = Discovery::new(client.clone());
    let target = KubeTarget::new(client.clone(), discovery, "busy", &reference);
    target.read(&id()).await.unwrap();
    let scale = || Rule::any().resource("deployments.apps/scale");

    // A moment: it is waited for.
    server.faults().too_many_requests(scale(), 1, Duration::from_secs(1));
    let start = Instant::now();
    target.read(&id()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));

    // Longer than that: it is said why, and nothing is asked until then.
    server.faults().too_many_requests(scale(), 1, Duration::from_secs(30));
    let error = target.read(&id()).await.unwrap_err();
    assert_eq!(error.cause(), "unreachable");
    assert!(error.to_string().contains("Too many requests"), "{error}");
    server.faults().clear_log();
    assert_eq!(target.read(&id()).await, Err(error.clone()));
    assert_eq!(target.write(&id(), &Change::of(3, 5)).await, Err(error));
    assert!(server.faults().log().is_empty());
}

#[tokio::test]
async fn a_workload_whose_pods_are_not_known_is_not_one_without() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "unseen").await;
    fixture::deployment(&client, "unseen", "llm", 3).await;
    server.faults().forbid(Rule::any().verb("list").verb("watch").resource("pods"));
    let stop = CancellationToken::new();
    let scope = Scope::namespaces(["unseen"]).without_nodes();
    let cluster = Cluster::watch(client.clone(), scope, stop.clone());
    let reference = reference("apps/v1", "Deployment", "llm");
    let target =
        KubeTarget::new(client.clone(), Discovery::new(client.clone()), "unseen", &reference)
            .with_cluster(cluster);
    let error = target.read(&id()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't be reached: which pods there are is not known at the moment"
    );
    stop.cancel();
}

#[tokio::test]
async fn a_kind_is_not_forgotten_because_nobody_answers() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    let discovery = Discovery::new(client.clone());
    let reference = reference("apps/v1", "Deployment", "llm");
    let found = discovery.find(&reference).await.unwrap();
    // Much later.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    tokio::time::resume();
    server.faults().clear_log();
    server.faults().fail(Rule::any(), 1, 500);
    assert_eq!(discovery.find(&reference).await, Ok(found.clone()));
    assert_eq!(discovery.find(&reference).await, Ok(found));
    assert_eq!(server.faults().log().len(), 1);
}

struct Leads(AtomicBool);

impl Fence for Leads {
    fn may_write(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_deposed_leader_writes_nothing() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "fence").await;
    fixture::deployment(&client, "fence", "llm", 3).await;
    let leads = Arc::new(Leads(AtomicBool::new(true)));
    let fence: Arc<dyn Fence> = leads.clone();
    let reference = reference("apps/v1", "Deployment", "llm");
    let target =
        KubeTarget::new(client.clone(), Discovery::new(client.clone()), "fence", &reference)
            .with_fence(fence);
    let mut to_two = change(&target, 2).await;
    to_two.retire = vec!["llm-x".into()];
    to_two.drain = vec!["llm-y".into()];
    // It is deposed while the server takes its time.
    let slow = Rule::any().verb("patch").resource("deployments.apps/scale");
    server.faults().conflict(slow, 1);
    leads.0.store(false, Ordering::Relaxed);
    server.faults().clear_log();
    let error = target.write(&id(), &to_two).await.unwrap_err();
    assert_eq!(error.cause(), "denied");
    assert!(server.faults().log().iter().all(|request| request.verb != "patch"));
    assert!(target.read(&id()).await.is_ok(), "it may look");
    server.faults().clear();
    leads.0.store(true, Ordering::Relaxed);
    assert_eq!(target.write(&id(), &to_two).await, Ok(()));
}

#[tokio::test]
async fn a_restart_of_the_server_is_a_moment() {
    let mut servers = vec![ApiServer::in_process().await];
    servers.extend(ApiServer::real().await);
    for server in servers {
        let client = connect_with(server.config()).unwrap();
        fixture::namespace(&client, "restart").await;
        fixture::deployment(&client, "restart", "llm", 3).await;
        let reference = reference("apps/v1", "Deployment", "llm");
        let discovery = Discovery::new(client.clone());
        let target = KubeTarget::new(client.clone(), discovery, "restart", &reference);
        let to_five = change(&target, 5).await;
        server.restart().await;
        let within = Duration::from_secs(60);
        fixture::eventually(within, "it is written", async || {
            match target.write(&id(), &to_five).await {
                Ok(()) => Some(()),
                Err(error) => {
                    assert!(error.is_passing(), "{error}");
                    None
                }
            }
        })
        .await;
        assert_eq!(replicas(&client, "restart", "llm").await, 5);
    }
}

#[tokio::test]
async fn rbac_decides_who_may_scale() {
    for side in sides("rbac").await {
        let Side { client, namespace, server, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        let rules = json!([
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get"]},
        ]);
        fixture::role(client, namespace, "reader", rules).await;
        let user = format!("system:serviceaccount:{namespace}:trimtab");
        fixture::bind_role(client, namespace, "reader", &user).await;
        let theirs = server.client_of(&user, &[]);
        let reference = reference("apps/v1", "Deployment", "llm");
        let discovery = Discovery::new(theirs.clone());
        let target = KubeTarget::new(theirs, discovery, namespace, &reference);
        let within = Duration::from_secs(20);
        let read =
            fixture::eventually(within, "it may read", async || target.read(&id()).await.ok());
        assert_eq!(read.await.replicas, 3, "though it may not see who else scales it");
        let error = target.write(&id(), &Change::of(3, 5)).await.unwrap_err();
        assert_eq!(error.cause(), "denied");
        assert!(
            error.to_string().contains("cannot patch resource \"deployments/scale\""),
            "{error}"
        );
    }
}

/// The rules that the page on targets gives are enough.
#[tokio::test]
async fn what_the_page_asks_for_is_enough() {
    for side in sides("rules").await {
        let Side { client, namespace, server, .. } = &side;
        fixture::install(client, &fixture::engine()).await;
        fixture::install(client, &fixture::keda()).await;
        for name in ["llm", "llm-standby"] {
            fixture::deployment(client, namespace, name, 2).await;
            fixture::pods_of(client, namespace, name, 2).await;
        }
        let rules = json!([
            {"apiGroups": ["apps"], "resources": ["deployments/scale", "statefulsets/scale"],
             "verbs": ["get", "patch"]},
            {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
            {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"],
             "verbs": ["list"]},
            {"apiGroups": ["keda.sh"], "resources": ["scaledobjects"], "verbs": ["list"]},
            {"apiGroups": ["trimtab.dev"], "resources": ["scalingpolicies"], "verbs": ["list"]},
            {"apiGroups": ["autoscaling.aibrix.ai", "autoscaling.internal.knative.dev"],
             "resources": ["podautoscalers"], "verbs": ["list"]},
        ]);
        fixture::role(client, namespace, "trimtab", rules).await;
        let user = format!("system:serviceaccount:{namespace}:whole");
        fixture::bind_role(client, namespace, "trimtab", &user).await;
        let theirs = server.client_of(&user, &[]);
        let reference = reference("apps/v1", "Deployment", "llm");
        let standby = crate::side::reference("apps/v1", "Deployment", "llm-standby");
        let discovery = Discovery::new(theirs.clone());
        let marks = RetirementSpec { pod_labels: [("serving".into(), "no".into())].into() };
        let target = KubeTarget::new(theirs, discovery, namespace, &reference)
            .with_standby(&standby)
            .with_retirement(marks);
        let within = Duration::from_secs(20);
        let read = fixture::eventually(within, "it may read", async || {
            target.read(&id()).await.ok().filter(|status| status.warm.is_some())
        });
        read.await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let pods = pods.list(&ListParams::default().labels("app=llm")).await.unwrap().items;
        let mut down = change(&target, 1).await;
        down.retire = vec![pods[0].name_any()];
        down.drain = vec![pods[1].name_any()];
        let warm = WarmPlan { size: 3, demote: 1, ..WarmPlan::default() };
        down.warm = Some(warm);
        target.write(&id(), &down).await.unwrap();
        assert_eq!(replicas(client, namespace, "llm").await, 1);
        assert_eq!(replicas(client, namespace, "llm-standby").await, 3);
    }
}
