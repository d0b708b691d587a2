//! With exactly the access that `deploy/` gives: nothing is denied, and nothing is given that is not used.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Client;
use serde_json::{Value, json};
use trimtab_apiserver::fixture::{self, eventually};
use trimtab_apiserver::{ApiServer, MetricsApi};
use trimtab_kube::crd::{AccessScope, CONTROLLER_ACCESS};

use crate::harness::{
    HOME, NAMESPACE, Running, SOON, cluster, create, queue, settings, spec, status,
    until_condition, until_replicas, workload,
};

const USER: &str = "system:serviceaccount:trimtab:trimtab-controller";

fn rules(scopes: &[AccessScope]) -> Value {
    let of = CONTROLLER_ACCESS.iter().filter(|rule| scopes.contains(&rule.scope));
    of.map(|rule| rule.to_value()).collect()
}

/// The user of the service account, with its roles.
async fn account(server: &ApiServer, admin: &Client) -> Client {
    let everywhere = rules(&[AccessScope::Namespaces, AccessScope::Cluster]);
    fixture::cluster_role(admin, "trimtab-controller", everywhere).await;
    fixture::bind_cluster_role(admin, "trimtab-controller", USER).await;
    fixture::role(admin, HOME, "trimtab-leases", rules(&[AccessScope::Own])).await;
    fixture::bind_role(admin, HOME, "trimtab-leases", USER).await;
    let groups = ["system:serviceaccounts", "system:authenticated"];
    trimtab_kube::connect_with(server.config_of(USER, &groups)).unwrap()
}

/// What asks for all of the access at least once.
async fn all_of_it(server: &ApiServer, admin: &Client, client: Client) {
    server.serve_metrics(&[MetricsApi::External, MetricsApi::Custom, MetricsApi::Resource]).await;
    workload(admin, "llm", 1, spec("llm")).await;
    let hpa = json!({
        "metadata": {"name": "adopted", "annotations": {"trimtab.dev/adopt": "true"}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "adopted"},
            "minReplicas": 1, "maxReplicas": 5,
            "metrics": [
                {"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
                {"type": "Pods", "pods": {
                    "metric": {"name": "rps"},
                    "target": {"type": "AverageValue", "averageValue": "8"}}},
            ],
        },
    });
    fixture::deployment(admin, NAMESPACE, "adopted", 2).await;
    fixture::settle(admin, NAMESPACE, "adopted").await;
    create::<HorizontalPodAutoscaler>(admin, NAMESPACE, hpa).await;
    let controller = Running::start(client, settings("one"));
    queue(server, 40);
    until_replicas(admin, "llm", 5).await;
    until_condition(admin, "adopted", "Adopted", "False").await;
    eventually(SOON, "the adopted one has decided", || async {
        status(admin, "adopted").await?.last_decision.map(drop)
    })
    .await;
    // Twice the same event within minutes, so that one is patched.
    for _ in 0..2 {
        for waiting in [80, 40] {
            queue(server, waiting);
            until_replicas(admin, "llm", i32::try_from(waiting / 8).unwrap()).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    controller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_of_the_deployment_is_enough() {
    for server in ApiServer::both().await {
        let admin = cluster(&server).await;
        let client = account(&server, &admin).await;
        all_of_it(&server, &admin, client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_denied_and_nothing_is_given_in_vain() {
    let server = ApiServer::in_process().await;
    let admin = cluster(&server).await;
    fixture::install(&admin, &fixture::keda()).await;
    for definition in fixture::karpenter() {
        fixture::install(&admin, &definition).await;
    }
    let client = account(&server, &admin).await;
    server.faults().clear_log();
    all_of_it(&server, &admin, client).await;
    let log = server.faults().log_of(USER);
    let given = rules(&[AccessScope::Namespaces, AccessScope::Cluster, AccessScope::Own]);
    let unused: BTreeSet<String> = fixture::unused_grants(&given, &log)
        .into_iter()
        .filter(|grant| !is_of_other_tests(grant))
        .collect();
    assert_eq!(unused, BTreeSet::new());
}

/// What targets of other kinds and pods that drain need, which the tests of targets ask for.
fn is_of_other_tests(grant: &str) -> bool {
    let others = ["statefulsets", "replicasets/scale", "podautoscalers"];
    let of_pods = ["get pods in \"\"", "patch pods in \"\""];
    others.iter().any(|other| grant.contains(other)) || of_pods.contains(&grant)
}
