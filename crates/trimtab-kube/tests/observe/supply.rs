//! What node pools have: cards, slices, nodes on their way, and what nobody can say.

use crate::watched::{NAMESPACE, SOON, Watched, now, policy, select};
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, NodeFixture, PodFixture};
use trimtab_engine::{CapacityType, PoolSupplyRecord};
use trimtab_kube::cluster::{Part, Scope};

fn pool(name: &str, allocatable: u32, free: u32, coming: Option<u32>) -> PoolSupplyRecord {
    PoolSupplyRecord {
        pool: name.into(),
        allocatable_gpus: Some(allocatable),
        free_gpus: Some(free),
        coming_gpus: coming,
        ..PoolSupplyRecord::default()
    }
}

fn unknown(name: &str) -> PoolSupplyRecord {
    PoolSupplyRecord { pool: name.into(), ..PoolSupplyRecord::default() }
}

fn node(name: &str, pool: &str, gpus: &str) -> NodeFixture {
    NodeFixture::new(name).label("karpenter.sh/nodepool", pool).allocatable("nvidia.com/gpu", gpus)
}

fn llm(name: &str, node: Option<&str>, gpus: &str) -> PodFixture {
    let pod = PodFixture::new(name)
        .label("app", "llm")
        .container("server", &[("cpu", "1"), ("memory", "1Gi"), ("nvidia.com/gpu", gpus)]);
    match node {
        Some(node) => pod.node(node).ready(),
        None => pod,
    }
}

/// Does once what the node lifecycle controller would: a node that is ready is not tainted as one
/// that is not. A real API server taints each new node so.
async fn untaint(client: &Client) {
    let api: Api<Node> = Api::all(client.clone());
    for node in api.list(&ListParams::default()).await.unwrap() {
        let (name, taints) = (node.metadata.name.unwrap(), node.spec.and_then(|spec| spec.taints));
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True");
        let mut taints = taints.unwrap_or_default();
        taints.retain(|taint| !ready || taint.key != "node.kubernetes.io/not-ready");
        let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
        api.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    }
}

#[tokio::test]
async fn free_is_what_whole_replicas_could_use() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::namespace(&client, "batch").await;
        node("full", "h100", "8").create(&client).await;
        node("half", "h100", "8").create(&client).await;
        node("cordoned", "h100", "8").cordoned().create(&client).await;
        node("leaving", "h100", "8")
            .taint("karpenter.sh/disrupted", "", "NoSchedule")
            .create(&client)
            .await;
        node("no-cpu", "h100", "8").allocatable("cpu", "1").create(&client).await;
        node("other", "a100", "4").create(&client).await;
        llm("llm-0", Some("full"), "4").create(&client, NAMESPACE).await;
        llm("llm-1", Some("full"), "4").create(&client, NAMESPACE).await;
        llm("llm-2", None, "4").create(&client, NAMESPACE).await;
        // Another team's; and what has ended holds nothing.
        llm("train", Some("half"), "3").create(&client, "batch").await;
        llm("done", Some("half"), "4").failed("Error").create(&client, "batch").await;
        PodFixture::new("busy")
            .container("main", &[("cpu", "500m")])
            .node("no-cpu")
            .ready()
            .create(&client, "batch")
            .await;
        untaint(&client).await;
        let watched = Watched::of(&server, Scope::all()).await;
        let pools = policy(r#"[{"name": "h100"}, {"name": "a100"}, {"name": "none"}]"#, 4);
        // Of five left on `half` one is over; `no-cpu` has cards and no core.
        let wanted = [pool("h100", 40, 4, Some(0)), pool("a100", 4, 4, Some(0)), unknown("none")];
        watched.supply_is(&pools, "app=llm", &wanted).await;
        assert_eq!(
            watched.cluster.accelerator(NAMESPACE, &select("app=llm")).as_deref(),
            Some("nvidia.com/gpu")
        );
        // Without a pod of its own, the policy and the nodes' only kind of card say what one takes.
        let wanted = [pool("h100", 40, 12, Some(0)), pool("a100", 4, 4, Some(0)), unknown("none")];
        watched.supply_is(&pools, "app=nobody", &wanted).await;

        // Pods of others are not seen: what is left can't be said.
        let narrow = Watched::of(&server, Scope::namespaces([NAMESPACE])).await;
        assert_eq!(narrow.cluster.supply(&pools, NAMESPACE, &select("app=llm"), now()), None);
        narrow.count_is("app=llm", 3).await;
    }
}

