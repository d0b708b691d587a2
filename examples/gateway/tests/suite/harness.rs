//! A gateway in front of mocks that live in this process, each on a runtime of its own, so that it can die at once.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trimtab::Policy;
use trimtab::manifest::{Limits, Source, from_str, read_policies};
use trimtab_gateway::config::{Config, Loaded};
use trimtab_gateway::gateway::{Gateway, Running};
use trimtab_gateway::launcher::{Instance, LaunchError, Launcher};
use trimtab_gateway::mock::{Mock, MockSettings};
use trimtab_gateway::serve::serve;

/// Starts mocks.
pub(crate) struct Mocks {
    settings: MockSettings,
    /// Their ends are not reported: the gateway has to find out.
    pub(crate) hides_ends: bool,
    all: Mutex<Vec<Arc<MockServer>>>,
}

/// A mock that was started.
pub(crate) struct MockServer {
    pub(crate) name: String,
    pub(crate) mock: Arc<Mock>,
    address: SocketAddr,
    runtime: Mutex<Option<Runtime>>,
    ended: CancellationToken,
}

impl MockServer {
    /// Everything it has is gone: its port, its connections.
    pub(crate) async fn crash(&self) {
        self.end();
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn end(&self) {
        let runtime = self.runtime.lock().unwrap().take();
        runtime.into_iter().for_each(Runtime::shutdown_background);
        self.ended.cancel();
    }
}

impl Mocks {
    pub(crate) fn new(settings: MockSettings) -> Arc<Self> {
        Arc::new(Self { settings, hides_ends: false, all: Mutex::default() })
    }

    pub(crate) fn that_hide_their_ends(settings: MockSettings) -> Arc<Self> {
        Arc::new(Self { settings, hides_ends: true, all: Mutex::default() })
    }

    pub(crate) fn named(&self, name: &str) -> Arc<MockServer> {
        let all = self.all.lock().unwrap();
        Arc::clone(all.iter().find(|one| one.name == name).unwrap())
    }

