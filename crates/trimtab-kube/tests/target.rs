//! What a target reads and writes, in the server of this process and in a real one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail by panic")]

mod targets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use targets::{Side, change, id, reference, sides};
use trimtab_apiserver::{ApiServer, Rule, fixture};
use trimtab_engine::Selector;
use trimtab_kube::connect_with;
use trimtab_kube::target::{Discovery, DiscoveryError, Fence, KubeTarget, RetirementSpec};
use trimtab_runtime::{Change, ScaleTarget, TargetError};

fn deployments(client: &Client, namespace: &str) -> Api<Deployment> {
    Api::namespaced(client.clone(), namespace)
}

async fn replicas(client: &Client, namespace: &str, name: &str) -> i32 {
    let found = deployments(client, namespace).get(name).await.unwrap();
    found.spec.unwrap().replicas.unwrap()
}

/// Sets the count by hand, as `kubectl scale` does.
async fn scale_by(client: &Client, namespace: &str, name: &str, manager: &str, replicas: i32) {
    let by = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments(client, namespace).patch_scale(name, &by, &patch).await.unwrap();
}

#[tokio::test]
async fn a_deployment_up_down_to_zero_and_back() {
    for side in sides("counts").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        fixture::observe_replicas(client, namespace, "llm", 3, 2).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        assert_eq!(target.name(), format!("Deployment {namespace}/llm"));
        let mut from = 3;
        for to in [5, 2, 0, 4] {
            let status = target.read(&id()).await.unwrap();
            assert_eq!((status.replicas, status.status_replicas), (from, 3));
            assert_eq!(
                (status.selector, status.pods, status.contested),
                (Selector::Ok, None, None)
            );
            let mut change = Change::of(from, to);
            change.version = status.version;
            target.write(&id(), &change).await.unwrap();
            assert_eq!(replicas(client, namespace, "llm").await, to);
            from = to;
        }
        let object = deployments(client, namespace).get("llm").await.unwrap();
        let owner = object.managed_fields().iter().find(|entry| {
            entry.manager.as_deref() == Some("trimtab")
                && entry.subresource.as_deref() == Some("scale")
        });
        assert_eq!(owner.unwrap().operation.as_deref(), Some("Apply"));
    }
}

#[tokio::test]
async fn a_stateful_set_and_a_kind_of_somebody_else() {
    for side in sides("kinds").await {
        let Side { client, namespace, .. } = &side;
        fixture::stateful_set(client, namespace, "db", 3).await;
        let target = side.target("apps/v1", "StatefulSet", "db");
        let change = change(&target, 4).await;
        target.write(&id(), &change).await.unwrap();
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        assert_eq!(sets.get("db").await.unwrap().spec.unwrap().replicas, Some(4));

        fixture::install(client, &fixture::engine()).await;
        let engine = json!({
            "apiVersion": "example.dev/v1", "kind": "Engine", "metadata": {"name": "v8"},
            "spec": {"replicas": 2}, "status": {},
        });
        side.create("example.dev/v1", "Engine", "engines", engine).await;
        let target = side.target("example.dev/v1", "Engine", "v8");
        let status = target.read(&id()).await.unwrap();
        assert_eq!((status.replicas, status.selector), (2, Selector::Empty));
        let change = targets::change(&target, 7).await;
        target.write(&id(), &change).await.unwrap();
        assert_eq!(target.read(&id()).await.unwrap().replicas, 7);

        // Its scale can't be applied; who takes the count is known all the same.
        let resource =
            side.discovery.find(&reference("example.dev/v1", "Engine", "v8")).await.unwrap();
        let engines: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), namespace, &resource.resource);
        let by = PatchParams { field_manager: Some("other".into()), ..PatchParams::default() };
        for (theirs, ours) in
            [(2, Ok(())), (1, Err(TargetError::Contested("the field manager `other`".into())))]
        {
            let patch = Patch::Merge(json!({"spec": {"replicas": theirs}}));
            engines.patch_scale("v8", &by, &patch).await.unwrap();
            let change = targets::change(&target, 7).await;
            assert_eq!(target.write(&id(), &change).await, ours);
        }
    }
}

