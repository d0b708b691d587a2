//! What both servers do with lists and watches.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, Error, ResourceExt};
use serde_json::json;
use trimtab_apiserver::{ApiServer, fixture};

async fn put(client: &Client, namespace: &str, name: &str, labels: serde_json::Value) -> ConfigMap {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels},
    });
    let params = PatchParams::apply("test").force();
    api.patch(name, &params, &Patch::Apply(object)).await.unwrap()
}

fn told(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(object) => format!("added {}", object.name_any()),
        WatchEvent::Modified(object) => format!("modified {}", object.name_any()),
        WatchEvent::Deleted(object) => format!("deleted {}", object.name_any()),
        WatchEvent::Bookmark(_) => "bookmark".into(),
        WatchEvent::Error(status) => format!("{} {}", status.code, status.reason),
    }
}

#[tokio::test]
async fn lists_are_chosen_from_and_divided() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "lists").await;
        for number in 0..5 {
            let parity = if number % 2 == 0 { "even" } else { "odd" };
            put(&client, "lists", &format!("c{number}"), json!({"parity": parity})).await;
        }
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "lists");
        let names = async |params: ListParams| -> Vec<String> {
            let list = api.list(&params).await.unwrap();
            list.iter().map(ResourceExt::name_any).collect()
        };
        let labels = |text: &str| ListParams::default().labels(text);
        assert_eq!(names(labels("parity=even")).await, ["c0", "c2", "c4"]);
        assert_eq!(names(labels("parity!=even")).await, ["c1", "c3"]);
        assert_eq!(names(labels("parity in (odd, other)")).await, ["c1", "c3"]);
        assert_eq!(names(labels("parity notin (odd),parity")).await, ["c0", "c2", "c4"]);
        assert_eq!(names(labels("!parity")).await, Vec::<String>::new());
        assert_eq!(names(ListParams::default().fields("metadata.name=c3")).await, ["c3"]);

        let mut page = api.list(&ListParams::default().limit(2)).await.unwrap();
        let first = page.metadata.resource_version.clone();
        put(&client, "lists", "c1a", json!({})).await;
        let mut all: Vec<String> = page.iter().map(ResourceExt::name_any).collect();
        while let Some(token) = page.metadata.continue_.clone().filter(|token| !token.is_empty()) {
            page = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
            assert_eq!(page.metadata.resource_version, first);
            all.extend(page.iter().map(ResourceExt::name_any));
        }
        // As it was when the list began.
        assert_eq!(all, ["c0", "c1", "c2", "c3", "c4"]);

        let pods: Api<Pod> = Api::namespaced(client.clone(), "lists");
        fixture::PodFixture::new("here").node("n1").create(&client, "lists").await;
        fixture::PodFixture::new("there").node("n2").create(&client, "lists").await;
        let on = pods.list(&ListParams::default().fields("spec.nodeName=n2")).await.unwrap();
        assert_eq!(on.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["there"]);
        let unknown = pods.list(&ListParams::default().fields("spec.color=red")).await;
        assert!(matches!(unknown, Err(Error::Api(status)) if status.code == 400));
    }
}

#[tokio::test]
async fn watches_tell_what_happens() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "watches").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "watches");
        put(&client, "watches", "before", json!({"on": "yes"})).await;
        let version = api.list(&ListParams::default()).await.unwrap().metadata.resource_version;
        let params = WatchParams::default().labels("on=yes").timeout(60);
        let events = api.watch(&params, &version.unwrap()).await.unwrap();
        pin_mut!(events);
        put(&client, "watches", "other", json!({"on": "no"})).await;
        put(&client, "watches", "new", json!({"on": "yes"})).await;
        put(&client, "watches", "new", json!({"on": "yes", "more": "yes"})).await;
        put(&client, "watches", "before", json!({"on": "no"})).await;
        put(&client, "watches", "other", json!({"on": "yes"})).await;
        api.delete("new", &DeleteParams::default()).await.unwrap();
        let mut seen = Vec::new();
        let mut versions = Vec::new();
        while seen.len() < 5 {
            let event = events.try_next().await.unwrap().unwrap();
            seen.push(told(&event));
            if let WatchEvent::Added(object)
            | WatchEvent::Modified(object)
            | WatchEvent::Deleted(object) = event
            {
                versions.push(object.resource_version().unwrap().parse::<u64>().unwrap());
            }
        }
        let wanted = ["added new", "modified new", "deleted before", "added other", "deleted new"];
        assert_eq!(seen, wanted);
        assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
    }
}

