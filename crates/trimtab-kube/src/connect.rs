//! How is the API server reached?

use std::path::PathBuf;
#[cfg(feature = "controller")]
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde::{Deserialize, Serialize};
use thiserror::Error;
#[cfg(feature = "controller")]
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::retry::{Policy, RetryLayer};
use trimtab_runtime::use_ring;

/// As whom, and to which server.
const AGENT: &str = concat!("trimtab/", env!("CARGO_PKG_VERSION"));
/// A connection that takes longer does not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// So long all waits together may be that an overloaded server asks for; beyond, whoever asked
/// decides.
const MOST_PATIENCE: Duration = Duration::from_secs(5);
/// The first wait where the server asks for none; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// So often one request is sent again.
const MOST_RETRIES: u32 = 5;
/// So many requests wait to be sent.
const QUEUE: usize = 1024;

/// Which API server to talk to. The default is what `kubectl` would talk to, and inside a cluster
/// that one.
///
/// ```
/// let spec: trimtab_kube::ConnectSpec = serde_json::from_str(r#"{"context": "staging"}"#)?;
/// assert_eq!(spec.context.as_deref(), Some("staging"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectSpec {
    /// A kubeconfig. Default: `KUBECONFIG`, then `~/.kube/config`, then the service account of the
    /// pod that this runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig. Default: its current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// Why there is no client.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The kubeconfig that was asked for can't be used.
    #[error(
        "the kubeconfig{} can't be used{}: {reason}",
        of_file(.file.as_ref()), of_context(.context.as_ref())
    )]
    Kubeconfig {
        /// Which one, if not the usual one.
        file: Option<PathBuf>,
        /// The context that was asked for.
        context: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// Neither a kubeconfig nor a cluster around us.
    #[error(
        "there is no cluster to talk to: {0}; set `KUBECONFIG`, or run in a pod with a service \
         account"
    )]
    Nowhere(String),
    /// The client can't be built.
    #[error("no client can be built: {0}")]
    Client(String),
}

fn of_file(file: Option<&PathBuf>) -> String {
    file.map_or_else(String::new, |file| format!(" `{}`", file.display()))
}

fn of_context(context: Option<&String>) -> String {
    context.map_or_else(String::new, |context| format!(" with the context `{context}`"))
}

/// A client of the API server that `spec` names. Nothing is sent yet.
///
/// # Errors
///
/// [`ConnectError`] when it can't be said where that is, or as whom to talk to it.
pub async fn connect(spec: &ConnectSpec) -> Result<Client, ConnectError> {
    use_ring();
    let config = match spec {
        ConnectSpec { kubeconfig: None, context: None } => {
            Config::infer().await.map_err(|error| ConnectError::Nowhere(words(&error)))?
        }
        ConnectSpec { kubeconfig, context } => {
            let wrong = |reason: String| ConnectError::Kubeconfig {
                file: kubeconfig.clone(),
                context: context.clone(),
                reason,
            };
            let options =
                KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
            let read = match kubeconfig {
                Some(file) => {
                    let config =
                        Kubeconfig::read_from(file).map_err(|error| wrong(words(&error)))?;
                    Config::from_custom_kubeconfig(config, &options).await
                }
                None => Config::from_kubeconfig(&options).await,
            };
            read.map_err(|error| wrong(words(&error)))?
        }
    };
    connect_with(config)
}

/// A client of this config, as [`connect`] makes it: with our name, timeouts, and short patience
/// with a server that is overloaded.
///
/// # Errors
///
/// [`ConnectError::Client`] when its certificates or its way to sign in can't be used.
pub fn connect_with(mut config: Config) -> Result<Client, ConnectError> {
    use_ring();
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // kube's own retries wait as long as the server asks for, be it minutes: a loop has a deadline.
    config.default_retry = false;
    if !config.headers.iter().any(|(name, _)| *name == USER_AGENT) {
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    }
    let builder = ClientBuilder::try_from(config)
        .map_err(|error| ConnectError::Client(words(&error)))?
        .with_layer(&BufferLayer::new(QUEUE))
        .with_layer(&RetryLayer::new(Patience { waited: Duration::ZERO, retries: 0 }));
    Ok(builder.build())
}

/// The same client with so many requests at a time; others wait for their turn. A request that an
/// overloaded server turns away keeps its turn while it waits, so that less is asked the longer
/// answers take.
#[cfg(feature = "controller")]
pub(crate) fn at_most(client: &Client, requests: u32) -> Client {
    let turns = Arc::new(Semaphore::new(usize::try_from(requests.max(1)).unwrap_or(usize::MAX)));
    let inner = client.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, turns) = (inner.clone(), Arc::clone(&turns));
        async move {
            let _turn = turns.acquire_owned().await;
            client.send(request).await
        }
    });
    Client::new(service, client.default_namespace()).with_valid_until(*client.valid_until())
}

/// An error with what it comes from.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let inner = error.to_string();
        if !text.ends_with(&inner) {
            text = format!("{text}: {inner}");
        }
        source = error.source();
    }
    text
}

/// Sends a request again that an overloaded server turned away, as soon as it asks for and while
/// that is soon.
#[derive(Clone, Debug)]
struct Patience {
    waited: Duration,
    retries: u32,
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Patience {
    type Future = Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        answer: &mut Result<Response<B>, BoxError>,
    ) -> Option<Sleep> {
        let response = answer.as_ref().ok()?;
        let turned_away = match response.status() {
            // The server did not look at it.
            StatusCode::TOO_MANY_REQUESTS => true,
            // It may have carried it out.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                request.method() == Method::GET
            }
            _ => false,
        };
        let wait = retry_after(response.headers())
            .unwrap_or_else(|| FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.retries)));
        let waited = self.waited.saturating_add(wait);
        if !turned_away || self.retries >= MOST_RETRIES || waited > MOST_PATIENCE {
            return None;
        }
        *self = Self { waited, retries: self.retries.saturating_add(1) };
        Some(sleep(wait))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut copy = Request::new(request.body().try_clone()?);
        request.method().clone_into(copy.method_mut());
        request.uri().clone_into(copy.uri_mut());
        *copy.version_mut() = request.version();
        request.headers().clone_into(copy.headers_mut());
        request.extensions().clone_into(copy.extensions_mut());
        Some(copy)
    }
}

/// How long the server asks to be left alone.
pub(crate) fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(all(test, feature = "controller"))]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_requests_at_a_time_and_who_gives_up_leaves_its_turn() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (running, peak) = (Arc::clone(&now), Arc::clone(&most));
        let slow = tower::service_fn(move |_: Request<Body>| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            async move {
                let count = running.fetch_add(1, Ordering::SeqCst) + 1;
                peak.fetch_max(count, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        let client = at_most(&Client::new(slow, "inference"), 3);
        assert_eq!(client.default_namespace(), "inference");
        let ask = || client.send(Request::new(Body::empty()));
        let begun = tokio::time::Instant::now();
        let answers = join_all((0..30).map(|_| ask())).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!((begun.elapsed().as_secs(), most.load(Ordering::SeqCst)), (10, 3));
        // Three that nobody waits for any more hold nobody up.
        let patience = Duration::from_millis(100);
        join_all((0..3).map(|_| tokio::time::timeout(patience, ask()))).await;
        tokio::time::timeout(Duration::from_millis(1100), ask()).await.unwrap().unwrap();
    }
}