#[tokio::test]
async fn slices_of_cards_are_counted_as_what_pods_request() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        let sliced = |name: &str| {
            NodeFixture::new(name)
                .label("cloud.google.com/gke-nodepool", "mig")
                .allocatable("nvidia.com/gpu", "0")
                .allocatable("nvidia.com/mig-1g.10gb", "14")
                .allocatable("nvidia.com/mig-3g.40gb", "2")
        };
        sliced("m1").create(&client).await;
        sliced("m2").create(&client).await;
        let pod = |app: &str, resource: &str| {
            PodFixture::new(app).label("app", app).container("main", &[(resource, "1")]).node("m1")
        };
        pod("small", "nvidia.com/mig-1g.10gb").ready().create(&client, NAMESPACE).await;
        pod("large", "nvidia.com/mig-3g.40gb").ready().create(&client, NAMESPACE).await;
        untaint(&client).await;
        let watched = Watched::of(&server, Scope::all()).await;
        let pools = policy(r#"[{"name": "mig"}]"#, 1);
        watched.supply_is(&pools, "app=small", &[pool("mig", 28, 27, Some(0))]).await;
        watched.supply_is(&pools, "app=large", &[pool("mig", 4, 3, Some(0))]).await;
        // Of two kinds of slices nobody knows which one a workload without pods would take.
        watched.supply_is(&pools, "app=nobody", &[unknown("mig")]).await;
    }
}

#[tokio::test]
async fn nodes_on_their_way_are_coming() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        let aks = |name: &str| {
            NodeFixture::new(name)
                .label("kubernetes.azure.com/agentpool", "gpu")
                .allocatable("nvidia.com/gpu", "4")
        };
        aks("there").create(&client).await;
        aks("young").not_ready().create(&client).await;
        // Its device plugin has not said yet what it has.
        NodeFixture::new("bare").label("agentpool", "gpu").create(&client).await;
        llm("llm-0", Some("there"), "1").create(&client, NAMESPACE).await;
        // It has such a node already, so that this is not for another.
        llm("llm-1", Some("young"), "1").create(&client, NAMESPACE).await;
        untaint(&client).await;
        let watched = Watched::of(&server, Scope::all()).await;
        let pools = policy(r#"[{"name": "gpu"}]"#, 1);
        watched.supply_is(&pools, "app=llm", &[pool("gpu", 8, 3, Some(3))]).await;
        let sized = policy(r#"[{"name": "gpu", "gpusPerNode": 4}]"#, 1);
        watched.supply_is(&sized, "app=llm", &[pool("gpu", 8, 3, Some(7))]).await;
        // One that is not ready for so long is broken.
        let later = now().saturating_add(trimtab_metric::Span::from_secs(3600));
        let seen = watched.cluster.supply(&pools, NAMESPACE, &select("app=llm"), later);
        assert_eq!(seen, Some(vec![pool("gpu", 8, 3, Some(0))]));
        let node = watched.cluster.node("there").unwrap().unwrap();
        assert_eq!(node.capacity_type(), CapacityType::OnDemand);
    }
}

