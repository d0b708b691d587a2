//! A namespace of a server, and targets in it.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use serde_json::{Value, json};
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_engine::CrossVersionObjectReference;
use trimtab_kube::connect_with;
use trimtab_kube::target::{Discovery, KubeTarget};
use trimtab_runtime::{Change, ScaleTarget, WorkloadId};

/// A server and a namespace of a test's own in it.
pub(crate) struct Side {
    pub(crate) server: Arc<ApiServer>,
    pub(crate) client: Client,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) namespace: String,
}

/// In process, and the real one if there is one.
pub(crate) async fn sides(test: &str) -> Vec<Side> {
    let mut sides = Vec::new();
    for server in ApiServer::shared().await {
        let client = connect_with(server.config()).unwrap();
        let side = Side { namespace: format!("target-{test}"), ..Side::of(server, client) };
        fixture::namespace(&side.client, &side.namespace).await;
        sides.push(side);
    }
    sides
}

impl Side {
    pub(crate) fn of(server: Arc<ApiServer>, client: Client) -> Self {
        let discovery = Discovery::new(client.clone());
        Self { server, client, discovery, namespace: String::new() }
    }

    pub(crate) fn target(&self, api_version: &str, kind: &str, name: &str) -> KubeTarget {
        let (client, discovery) = (self.client.clone(), Arc::clone(&self.discovery));
        KubeTarget::new(client, discovery, &self.namespace, &reference(api_version, kind, name))
    }

    /// Creates an object of any kind.
    pub(crate) async fn create(&self, api_version: &str, kind: &str, plural: &str, object: Value) {
        let (group, version) = api_version.split_once('/').unwrap();
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: api_version.into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let object = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}

pub(crate) fn reference(api_version: &str, kind: &str, name: &str) -> CrossVersionObjectReference {
    CrossVersionObjectReference {
        api_version: api_version.into(),
        kind: kind.into(),
        name: name.into(),
    }
}

pub(crate) fn id() -> WorkloadId {
    "inference/llm".parse().unwrap()
}

/// To that count, from what is there.
pub(crate) async fn change(target: &KubeTarget, replicas: i32) -> Change {
    let status = target.read(&id()).await.unwrap();
    let mut change = Change::of(status.replicas, replicas);
    change.version = status.version;
    change
}

pub(crate) fn deployments(client: &Client, namespace: &str) -> Api<Deployment> {
    Api::namespaced(client.clone(), namespace)
}

pub(crate) async fn replicas(client: &Client, namespace: &str, name: &str) -> i32 {
    let found = deployments(client, namespace).get(name).await.unwrap();
    found.spec.unwrap().replicas.unwrap()
}

/// Sets the count by hand, as `kubectl scale` does.
pub(crate) async fn scale_by(
    client: &Client,
    namespace: &str,
    name: &str,
    manager: &str,
    replicas: i32,
) {
    let by = PatchParams { field_manager: Some(manager.into()), ..PatchParams::default() };
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments(client, namespace).patch_scale(name, &by, &patch).await.unwrap();
}
