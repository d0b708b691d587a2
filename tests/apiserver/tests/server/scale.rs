//! What both servers do with the scale of objects, and who owns it then.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::ReplicationController;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use trimtab_apiserver::fixture::refusal;
use trimtab_apiserver::{ApiServer, fixture};

fn merge(replicas: i32) -> Patch<Value> {
    Patch::Merge(json!({"spec": {"replicas": replicas}}))
}

/// Who owns the replicas: manager, operation, subresource, version.
fn owners(
    fields: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry],
) -> Vec<String> {
    let mut owners: Vec<String> = fields
        .iter()
        .filter(|entry| {
            let fields = &entry.fields_v1.as_ref().unwrap().0;
            fields.pointer("/f:spec/f:replicas").is_some()
        })
        .map(|entry| {
            let part = |part: &Option<String>| part.clone().unwrap_or_default();
            format!(
                "{} {} {} {}",
                part(&entry.manager),
                part(&entry.operation),
                part(&entry.api_version),
                part(&entry.subresource)
            )
        })
        .collect();
    owners.sort();
    owners
}

#[tokio::test]
async fn a_deployment_is_scaled() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "scale").await;
        let made = fixture::deployment(&client, "scale", "web", 3).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "scale");
        let scale = api.get_scale("web").await.unwrap();
        assert_eq!(scale.uid(), made.uid());
        assert_eq!(scale.resource_version(), made.resource_version());
        assert_eq!(scale.spec.unwrap().replicas, Some(3));
        let status = scale.status.unwrap();
        assert_eq!((status.replicas, status.selector.as_deref()), (0, Some("app=web")));
        fixture::observe_replicas(&client, "scale", "web", 3, 3).await;
        assert_eq!(api.get_scale("web").await.unwrap().status.unwrap().replicas, 3);

        let params = PatchParams::default();
        let scaled = api.patch_scale("web", &params, &merge(5)).await.unwrap();
        assert_eq!(scaled.spec.unwrap().replicas, Some(5));
        let read = api.get("web").await.unwrap();
        assert_eq!(read.spec.unwrap().replicas, Some(5));
        assert_eq!(read.metadata.generation, Some(2));

        // To nothing and back: zero is not written.
        let scaled = api.patch_scale("web", &params, &merge(0)).await.unwrap();
        assert_eq!(scaled.spec.unwrap_or_default().replicas, None);
        assert_eq!(api.get("web").await.unwrap().spec.unwrap().replicas, Some(0));

        let below = refusal(api.patch_scale("web", &params, &merge(-1)).await);
        assert_eq!(
            below.message,
            "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        );
        let nobody = refusal(api.get_scale("nobody").await);
        assert_eq!(nobody.message, "deployments.apps \"nobody\" not found");
    }
}

#[tokio::test]
async fn selectors_are_text_in_a_scale() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "selectors").await;
        let made = fixture::deployment(&client, "selectors", "plain", 1).await;
        let set = fixture::replica_set_of(&client, &made, "abc").await;
        let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), "selectors");
        let scale = sets.get_scale(&set.name_any()).await.unwrap();
        let selector = scale.status.unwrap().selector;
        assert_eq!(selector.as_deref(), Some("app=plain,pod-template-hash=abc"));

        let mut template = fixture::pod_template("web");
        template["metadata"]["labels"]["zone"] = "b".into();
        let spec = json!({
            "selector": {
                "matchLabels": {"app": "web"},
                "matchExpressions": [
                    {"key": "zone", "operator": "In", "values": ["b", "a"]},
                    {"key": "app", "operator": "Exists"},
                    {"key": "old", "operator": "DoesNotExist"},
                    {"key": "color", "operator": "NotIn", "values": ["red"]},
                ],
            },
            "template": template,
        });
        let made = serde_json::from_value(json!({"metadata": {"name": "web"}, "spec": spec}));
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "selectors");
        deployments.create(&PostParams::default(), &made.unwrap()).await.unwrap();
        let selector = deployments.get_scale("web").await.unwrap().status.unwrap().selector;
        assert_eq!(selector.as_deref(), Some("app=web,app,color notin (red),!old,zone in (a,b)"),);

        let made = serde_json::from_value(json!({
            "metadata": {"name": "old"},
            "spec": {"selector": {"app": "old"}, "template": fixture::pod_template("old")},
        }));
        let old: Api<ReplicationController> = Api::namespaced(client.clone(), "selectors");
        old.create(&PostParams::default(), &made.unwrap()).await.unwrap();
        let scale = old.get_scale("old").await.unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(1));
        assert_eq!(scale.status.unwrap().selector.as_deref(), Some("app=old"));
    }
}

