//! Servers that sleep and wake as vLLM's do, or do not.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What is wrong with a server.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It answers 500 when it is told something.
    Fails,
    /// It takes longer than anybody waits.
    Slow,
    /// It takes its time.
    Lazy,
    /// It says that it has done what it was told, and has not.
    Lies,
}

#[derive(Debug, Default)]
struct Inner {
    asleep: bool,
    fault: Fault,
    told: Vec<&'static str>,
}

/// A server at an address of its own.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) ip: IpAddr,
    pub(crate) port: u16,
    inner: Arc<Mutex<Inner>>,
}

impl Server {
    /// Several at one port, the nth at the nth address of a network of a test's own.
    pub(crate) async fn several(network: [u8; 2], asleep: &[bool]) -> Vec<Self> {
        let mut servers: Vec<Self> = Vec::new();
        for (number, asleep) in (1..).zip(asleep) {
            let ip = IpAddr::from([127, network[0], network[1], number]);
            let port = servers.first().map_or(0, |server| server.port);
            let listener = TcpListener::bind(SocketAddr::new(ip, port)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = Self { ip, port, inner: Arc::default() };
            server.inner.lock().unwrap().asleep = *asleep;
            let router = Router::new()
                .route("/sleep", post(sleep))
                .route("/wake_up", post(wake))
                .route("/is_sleeping", get(is_sleeping))
                .with_state(server.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            servers.push(server);
        }
        servers
    }

    pub(crate) fn breaks(&self, fault: Fault) {
        self.inner.lock().unwrap().fault = fault;
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.inner.lock().unwrap().asleep
    }

    /// It starts anew.
    pub(crate) fn restarts(&self) {
        self.inner.lock().unwrap().asleep = false;
    }

    /// What it was told since that was asked last.
    pub(crate) fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.inner.lock().unwrap().told)
    }

    async fn is_told(&self, what: &'static str, asleep: bool) -> StatusCode {
        let fault = {
            let mut inner = self.inner.lock().unwrap();
            inner.told.push(what);
            inner.fault
        };
        match fault {
            Fault::Fails => return StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Slow => tokio::time::sleep(Duration::from_secs(60)).await,
            Fault::Lazy => tokio::time::sleep(Duration::from_secs(5)).await,
            Fault::Lies => return StatusCode::OK,
            Fault::None => {}
        }
        self.inner.lock().unwrap().asleep = asleep;
        StatusCode::OK
    }
}

async fn sleep(State(server): State<Server>, Json(_): Json<Value>) -> StatusCode {
    server.is_told("sleep", true).await
}

async fn wake(State(server): State<Server>, Json(_): Json<Value>) -> StatusCode {
    server.is_told("wake", false).await
}

async fn is_sleeping(State(server): State<Server>) -> Json<Value> {
    Json(json!({"is_sleeping": server.is_asleep()}))
}
