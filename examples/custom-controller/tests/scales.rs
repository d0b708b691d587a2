//! The controller against API servers, a real one where there is one.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use trimtab_apiserver::{ApiServer, fixture};
use trimtab_custom_controller::{POLICY, QueueOf, STATE, run};

/// One replica for each 8 that wait, every second; down after a window of 4 s.
const SPEC: &str = r#"
maxReplicas: 10
hpa: {syncPeriodSeconds: 1}
behavior: {scaleDown: {stabilizationWindowSeconds: 4}}
metrics:
- type: External
  external: {metric: {name: queue}, target: {type: AverageValue, averageValue: "8"}}
"#;

struct Running {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(server: &ApiServer, queue: &Arc<AtomicI64>) -> Self {
        let queue = Arc::clone(queue);
        let queue_of: Arc<QueueOf> =
            Arc::new(move |_: &Deployment| u32::try_from(queue.load(Ordering::Relaxed)).ok());
        let (end, ended) = oneshot::channel();
        let client = server.client();
        let task = tokio::spawn(async move {
            run(client, queue_of, async { drop(ended.await) }).await;
        });
        Self { end, task }
    }

    async fn stop(self) {
        self.end.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap();
    }
}

async fn annotate(server: &ApiServer, name: &str, policy: &str) {
    let api = Api::<Deployment>::namespaced(server.client(), "inference");
    let patch = json!({"metadata": {"annotations": {POLICY: policy}}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

async fn get(server: &ApiServer, name: &str) -> Deployment {
    Api::namespaced(server.client(), "inference").get(name).await.unwrap()
}

async fn count(server: &ApiServer, name: &str) -> i32 {
    // There is nobody else who would carry it out.
    fixture::settle(&server.client(), "inference", name).await
}

async fn until(server: &ApiServer, replicas: i32) {
    let what = format!("{replicas} replicas");
    fixture::eventually(Duration::from_secs(30), &what, || async {
        (count(server, "llm").await == replicas).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_scales_and_remembers() {
    for server in ApiServer::both().await {
        let client = server.client();
        fixture::namespace(&client, "inference").await;
        for name in ["llm", "other", "wrong"] {
            fixture::deployment(&client, "inference", name, 2).await;
        }
        annotate(&server, "llm", SPEC).await;
        annotate(&server, "wrong", "maxReplica: 3").await;
        let queue = Arc::new(AtomicI64::new(8 * 5));
        let first = Running::start(&server, &queue);
        until(&server, 5).await;

        // What is not known moves nothing.
        queue.store(-1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(count(&server, "llm").await, 5);
        first.stop().await;

        // The next one goes on with what the first left.
        let state = get(&server, "llm").await.annotations().get(STATE).unwrap().clone();
        assert!(state.contains("recommendations"), "{state}");
        queue.store(8, Ordering::Relaxed);
        let second = Running::start(&server, &queue);
        until(&server, 1).await;
        second.stop().await;

        for untouched in ["other", "wrong"] {
            let deployment = get(&server, untouched).await;
            assert_eq!(deployment.spec.as_ref().unwrap().replicas, Some(2));
            assert!(!deployment.annotations().contains_key(STATE));
        }
    }
}
