//! The gateway as a whole: what its parts have in common, its pages, its beginning and its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trimtab::Policy;
use trimtab_runtime::{
    Clock, Controller, DecisionSink, JsonlSink, MemoryStore, Rotation, SinkError, SystemClock,
    TracingSink, Workload, WorkloadId,
};

use crate::config::{Loaded, RequestConfig, seconds};
use crate::fleet::{Fleet, FleetSettings};
use crate::launcher::Launcher;
use crate::metrics::Metrics;
use crate::proxy::{Upstream, complete, models};
use crate::source::GatewaySource;
use crate::supervisor::{Care, Supervisor};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What its parts have in common.
pub struct Gateway {
    /// The replicas and the queue.
    pub fleet: Arc<Fleet>,
    /// What is counted.
    pub metrics: Metrics,
    /// Connections to replicas.
    pub upstream: Upstream,
    /// What decides.
    pub controller: Arc<Controller>,
    /// What a request may take.
    pub requests: RequestConfig,
    /// The longest that a request is held.
    pub longest_wait: Duration,
    /// The models that are named while no replica can be asked.
    pub models: Vec<String>,
    workload: WorkloadId,
}

/// A gateway at work. It ends with [`Running::shutdown`].
pub struct Running {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    end: CancellationToken,
    supervisor: JoinHandle<()>,
}

impl Running {
    /// Begins: replicas are started as the policy wants them, and decisions are made. Requests come by
    /// [`Gateway::router`].
    ///
    /// # Errors
    ///
    /// If the file for decisions can't be opened.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(loaded: &Loaded, launcher: Arc<dyn Launcher>) -> Result<Self, SinkError> {
        let (config, policy) = (&loaded.config, &loaded.policy);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let settings = FleetSettings::of(loaded);
        let fleet = Arc::new(Fleet::new(settings, Arc::clone(&clock), policy.bounds().min));
        let upstream = Upstream::new(seconds(config.requests.connect_seconds));
        let care = Care {
            health_path: config.replicas.health_path.clone(),
            health_period: seconds(config.replicas.health_period_seconds),
            health_failures: config.replicas.health_failures,
            stop_grace: seconds(config.replicas.stop_grace_seconds),
        };
        let supervisor =
            Supervisor { fleet: Arc::clone(&fleet), launcher, care, upstream: upstream.clone() };
        // Replicas are processes of this one, and end with it: no state is worth more than that.
        let mut controller = Controller::builder(Arc::new(MemoryStore::new()))
            .with_clock(clock)
            .with_sink(Arc::new(TracingSink::default()));
        if let Some(path) = &config.decisions {
            let sink: Arc<dyn DecisionSink> = Arc::new(JsonlSink::open(path, Rotation::default())?);
            controller = controller.with_sink(sink);
        }
        let gateway = Arc::new(Gateway {
            fleet,
            metrics: Metrics::default(),
            upstream,
            controller: Arc::new(controller.build()),
            requests: config.requests.clone(),
            longest_wait: config.queue.longest(),
            models: config.models.clone(),
            workload: loaded.workload.clone(),
        });
        gateway.decide_by(policy.clone());
        let end = CancellationToken::new();
        let supervisor = tokio::spawn(supervisor.run(end.clone()));
        Ok(Self { gateway, end, supervisor })
    }

    /// Ends: nothing is decided any more, and all replicas are stopped.
    pub async fn shutdown(self) {
        self.gateway.fleet.close();
        self.gateway.controller.shutdown().await;
        self.end.cancel();
        // If it panicked, its replicas went with it.
        let _ended = self.supervisor.await;
    }
}

impl Gateway {
    /// Decides by that policy from now on; what windows have seen stays.
    pub fn decide_by(&self, policy: Policy) {
        let source = Arc::new(GatewaySource::new(Arc::clone(&self.fleet)));
        let workload = Workload::new(self.workload.clone(), policy, Arc::clone(&self.fleet) as _);
        self.controller.set(workload.with_source(source));
    }

    /// Has it decided at once where nobody is asked for: who waits now should not wait for the next period, too.
    pub fn wake(&self) {
        if self.fleet.lock().desired == 0 {
            self.controller.tick_now(&self.workload);
        }
    }

    /// Its pages.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/completions", post(complete))
            .route("/v1/models", get(models))
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(Arc::clone(self))
    }
}

/// The gateway's own, and those of the loop that decides.
async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let own = gateway.metrics.encode(&gateway.fleet);
    let own = own.strip_suffix("# EOF\n").unwrap_or(&own).to_owned();
    let text = own + &gateway.controller.metrics_text();
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

/// Whether it lives: decisions are made.
async fn healthz(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.controller.stuck().is_empty() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "no decision for too long\n").into_response()
}

/// Whether it takes requests, if only to hold them: a gateway without replicas has to be asked, or there will never be
/// any.
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    if gateway.fleet.is_closing() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response();
    }
    if !gateway.controller.waiting().is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no decision yet\n").into_response();
    }
    "ok\n".into_response()
}
