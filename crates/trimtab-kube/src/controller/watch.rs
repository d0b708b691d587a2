//! What is heard of the API server: policies, and the HorizontalPodAutoscalers whose place they take.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, utils::Backoff};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::metrics::KubeCounts;
use crate::crd::GuardedPolicy;

/// A watch is begun anew after so many seconds: one that died in silence is not believed for longer.
const LONGEST_WATCH: u32 = 60;
/// So many are on the way.
const QUEUE: usize = 256;

/// What was heard, in the order in which it was.
pub(crate) enum Heard<K> {
    /// An object as it is now.
    Is(K),
    /// An object is no more.
    Gone(K),
    /// A listing begins, of a namespace or of all.
    Listing(Option<String>),
    /// That listing has told of all that there is.
    Listed(Option<String>),
    /// It may not be watched, or the kind is not there.
    Denied(Option<String>),
}

/// Policies.
pub(crate) fn policies(
    client: &Client,
    namespaces: &[String],
    counts: &Arc<KubeCounts>,
    stop: &CancellationToken,
) -> mpsc::Receiver<Heard<GuardedPolicy>> {
    start(client, namespaces, "scalingpolicies", counts, stop)
}

/// HorizontalPodAutoscalers.
pub(crate) fn autoscalers(
    client: &Client,
    namespaces: &[String],
    counts: &Arc<KubeCounts>,
    stop: &CancellationToken,
) -> mpsc::Receiver<Heard<HorizontalPodAutoscaler>> {
    start(client, namespaces, "horizontalpodautoscalers", counts, stop)
}

/// Watches a kind in some namespaces, or in all.
fn start<K>(
    client: &Client,
    namespaces: &[String],
    what: &'static str,
    counts: &Arc<KubeCounts>,
    stop: &CancellationToken,
) -> mpsc::Receiver<Heard<K>>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let (heard, receiver) = mpsc::channel(QUEUE);
    let scopes: Vec<Option<String>> = match namespaces {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    for scope in scopes {
        let api: Api<K> = match &scope {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let follow = follow(api, scope, what, heard.clone(), Arc::clone(counts));
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(follow).await });
    }
    receiver
}

async fn follow<K>(
    api: Api<K>,
    scope: Option<String>,
    what: &'static str,
    heard: mpsc::Sender<Heard<K>>,
    counts: Arc<KubeCounts>,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut stream = watcher(api, watcher::Config::default().timeout(LONGEST_WATCH))
        .backoff(Patience::default())
        .boxed();
    let mut told: Option<String> = None;
    let mut listings = 0_u32;
    while let Some(event) = stream.next().await {
        let news = match event {
            Ok(event) => {
                if told.take().is_some() {
                    info!(target: "trimtab", "`{what}` can be watched again");
                }
                match event {
                    Event::Init => {
                        if listings > 0 {
                            counts.watch_restarted(what);
                        }
                        listings = listings.saturating_add(1);
                        Heard::Listing(scope.clone())
                    }
                    Event::InitApply(object) | Event::Apply(object) => Heard::Is(object),
                    Event::InitDone => Heard::Listed(scope.clone()),
                    Event::Delete(object) => Heard::Gone(object),
                }
            }
            Err(error) => {
                let is_refused = is_refused(&error);
                let error = crate::connect::words(&error);
                if told.as_ref() != Some(&error) {
                    warn!(target: "trimtab", error, "`{what}` can't be watched");
                    told = Some(error);
                }
                if !is_refused {
                    continue;
                }
                Heard::Denied(scope.clone())
            }
        };
        if heard.send(news).await.is_err() {
            return;
        }
    }
}

/// It won't go better by itself: it is denied, or there is no such kind.
fn is_refused(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404))
}

/// How long a watch that broke off waits: longer each time, and as at first after it went well.
#[derive(Clone, Debug, Default)]
struct Patience {
    failed: u32,
}

impl Iterator for Patience {
    type Item = std::time::Duration;

    fn next(&mut self) -> Option<Self::Item> {
        let millis = 250_u64.saturating_mul(1 << self.failed.min(7));
        self.failed = self.failed.saturating_add(1);
        // Replicas that lost one API server don't all come back to the other at once.
        let spread = u64::from(std::process::id()) % 100;
        Some(std::time::Duration::from_millis(millis.min(30_000) * (100 + spread) / 150))
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.failed = 0;
    }
}