#[tokio::test]
async fn what_can_t_be_scaled_is_said_with_what_would_be_right() {
    for side in sides("wrong").await {
        let mut said = Vec::new();
        for (api_version, kind) in [
            ("apps/v1", "DaemonSet"),
            ("apps/v1", "deployment"),
            ("v1", "Deployment"),
            ("acme.dev/v1", "Rocket"),
            ("apps/v1/x", "Deployment"),
        ] {
            let error = side.discovery.find(&reference(api_version, kind, "x")).await.unwrap_err();
            said.push(error.to_string());
        }
        insta::assert_yaml_snapshot!("wrong_kinds", said);
        let old = side.discovery.find(&reference("apps/v1beta1", "Deployment", "x")).await.unwrap();
        assert_eq!(old.resource.api_version, "apps/v1", "another version of the group");
        let error = side.target("apps/v1", "Deployment", "nobody").read(&id()).await.unwrap_err();
        assert_eq!(error.cause(), "not_found");
        let error = side.target("apps/v1", "Deployment", "../x").read(&id()).await.unwrap_err();
        assert_eq!(error.cause(), "refused");
    }
}

#[tokio::test]
async fn what_was_changed_since_it_was_read_is_a_conflict() {
    for side in sides("conflict").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        let change = change(&target, 5).await;
        scale_by(client, namespace, "llm", "kubectl", 4).await;
        assert_eq!(target.write(&id(), &change).await, Err(TargetError::Conflict));
        assert_eq!(replicas(client, namespace, "llm").await, 4);
        // Written again after its answer was lost, it is done.
        let change = targets::change(&target, 5).await;
        target.write(&id(), &change).await.unwrap();
        target.write(&id(), &change).await.unwrap();
    }
}

#[tokio::test]
async fn who_takes_the_count_again_and_again_has_it() {
    for side in sides("again").await {
        let Side { client, namespace, .. } = &side;
        fixture::deployment(client, namespace, "llm", 3).await;
        let target = side.target("apps/v1", "Deployment", "llm");
        // The manifest's; then a hand, once.
        for (by_hand, ours) in [(None, 5), (Some(2), 6)] {
            if let Some(by_hand) = by_hand {
                scale_by(client, namespace, "llm", "argocd-controller", by_hand).await;
            }
            let change = change(&target, ours).await;
            target.write(&id(), &change).await.unwrap();
            assert_eq!(replicas(client, namespace, "llm").await, ours);
        }
        scale_by(client, namespace, "llm", "argocd-controller", 2).await;
        let change = change(&target, 7).await;
        let error = target.write(&id(), &change).await.unwrap_err();
        assert_eq!(error, TargetError::Contested("the field manager `argocd-controller`".into()));
        assert_eq!(target.write(&id(), &change).await, Err(error));
        assert_eq!(replicas(client, namespace, "llm").await, 2);
    }
}