#[tokio::test]
async fn a_stale_scale_is_refused() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "stale").await;
        fixture::stateful_set(&client, "stale", "db", 3).await;
        let api: Api<StatefulSet> = Api::namespaced(client.clone(), "stale");
        let old = api.get_scale("db").await.unwrap();
        let mut scale = old.clone();
        scale.spec = Some(serde_json::from_value(json!({"replicas": 4})).unwrap());
        let post = PostParams::default();
        let written: Scale = api.replace_scale("db", &post, &scale).await.unwrap();
        assert_ne!(written.resource_version(), old.resource_version());
        let refused = refusal(api.replace_scale("db", &post, &scale).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
        assert_eq!(
            refused.message,
            "Operation cannot be fulfilled on statefulsets.apps \"db\": the object has been modified; please apply your \
             changes to the latest version and try again"
        );
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": old.resource_version()}, "spec": {"replicas": 6},
        }));
        let refused = refusal(api.patch_scale("db", &PatchParams::default(), &patch).await);
        assert_eq!(refused.code, 409);
        let uid = Patch::Merge(json!({"metadata": {"uid": "another"}, "spec": {"replicas": 6}}));
        let refused = refusal(api.patch_scale("db", &PatchParams::default(), &uid).await);
        assert_eq!(refused.code, 409, "{refused}");
        assert_eq!(api.get_scale("db").await.unwrap().spec.unwrap().replicas, Some(4));
    }
}

#[tokio::test]
async fn whoever_wrote_the_scale_owns_the_replicas() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "owners").await;
        fixture::deployment(&client, "owners", "web", 3).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "owners");
        let owned = async || owners(api.get("web").await.unwrap().managed_fields());
        let by = |manager: &str| PatchParams {
            field_manager: Some(manager.into()),
            ..PatchParams::default()
        };

        api.patch_scale("web", &by("one"), &merge(4)).await.unwrap();
        assert_eq!(owned().await, ["one Update apps/v1 scale"]);
        api.patch("web", &by("two"), &merge(5)).await.unwrap();
        assert_eq!(owned().await, ["two Update apps/v1 "]);
        // Who writes what is there already changes nothing.
        api.patch_scale("web", &by("three"), &merge(5)).await.unwrap();
        assert_eq!(owned().await, ["two Update apps/v1 "]);

        let applied = Patch::Apply(json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"},
            "spec": {"replicas": 6},
        }));
        let refused = refusal(api.patch_scale("web", &by("four"), &applied).await);
        assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"two\" using autoscaling/v1: .spec.replicas"
        );
        let cause = &refused.details.unwrap().causes[0];
        assert_eq!(
            (cause.reason.as_str(), cause.field.as_str()),
            ("FieldManagerConflict", ".spec.replicas")
        );
        api.patch_scale("web", &by("four").force(), &applied).await.unwrap();
        assert_eq!(owned().await, ["four Apply apps/v1 scale"]);

        // An update takes it without asking, and the next apply meets that.
        api.patch_scale("web", &by("five"), &merge(7)).await.unwrap();
        assert_eq!(owned().await, ["five Update apps/v1 scale"]);
        let refused = refusal(api.patch_scale("web", &by("four"), &applied).await);
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"five\" with subresource \"scale\" using autoscaling/v1: \
             .spec.replicas"
        );
        // The same value is no conflict, and is owned by both.
        let same = Patch::Apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": 7},
        }));
        api.patch("web", &by("git"), &same).await.unwrap();
        assert_eq!(owned().await, ["five Update apps/v1 scale", "git Apply apps/v1 "]);
    }
}

