//! What both servers say that they serve.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, verbs};
use kube::{Client, Discovery, Error};
use serde_json::json;
use trimtab_apiserver::{ApiServer, fixture};

/// A resource's kind, whether it is namespaced, its verbs and its subresources, by group, version
/// and plural.
type Resources = BTreeMap<String, (String, bool, BTreeSet<String>, BTreeSet<String>)>;

fn resources(discovery: &Discovery) -> Resources {
    let mut resources = BTreeMap::new();
    for group in discovery.groups() {
        for version in group.versions() {
            for (resource, can) in group.versioned_resources(version) {
                let namespaced = can.scope == Scope::Namespaced;
                let verbs = can.operations.iter().cloned().collect();
                let parts = can.subresources.iter().map(|(part, _)| part.plural.clone()).collect();
                let key = format!("{}/{}", resource.api_version, resource.plural);
                resources.insert(key, (resource.kind.clone(), namespaced, verbs, parts));
            }
        }
    }
    resources
}

async fn both_forms(client: &Client) -> [Resources; 2] {
    let old = Discovery::new(client.clone()).run().await.unwrap();
    let aggregated = Discovery::new(client.clone()).run_aggregated().await.unwrap();
    [resources(&old), resources(&aggregated)]
}

#[tokio::test]
async fn both_forms_of_the_discovery_say_the_same() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::install(&client, &fixture::engine()).await;
        let [old, aggregated] = both_forms(&client).await;
        for (name, resource) in &aggregated {
            // A group that serves subresources only has nothing in the aggregated form.
            assert_eq!(old.get(name), Some(resource), "{name}");
        }
        let (kind, namespaced, can, parts) = &aggregated["example.dev/v1/engines"];
        assert_eq!((kind.as_str(), *namespaced), ("Engine", true));
        assert!(can.contains(verbs::WATCH));
        assert!(parts.iter().any(|part| part.ends_with("scale")), "{parts:?}");
    }
}

#[tokio::test]
async fn what_is_served_in_process_is_served_so_by_a_real_one() {
    let servers = ApiServer::shared().await;
    let [memory, real] = servers.as_slice() else { return };
    let [memory, _] = both_forms(&memory.client()).await;
    let [real, _] = both_forms(&real.client()).await;
    for (name, (kind, namespaced, can, parts)) in &memory {
        let (real_kind, real_namespaced, real_can, real_parts) =
            real.get(name).unwrap_or_else(|| panic!("there is no {name}"));
        assert_eq!((kind, namespaced), (real_kind, real_namespaced), "{name}");
        assert!(can.is_superset(real_can), "{name}: {can:?} {real_can:?}");
        assert!(parts.is_subset(real_parts), "{name}: {parts:?} {real_parts:?}");
    }
}

#[tokio::test]
async fn a_definition_adds_its_resources_and_takes_them_away() {
    for server in ApiServer::both().await {
        let client = server.client();
        let [pool, claim] = fixture::karpenter();
        for definition in [&pool, &claim, &fixture::keda()] {
            fixture::install(&client, definition).await;
        }
        let kind = GroupVersionKind::gvk("karpenter.sh", "v1", "NodePool");
        let (resource, can) = kube::discovery::pinned_kind(&client, &kind).await.unwrap();
        assert_eq!((resource.plural.as_str(), can.scope), ("nodepools", Scope::Cluster));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "gpu"},
            "spec": {"limits": {"nvidia.com/gpu": "16"}},
        }))
        .unwrap();
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        assert_eq!(made.data["spec"]["limits"]["nvidia.com/gpu"], "16");
        assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1);

        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.delete("nodepools.karpenter.sh", &DeleteParams::default()).await.unwrap();
        let within = std::time::Duration::from_secs(30);
        fixture::eventually(within, "the resource is gone", async || {
            let listed = api.list(&ListParams::default()).await;
            matches!(listed, Err(Error::Api(status)) if status.code == 404).then_some(())
        })
        .await;
        // What was defined by it went with it.
        fixture::install(&client, &pool).await;
        assert!(api.list(&ListParams::default()).await.unwrap().items.is_empty());
    }
}

