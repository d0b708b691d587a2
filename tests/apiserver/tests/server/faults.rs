//! What goes wrong on demand, and what clients make of it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, Error};
use serde_json::json;
use trimtab_apiserver::{ApiServer, Faults, Rule, fixture};

/// A client that does not try again by itself.
fn plain(server: &ApiServer) -> Client {
    let mut config = server.config();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn requests_are_refused_delayed_and_lost() {
    let server = ApiServer::in_process().await;
    let client = plain(&server);
    fixture::deployment(&client, "default", "web", 3).await;
    let api: Api<Deployment> = Api::default_namespaced(client.clone());
    let faults = server.faults();
    let scales = || Rule::any().resource("deployments.apps/scale");

    faults.too_many_requests(scales(), 1, Duration::from_secs(7));
    let Err(Error::Api(status)) = api.get_scale("web").await else { panic!("answered") };
    assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
    assert_eq!(status.details.unwrap().retry_after_seconds, 7);
    api.get_scale("web").await.unwrap();

    faults.conflict(scales().verb("patch"), 1);
    let scaled = Patch::Merge(json!({"spec": {"replicas": 4}}));
    let Err(Error::Api(status)) = api.patch_scale("web", &PatchParams::default(), &scaled).await
    else {
        panic!("answered")
    };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(api.get_scale("web").await.unwrap().spec.unwrap().replicas, Some(3));

    faults.lose_answer(scales().verb("patch"), 1);
    let lost = api.patch_scale("web", &PatchParams::default(), &scaled).await;
    assert!(!matches!(lost, Ok(_) | Err(Error::Api(_))), "{lost:?}");
    assert_eq!(api.get_scale("web").await.unwrap().spec.unwrap().replicas, Some(4));

    faults.break_off(scales(), 1);
    assert!(api.get_scale("web").await.is_err());
    faults.delay(scales(), 1, Duration::from_millis(300));
    let begin = Instant::now();
    api.get_scale("web").await.unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));

    faults.forbid(Rule::any().resource("pods"));
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    for _ in 0..2 {
        let Err(Error::Api(status)) = pods.list(&ListParams::default()).await else {
            panic!("answered")
        };
        assert_eq!(
            status.message,
            "pods is forbidden: User \"admin\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
        );
    }
    faults.fail(scales(), Faults::ALWAYS, 503);
    assert!(api.get_scale("web").await.is_err());
    faults.clear();
    api.get_scale("web").await.unwrap();
    pods.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn watches_expire_break_and_end() {
    let server = ApiServer::in_process().await;
    let client = plain(&server);
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let version = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version;
    let version = version.unwrap();
    let watch = async || pods.watch(&WatchParams::default(), &version).await.unwrap();
    let first = watch().await;
    pin_mut!(first);
    assert_eq!(server.faults().open_watches(), 1);
    server.faults().drop_watches();
    assert!(matches!(first.next().await, Some(Err(_)) | None));
    let second = watch().await;
    pin_mut!(second);
    server.faults().end_watches();
    assert!(second.next().await.is_none());
    let third = watch().await;
    pin_mut!(third);
    server.faults().bookmark();
    assert!(matches!(third.try_next().await.unwrap(), Some(WatchEvent::Bookmark(_))));
    server.faults().expire_watches();
    let Some(WatchEvent::Error(status)) = third.try_next().await.unwrap() else {
        panic!("no error")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    // That version is gone for good.
    let fourth = watch().await;
    pin_mut!(fourth);
    assert!(matches!(fourth.try_next().await.unwrap(), Some(WatchEvent::Error(_))));
    server.faults().gone_as_status(true);
    let Err(Error::Api(status)) = pods.watch(&WatchParams::default(), &version).await else {
        panic!("watched")
    };
    assert_eq!(status.code, 410);
}

#[tokio::test]
async fn watches_are_held_and_go_on() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let watched = pods.watch(&WatchParams::default(), "0").await.unwrap();
    pin_mut!(watched);
    server.faults().hold_watches(true);
    fixture::pods_of(&client, "default", "web", 1).await;
    let patience = Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, watched.next()).await.is_err());
    server.faults().hold_watches(false);
    assert!(matches!(watched.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
}

#[tokio::test]
async fn reflectors_survive_it() {
    let server = ApiServer::in_process().await;
    let client = server.client();
    fixture::pods_of(&client, "default", "web", 1).await;
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let (reader, writer) = reflector::store::<Pod>();
    let stream = reflector::reflector(writer, watcher(api.clone(), watcher::Config::default()));
    tokio::spawn(stream.default_backoff().applied_objects().for_each(async |_| {}));
    reader.wait_until_ready().await.unwrap();
    let faults = server.faults();
    let breakages: [(&str, &dyn Fn()); 4] = [
        ("expired", &|| faults.expire_watches()),
        ("dropped", &|| faults.drop_watches()),
        ("ended", &|| faults.end_watches()),
        ("compacted", &|| {
            faults.compact();
            faults.drop_watches();
        }),
    ];
    for (number, (name, breakage)) in breakages.into_iter().enumerate() {
        breakage();
        let pod = fixture::PodFixture::new(name).label("app", "web").ready();
        pod.create(&client, "default").await;
        fixture::eventually(Duration::from_secs(20), name, async || {
            (reader.state().len() == number + 2).then_some(())
        })
        .await;
    }
    server.restart().await;
    fixture::PodFixture::new("after").create(&client, "default").await;
    fixture::eventually(Duration::from_secs(20), "after a restart", async || {
        (reader.state().len() == 6).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_asked_for_what_is_known() {
    let server = ApiServer::in_process().await;
    fixture::deployment(&server.client(), "default", "web", 1).await;
    server.faults().clear_log();
    let client = server.client_of("robot", &["system:masters"]);
    let api: Api<Deployment> = Api::default_namespaced(client);
    api.get_scale("web").await.unwrap();
    let watched = api.watch(&WatchParams::default().labels("a=b"), "0").await.unwrap();
    drop(watched);
    let log = server.faults().log_of("robot");
    let asked: Vec<_> = log
        .iter()
        .map(|request| {
            let resource = request.full_resource();
            format!("{} {resource} {} {}", request.verb, request.namespace, request.name)
        })
        .collect();
    assert_eq!(
        asked,
        ["get deployments.apps/scale default web", "watch deployments.apps default "]
    );
    assert!(log[1].query.contains("labelSelector=a%3Db"));
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["watch"]},
    ]);
    assert_eq!(fixture::unused_grants(&rules, &log), ["patch deployments/scale in \"apps\""]);
}
