//! With exactly the access that `deploy/` gives: nothing is denied, and nothing is given that is not used.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::runtime::Runtime;
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_kube::crd::{AccessScope, KEDA_SCALER_ACCESS};

use super::Scaler;
use crate::command::Desk;
use crate::run::{Metrics, POLICY, free_port};

const USER: &str = "system:serviceaccount:trimtab-system:trimtab-keda-scaler";
const NAMESPACE: &str = "inference";

/// What is scaled, one of each kind that there is a rule for, as policies name it.
const TARGETS: [(&str, &str); 3] =
    [("deployment", "Deployment"), ("replicaset", "ReplicaSet"), ("statefulset", "StatefulSet")];

fn rules() -> Value {
    assert!(KEDA_SCALER_ACCESS.iter().all(|rule| rule.scope == AccessScope::Namespaces));
    KEDA_SCALER_ACCESS.iter().map(|rule| rule.to_value()).collect()
}

async fn cluster(server: &ApiServer) {
    let admin = server.client();
    fixture::namespace(&admin, NAMESPACE).await;
    let deployment = fixture::deployment(&admin, NAMESPACE, "deployment", 2).await;
    fixture::replica_set_of(&admin, &deployment, "1").await;
    fixture::stateful_set(&admin, NAMESPACE, "statefulset", 2).await;
    fixture::cluster_role(&admin, "trimtab-keda-scaler", rules()).await;
    fixture::bind_cluster_role(&admin, "trimtab-keda-scaler", USER).await;
}

/// A kubeconfig of the service account.
fn kubeconfig_of_account(server: &ApiServer, desk: &Desk) -> PathBuf {
    let mut kubeconfig = server.kubeconfig();
    for account in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        account.impersonate = Some(USER.into());
        let groups = ["system:serviceaccounts", "system:authenticated"];
        account.impersonate_groups = Some(groups.map(String::from).to_vec());
    }
    desk.write("kubeconfig", serde_json::to_string(&kubeconfig).unwrap())
}

/// A scaler with a workload of each kind.
fn start(metrics: &Metrics, server: &ApiServer) -> Scaler {
    let desk = Desk::new();
    let mut workloads = String::new();
    for (name, kind) in TARGETS {
        let target = if name == "replicaset" { "deployment-1" } else { name };
        let policy = POLICY
            .replace("metadata: {name: llm}", &format!("metadata: {{name: {name}}}"))
            .replace("kind: Deployment, name: llm", &format!("kind: {kind}, name: {target}"));
        desk.write(&format!("{name}.yaml"), policy);
        workloads += &format!(
            "\
- name: {NAMESPACE}/{name}
  policy: {name}.yaml
  target: {{keda: {{}}}}
  sources:
  - scrape:
      replicas: {{list: [{{name: all, url: 'http://{}/metrics'}}]}}
      metrics: [{{metric: busy, take: {{gauge: {{names: [busy]}}}}}}]
",
            metrics.address
        );
    }
    let kubeconfig = kubeconfig_of_account(server, &desk);
    Scaler::start_at(desk, Some(kubeconfig), |port| {
        let listen = free_port();
        format!(
            "listen: 127.0.0.1:{listen}\ngrpc: {{listen: '127.0.0.1:{port}'}}\nstate: {{directory: state}}\nworkloads:\n{workloads}"
        )
    })
}

/// It decides for all, from the count that is read, and on.
fn all_of_it(server: &ApiServer) {
    let metrics = Metrics::serve(8 * 2);
    let scaler = start(&metrics, server);
    for waiting in [2, 4] {
        metrics.in_flight.store(8 * waiting, Ordering::Relaxed);
        for (name, _) in TARGETS {
            scaler.until_told(name, |told| told.as_ref().ok() == Some(&f64::from(waiting)));
        }
    }
}

#[test]
fn the_access_of_the_deployment_is_enough_and_all_of_it_is_used() {
    let runtime = Runtime::new().unwrap();
    for server in runtime.block_on(ApiServer::both()) {
        runtime.block_on(cluster(&server));
        all_of_it(&server);
        if server.is_real() {
            continue;
        }
        let log = server.faults().log_of(USER);
        assert!(!log.is_empty());
        assert_eq!(fixture::unused_grants(&rules(), &log), Vec::<String>::new());
        let writes: Vec<_> =
            log.iter().filter(|asked| !matches!(asked.verb.as_str(), "get" | "list")).collect();
        assert!(writes.is_empty(), "it writes nothing itself: {writes:?}");
    }
}

/// Without access the reason reaches KEDA, and no number does.
#[test]
fn a_count_that_may_not_be_read_is_told() {
    let runtime = Runtime::new().unwrap();
    for server in runtime.block_on(ApiServer::both()) {
        runtime.block_on(async {
            fixture::namespace(&server.client(), NAMESPACE).await;
            fixture::deployment(&server.client(), NAMESPACE, "deployment", 2).await;
        });
        let metrics = Metrics::serve(8 * 2);
        let scaler = start(&metrics, &server);
        scaler.until_told("deployment", |told| {
            told.as_ref().is_err_and(|status| {
                status.code() == tonic::Code::Unavailable
                    && status.message().contains("cannot get resource \"deployments/scale\"")
            })
        });
    }
}