    pub(crate) fn all(&self) -> Vec<Arc<MockServer>> {
        self.all.lock().unwrap().clone()
    }
}

struct MockInstance {
    server: Arc<MockServer>,
    hides_end: bool,
}

#[async_trait]
impl Launcher for Mocks {
    async fn start(&self, name: &str) -> Result<Box<dyn Instance>, LaunchError> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let mock = Mock::new(self.settings.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = mock.router();
        runtime.spawn(async move {
            axum::serve(TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
        let server = Arc::new(MockServer {
            name: name.to_owned(),
            mock,
            address,
            runtime: Mutex::new(Some(runtime)),
            ended: CancellationToken::new(),
        });
        self.all.lock().unwrap().push(Arc::clone(&server));
        Ok(Box::new(MockInstance { server, hides_end: self.hides_ends }))
    }
}

#[async_trait]
impl Instance for MockInstance {
    fn address(&self) -> SocketAddr {
        self.server.address
    }

    async fn ended(&mut self) -> String {
        if self.hides_end {
            std::future::pending::<()>().await;
        }
        self.server.ended.cancelled().await;
        String::from("crashed")
    }

    async fn stop(&mut self, _grace: Duration) {
        self.server.end();
    }
}

impl Drop for MockInstance {
    fn drop(&mut self) {
        self.server.end();
    }
}

/// A gateway that listens.
pub(crate) struct Served {
    pub(crate) gateway: Arc<Gateway>,
    running: Option<Running>,
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A policy between two counts, with a decision every second.
pub(crate) fn policy(min: u32, max: u32, more: &str) -> Policy {
    let text = format!(
        "
apiVersion: trimtab.dev/v1alpha1
kind: ScalingPolicy
metadata: {{name: mock}}
spec:
  scaleTargetRef: {{apiVersion: example.com/v1, kind: Gateway, name: mock}}
  strategy: slo
  minReplicas: {min}
  maxReplicas: {max}
  metrics:
  - {{type: External, external: {{metric: {{name: requests_in_flight}}, target: {{type: AverageValue, averageValue: 2}}}}}}
  - {{type: External, external: {{metric: {{name: requests_rejected}}, target: {{type: Value, value: 1}}}}}}
  slo:
    leadTimeSeconds: 1
    signals:
    - {{metric: requests_in_flight, offered: {{rejected: requests_rejected}}}}
    - {{metric: requests_rejected, role: part}}
  retire: {{maxSessionSeconds: 600}}
  hpa: {{syncPeriodSeconds: 1}}
{more}"
    );
    read_policies(&Source::new("policy.yaml", text)).unwrap().policies.swap_remove(0).policy
}

/// A config with so many slots a replica.
pub(crate) fn config(slots: u32, more: &str) -> Config {
    let text = format!(
        "
listen: 127.0.0.1:0
policy: policy.yaml
models: [mock]
replicas:
  command: [none]
  slots: {slots}
  healthPeriodSeconds: 0.05
  healthFailures: 2
{more}"
    );
    from_str(&Source::new("gateway.yaml", text), &Limits::default()).unwrap()
}

impl Served {
    pub(crate) async fn new(config: Config, policy: Policy, launcher: Arc<dyn Launcher>) -> Self {
        let loaded = Loaded { config, policy, workload: "mock".parse().unwrap() };
        let running = Running::start(&loaded, launcher).unwrap();
        let gateway = Arc::clone(&running.gateway);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&gateway);
        let server =
            tokio::spawn(async move { serve(listener, &serving, std::future::pending()).await });
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { gateway, running: Some(running), address, server, client }
    }

    /// Until so many replicas are ready.
    pub(crate) async fn ready(self, replicas: usize) -> Self {
        self.until("replicas are ready", |gateway| {
            let state = gateway.fleet.lock();
            state.replicas.iter().filter(|one| one.serves()).count() == replicas
        })
        .await;
        self
    }

    /// Until something is so; not for ever.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Gateway) -> bool) {
        until(what, || is_so(&self.gateway)).await;
    }

    /// How many a replica is serving.
    pub(crate) fn in_flight(&self, name: &str) -> u32 {
        let state = self.gateway.fleet.lock();
        state.replicas.iter().find(|one| one.name == name).map_or(0, |one| one.in_flight)
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.gateway.fleet.lock().queue.len()
    }

    /// Asks for so many tokens.
    pub(crate) async fn ask(&self, body: &str) -> Response<Incoming> {
        ask(&self.client, self.address, body).await
    }

    /// Asks in the background.
    pub(crate) fn asking(&self, body: &'static str) -> JoinHandle<Response<Incoming>> {
        let (client, address) = (self.client.clone(), self.address);
        tokio::spawn(async move { ask(&client, address, body).await })
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let uri = format!("http://{}{path}", self.address).parse().unwrap();
        let answer = self.client.get(uri).await.unwrap();
        (answer.status().as_u16(), text(answer).await)
    }

    pub(crate) async fn shutdown(mut self) {
        self.server.abort();
        self.running.take().unwrap().shutdown().await;
    }
}

async fn ask(
    client: &Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    body: &str,
) -> Response<Incoming> {
    let request = Request::post(format!("http://{address}/v1/chat/completions"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap();
    client.request(request).await.unwrap()
}

/// The next chunk of an answer, if there is one.
pub(crate) async fn chunk(answer: &mut Response<Incoming>) -> Option<String> {
    let frame = answer.body_mut().frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// The whole of an answer.
pub(crate) async fn text(answer: Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn replica(answer: &Response<Incoming>) -> String {
    answer.headers()["x-trimtab-replica"].to_str().unwrap().to_owned()
}

/// Looks again and again; after two minutes it is not going to be so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still not so: {what}");
}

/// Tokens come as the test lets them.
pub(crate) fn gated() -> MockSettings {
    MockSettings { gated: true, ..MockSettings::default() }
}

/// Tokens come at once.
pub(crate) fn fast() -> MockSettings {
    MockSettings { step: Duration::from_millis(1), ..MockSettings::default() }
}