#[tokio::test]
async fn another_autoscaler_of_the_same_target_is_not_fought() {
    for side in sides("contested").await {
        let Side { client, namespace, .. } = &side;
        for name in ["hpa", "keda", "ours", "free"] {
            fixture::deployment(client, namespace, name, 3).await;
        }
        fixture::install(client, &fixture::keda()).await;
        let to = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name});
        let hpa = |name: &str, target: &str, labels: serde_json::Value| {
            json!({
                "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": name, "labels": labels},
                "spec": {"scaleTargetRef": to(target), "maxReplicas": 9},
            })
        };
        let plural = "horizontalpodautoscalers";
        let kind = "HorizontalPodAutoscaler";
        side.create("autoscaling/v2", kind, plural, hpa("web", "hpa", json!({}))).await;
        let label = json!({"scaledobject.keda.sh/name": "queue"});
        side.create("autoscaling/v2", kind, plural, hpa("keda-hpa-queue", "keda", label)).await;
        let scaled = json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "queue"},
            "spec": {"scaleTargetRef": {"name": "keda"}}, "status": {},
        });
        side.create("keda.sh/v1alpha1", "ScaledObject", "scaledobjects", scaled).await;

        for (name, rival) in [
            ("hpa", Some("the HorizontalPodAutoscaler `web`")),
            ("keda", Some("the ScaledObject `queue`")),
            ("free", None),
        ] {
            let target = side.target("apps/v1", "Deployment", name);
            let status = target.read(&id()).await.unwrap();
            assert_eq!(status.contested.as_deref(), rival, "{name} is read all the same");
            let change = change(&target, 5).await;
            let written = target.write(&id(), &change).await;
            match rival {
                Some(rival) => assert_eq!(written, Err(TargetError::Contested(rival.into()))),
                None => assert_eq!(written, Ok(())),
            }
            let expected = if rival.is_some() { 3 } else { 5 };
            assert_eq!(replicas(client, namespace, name).await, expected);
        }
        // Without a look at ScaledObjects it is still seen whose HPA it is.
        if !side.server.is_real() {
            let faults = side.server.faults();
            faults.forbid(Rule::any().resource("scaledobjects.keda.sh").namespace(namespace));
            faults.forbid(Rule::any().resource("scaledobjects.keda.sh").namespace(""));
            let blind = Discovery::new(client.clone());
            let reference = reference("apps/v1", "Deployment", "keda");
            let target = KubeTarget::new(client.clone(), blind, namespace, &reference);
            let rival = target.rival().await.unwrap();
            assert_eq!(
                rival,
                "KEDA's HorizontalPodAutoscaler `keda-hpa-queue`, of the ScaledObject `queue`,"
            );
            faults.clear();
        }
    }
}

/// Who else scales it is asked once for all.
#[tokio::test]
async fn many_targets_share_what_is_known() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::namespace(&client, "many").await;
    let discovery = Discovery::new(client.clone());
    let mut targets = Vec::new();
    for number in 0..20 {
        let name = format!("llm-{number}");
        fixture::deployment(&client, "many", &name, 1).await;
        let reference = reference("apps/v1", "Deployment", &name);
        targets.push(KubeTarget::new(client.clone(), Arc::clone(&discovery), "many", &reference));
    }
    server.faults().clear_log();
    for _ in 0..3 {
        let id = id();
        let reads = targets.iter().map(|target| target.read(&id));
        for read in futures_util::future::join_all(reads).await {
            read.unwrap();
        }
    }
    let log = server.faults().log();
    let of =
        |part: &str| log.iter().filter(|request| request.full_resource().contains(part)).count();
    assert_eq!(of("deployments.apps/scale"), 60);
    assert_eq!(of("horizontalpodautoscalers"), 1);
    assert_eq!(
        log.len(),
        60 + 1 + 5,
        "a scale each, the resources of apps/v1 and a list of each rival"
    );
}

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
    let mut more = targets::change(&target, 4).await;
    more.take_back = names[..1].to_vec();
    target.write(&id(), &more).await.unwrap();
    assert_eq!(replicas(&client, "partial", "llm").await, 4);
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

#[tokio::test]
async fn a_kind_that_is_removed_and_comes_back_is_found_again() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    let discovery = Discovery::new(client.clone());
    let engine = reference("example.dev/v1", "Engine", "v8");
    let missing = discovery.find(&engine).await.unwrap_err();
    assert!(matches!(missing, DiscoveryError::Kind { .. }));
    fixture::install(&client, &fixture::engine()).await;
    server.faults().clear_log();
    assert_eq!(discovery.find(&engine).await, Err(missing), "not asked at every look");
    assert!(server.faults().log().is_empty());
    assert!(Discovery::new(client.clone()).find(&engine).await.is_ok());
}
