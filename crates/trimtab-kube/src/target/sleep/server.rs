//! The server in a pod that is put to sleep and woken.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Method;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use trimtab_manifest::SleepSpec;

/// So many servers are asked at a time.
const AT_ONCE: usize = 16;
/// Whether it sleeps, a server says within that time, or it is not known: nothing is decided before.
const PATIENCE: Duration = Duration::from_millis(500);
/// It is asked that often until it does as it was told.
const AGAIN: Duration = Duration::from_millis(250);
/// No answer that says whether it sleeps is longer, in bytes.
const MOST_BYTES: usize = 4096;

/// Asks servers in pods, a few at a time, each for as long as it may take.
pub(super) struct Servers {
    client: Result<Client, String>,
    spec: SleepSpec,
    places: Semaphore,
}

/// What a server is told.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Sleep,
    Wake,
}

/// Whether it sleeps.
#[derive(Deserialize)]
#[serde(untagged)]
enum State {
    Named { is_sleeping: bool },
    Bare(bool),
}

impl Servers {
    pub(super) fn new(spec: &SleepSpec) -> Self {
        trimtab_runtime::use_ring();
        let builder = Client::builder()
            .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none());
        let client = builder.build().map_err(|error| words(&error));
        Self { client, spec: spec.clone(), places: Semaphore::new(AT_ONCE) }
    }

    /// Whether a server can be asked if it sleeps.
    pub(super) fn tell_state(&self) -> bool {
        !self.spec.state_path.is_empty()
    }

    /// Whether each of them sleeps, in their order.
    pub(super) async fn asleep(&self, servers: &[IpAddr]) -> Vec<Result<bool, String>> {
        let asked: Vec<_> = servers.iter().map(|at| self.is_asleep(*at)).collect();
        stream::iter(asked).buffered(AT_ONCE).collect().await
    }

    /// Whether a server sleeps.
    pub(super) async fn is_asleep(&self, at: IpAddr) -> Result<bool, String> {
        let asked = async {
            let body = self.send(Method::GET, at, &self.spec.state_path).await?;
            match serde_json::from_slice(&body) {
                Ok(State::Named { is_sleeping } | State::Bare(is_sleeping)) => Ok(is_sleeping),
                Err(_) => {
                    let path = &self.spec.state_path;
                    Err(format!("`{path}` does not say whether it sleeps, as `is_sleeping`"))
                }
            }
        };
        let late = |_| Err(String::from("it does not say whether it sleeps within 500ms"));
        timeout(PATIENCE, asked).await.unwrap_or_else(late)
    }

    /// Tells a server to sleep or to wake up, and waits until it does. One that is so already is not
    /// told; without a path for the state, `in_doubt` says whether it may be otherwise.
    pub(super) async fn tell(
        &self,
        order: Order,
        at: IpAddr,
        in_doubt: bool,
    ) -> Result<(), String> {
        let limit = u64::try_from(self.spec.timeout_seconds).unwrap_or(1).max(1);
        let path = match order {
            Order::Sleep => &self.spec.sleep_path,
            Order::Wake => &self.spec.wake_path,
        };
        let done = async {
            if !self.tell_state() {
                return match in_doubt {
                    true => self.send(Method::POST, at, path).await.map(drop),
                    false => Ok(()),
                };
            }
            let wanted = order == Order::Sleep;
            if self.is_asleep(at).await == Ok(wanted) {
                return Ok(());
            }
            self.send(Method::POST, at, path).await?;
            // Some answer before it is done.
            while self.is_asleep(at).await != Ok(wanted) {
                sleep(AGAIN).await;
            }
            Ok(())
        };
        match timeout(Duration::from_secs(limit), done).await {
            Ok(done) => done,
            Err(_) => Err(format!("`{path}` has not done it within {limit}s")),
        }
    }

    async fn send(&self, method: Method, at: IpAddr, path: &str) -> Result<Vec<u8>, String> {
        let closed = |_| String::from("nobody is asked any more");
        let _place = self.places.acquire().await.map_err(closed)?;
        let port = u16::try_from(self.spec.port).unwrap_or(0);
        let url = format!("http://{}{path}", SocketAddr::new(at, port));
        let client = self.client.as_ref().map_err(String::clone)?;
        let mut request = client.request(method.clone(), url);
        if method == Method::POST {
            // SGLang wants an object; vLLM does not look at it.
            request = request.header(CONTENT_TYPE, "application/json").body("{}");
        }
        let mut response = request.send().await.map_err(|error| words(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("`{path}` answers {status}"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| words(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(format!("`{path}` answers with more than {MOST_BYTES} bytes"));
            }
        }
        Ok(body)
    }
}

/// What went wrong at the bottom of it.
fn words(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    format!("it can't be reached: {last}")
}
