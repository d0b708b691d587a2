//! Pods as they are watched, from the time they are asked for until they are gone.

use crate::watched::{NAMESPACE, SOON, Watched, now, select};
use k8s_openapi::jiff::Timestamp as Time;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use trimtab_apiserver::ApiServer;
use trimtab_apiserver::fixture::{self, PodFixture};
use trimtab_engine::{CapacityType, PodPhase, Readiness, WarmCounts};
use trimtab_kube::cluster::{Disruptions, Scope};
use trimtab_metric::{Span, Timestamp};

#[tokio::test]
async fn a_pod_from_its_first_day_to_its_last() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        let watched = Watched::of(&server, Scope::all()).await;
        assert_eq!(watched.cluster.pods(NAMESPACE, &select("app=llm")), Some(vec![]));

        let set = fixture::deployment(&client, NAMESPACE, "llm", 1).await;
        let owner = fixture::replica_set_of(&client, &set, "5d4f").await;
        let pod = || {
            PodFixture::new("llm-0")
                .label("app", "llm")
                .annotation("controller.kubernetes.io/pod-deletion-cost", "-7")
                .owned_by(&owner)
                .container("server", &[("cpu", "4"), ("nvidia.com/gpu", "1")])
                .spec(json!({
                    "terminationGracePeriodSeconds": 600,
                    "initContainers": [{
                        "name": "proxy", "image": "example.com/proxy:1", "restartPolicy": "Always",
                        "resources": {"requests": {"cpu": "100m"}},
                    }],
                }))
        };
        pod().unschedulable("0/3 nodes are available").create(&client, NAMESPACE).await;
        let waits = |pod: &trimtab_kube::cluster::Pod| pod.unschedulable_since().is_some();
        let seen = watched.pod_is("llm-0", "without a node", waits).await;
        assert_eq!(
            (seen.phase(), seen.node(), seen.deletion_cost()),
            (PodPhase::Pending, None, -7)
        );
        assert_eq!(seen.owner().map(|owner| &*owner.kind), Some("ReplicaSet"));
        assert!(now().since(seen.created_at().unwrap()) < Span::from_secs(60));

        let started: Time = "2026-11-24T08:02:11Z".parse().unwrap();
        let ready: Time = "2026-11-24T08:05:40Z".parse().unwrap();
        let statuses = json!({"containerStatuses": [
            {"name": "server", "restartCount": 2, "ready": true, "image": "i", "imageID": "i"}]});
        pod().ready_since(started, ready).status(statuses).update(&client, NAMESPACE).await;
        let seen = watched.pod_is("llm-0", "ready", |pod| pod.is_ready()).await;
        assert_eq!((seen.unschedulable_since(), seen.restarts()), (None, 2));
        let records = watched.cluster.pods(NAMESPACE, &select("app=llm")).unwrap();
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(record.start_time, time("2026-11-24T08:02:11Z"));
        let condition = record.ready.unwrap();
        assert_eq!(condition.status, Readiness::True);
        assert_eq!(condition.last_transition_time, time("2026-11-24T08:05:40Z"));
        insta::allow_duplicates!(insta::assert_yaml_snapshot!(record.containers, @r#"
        - name: proxy
          kind: sidecar
          requests:
            cpu: 100m
        - name: server
          requests:
            cpu: "4"
            nvidia.com/gpu: "1"
        "#));

        // A finalizer holds it, as a kubelet would.
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(client.clone(), NAMESPACE);
        let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
        let merge = |patch| kube::api::Patch::Merge(patch);
        api.patch("llm-0", &Default::default(), &merge(hold)).await.unwrap();
        api.delete("llm-0", &DeleteParams::default()).await.unwrap();
        let going = |pod: &trimtab_kube::cluster::Pod| pod.terminating_since().is_some();
        let seen = watched.pod_is("llm-0", "on its way out", going).await;
        assert!(!seen.is_ready());
        // Since now, and not from the end of its ten minutes.
        assert!(now().since(seen.terminating_since().unwrap()) < Span::from_secs(60));
        assert!(now().since(seen.terminating_since().unwrap()) > Span::from_secs(-60));
        assert!(watched.cluster.pods(NAMESPACE, &select("app=llm")).unwrap()[0].terminating);

        let free = json!({"metadata": {"finalizers": null}});
        api.patch("llm-0", &Default::default(), &merge(free)).await.unwrap();
        api.delete("llm-0", &DeleteParams::default().grace_period(0)).await.ok();
        watched.count_is("app=llm", 0).await;
    }
}

