//! A cluster that is watched in a test.

use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_engine::{Policy, PoolSupplyRecord};
use trimtab_kube::cluster::{Cluster, Pod, Scope, Selector};
use trimtab_metric::Timestamp;

/// Long enough for a machine that does ten other things.
pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const NAMESPACE: &str = "inference";

/// A cluster, watched until this is dropped.
pub(crate) struct Watched {
    pub(crate) cluster: Cluster,
    _stop: DropGuard,
}

impl Watched {
    /// Watches as an administrator, and waits for the first listing.
    pub(crate) async fn of(server: &ApiServer, scope: Scope) -> Self {
        let watched = Self::by(server.client(), scope);
        let cluster = watched.cluster.clone();
        fixture::eventually(SOON, "the first listing", || async {
            cluster.is_synced().then_some(())
        })
        .await;
        watched
    }

    pub(crate) fn by(client: kube::Client, scope: Scope) -> Self {
        let stop = CancellationToken::new();
        let cluster = Cluster::watch(client, scope, stop.clone());
        Self { cluster, _stop: stop.drop_guard() }
    }

    /// Waits until a pod is as it should be.
    pub(crate) async fn pod_is(&self, name: &str, what: &str, holds: impl Fn(&Pod) -> bool) -> Pod {
        fixture::eventually(SOON, &format!("{name} is {what}"), || async {
            self.cluster.pod(NAMESPACE, name)?.filter(&holds)
        })
        .await
    }

    /// Waits until so many pods are selected.
    pub(crate) async fn count_is(&self, selector: &str, count: usize) {
        let selector = select(selector);
        fixture::eventually(SOON, &format!("{count} pods of {selector}"), || async {
            let pods = self.cluster.pods(NAMESPACE, &selector)?;
            (pods.len() == count).then_some(())
        })
        .await;
    }

    /// Waits until what the pools have is as it should be.
    pub(crate) async fn supply_is(&self, policy: &Policy, pods: &str, wanted: &[PoolSupplyRecord]) {
        let (selector, mut seen) = (select(pods), None);
        let deadline = std::time::Instant::now() + SOON;
        while std::time::Instant::now() < deadline {
            seen = self.cluster.supply(policy, NAMESPACE, &selector, now());
            if seen.as_deref() == Some(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(seen.as_deref(), Some(wanted));
    }
}

pub(crate) fn select(text: &str) -> Selector {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis() as i64)
}

/// A policy with pools.
pub(crate) fn policy(pools: &str, gpus_per_replica: u32) -> Policy {
    let spec = format!(
        r#"{{"scaleTargetRef": {{"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"}},
            "maxReplicas": 20,
            "supply": {{"gpusPerReplica": {gpus_per_replica}, "pools": {pools}}}}}"#
    );
    Policy::new(serde_json::from_str(&spec).unwrap()).unwrap()
}
