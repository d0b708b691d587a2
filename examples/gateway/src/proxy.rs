//! A request from its arrival to the head of its answer: it waits for a slot, and goes to a replica that it can reach.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, RETRY_AFTER, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::config::{RequestConfig, seconds};
use crate::gateway::Gateway;
use crate::lease::{Lease, Outcome};
use crate::stream::Answer;

/// Which replica answered.
pub const REPLICA: HeaderName = HeaderName::from_static("x-trimtab-replica");

/// Connections to replicas.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Asks whether a replica is ready, by a new connection each time: one that is kept says little of a replica that
    /// takes no more.
    probe: Client<HttpConnector, Full<Bytes>>,
}

/// Why a replica did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It could not be connected to: nothing was sent, and another one may be asked.
    Unreached(String),
    /// The connection broke after it was asked: it may have begun.
    Lost(String),
}

impl Upstream {
    /// Connections that are given up if there is none within that time.
    pub fn new(connect: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect));
        connector.set_nodelay(true);
        // A connection that a replica closed before anything was sent on it is replaced by a new one: the client's
        // default. Nothing else is tried again here.
        let probe = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector.clone());
        Self { client: Client::builder(TokioExecutor::new()).build(connector), probe }
    }

    /// Whether a replica answers a GET with a status from 200 to 299.
    pub async fn is_ok(&self, address: SocketAddr, path: &str) -> bool {
        let Ok(uri) = uri(address, path) else { return false };
        self.probe.get(uri).await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Asks a replica.
    ///
    /// # Errors
    ///
    /// [`Unanswered`], by whether anything was sent.
    pub async fn ask(
        &self,
        address: SocketAddr,
        parts: &Parts,
        body: Bytes,
    ) -> Result<axum::http::Response<Incoming>, Unanswered> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let lost = |error: &dyn std::fmt::Display| Unanswered::Lost(error.to_string());
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = uri(address, path).map_err(|error| lost(&error))?;
        *request.method_mut() = parts.method.clone();
        *request.headers_mut() = forwarded(&parts.headers);
        self.client.request(request).await.map_err(|error| {
            if error.is_connect() {
                Unanswered::Unreached(told(&error))
            } else {
                lost(&told(&error))
            }
        })
    }
}

fn uri(address: SocketAddr, path: &str) -> Result<Uri, axum::http::Error> {
    Uri::builder().scheme("http").authority(address.to_string()).path_and_query(path).build()
}

