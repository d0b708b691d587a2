//! A policy, the loop, and a StatefulSet whose pods drain and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use trimtab_apiserver::fixture;
use trimtab_engine::{Policy, PolicySpec, ReadingRecord};
use trimtab_kube::cluster::{Cluster, Scope};
use trimtab_metric::Quantity;
use trimtab_runtime::{
    Ask, Controller, MemoryStore, MetricSource, Observed, Provides, ScaleTarget, SourceError,
    StateStore, Workload,
};

use crate::side::{Side, id, sides};

/// Requests in flight, as the test says.
struct InFlight(AtomicI64);

#[async_trait]
impl MetricSource for InFlight {
    fn name(&self) -> &str {
        "in flight"
    }

    fn provides(&self, _policy: &Policy) -> Provides {
        Provides::metrics(["in_flight"])
    }

    async fn observe(&self, _ask: Ask<'_>) -> Result<Observed, SourceError> {
        let reading = ReadingRecord {
            metric: String::from("in_flight"),
            value: Some(Quantity::from_units(self.0.load(Ordering::Relaxed))),
            ..ReadingRecord::default()
        };
        Ok(Observed { readings: vec![reading], ..Observed::default() })
    }
}

/// Ten requests in flight for each replica, decided every second; a session lasts up to three
/// seconds.
fn policy() -> Policy {
    let spec: PolicySpec = serde_json::from_value(json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
        "minReplicas": 1, "maxReplicas": 9,
        "hpa": {"downscaleStabilizationSeconds": 0, "syncPeriodSeconds": 1},
        "metrics": [{"type": "External", "external": {
            "metric": {"name": "in_flight"},
            "target": {"type": "AverageValue", "averageValue": "10"}}}],
        "retire": {"maxSessionSeconds": 3},
    }))
    .unwrap();
    Policy::new(spec).unwrap()
}

#[tokio::test]
async fn the_topmost_drain_and_then_the_count_falls() {
    for side in sides("loop").await {
        let Side { client, namespace, .. } = &side;
        fixture::stateful_set(client, namespace, "db", 4).await;
        for place in 0..4 {
            let pod = fixture::PodFixture::new(&format!("db-{place}")).label("app", "db").ready();
            pod.create(client, namespace).await;
        }
        let stop = CancellationToken::new();
        let scope = Scope::namespaces([namespace.clone()]).without_nodes();
        let cluster = Cluster::watch(client.clone(), scope, stop.clone());
        cluster.synced().await;
        let target = side.target("apps/v1", "StatefulSet", "db").with_cluster(cluster);
        let load = Arc::new(InFlight(AtomicI64::new(20)));
        let workload = Workload::new(id(), policy(), Arc::new(target) as Arc<dyn ScaleTarget>)
            .with_source(Arc::clone(&load) as Arc<dyn MetricSource>);
        let store = Arc::new(MemoryStore::default()) as Arc<dyn StateStore>;
        let controller = Controller::builder(store).build();
        controller.set(workload);

        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
        let draining = async || {
            let pods = pods.list(&Default::default()).await.unwrap().items;
            let drains = |pod: &&Pod| pod.labels().contains_key("trimtab.dev/draining");
            pods.iter().filter(drains).map(ResourceExt::name_any).collect::<Vec<_>>()
        };
        let count = async || sets.get("db").await.unwrap().spec.unwrap().replicas.unwrap();
        let within = Duration::from_secs(60);
        fixture::eventually(within, "the topmost drain", async || {
            (draining().await == ["db-2", "db-3"]).then_some(())
        })
        .await;
        assert_eq!(count().await, 4, "nobody goes before its sessions have had their time");
        // Load that comes back takes back the lower one of them.
        load.0.store(30, Ordering::Relaxed);
        fixture::eventually(within, "one is taken back", async || {
            (draining().await == ["db-3"]).then_some(())
        })
        .await;
        fixture::eventually(within, "the count falls", async || (count().await == 3).then_some(()))
            .await;
        controller.shutdown().await;
        stop.cancel();
    }
}