#[tokio::test]
async fn selectors_and_namespaces_keep_pods_apart() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::namespace(&client, "batch").await;
        fixture::pods_of(&client, NAMESPACE, "llm", 3).await;
        fixture::pods_of(&client, NAMESPACE, "embed", 2).await;
        fixture::pods_of(&client, "batch", "llm", 1).await;
        let watched = Watched::of(&server, Scope::all()).await;
        for (selector, count) in [
            ("app=llm", 3),
            ("app in (llm, embed)", 5),
            ("app notin (llm)", 2),
            ("app", 5),
            ("!app", 0),
            ("", 5),
            ("app!=embed,app!=llm", 0),
        ] {
            watched.count_is(selector, count).await;
        }
        let names = watched.cluster.pods(NAMESPACE, &select("app=llm")).unwrap();
        let names: Vec<_> = names.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names, ["llm-0", "llm-1", "llm-2"]);

        // What is not watched is not known, which is not that there is nothing.
        let scope = Scope::namespaces([NAMESPACE]).with_pods(select("app=llm"));
        let narrow = Watched::of(&server, scope).await;
        narrow.count_is("", 3).await;
        assert_eq!(narrow.cluster.pods("batch", &select("app=llm")), None);
        assert_eq!(narrow.cluster.pods("nowhere", &select("")), None);
        assert_eq!(watched.cluster.pods("nowhere", &select("")), Some(vec![]));
    }
}

#[tokio::test]
async fn a_pod_says_where_it_is_and_that_it_drains() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::NodeFixture::new("n1")
            .label("topology.kubernetes.io/zone", "eu-1a")
            .label("eks.amazonaws.com/nodegroup", "spot-h100")
            .label("eks.amazonaws.com/capacityType", "SPOT")
            .label("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3")
            .create(&client)
            .await;
        let app = |name: &str| PodFixture::new(name).label("app", "llm");
        app("on-node").node("n1").ready().create(&client, NAMESPACE).await;
        app("says-since")
            .node("n1")
            .label("trimtab.dev/draining", "true")
            .annotation("trimtab.dev/draining-since", "2026-11-24T10:00:00Z")
            .ready()
            .create(&client, NAMESPACE)
            .await;
        app("says-only-that")
            .label("trimtab.dev/draining", "true")
            .create(&client, NAMESPACE)
            .await;
        let selected = json!({"nodeSelector": {"karpenter.sh/nodepool": "h100"}});
        app("waits-for-pool").spec(selected).create(&client, NAMESPACE).await;
        let expression =
            json!({"key": "karpenter.sh/nodepool", "operator": "In", "values": ["a100"]});
        let affinity = json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}});
        app("would-rather").spec(affinity).create(&client, NAMESPACE).await;

        let watched = Watched::of(&server, Scope::all()).await;
        watched.count_is("app=llm", 5).await;
        let pods = watched.cluster.pods(NAMESPACE, &select("app=llm")).unwrap();
        let of = |name: &str| pods.iter().find(|pod| pod.name == name).unwrap();
        let there = of("on-node");
        assert_eq!(there.node_name.as_deref(), Some("n1"));
        assert_eq!(there.zone.as_deref(), Some("eu-1a"));
        assert_eq!(there.pool.as_deref(), Some("spot-h100"));
        assert_eq!(there.capacity_type, CapacityType::Spot);
        assert_eq!(of("waits-for-pool").pool.as_deref(), Some("h100"));
        assert_eq!(of("would-rather").pool.as_deref(), Some("a100"));
        assert_eq!(there.draining_since, None);
        let since = of("says-since").draining_since;
        assert_eq!(since, Some("2026-11-24T10:00:00Z".parse().unwrap()));
        // Nobody said since when: since it was seen, and that stays so.
        let first = of("says-only-that").draining_since.unwrap();
        assert!(now().since(first) < Span::from_secs(60));
        app("says-only-that").ready().update(&client, NAMESPACE).await;
        let seen = watched.pod_is("says-only-that", "ready", |pod| pod.is_ready()).await;
        assert_eq!(seen.draining_since(), Some(first));
        let node = watched.cluster.node("n1").unwrap().unwrap();
        assert_eq!(node.gpu_product(), Some("NVIDIA-H100-80GB-HBM3"));
        assert_eq!(watched.cluster.node("n2").map(|node| node.is_some()), Some(false));
    }
}

#[tokio::test]
async fn warm_pods_and_disruptions_are_counted() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, NAMESPACE).await;
        fixture::pods_of(&client, NAMESPACE, "standby", 2).await;
        PodFixture::new("late").label("app", "standby").create(&client, NAMESPACE).await;
        PodFixture::new("bad")
            .label("app", "standby")
            .failed("Evicted")
            .create(&client, NAMESPACE)
            .await;
        fixture::budget(&client, NAMESPACE, "strict", &[("app", "standby")], 2, 0).await;
        fixture::budget(&client, NAMESPACE, "loose", &[("app", "standby")], 1, 1).await;
        fixture::budget(&client, NAMESPACE, "other", &[("app", "llm")], 1, 0).await;
        let watched = Watched::of(&server, Scope::all()).await;
        let cluster = &watched.cluster;
        let warm = cluster.warm(NAMESPACE, &select("app=standby"));
        assert_eq!(warm, Some(WarmCounts { ready: 2, starting: 1 }));
        let budgets = vec!["loose".to_string(), "strict".to_string()];
        fixture::eventually(SOON, "the budgets are seen", || async {
            let found = cluster.disruptions(NAMESPACE, &select("app=standby"))?;
            (found == Disruptions { budgets: budgets.clone(), allowed: Some(0) }).then_some(())
        })
        .await;
        let none = cluster.disruptions(NAMESPACE, &select("app=nothing"));
        assert_eq!(none, Some(Disruptions::default()));
    }
}