fn karpenter(kind: &str, client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("karpenter.sh", "v1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

async fn create(client: &Client, kind: &str, name: &str, object: Value) {
    let api = karpenter(kind, client);
    let mut whole =
        json!({"apiVersion": "karpenter.sh/v1", "kind": kind, "metadata": {"name": name}});
    for (field, value) in object.as_object().unwrap() {
        if field == "labels" {
            whole["metadata"]["labels"] = value.clone();
        } else {
            whole[field] = value.clone();
        }
    }
    api.create(&PostParams::default(), &serde_json::from_value(whole).unwrap()).await.unwrap();
    let status = json!({"status": object["status"]});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

#[tokio::test]
async fn karpenter_may_come_later_and_go_again() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        node("n1", "h100", "8").create(&client).await;
        llm("llm-0", Some("n1"), "8").create(&client, NAMESPACE).await;
        let scope = Scope::all()
            .with_discovery_every(std::time::Duration::from_millis(200))
            .with_watch_timeout(std::time::Duration::from_secs(1));
        let watched = Watched::of(&server, scope).await;
        let pools = policy(
            r#"[{"name": "h100", "gpusPerNode": 8}, {"name": "a100", "gpusPerNode": 16}]"#,
            8,
        );
        let small = policy(r#"[{"name": "a100", "gpusPerNode": 4}]"#, 4);
        watched.supply_is(&pools, "app=llm", &[pool("h100", 8, 0, Some(0)), unknown("a100")]).await;
        let absent = |part: Part| {
            watched.cluster.health().into_iter().any(|one| one.part == part && one.absent)
        };
        assert!(absent(Part::NodePools) && absent(Part::NodeClaims));
        assert!(watched.cluster.node_pool("a100").is_none());

        for definition in fixture::karpenter() {
            fixture::install(&client, &definition).await;
        }
        let limits = json!({"spec": {"limits": {"cpu": 1000, "nvidia.com/gpu": "16"}},
            "status": {"resources": {"nvidia.com/gpu": "8"}}});
        create(&client, "NodePool", "a100", limits).await;
        let limits = json!({"spec": {"limits": {"nvidia.com/gpu": 24}}, "status": {"nodes": 1}});
        create(&client, "NodePool", "h100", limits).await;
        let claim = |pool: &str, spec: Value, status: Value| json!({"labels": {"karpenter.sh/nodepool": pool}, "spec": spec, "status": status});
        let initialized = json!({"nodeName": "n1", "capacity": {"nvidia.com/gpu": "8"},
            "conditions": [{"type": "Initialized", "status": "True"}]});
        create(&client, "NodeClaim", "c1", claim("h100", json!({}), initialized)).await;
        let launched = json!({"capacity": {"cpu": "96", "nvidia.com/gpu": "8"},
            "conditions": [{"type": "Initialized", "status": "Unknown"}]});
        create(&client, "NodeClaim", "c2", claim("h100", json!({}), launched)).await;
        let asked = json!({"resources": {"requests": {"nvidia.com/gpu": "8"}}});
        create(&client, "NodeClaim", "c3", claim("h100", asked, json!({"nodeName": ""}))).await;
        create(&client, "NodeClaim", "c4", claim("a100", json!({}), json!({"nodeName": ""}))).await;
        // A pool that has a NodePool and no node has nothing, and that is known.
        let limited = |record, gpus| PoolSupplyRecord { max_gpus: Some(gpus), ..record };
        let h100 = limited(pool("h100", 8, 0, Some(16)), 24);
        let wanted = [h100, limited(pool("a100", 0, 0, Some(16)), 16)];
        watched.supply_is(&pools, "app=llm", &wanted).await;
        watched.supply_is(&small, "app=nobody", &[pool("a100", 0, 0, Some(4))]).await;
        let found = watched.cluster.node_pool("a100").unwrap().unwrap();
        assert_eq!(found.limit_milli("nvidia.com/gpu"), Some(16_000));
        assert_eq!(found.has_milli("nvidia.com/gpu"), Some(8_000));

        let api: Api<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        > = Api::all(client.clone());
        for name in ["nodeclaims.karpenter.sh", "nodepools.karpenter.sh"] {
            api.delete(name, &Default::default()).await.unwrap();
        }
        watched.supply_is(&pools, "app=llm", &[pool("h100", 8, 0, Some(0)), unknown("a100")]).await;
        fixture::eventually(SOON, "Karpenter is gone", || async {
            absent(Part::NodePools).then_some(())
        })
        .await;
    }
}