#[tokio::test]
async fn schemas_prune_fill_in_and_refuse() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "schemas").await;
        let mut definition = fixture::engine();
        definition.metadata.name = Some("valves.example.org".into());
        definition.spec.group = "example.org".into();
        let names = &mut definition.spec.names;
        (names.kind, names.list_kind) = ("Valve".into(), Some("ValveList".into()));
        (names.plural, names.singular) = ("valves".into(), Some("valve".into()));
        let schema = json!({"openAPIV3Schema": {
            "type": "object",
            "required": ["spec"],
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["size"],
                    "properties": {
                        "replicas": {"type": "integer", "format": "int32", "minimum": 0, "default": 1},
                        "size": {"type": "string", "enum": ["small", "large"]},
                        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                        "parts": {"type": "array", "maxItems": 2, "items": {
                            "type": "object",
                            "properties": {"weight": {"type": "number", "default": 1.5}},
                        }},
                        "port": {"x-kubernetes-int-or-string": true},
                        "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
                    },
                },
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        }});
        definition.spec.versions[0].subresources.as_mut().unwrap().scale = None;
        definition.spec.versions[0].schema = Some(serde_json::from_value(schema).unwrap());
        fixture::install(&client, &definition).await;
        let kind = GroupVersionKind::gvk("example.org", "v1", "Valve");
        let (resource, _) = kube::discovery::pinned_kind(&client, &kind).await.unwrap();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "schemas", &resource);
        let valve = |spec: serde_json::Value| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "example.org/v1", "kind": "Valve", "metadata": {"name": "v"},
                "spec": spec,
            }))
            .unwrap()
        };
        let post = PostParams::default();
        let wrong = [
            (json!({}), "spec.size: Required value"),
            (
                json!({"size": "tiny"}),
                "spec.size: Unsupported value: \"tiny\": supported values: \"small\", \"large\"",
            ),
            (
                json!({"size": "small", "replicas": -1}),
                "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            ),
            (
                json!({"size": "small", "replicas": "1"}),
                "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"",
            ),
            (
                json!({"size": "small", "parts": [{}, {}, {}]}),
                "spec.parts: Too many: 3: must have at most 2 items",
            ),
            (
                json!({"size": "small", "name": "a"}),
                "spec.name: Invalid value: \"a\": spec.name in body should be at least 2 chars long",
            ),
            (
                json!({"size": "small", "name": "abcde"}),
                "spec.name: Too long: may not be more than 4 bytes",
            ),
            (
                json!({"size": "small", "name": "A1"}),
                "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'",
            ),
            (
                json!({"size": "small", "port": true}),
                "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
            ),
        ];
        for (spec, message) in wrong {
            let Err(Error::Api(status)) = api.create(&post, &valve(spec)).await else {
                panic!("not refused: {message}")
            };
            assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
            assert_eq!(status.message, format!("Valve.example.org \"v\" is invalid: {message}"));
        }
        let made = valve(json!({
            "size": "small", "other": 1, "open": {"a": {"b": 1}}, "parts": [{"x": 1}], "port": "http",
        }));
        let made = api.create(&post, &made).await.unwrap();
        let wanted = json!({
            "size": "small", "replicas": 1, "open": {"a": {"b": 1}}, "parts": [{"weight": 1.5}],
            "port": "http",
        });
        assert_eq!(made.data["spec"], wanted);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for server in ApiServer::shared().await {
        let client = server.client();
        let version = client.apiserver_version().await.unwrap();
        assert_eq!(version.major, "1");
        for path in ["/apis/nope.example.com/v1", "/apis/nope.example.com/v1/things", "/nowhere"] {
            let request = hyper::Request::get(path).body(Vec::new()).unwrap();
            let Err(Error::Api(status)) = client.request_text(request).await else {
                panic!("{path} is there")
            };
            assert_eq!((status.code, status.message.trim()), (404, "404 page not found"), "{path}");
        }
        let kind = GroupVersionKind::gvk("apps", "v1", "Nothing");
        assert!(kube::discovery::pinned_kind(&client, &kind).await.is_err());
    }
}