#[tokio::test]
async fn pods_come_to_a_watch_of_their_node_when_they_are_bound() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "bound").await;
        let api: Api<Pod> = Api::namespaced(client.clone(), "bound");
        let version = api.list(&ListParams::default()).await.unwrap().metadata.resource_version;
        let params = WatchParams::default().fields("spec.nodeName=n7").timeout(60);
        let events = api.watch(&params, &version.unwrap()).await.unwrap();
        pin_mut!(events);
        fixture::PodFixture::new("p").unschedulable("no room").create(&client, "bound").await;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
            "target": {"kind": "Node", "name": "n7"},
        });
        let path = "/api/v1/namespaces/bound/pods/p/binding";
        let request = hyper::Request::post(path).header("content-type", "application/json");
        let request = request.body(binding.to_string().into_bytes()).unwrap();
        client.request_text(request).await.unwrap();
        let Some(WatchEvent::Added(pod)) = events.try_next().await.unwrap() else {
            panic!("it did not come")
        };
        assert_eq!(pod.spec.unwrap().node_name.as_deref(), Some("n7"));
        // Whoever binds a pod says so in its conditions.
        let scheduled = pod.status.unwrap().conditions.unwrap();
        assert_eq!((&*scheduled[0].type_, &*scheduled[0].status), ("PodScheduled", "True"));
    }
}

#[tokio::test]
async fn watches_end_at_their_time_and_begin_with_what_there_is() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "times").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "times");
        put(&client, "times", "one", json!({})).await;
        let params = WatchParams::default().timeout(1).disable_bookmarks();
        let events: Vec<_> = api.watch(&params, "0").await.unwrap().try_collect().await.unwrap();
        assert_eq!(events.iter().map(told).collect::<Vec<_>>(), ["added one"]);
    }
}

#[tokio::test]
async fn a_list_may_be_a_stream() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "streams").await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "streams");
        put(&client, "streams", "one", json!({})).await;
        put(&client, "streams", "two", json!({})).await;
        let params = WatchParams::default().initial_events().timeout(5);
        let events = api.watch(&params, "0").await.unwrap();
        let events: Vec<_> = events.take(3).try_collect().await.unwrap();
        assert_eq!(
            events.iter().map(told).collect::<Vec<_>>(),
            ["added one", "added two", "bookmark"]
        );
        let WatchEvent::Bookmark(end) = &events[2] else { panic!("no bookmark") };
        assert_eq!(end.metadata.annotations["k8s.io/initial-events-end"], "true");
    }
}

#[tokio::test]
async fn reflectors_follow() {
    for server in ApiServer::shared().await {
        for streaming in [false, true] {
            let client = server.client();
            let namespace = if streaming { "following-streams" } else { "following" };
            fixture::namespace(&client, namespace).await;
            fixture::pods_of(&client, namespace, "web", 2).await;
            let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
            let config = watcher::Config::default().labels("app=web");
            let config = if streaming { config.streaming_lists() } else { config };
            let (reader, writer) = reflector::store::<Pod>();
            let stream = reflector::reflector(writer, watcher(api.clone(), config));
            let task = tokio::spawn(stream.applied_objects().for_each(async |_| {}));
            reader.wait_until_ready().await.unwrap();
            assert_eq!(reader.state().len(), 2);
            let new = fixture::PodFixture::new("web-9").label("app", "web").ready();
            new.create(&client, namespace).await;
            let within = Duration::from_secs(10);
            fixture::eventually(within, "three pods", async || {
                (reader.state().len() == 3).then_some(())
            })
            .await;
            api.delete("web-0", &DeleteParams::default().grace_period(0)).await.unwrap();
            fixture::eventually(within, "two pods", async || {
                (reader.state().len() == 2).then_some(())
            })
            .await;
            task.abort();
        }
    }
}

#[tokio::test]
async fn versions_of_the_future_are_not_there_yet() {
    for server in ApiServer::shared().await {
        let client = server.client();
        let mut config = server.config();
        // Otherwise the client waits and tries again by itself.
        config.default_retry = false;
        let api: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
        let params =
            ListParams::default().at("999999999").matching(kube::api::VersionMatch::NotOlderThan);
        let Err(Error::Api(status)) = api.list(&params).await else { panic!("listed") };
        assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
        assert_eq!(status.details.unwrap().retry_after_seconds, 1);
        drop(client);
    }
}

#[tokio::test]
async fn only_metadata_are_had_where_only_they_are_wanted() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "metadata").await;
        put(&client, "metadata", "one", json!({"a": "b"})).await;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "metadata");
        let one = api.get_metadata("one").await.unwrap();
        assert_eq!(one.metadata.labels.unwrap()["a"], "b");
        assert_eq!(one.types.unwrap().kind, "PartialObjectMetadata");
        let list = api.list_metadata(&ListParams::default()).await.unwrap();
        assert!(list.iter().any(|object| object.name_any() == "one"));
        let created = ConfigMap::default();
        assert!(api.create(&PostParams::default(), &created).await.is_err());
    }
}
