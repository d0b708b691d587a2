//! Rules of definitions, with both servers.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use trimtab_apiserver::fixture::refusal;
use trimtab_apiserver::{ApiServer, fixture};

#[tokio::test]
async fn rules_refuse_with_their_messages() {
    for server in ApiServer::shared().await {
        let client = server.client();
        fixture::namespace(&client, "rules").await;
        let mut definition = fixture::engine();
        definition.metadata.name = Some("pumps.example.org".into());
        definition.spec.group = "example.org".into();
        let names = &mut definition.spec.names;
        (names.kind, names.list_kind) = ("Pump".into(), Some("PumpList".into()));
        (names.plural, names.singular) = ("pumps".into(), Some("pump".into()));
        let schema = json!({"openAPIV3Schema": {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "required": ["min", "max"],
                    "properties": {
                        "replicas": {"type": "integer"},
                        "min": {"type": "integer"},
                        "max": {"type": "integer"},
                        "name": {
                            "type": "string",
                            "maxLength": 20,
                            "x-kubernetes-validations": [
                                {"rule": "self == oldSelf", "message": "can't be changed"},
                                {"rule": "self.startsWith('p')", "message": "must begin with p"},
                            ],
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "self.min <= self.max",
                        "message": "min is over max",
                    }],
                },
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            },
        }});
        definition.spec.versions[0].schema = Some(serde_json::from_value(schema).unwrap());
        fixture::install(&client, &definition).await;
        let kind = GroupVersionKind::gvk("example.org", "v1", "Pump");
        let (resource, _) = kube::discovery::pinned_kind(&client, &kind).await.unwrap();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "rules", &resource);
        let pump = |spec: Value| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "example.org/v1", "kind": "Pump", "metadata": {"name": "p"},
                "spec": spec,
            }))
            .unwrap()
        };
        let post = PostParams::default();
        let wrong = [
            (json!({"min": 3, "max": 2}), "spec: Invalid value: min is over max"),
            (
                json!({"min": 1, "max": 2, "name": "q"}),
                "spec.name: Invalid value: \"q\": must begin with p",
            ),
            (
                json!({"min": 1}),
                "[spec.max: Required value, <nil>: Invalid value: null: some validation rules were not checked because the \
                 object was invalid; correct the existing errors to complete validation]",
            ),
        ];
        for (spec, message) in wrong {
            let status = refusal(api.create(&post, &pump(spec)).await);
            assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
            assert_eq!(status.message, format!("Pump.example.org \"p\" is invalid: {message}"));
        }
        api.create(&post, &pump(json!({"min": 1, "max": 2, "name": "pa"}))).await.unwrap();
        let renamed = Patch::Merge(json!({"spec": {"name": "pb"}}));
        let status = refusal(api.patch("p", &PatchParams::default(), &renamed).await);
        assert_eq!(
            status.message,
            "Pump.example.org \"p\" is invalid: spec.name: Invalid value: \"pb\": can't be changed"
        );
    }
}