#[tokio::test]
async fn zero_through_the_scale_is_nobodys_and_so_is_what_comes_after_it() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "nobody").await;
        fixture::deployment(&client, "nobody", "web", 3).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "nobody");
        let owned = async || owners(api.get("web").await.unwrap().managed_fields());
        let one = PatchParams { field_manager: Some("one".into()), ..PatchParams::default() };
        api.patch_scale("web", &one, &merge(4)).await.unwrap();
        assert_eq!(owned().await, ["one Update apps/v1 scale"]);
        // A scale does not write zero, so nobody wrote it, and from then on it is not noted.
        api.patch_scale("web", &one, &merge(0)).await.unwrap();
        assert_eq!(owned().await, Vec::<String>::new());
        api.patch_scale("web", &one, &merge(2)).await.unwrap();
        assert_eq!(owned().await, Vec::<String>::new());
        // Whoever writes the object itself owns what they write, zero as well.
        api.patch("web", &one, &merge(0)).await.unwrap();
        assert_eq!(owned().await, ["one Update apps/v1 "]);
    }
}

#[tokio::test]
async fn a_scale_is_not_applied_to_what_is_defined() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "applied").await;
        fixture::install(&client, &fixture::engine()).await;
        let api = engines(&client, "applied");
        let engine: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "example.dev/v1", "kind": "Engine",
            "metadata": {"name": "llm"}, "spec": {"replicas": 2},
        }))
        .unwrap();
        api.create(&PostParams::default(), &engine).await.unwrap();
        let applied = Patch::Apply(json!({
            "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "llm"},
            "spec": {"replicas": 3},
        }));
        let by = PatchParams::apply("us").force();
        let refused = refusal(api.patch_scale("llm", &by, &applied).await);
        assert_eq!(refused.code, 500);
        assert!(refused.message.contains("request to convert CR"), "{refused}");
        assert_eq!(api.get_scale("llm").await.unwrap().spec.unwrap().replicas, Some(2));
    }
}

#[tokio::test]
async fn fields_are_owned_given_up_and_fought_over() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "fields").await;
        fixture::deployment(&client, "fields", "web", 3).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "fields");
        let of = |annotations: Value| {
            Patch::Apply(json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "annotations": annotations},
            }))
        };
        let ours = PatchParams::apply("ours");
        let both = api.patch("web", &ours, &of(json!({"a": "1", "b": "2"}))).await.unwrap();
        assert_eq!(both.annotations().len(), 2);
        let refused = refusal(
            api.patch("web", &PatchParams::apply("theirs"), &of(json!({"a": "3", "b": "2"}))).await,
        );
        assert_eq!(
            refused.message,
            "Apply failed with 1 conflict: conflict with \"ours\": .metadata.annotations.a"
        );
        // What is not said any more goes.
        let one = api.patch("web", &ours, &of(json!({"a": "1"}))).await.unwrap();
        assert_eq!(one.annotations().iter().collect::<Vec<_>>(), [(&"a".into(), &"1".into())]);
        let theirs = of(json!({"a": "1", "c": "4"}));
        api.patch("web", &PatchParams::apply("theirs"), &theirs).await.unwrap();
        // The other has it still.
        let none = api.patch("web", &ours, &of(json!({}))).await.unwrap();
        assert_eq!(none.annotations().len(), 2);
        let gone = api.patch("web", &PatchParams::apply("theirs"), &of(json!({}))).await.unwrap();
        assert!(gone.annotations().is_empty());
        assert_eq!(gone.spec.unwrap().replicas, Some(3));

        let conflicts = Patch::Apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "other"}},
            "spec": {"replicas": 9, "template": {"spec": {"containers": [
                {"name": "main", "image": "example.com/main:2"},
            ]}}},
        }));
        let refused = refusal(api.patch("web", &PatchParams::apply("git"), &conflicts).await);
        let message = refused.message.lines().collect::<Vec<_>>();
        assert!(
            message[0].starts_with("Apply failed with 3 conflicts: conflicts with \""),
            "{refused}"
        );
        assert_eq!(
            message[1..],
            [
                "- .metadata.labels.app",
                "- .spec.replicas",
                "- .spec.template.spec.containers[name=\"main\"].image",
            ]
        );
        let forced =
            api.patch("web", &PatchParams::apply("git").force(), &conflicts).await.unwrap();
        let spec = forced.spec.unwrap().template.spec.unwrap();
        assert_eq!(spec.containers.len(), 1);
        assert_eq!(spec.containers[0].image.as_deref(), Some("example.com/main:2"));
        assert!(spec.containers[0].resources.as_ref().unwrap().requests.is_some());
    }
}

