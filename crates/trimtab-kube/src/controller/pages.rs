//! The controller's pages: those of the loop, with what is known of the cluster.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use trimtab_runtime::{Controller, health};

use super::metrics::KubeCounts;
use super::run::Readiness;
use crate::cluster::Cluster;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How a page of metrics ends.
const END: &str = "# EOF\n";

/// What the pages show.
pub(crate) struct Pages {
    pub(crate) controller: Arc<Controller>,
    pub(crate) cluster: Cluster,
    pub(crate) counts: Arc<KubeCounts>,
    pub(crate) readiness: Arc<Readiness>,
}

/// Serves them until `end` comes.
pub(crate) async fn serve(
    listener: TcpListener,
    pages: Pages,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let of_loop = health::router(Arc::clone(&pages.controller));
    let router = Router::new()
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state((Arc::new(pages), of_loop.clone()))
        .fallback_service(of_loop);
    axum::serve(listener, router).with_graceful_shutdown(end).await
}

type Shared = State<(Arc<Pages>, Router)>;

/// Ready is who could take over at once: it knows the policies and the pods, and its own policies have had a tick.
async fn readyz(State((pages, of_loop)): Shared, request: Request) -> Response {
    let unready =
        |what: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")).into_response();
    if !pages.readiness.has_policies.load(Ordering::Relaxed) {
        return unready("the policies are not listed yet");
    }
    if !pages.readiness.has_pods.load(Ordering::Relaxed) {
        return unready("the pods are not listed yet");
    }
    match tower::ServiceExt::oneshot(of_loop, request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

async fn metrics(State((pages, _)): Shared) -> Response {
    pages.counts.watches(&pages.cluster.health());
    let of_loop = pages.controller.metrics_text();
    let text = format!("{}{}", of_loop.trim_end_matches(END), pages.counts.encode());
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
