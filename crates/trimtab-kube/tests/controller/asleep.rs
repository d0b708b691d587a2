//! A policy whose warm pool are pods that sleep.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, eventually};

use crate::harness::{
    NAMESPACE, Running, SOON, client, cluster, events, queue, settings, spec, status,
    until_condition, workload,
};
use crate::servers::{Fault, Server};

/// Pods follow the count, each with a server, until there are so many and those in the pool are so.
async fn until(admin: &Client, servers: &[Server], count: i32, standing: &[(&str, &str)]) {
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    eventually(SOON, &format!("{count} with {standing:?}"), || async {
        let is = fixture::settle(admin, NAMESPACE, "llm").await;
        let mut stand = Vec::new();
        for pod in pods.list(&Default::default()).await.unwrap().items {
            let name = pod.name_any();
            if let Some(word) = pod.labels().get("trimtab.dev/standby") {
                stand.push((name.clone(), word.clone()));
            }
            let number: usize = name.rsplit('-').next().unwrap().parse().unwrap();
            let patch = json!({"status": {"podIP": servers[number].ip.to_string()}});
            let patch = Patch::Merge(&patch);
            pods.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
        }
        let stand: Vec<(&str, &str)> =
            stand.iter().map(|(pod, word)| (pod.as_str(), word.as_str())).collect();
        (is == count && stand == standing).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_sleeps_is_filled_and_used_and_what_refuses_is_told() {
    for (number, server) in (0..).zip(ApiServer::both().await) {
        let admin = cluster(&server).await;
        let servers = Server::several([20, number], &[false; 8]).await;
        let mut spec = spec("llm");
        spec["warmPool"] = json!({"size": {"fixed": 1}, "returnOnScaleIn": true});
        spec["retire"] = json!({"maxSessionSeconds": 1});
        spec["standby"] = json!({"sleep": {"port": servers[0].port, "timeoutSeconds": 1}});
        workload(&admin, "llm", 1, spec).await;
        let controller = Running::start(client(&server), settings("one"));
        until(&admin, &servers, 2, &[("llm-1", "asleep")]).await;
        eventually(SOON, "both are told", || async {
            let status = status(&admin, "llm").await?;
            (status.current_replicas == Some(1) && status.warm_replicas == Some(1)).then_some(())
        })
        .await;
        assert!(servers[1].is_asleep());

        queue(&server, 16);
        until(&admin, &servers, 3, &[("llm-2", "asleep")]).await;
        assert!(!servers[1].is_asleep());

        // One that does not wake up stays, and another is started.
        servers[2].breaks(Fault::Fails);
        queue(&server, 24);
        until(&admin, &servers, 4, &[("llm-2", "idle")]).await;
        let told = until_condition(&admin, "llm", "ReplicasRefuse", "True NotAsTold").await;
        assert!(told.contains("pod `llm-2` does not wake up: `/wake_up` answers 500"), "{told}");
        let told = events(&admin).await;
        assert!(told.iter().any(|event| event.starts_with("Warning ReplicasRefuse: ")), "{told:?}");
        controller.end().await;
    }
}
