//! A namespace of a server, and targets in it.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::sync::Arc;

use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::ApiResource;
use serde_json::Value;
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
        let namespace = format!("target-{test}");
        fixture::namespace(&client, &namespace).await;
        let discovery = Discovery::new(client.clone());
        sides.push(Side { server, client, discovery, namespace });
    }
    sides
}

impl Side {
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
