//! A policy and its status, through a real API server and back.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Deserialize;
use serde_json::json;
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_engine::State;
use trimtab_kube::crd::{
    GuardedPolicy, HostMode, LastDecision, ScaleTargetStatus, ScalingPolicy, ScalingPolicySpec,
    ScalingPolicyStatus, StoredState, condition, crd, policy_of,
};
use trimtab_metric::Timestamp;
use trimtab_runtime::Stored;

use crate::seeds;
use crate::server::Judge;

fn status() -> ScalingPolicyStatus {
    let at = Timestamp::from_secs(1_764_000_000);
    let stored = Stored { at, state: State::default(), pending: None };
    let mut status = ScalingPolicyStatus::default();
    status.observed_generation = Some(1);
    status.mode = Some(HostMode::Active);
    status.current_replicas = Some(4);
    status.wanted_replicas = Some(6);
    status.ready_replicas = Some(3);
    status.warm_replicas = Some(1);
    status.scale_target = Some(ScaleTargetStatus {
        api_version: "apps/v1".into(),
        kind: "Deployment".into(),
        name: "llm".into(),
        selector: Some("app=llm".into()),
    });
    let decision = LastDecision {
        time: at,
        from: 4,
        to: 6,
        reason: "Load".into(),
        explanation: String::new(),
    };
    status.last_decision = Some(decision.with_explanation(&"x".repeat(5000)));
    status.state = Some(StoredState::encode(&stored).unwrap());
    for (type_, holds) in [("AbleToScale", true), ("ScalingActive", true), ("Accepted", true)] {
        status.set_condition(condition(type_, holds, "Valid", "it is valid", Some(1), at));
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_again() {
    for judge in Judge::both().await {
        let api: Api<ScalingPolicy> = Api::namespaced(judge.client(), "inference");
        for (name, spec) in seeds::all() {
            let spec = ScalingPolicySpec::deserialize(&spec).unwrap();
            let name = name.to_lowercase();
            let policy = ScalingPolicy::new("inference", &name, spec.clone());
            let created = api.create(&PostParams::default(), &policy).await.unwrap();
            assert_eq!(created.spec, spec, "{name}");

            let patch = Patch::Merge(json!({ "status": status() }));
            let written = api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
            assert_eq!(written.status, Some(status()), "{name}");
            written.status.unwrap().state.unwrap().decode().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_shows_what_matters() {
    // The one in process has no tables.
    for judge in Judge::both().await.into_iter().filter(Judge::is_real) {
        let client = judge.client();
        let api: Api<ScalingPolicy> = Api::namespaced(client.clone(), "inference");
        let spec = ScalingPolicySpec::deserialize(&seeds::hpa()).unwrap();
        api.create(&PostParams::default(), &ScalingPolicy::new("inference", "llm", spec))
            .await
            .unwrap();
        let patch = Patch::Merge(json!({ "status": status() }));
        api.patch_status("llm", &PatchParams::default(), &patch).await.unwrap();

        let path = "/apis/trimtab.dev/v1alpha1/namespaces/inference/scalingpolicies";
        let request = hyper::Request::get(path)
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Vec::new());
        let table: serde_json::Value = client.request(request.unwrap()).await.unwrap();
        let names = table["columnDefinitions"].as_array().unwrap().iter();
        let names: Vec<&str> = names.map(|column| column["name"].as_str().unwrap()).collect();
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        let shown: Vec<String> = names.iter().zip(cells).map(|(n, c)| format!("{n}={c}")).collect();
        // Its age is whatever it is.
        insta::assert_snapshot!(shown[..shown.len() - 1].join("\n"));
    }
}

/// The definition of a later release, as far as this one knows it: any field may be in `spec`.
fn later() -> CustomResourceDefinition {
    let mut definition = crd();
    let version = definition.spec.versions.first_mut().unwrap();
    let schema = version.schema.as_mut().and_then(|it| it.open_api_v3_schema.as_mut()).unwrap();
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let any = serde_json::from_value(any).unwrap();
    schema.properties.as_mut().unwrap().insert("spec".into(), any);
    definition
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_read_stops_no_other() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::install(&client, &later()).await;
        fixture::namespace(&client, "inference").await;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
            "trimtab.dev",
            "v1alpha1",
            "ScalingPolicy",
        ));
        let resource = ApiResource { plural: "scalingpolicies".into(), ..resource };
        let raw: Api<DynamicObject> = Api::namespaced_with(client.clone(), "inference", &resource);
        for (name, more) in
            [("broken", json!({"mod": "shadow", "minReplicas": "2"})), ("whole", json!({}))]
        {
            let object = json!({"apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
                "metadata": {"name": name}, "spec": seeds::with(more)});
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            raw.create(&PostParams::default(), &object).await.unwrap();
        }
        let api: Api<GuardedPolicy> = Api::namespaced(client, "inference");
        let read = api.list(&ListParams::default()).await.unwrap();
        let told: Vec<String> = read
            .items
            .into_iter()
            .map(|policy| match policy.0 {
                Ok(policy) => format!("{} is read", policy.metadata.name.unwrap_or_default()),
                Err(invalid) => {
                    format!("{}: {}", invalid.metadata.name.unwrap_or_default(), invalid.error)
                }
            })
            .collect();
        insta::assert_snapshot!("one_that_cannot_be_read", told.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_hpa_is_taken() {
    for judge in Judge::both().await {
        let client = judge.client();
        let hpa: HorizontalPodAutoscaler = serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "inference"},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 2, "maxReplicas": 9,
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
            },
        }))
        .unwrap();
        let hpas: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), "inference");
        // As the API server gives it, with its defaults.
        let hpa = hpas.create(&PostParams::default(), &hpa).await.unwrap();
        let adopted = policy_of(&hpa).unwrap();
        let api: Api<ScalingPolicy> = Api::namespaced(client, "inference");
        let made = api.create(&PostParams::default(), &adopted.policy).await.unwrap();
        assert_eq!(made.metadata.name.as_deref(), Some("web"));
        assert_eq!(made.spec.host.adopt.as_ref().unwrap().horizontal_pod_autoscaler, "web");
        assert_eq!(made.compile().unwrap().bounds().max, 9);
    }
}
