//! Pods that drain and go.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use trimtab_apiserver::{ApiServer, Rule, fixture};
use trimtab_kube::target::{Discovery, KubeTarget, RetirementSpec};
use trimtab_runtime::{ScaleTarget, TargetError};

use crate::side::{self, Side, change, id, reference, replicas, sides};

#[tokio::test]
async fn pods_are_marked_and_unmarked() {
    for side in sides("marks").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        for name in ["llm-a", "llm-b", "llm-c"] {
            let pod = fixture::PodFixture::new(name).label("app", "llm").label("serving", "yes");
            pod.ready().create(client, namespace).await;
        }
        let spec = RetirementSpec { pod_labels: [("serving".into(), "no".into())].into() };
        let target = side.target("apps/v1", "Deployment", "llm").with_retirement(spec);
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let seen = async |name: &str| {
            let pod = pods.get(name).await.unwrap();
            let annotation = |key: &str| pod.annotations().get(key).cloned();
            let cost = annotation("controller.kubernetes.io/pod-deletion-cost");
            let since = annotation("trimtab.dev/draining-since");
            let label = pod.labels().get("trimtab.dev/draining").cloned();
            (pod.labels()["serving"].clone(), label, since.is_some(), cost)
        };

        let mut drain = change(&target, 3).await;
        drain.drain = vec!["llm-a".into(), "llm-b".into(), "gone".into()];
        for _ in 0..2 {
            target.write(&id(), &drain).await.unwrap();
        }
        let draining =
            ("no".to_owned(), Some("true".to_owned()), true, Some("-1000000".to_owned()));
        assert_eq!(seen("llm-a").await, draining);
        assert_eq!(replicas(client, namespace, "llm").await, 3);

        let mut next = change(&target, 2).await;
        next.retire = vec!["llm-a".into()];
        next.take_back = vec!["llm-b".into()];
        target.write(&id(), &next).await.unwrap();
        assert_eq!(seen("llm-a").await.3.as_deref(), Some("-2147483648"));
        assert_eq!(seen("llm-b").await, ("yes".to_owned(), None, false, None));
        assert_eq!(seen("llm-c").await, ("yes".to_owned(), None, false, None));
        assert_eq!(replicas(client, namespace, "llm").await, 2);
    }
}

#[tokio::test]
async fn the_count_does_not_fall_before_it_is_said_who_goes() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "partial").await;
    fixture::deployment(&client, "partial", "llm", 3).await;
    fixture::pods_of(&client, "partial", "llm", 3).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "partial");
    let names: Vec<String> = pods
        .list(&Default::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    let reference = reference("apps/v1", "Deployment", "llm");
    let target =
        KubeTarget::new(client.clone(), Discovery::new(client.clone()), "partial", &reference);
    let mut change = change(&target, 1).await;
    change.retire = names[..2].to_vec();
    server.faults().fail(Rule::any().verb("patch").resource("pods").name(&names[1]), 1, 500);
    assert_eq!(target.write(&id(), &change).await.unwrap_err().cause(), "unreachable");
    assert_eq!(replicas(&client, "partial", "llm").await, 3);
    target.write(&id(), &change).await.unwrap();
    assert_eq!(replicas(&client, "partial", "llm").await, 1);
    // What adds is not held back by what fails.
    server.faults().fail(Rule::any().verb("patch").resource("pods"), 9, 500);
    let mut more = side::change(&target, 4).await;
    more.take_back = names[..1].to_vec();
    target.write(&id(), &more).await.unwrap();
    assert_eq!(replicas(&client, "partial", "llm").await, 4);
}

/// A ReplicaSet takes the pods that it is told to, though the other ones are as new.
#[tokio::test]
async fn who_is_to_go_goes() {
    let Some(server) = ApiServer::real().await else { return };
    let flags = ["--controllers=deployment-controller,replicaset-controller"];
    let Some(server) = server.with_controller_manager(&flags).await else { return };
    let client = server.client();
    fixture::namespace(&client, "going").await;
    fixture::deployment(&client, "going", "llm", 4).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "going");
    let names = async || {
        let pods = pods.list(&Default::default()).await.unwrap().items;
        let stays = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        stays.map(ResourceExt::name_any).collect::<Vec<_>>()
    };
    let within = Duration::from_secs(60);
    let all = fixture::eventually(within, "four pods", async || {
        Some(names().await).filter(|names| names.len() == 4)
    })
    .await;
    let reference = reference("apps/v1", "Deployment", "llm");
    let discovery = Discovery::new(client.clone());
    let target = KubeTarget::new(client.clone(), discovery, "going", &reference);
    let mut down = change(&target, 2).await;
    down.retire = vec![all[0].clone(), all[2].clone()];
    // The Deployment's status changes while its pods come.
    let mut written = Err(TargetError::Conflict);
    while written == Err(TargetError::Conflict) {
        down.version = target.read(&id()).await.unwrap().version;
        written = target.write(&id(), &down).await;
    }
    assert_eq!(written, Ok(()));
    let left = fixture::eventually(within, "two pods", async || {
        Some(names().await).filter(|names| names.len() == 2)
    })
    .await;
    assert_eq!(left, [all[1].clone(), all[3].clone()]);
}
