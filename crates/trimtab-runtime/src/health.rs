//! What the loop says over HTTP: whether it lives, what it counts, and what each workload is doing.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use crate::{Controller, WorkloadId, WorkloadStatus};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The pages of a controller, to be served beside others.
///
/// | path | answers |
/// | --- | --- |
/// | `/healthz` | 200, or 503 with the workloads whose ticks have come to a stand |
/// | `/readyz` | 200 once each workload has had its first tick, and until the loop is to end; else 503 |
/// | `/metrics` | what is counted, as OpenMetrics text |
/// | `/api/v1/workloads` | a list of [`WorkloadStatus`] as JSON |
/// | `/api/v1/workloads/NAME` | the one of that name |
///
/// They show counts and policies' names to whoever can reach them, and change nothing.
pub fn router(controller: Arc<Controller>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/workloads", get(workloads))
        .route("/api/v1/workloads/{*name}", get(workload))
        .with_state(controller)
}

/// Serves [`router`] until `end` comes.
///
/// # Errors
///
/// What the listener says.
pub async fn serve(
    listener: TcpListener,
    controller: Arc<Controller>,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(controller)).with_graceful_shutdown(end).await
}

type Shared = State<Arc<Controller>>;

async fn healthz(State(controller): Shared) -> Response {
    verdict("no tick for too long", &controller.stuck())
}

async fn readyz(State(controller): Shared) -> Response {
    if controller.is_ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n").into_response();
    }
    verdict("no tick yet", &controller.waiting())
}

fn verdict(what: &str, workloads: &[WorkloadId]) -> Response {
    if workloads.is_empty() {
        return "ok\n".into_response();
    }
    let names: Vec<&str> = workloads.iter().map(WorkloadId::as_str).take(20).collect();
    let text = format!("{what}: {} workloads: {}\n", workloads.len(), names.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(controller): Shared) -> Response {
    ([(CONTENT_TYPE, OPEN_METRICS)], controller.metrics_text()).into_response()
}

async fn workloads(State(controller): Shared) -> Json<Vec<WorkloadStatus>> {
    Json(controller.statuses())
}

async fn workload(State(controller): Shared, Path(name): Path<String>) -> Response {
    let Ok(id) = name.parse::<WorkloadId>() else {
        return (StatusCode::NOT_FOUND, "no workload has such a name\n").into_response();
    };
    match controller.last(&id) {
        Some(tick) => Json(WorkloadStatus::of(&tick)).into_response(),
        None => {
            let text = format!("no workload `{id}`, or it has had no tick yet\n");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}
