//! A cluster with a workload, and controllers that run in it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trimtab_apiserver::fixture::{self, eventually};
use trimtab_apiserver::{ApiServer, MetricsApi, Sample};
use trimtab_kube::connect_with;
use trimtab_kube::controller::{
    ControllerError, Moment, Moments, Settings, Sources, SystemMoments, run,
};
use trimtab_kube::crd::{ScalingPolicy, ScalingPolicyStatus, crd};
use trimtab_runtime::MetricSource;

pub(crate) const NAMESPACE: &str = "inference";
/// Where controllers have their leases.
pub(crate) const HOME: &str = "trimtab";
/// How long what comes by itself is waited for: the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A server with the resource, a namespace, and the external metric `queue`.
pub(crate) async fn cluster(server: &ApiServer) -> Client {
    let client = server.client();
    fixture::install(&client, &crd()).await;
    fixture::namespace(&client, NAMESPACE).await;
    fixture::namespace(&client, HOME).await;
    server.serve_metrics(&[MetricsApi::External]).await;
    queue(server, 8);
    client
}

/// So many requests wait.
pub(crate) fn queue(server: &ApiServer, waiting: u32) {
    let sample = Sample::new(&waiting.to_string());
    server.set_metrics(|metrics| metrics.external_metric(NAMESPACE, "queue", [sample]));
}

/// One replica for each 8 that wait, from 1 to 20, each second.
pub(crate) fn spec(workload: &str) -> Value {
    json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload},
        "minReplicas": 1, "maxReplicas": 20,
        "metrics": [{"type": "External", "external": {
            "metric": {"name": "queue"},
            "target": {"type": "AverageValue", "averageValue": "8"},
        }}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        "hpa": {"syncPeriodSeconds": 1},
    })
}

/// Creates or changes a policy.
pub(crate) async fn apply(client: &Client, name: &str, spec: Value) {
    let policies: Api<kube::core::DynamicObject> = Api::namespaced_with(
        client.clone(),
        NAMESPACE,
        &kube::core::ApiResource::erase::<ScalingPolicy>(&()),
    );
    let object = json!({
        "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    });
    let by = PatchParams::apply("test").force();
    policies.patch(name, &by, &Patch::Apply(object)).await.unwrap();
}

/// A Deployment with its pods, and a policy of the same name.
pub(crate) async fn workload(client: &Client, name: &str, replicas: i32, spec: Value) {
    fixture::deployment(client, NAMESPACE, name, replicas).await;
    fixture::settle(client, NAMESPACE, name).await;
    apply(client, name, spec).await;
}

/// The status of a policy.
pub(crate) async fn status(client: &Client, name: &str) -> Option<ScalingPolicyStatus> {
    let policies: Api<ScalingPolicy> = Api::namespaced(client.clone(), NAMESPACE);
    policies.get(name).await.ok()?.status
}

/// A condition as `status reason: message`.
pub(crate) async fn condition(client: &Client, name: &str, type_: &str) -> Option<String> {
    let policies: Api<kube::core::DynamicObject> = Api::namespaced_with(
        client.clone(),
        NAMESPACE,
        &kube::core::ApiResource::erase::<ScalingPolicy>(&()),
    );
    let object = policies.get(name).await.ok()?;
    let conditions = object.data["status"]["conditions"].as_array()?.clone();
    let condition = conditions.into_iter().find(|condition| condition["type"] == type_)?;
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    Some(format!("{} {}: {}", text("status"), text("reason"), text("message")))
}

/// Waits until a condition begins so.
pub(crate) async fn until_condition(
    client: &Client,
    name: &str,
    type_: &str,
    begin: &str,
) -> String {
    let last = Mutex::new(None);
    eventually(SOON, &format!("{type_} of {name} is `{begin}`"), || async {
        let now = condition(client, name, type_).await;
        let is_so = now.as_ref().is_some_and(|now| now.starts_with(begin));
        *last.lock().unwrap() = now.clone();
        now.filter(|_| is_so)
    })
    .await
}

pub(crate) async fn replicas(client: &Client, name: &str) -> i32 {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    deployments.get(name).await.unwrap().spec.unwrap().replicas.unwrap_or(1)
}

/// Waits until a Deployment is asked for so many, and lets pods follow.
pub(crate) async fn until_replicas(client: &Client, name: &str, wanted: i32) {
    eventually(SOON, &format!("{name} has {wanted} replicas"), || async {
        let is = fixture::settle(client, NAMESPACE, name).await;
        (is == wanted).then_some(())
    })
    .await;
}

/// Events about policies as `type reason: note`, oldest first.
pub(crate) async fn events(client: &Client) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
    let mut all = events.list(&ListParams::default()).await.unwrap().items;
    all.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
    let text = |text: Option<String>| text.unwrap_or_default();
    let told = all
        .into_iter()
        .map(|event| format!("{} {}: {}", text(event.type_), text(event.reason), text(event.note)));
    told.collect()
}

/// No sources of its own.
pub(crate) struct NoSources;

impl Sources for NoSources {
    fn sources(&self, policy: &ScalingPolicy) -> Result<Vec<Arc<dyn MetricSource>>, String> {
        if policy.spec.host.sources.is_empty() {
            return Ok(Vec::new());
        }
        Err(String::from("there is no server `main`: `servers` is empty"))
    }
}

/// Settings for tests: leases are short, states are saved seldom.
pub(crate) fn settings(identity: &str) -> Settings {
    let mut settings = Settings::default();
    settings.leases.namespace = HOME.into();
    settings.leases.identity = identity.into();
    settings.leases.duration = Duration::from_secs(6);
    settings.leases.renew = Duration::from_secs(1);
    settings.leases.look = Duration::from_millis(200);
    settings.leases.request_timeout = Duration::from_secs(3);
    settings.save_interval = Duration::from_secs(3600);
    settings
}

/// A controller that runs.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ControllerError>>,
}

impl Running {
    pub(crate) fn start(client: Client, settings: Settings) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(client, settings, Arc::new(NoSources), stop.clone()));
        Self { stop, task }
    }

    /// As SIGTERM.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// As SIGKILL.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

/// Settings with a listener, and where that is.
pub(crate) async fn with_pages(mut settings: Settings) -> (Settings, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    settings.listener = Some(listener);
    (settings, at)
}

/// A page of the controller, if there is an answer.
pub(crate) async fn page(at: SocketAddr, path: &'static str) -> Option<String> {
    let ask = move || {
        let mut stream = TcpStream::connect(at).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

/// A client as the controller has it.
pub(crate) fn client(server: &ApiServer) -> Client {
    connect_with(server.config()).unwrap()
}

/// Clocks that a test sets forward.
pub(crate) struct TestMoments(Mutex<Duration>);

impl TestMoments {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// So much time passes while nothing runs.
    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Moments for TestMoments {
    fn now(&self) -> Moment {
        let Moment { steady, wall } = SystemMoments.now();
        let ahead = *self.0.lock().unwrap();
        Moment { steady: steady + ahead, wall: wall + ahead }
    }
}

/// Creates any object.
pub(crate) async fn create<K>(client: &Client, namespace: &str, object: Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let object = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}
