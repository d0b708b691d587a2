//! The tasks that follow what is watched.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::StreamExt;
use kube::core::ApiResource;
use kube::core::gvk::GroupVersionKind;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::karpenter::{NodeClaim, NodePool};
use super::picture::{Kept, Picture, sweep};
use super::pod::Pod;
use super::watching::{Part, Watching};
use super::wire::{WireBudget, WireNode, WireNodeClaim, WireNodePool, WirePod};

/// The group of Karpenter's kinds, and its versions, the best in front.
const KARPENTER: &str = "karpenter.sh";
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// What happened to an object of some kind. The number is that of the listing.
enum Change<K> {
    Seen(K, u32),
    Gone(K),
    /// All were seen that there are.
    Listed(u32),
}

/// Starts a task for everything that is watched.
pub(super) fn start(inner: &Arc<Inner>, client: &Client, stop: &CancellationToken) {
    for watching in &inner.watches {
        let task = run(Arc::clone(inner), Arc::clone(watching), client.clone());
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled_owned(task).await });
    }
}

async fn run(inner: Arc<Inner>, watching: Arc<Watching>, client: Client) {
    let client = watching.pulse.listen(&client);
    loop {
        once(&inner, &watching, client.clone()).await;
        inner.changed();
        tokio::time::sleep(inner.scope.discovery).await;
    }
}

/// Follows what is watched, for as long as the cluster has that kind.
async fn once(inner: &Inner, watching: &Watching, client: Client) {
    let (scope, namespace) = (&inner.scope, watching.namespace.as_deref());
    let config = watcher::Config::default();
    match watching.part {
        Part::Pods => {
            let all = scope.pods.is_everything();
            let config = if all { config } else { config.labels(&scope.pods.to_string()) };
            let api: Api<WirePod> = in_namespace(client, namespace);
            let take = |picture: &mut Picture, change| on_pod(inner, picture, namespace, change);
            follow(inner, watching, api, config, take).await;
        }
        Part::Nodes => {
            let api: Api<WireNode> = Api::all(client);
            let take = |picture: &mut Picture, change| on_node(picture, &scope.pool_labels, change);
            follow(inner, watching, api, config, take).await;
        }
        Part::Budgets => {
            let api: Api<WireBudget> = in_namespace(client, namespace);
            let take = |picture: &mut Picture, change| on_budget(picture, namespace, change);
            follow(inner, watching, api, config, take).await;
        }
        Part::NodePools => karpenter(inner, watching, client, "NodePool", on_node_pool).await,
        Part::NodeClaims => karpenter(inner, watching, client, "NodeClaim", on_node_claim).await,
    }
}

fn in_namespace<K>(client: Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Follows objects until the cluster has none of that kind; from all else that goes wrong it comes
/// back by itself.
async fn follow<K>(
    inner: &Inner,
    watching: &Watching,
    api: Api<K>,
    config: watcher::Config,
    mut take: impl FnMut(&mut Picture, Change<K>) -> usize,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let timeout = u32::try_from(inner.scope.watch_timeout.as_secs()).unwrap_or(u32::MAX);
    let config = config.timeout(timeout);
    let begin = || Box::pin(watcher(api.clone(), config.clone()).default_backoff());
    let mut events = begin();
    let mut listing = 0_u32;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listing = listing.wrapping_add(1),
            Ok(Event::InitApply(object)) => {
                take(&mut inner.write(), Change::Seen(object, listing));
            }
            Ok(Event::Apply(object)) => {
                take(&mut inner.write(), Change::Seen(object, listing));
            }
            Ok(Event::Delete(object)) => {
                take(&mut inner.write(), Change::Gone(object));
            }
            Ok(Event::InitDone) => {
                let objects = take(&mut inner.write(), Change::Listed(listing));
                watching.listed(objects);
                inner.changed();
            }
            Err(error) => {
                watching.failed(&error);
                inner.changed();
                let (watcher::Error::InitialListFailed(error)
                | watcher::Error::WatchStartFailed(error)) = error
                else {
                    continue;
                };
                // The watcher lists anew when it is told so within a watch. Where none is even
                // begun, it would ask for what has expired, or is no more, for ever.
                match error {
                    kube::Error::Api(status) if status.code == 404 => return,
                    kube::Error::Api(status) if status.code == 410 => events = begin(),
                    _ => {}
                }
            }
        }
    }
}