#[tokio::test]
async fn containers_are_merged_by_their_names() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "strategic").await;
        fixture::deployment(&client, "strategic", "web", 3).await;
        let api: Api<Deployment> = Api::namespaced(client.clone(), "strategic");
        let patch = |containers: Value| {
            Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
        };
        let params = PatchParams::default();
        let second = patch(json!([{"name": "second", "image": "x:1"}]));
        api.patch("web", &params, &second).await.unwrap();
        let first = patch(json!([
            {"name": "main", "image": "y:1"}, {"name": "second", "$patch": "delete"},
        ]));
        let read = api.patch("web", &params, &first).await.unwrap();
        let containers = read.spec.unwrap().template.spec.unwrap().containers;
        let images: Vec<_> = containers.iter().map(|one| one.image.as_deref().unwrap()).collect();
        assert_eq!(images, ["y:1"]);
    }
}

fn engines(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.dev", "v1", "Engine"));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

#[tokio::test]
async fn what_is_defined_is_scaled_as_its_definition_says() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "engines").await;
        fixture::install(&client, &fixture::engine()).await;
        let api = engines(&client, "engines");
        let engine: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "example.dev/v1", "kind": "Engine",
            "metadata": {"name": "llm"}, "spec": {"replicas": 2, "model": "large"},
        }))
        .unwrap();
        let made = api.create(&PostParams::default(), &engine).await.unwrap();
        assert_eq!(made.metadata.generation, Some(1));
        let scale = api.get_scale("llm").await.unwrap();
        assert_eq!(scale.spec.unwrap().replicas, Some(2));
        let status = scale.status.unwrap();
        assert_eq!((status.replicas, status.selector), (0, None));
        let status = Patch::Merge(json!({"status": {"replicas": 2, "selector": "app=llm"}}));
        api.patch_status("llm", &PatchParams::default(), &status).await.unwrap();
        let status = api.get_scale("llm").await.unwrap().status.unwrap();
        assert_eq!((status.replicas, status.selector.as_deref()), (2, Some("app=llm")));

        let by = PatchParams { field_manager: Some("us".into()), ..PatchParams::default() };
        api.patch_scale("llm", &by, &merge(3)).await.unwrap();
        let read = api.get("llm").await.unwrap();
        assert_eq!(read.data["spec"], json!({"replicas": 3, "model": "large"}));
        assert_eq!(read.metadata.generation, Some(2));
        assert_eq!(owners(read.managed_fields()), ["us Update example.dev/v1 scale"]);

        let bad = Patch::Merge(json!({"spec": {"replicas": "many"}}));
        let refused = refusal(api.patch("llm", &by, &bad).await);
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"), "{refused}");
        let below = Patch::Merge(json!({"spec": {"replicas": -1}}));
        assert_eq!(
            refusal(api.patch("llm", &by, &below).await).message,
            "Engine.example.dev \"llm\" is invalid: [spec.replicas: Invalid value: -1: spec.replicas in body should be \
             greater than or equal to 0, .spec.replicas: Invalid value: -1: should be a non-negative integer]"
        );
        let strategic = Patch::Strategic(json!({"spec": {"replicas": 1}}));
        assert_eq!(refusal(api.patch("llm", &by, &strategic).await).code, 415);
        let mut blind = read.clone();
        blind.metadata.resource_version = None;
        let refused = refusal(api.replace("llm", &PostParams::default(), &blind).await);
        assert_eq!(refused.code, 422);
        // A spec without replicas has no scale.
        let without = Patch::Merge(json!({"spec": {"replicas": null}}));
        api.patch("llm", &by, &without).await.unwrap();
        let refused = refusal(api.get_scale("llm").await);
        assert_eq!(refused.code, 500, "{refused}");
    }
}
