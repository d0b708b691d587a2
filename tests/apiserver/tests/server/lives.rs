//! How servers come and go.

use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::{TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, ObjectReference, Pod};
use kube::Client;
use kube::api::{Api, ListParams, PostParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::json;
use trimtab_apiserver::{ApiServer, fixture};

#[tokio::test]
async fn a_restart_keeps_the_data() {
    for server in ApiServer::both().await {
        let client = server.client();
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let object = json!({"metadata": {"name": "kept"}});
        let object: ConfigMap = serde_json::from_value(object).unwrap();
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        server.restart().await;
        // What was connected finds out and connects again.
        let kept = fixture::eventually(Duration::from_secs(20), "it answers", async || {
            api.get("kept").await.ok()
        })
        .await;
        assert_eq!(kept.metadata.resource_version, made.metadata.resource_version);
    }
}

#[tokio::test]
async fn what_happened_before_a_restart_is_forgotten() {
    for server in ApiServer::both().await {
        let client = server.client();
        let api: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let old = api.list(&ListParams::default()).await.unwrap().metadata.resource_version;
        fixture::deployment(&client, "default", "web", 1).await;
        server.restart().await;
        // The connection that was is found to be broken.
        fixture::eventually(Duration::from_secs(20), "it answers", async || {
            api.list(&ListParams::default()).await.ok()
        })
        .await;
        let events = api.watch(&WatchParams::default().timeout(10), &old.unwrap()).await.unwrap();
        pin_mut!(events);
        let Some(WatchEvent::Error(status)) = events.try_next().await.unwrap() else {
            panic!("it remembers")
        };
        assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
        assert!(status.message.starts_with("too old resource version: "), "{status}");
    }
}

#[tokio::test]
async fn a_kubeconfig_leads_to_it() {
    for server in ApiServer::shared().await {
        let file = Kubeconfig::read_from(server.kubeconfig_file()).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await.unwrap();
        let client = Client::try_from(config).unwrap();
        Api::<Pod>::all(client).list(&ListParams::default()).await.unwrap();
    }
}

#[tokio::test]
async fn events_are_the_same_in_both_groups() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "events").await;
        let reporter =
            Reporter { controller: "trimtab".into(), instance: Some("trimtab-0".into()) };
        let recorder = Recorder::new(client.clone(), reporter);
        let about = ObjectReference {
            api_version: Some("apps/v1".into()),
            kind: Some("Deployment".into()),
            name: Some("web".into()),
            namespace: Some("events".into()),
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Normal,
            reason: "Scaled".into(),
            note: Some("from 1 to 2".into()),
            action: "Scale".into(),
            secondary: None,
        };
        for _ in 0..2 {
            recorder.publish(&event, &about).await.unwrap();
        }
        let events: Api<CoreEvent> = Api::namespaced(client.clone(), "events");
        let list = ListParams::default().fields("involvedObject.name=web");
        let list = events.list(&list).await.unwrap();
        let [event] = list.items.as_slice() else { panic!("not one: {list:?}") };
        assert_eq!(event.message.as_deref(), Some("from 1 to 2"));
        assert_eq!(event.reporting_component.as_deref(), Some("trimtab"));
        assert_eq!(event.series.as_ref().unwrap().count, Some(2));
    }
}

#[tokio::test]
async fn pods_settle_with_their_deployment() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "settling").await;
        let made = fixture::deployment(&client, "settling", "web", 3).await;
        fixture::replica_set_of(&client, &made, "abc").await;
        assert_eq!(fixture::settle(&client, "settling", "web").await, 3);
        let pods: Api<Pod> = Api::namespaced(client.clone(), "settling");
        let cheap = json!({
            "metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}},
        });
        let patch = kube::api::Patch::Merge(cheap);
        pods.patch("web-1", &kube::api::PatchParams::default(), &patch).await.unwrap();
        let fewer = kube::api::Patch::Merge(json!({"spec": {"replicas": 2}}));
        let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
            Api::namespaced(client.clone(), "settling");
        let params = kube::api::PatchParams::default();
        deployments.patch_scale("web", &params, &fewer).await.unwrap();
        fixture::settle(&client, "settling", "web").await;
        let left = pods.list(&ListParams::default()).await.unwrap();
        let mut names: Vec<_> = left.iter().map(kube::ResourceExt::name_any).collect();
        names.sort();
        assert_eq!(names, ["web-0", "web-2"]);
        fixture::NodeFixture::new(if server.is_real() { "gpu-real" } else { "gpu" })
            .label("pool", "gpu")
            .allocatable("nvidia.com/gpu", "8")
            .taint("nvidia.com/gpu", "present", "NoSchedule")
            .create(&client)
            .await;
        fixture::budget(&client, "settling", "web", &[("app", "web")], 1, 1).await;
    }
}

/// This very test starts itself as another process, which dies without any chance to clean up.
#[tokio::test]
async fn nothing_outlives_a_test_that_is_killed() {
    if std::env::var_os("DIES").is_some() {
        let server = ApiServer::real().await.unwrap();
        println!("port {}", server.config().cluster_url.port_u16().unwrap());
        std::process::abort();
    }
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["--exact", "nothing_outlives_a_test_that_is_killed", "--nocapture"])
        .env("DIES", "1")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let port = text.lines().find_map(|line| line.split_once("port ")).unwrap().1;
    let port: u16 = port.trim().parse().unwrap();
    fixture::eventually(Duration::from_secs(10), "its servers are gone", async || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    })
    .await;
}