/// The same for one of Karpenter's kinds, which come and go.
async fn karpenter<K>(
    inner: &Inner,
    watching: &Watching,
    client: Client,
    kind: &'static str,
    mut take: impl FnMut(&mut Picture, Change<K>) -> usize,
) where
    K: Resource<DynamicType = ApiResource> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    match served(&client, kind).await {
        Ok(Some(resource)) => {
            let api = Api::all_with(client, &resource);
            follow(inner, watching, api, watcher::Config::default(), &mut take).await;
            // What is not there has nothing: listing number 0 is none.
            take(&mut inner.write(), Change::Listed(0));
            watching.missing();
        }
        Ok(None) => watching.missing(),
        Err(error) => watching.unknown(error.to_string()),
    }
}

/// One of Karpenter's kinds in the best version that the cluster has.
async fn served(client: &Client, kind: &str) -> kube::Result<Option<ApiResource>> {
    let groups = client.list_api_groups().await?.groups;
    let Some(group) = groups.into_iter().find(|group| group.name == KARPENTER) else {
        return Ok(None);
    };
    let has = |version: &&str| group.versions.iter().any(|one| one.version == *version);
    Ok(VERSIONS.into_iter().find(has).map(|version| {
        let kind = GroupVersionKind::gvk(KARPENTER, version, kind);
        let plural = format!("{}s", kind.kind.to_lowercase());
        ApiResource::from_gvk_with_plural(&kind, &plural)
    }))
}

fn on_pod(
    inner: &Inner,
    picture: &mut Picture,
    namespace: Option<&str>,
    change: Change<WirePod>,
) -> usize {
    match change {
        Change::Seen(pod, listing) => {
            let pod = Pod::keep(pod, &inner.scope.pool_labels, &mut picture.shared);
            picture.pods.set(pod, listing, inner.now());
        }
        Change::Gone(pod) => {
            let (namespace, name) = name_of(&pod);
            picture.pods.remove(namespace, name);
        }
        Change::Listed(listing) => picture.pods.listed(namespace, listing, &mut picture.shared),
    }
    picture.pods.len()
}

fn on_node(picture: &mut Picture, pools: &[String], change: Change<WireNode>) -> usize {
    match change {
        Change::Seen(node, listing) => picture.set_node(node, pools, listing),
        Change::Gone(node) => drop(picture.nodes.remove(name_of(&node).1)),
        Change::Listed(listing) => sweep(&mut picture.nodes, listing),
    }
    picture.nodes.len()
}

fn on_budget(picture: &mut Picture, namespace: Option<&str>, change: Change<WireBudget>) -> usize {
    match change {
        Change::Seen(budget, listing) => {
            picture.budgets.set(budget, listing, &mut picture.shared.strings);
        }
        Change::Gone(budget) => {
            let (namespace, name) = name_of(&budget);
            picture.budgets.remove(namespace, name);
        }
        Change::Listed(listing) => picture.budgets.listed(namespace, listing),
    }
    picture.budgets.len()
}

fn on_node_pool(picture: &mut Picture, change: Change<WireNodePool>) -> usize {
    let pools = &mut picture.karpenter.pools;
    match change {
        Change::Seen(pool, listing) => {
            let it = NodePool::keep(pool, &mut picture.shared.strings);
            pools.insert(Arc::clone(&it.name), Kept { it, listing });
        }
        Change::Gone(pool) => drop(pools.remove(name_of(&pool).1)),
        Change::Listed(listing) => sweep(pools, listing),
    }
    pools.len()
}

fn on_node_claim(picture: &mut Picture, change: Change<WireNodeClaim>) -> usize {
    let claims = &mut picture.karpenter.claims;
    match change {
        Change::Seen(claim, listing) => {
            let it = NodeClaim::keep(claim, &mut picture.shared.strings);
            claims.insert(Arc::clone(&it.name), Kept { it, listing });
        }
        Change::Gone(claim) => drop(claims.remove(name_of(&claim).1)),
        Change::Listed(listing) => sweep(claims, listing),
    }
    claims.len()
}

fn name_of(object: &impl Resource) -> (&str, &str) {
    let meta = object.meta();
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}