/// An error with what is behind it.
fn told(error: &dyn std::error::Error) -> String {
    let behind = std::iter::successors(error.source(), |error| error.source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

/// The headers without those that belong to one connection.
fn forwarded(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [CONNECTION, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, HOST, CONTENT_LENGTH]
    {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"] {
        headers.remove(name);
    }
    headers
}

/// `/v1/chat/completions` and `/v1/completions`: a slot, a replica, and its answer as it comes.
///
/// Whoever leaves while this waits, or while the answer streams, drops it, and with it the place, the slot and the
/// connection to the replica.
pub async fn complete(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = match whole(body, &gateway.requests).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let arrived = Instant::now();
    let mut ticket = match gateway.fleet.enter() {
        Ok(ticket) => ticket,
        Err(rejected) => {
            gateway.metrics.rejected("queue_full");
            let message = "too many requests wait already";
            return retry_later(StatusCode::TOO_MANY_REQUESTS, rejected.retry_after, message);
        }
    };
    gateway.wake();
    for _ in 0..gateway.requests.attempts {
        let left = gateway.longest_wait.saturating_sub(arrived.elapsed());
        let lease = match timeout(left, ticket.slot()).await {
            Ok(Some(lease)) => lease,
            Ok(None) => {
                let message = "the gateway ends";
                return retry_later(StatusCode::SERVICE_UNAVAILABLE, 1, message);
            }
            Err(_) => {
                gateway.metrics.rejected("waited_too_long");
                let after = gateway.fleet.give_up();
                let message = "no replica became free in time";
                return retry_later(StatusCode::SERVICE_UNAVAILABLE, after, message);
            }
        };
        gateway.metrics.waited(arrived.elapsed());
        match gateway.upstream.ask(lease.address(), &parts, body.clone()).await {
            Ok(answer) => return pass_on(&gateway, answer, lease, arrived),
            Err(Unanswered::Unreached(error)) => {
                warn!(replica = lease.replica(), error, "not reached; another one is asked");
                gateway.metrics.retried();
                lease.end(Outcome::Unreached);
                ticket = gateway.fleet.enter_again(arrived);
            }
            Err(Unanswered::Lost(error)) => {
                warn!(replica = lease.replica(), error, "lost before it answered");
                gateway.metrics.broken();
                let message = "the replica ended before it answered; it may have begun";
                return failure(StatusCode::BAD_GATEWAY, "replica_lost", message);
            }
        }
    }
    gateway.metrics.broken();
    failure(StatusCode::BAD_GATEWAY, "replica_unreachable", "no replica could be reached")
}

/// The body of a request, which is kept until a replica has it.
async fn whole(body: Body, allowed: &RequestConfig) -> Result<Bytes, Response> {
    let (longest, patience) = (allowed.body_bytes, seconds(allowed.client_seconds));
    match timeout(patience, Limited::new(body, longest).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the body is longer than {longest} bytes");
            Err(failure(StatusCode::PAYLOAD_TOO_LARGE, "body", &message))
        }
        Ok(Err(error)) => {
            let message = format!("the body can't be read: {error}");
            Err(failure(StatusCode::BAD_REQUEST, "body", &message))
        }
        Err(_) => {
            let message = format!("the body did not come within {} s", allowed.client_seconds);
            Err(failure(StatusCode::REQUEST_TIMEOUT, "body", &message))
        }
    }
}

/// The answer's head at once, its body as it comes.
fn pass_on(
    gateway: &Arc<Gateway>,
    answer: axum::http::Response<Incoming>,
    lease: Lease,
    arrived: Instant,
) -> Response {
    let (parts, body) = answer.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).cloned();
    let mut headers = forwarded(&parts.headers);
    let is_events = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    // A stream that breaks gets one event more than its replica said.
    if let Some(length) = length.filter(|_| !is_events) {
        headers.insert(CONTENT_LENGTH, length);
    }
    if let Ok(name) = HeaderValue::from_str(lease.replica()) {
        headers.insert(REPLICA, name);
    }
    let body = Answer::new(gateway, body, lease, arrived, is_events, parts.status.is_success());
    let mut response = Response::new(Body::new(body));
    (*response.status_mut(), *response.headers_mut()) = (parts.status, headers);
    response
}

/// `/v1/models`: what a replica says; while none is there, the models of the config. It wakes nobody.
pub async fn models(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let address = {
        let state = gateway.fleet.lock();
        state.replicas.iter().find(|one| one.serves()).and_then(|one| one.address)
    };
    if let Some(address) = address
        && let Ok(answer) = gateway.upstream.ask(address, &parts, Bytes::new()).await
    {
        let (parts, body) = answer.into_parts();
        let mut response = Response::new(Body::new(body));
        (*response.status_mut(), *response.headers_mut()) =
            (parts.status, forwarded(&parts.headers));
        return response;
    }
    let models: Vec<_> = gateway
        .models
        .iter()
        .map(|model| json!({"id": model, "object": "model", "owned_by": "trimtab-gateway"}))
        .collect();
    Json(json!({"object": "list", "data": models})).into_response()
}

/// An error in the form that `OpenAI`'s clients know.
fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({"message": message, "type": "gateway_error", "code": code});
    (status, Json(json!({ "error": error }))).into_response()
}

/// An error that passes.
fn retry_later(status: StatusCode, seconds: u32, message: &str) -> Response {
    let message = format!("{message}; try again in {seconds} s");
    let mut response = failure(status, "overloaded", &message);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
