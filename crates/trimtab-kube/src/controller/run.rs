//! The loop that hears of policies, leases and the end, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};
use trimtab_runtime::{Controller, StateStore, TracingSink, WorkloadId};

use super::accept::Parts;
use super::events::Teller;
use super::fleet::{Fleet, id_of};
use super::lease::{LeaseApi, LeaseChange, Leases};
use super::metrics::KubeCounts;
use super::status::{StatusApi, StatusKeeper};
use super::watch::{Heard, autoscalers, policies};
use super::{ControllerError, Settings, Sources, pages};
use crate::cluster::{Cluster, Scope};
use crate::connect::at_most;
use crate::crd::GuardedPolicy;
use crate::metrics::MetricsApis;
use crate::target::Discovery;

/// How long pods are waited for before anything is decided.
const PATIENCE_WITH_PODS: Duration = Duration::from_secs(30);
/// How often is tried again what did not go.
const AGAIN: Duration = Duration::from_secs(30);

/// What the pages want to know of the loop.
#[derive(Default)]
pub(crate) struct Readiness {
    pub(crate) has_policies: AtomicBool,
    pub(crate) has_pods: AtomicBool,
}

/// Drives the policies of a cluster until `stop`. Then ticks are finished, states saved and leases given back.
///
/// # Errors
///
/// [`ControllerError`] when the settings can't be used.
pub async fn run(
    client: Client,
    settings: Settings,
    sources: Arc<dyn Sources>,
    stop: CancellationToken,
) -> Result<(), ControllerError> {
    settings.check()?;
    let counts = Arc::new(KubeCounts::default());
    // Watches and renewals go on until all is saved.
    let end = CancellationToken::new();
    let _ends_all = end.clone().drop_guard();
    let scope = match settings.namespaces.as_slice() {
        [] => Scope::all(),
        some => Scope::namespaces(some.iter().cloned()),
    };
    let cluster = Cluster::watch(client.clone(), scope, end.clone());
    let keeper = keeper(&client, &settings, &counts);
    let controller = controller(&settings, &keeper);
    let readiness = Arc::new(Readiness::default());
    let pages = settings.listener.map(|listener| {
        let pages = pages::Pages {
            controller: Arc::clone(&controller),
            cluster: cluster.clone(),
            counts: Arc::clone(&counts),
            readiness: Arc::clone(&readiness),
        };
        tokio::spawn(pages::serve(listener, pages, end.clone().cancelled_owned()))
    });
    let parts = Parts {
        client: client.clone(),
        of_scales: at_most(&client, settings.scale_requests_at_once),
        cluster,
        discovery: Discovery::new(client.clone()),
        apis: MetricsApis::new(client.clone()),
        sources,
        notices: keeper.notices(),
    };
    let own = settings.lease_client.unwrap_or_else(|| client.clone());
    let backend = Arc::new(LeaseApi::new(own, &settings.leases));
    let leases = Leases::new(backend, &settings.leases, settings.moments, Arc::clone(&counts));
    let shards = settings.leases.shards;
    let mut running = Loop {
        policies: policies(&client, &settings.namespaces, &counts, &end),
        autoscalers: autoscalers(&client, &settings.namespaces, &counts, &end),
        fleet: Fleet::new(Arc::clone(&controller), keeper, parts, counts, shards),
        leases: Arc::new(leases),
        driver: None,
        readiness,
        listings: Listings::default(),
    };
    info!(target: "trimtab", identity = settings.leases.identity, shards, "running");
    running.until(&stop).await;
    info!(target: "trimtab", "ending: ticks are finished, states saved, leases given back");
    controller.shutdown().await;
    running.give_back().await;
    end.cancel();
    if let Some(pages) = pages
        && let Ok(Err(error)) = pages.await
    {
        warn!(target: "trimtab", %error, "the pages ended early");
    }
    Ok(())
}

fn keeper(client: &Client, settings: &Settings, counts: &Arc<KubeCounts>) -> Arc<StatusKeeper> {
    let patience = settings.leases.request_timeout;
    let identity = settings.leases.identity.clone();
    let teller = Teller::start(client.clone(), identity.clone(), patience, Arc::clone(counts));
    Arc::new(StatusKeeper::new(
        StatusApi::new(client.clone(), patience),
        identity,
        (settings.save_interval, patience),
        settings.status_writes_per_second,
        teller,
        Arc::clone(counts),
    ))
}

fn controller(settings: &Settings, keeper: &Arc<StatusKeeper>) -> Arc<Controller> {
    let mut of_loop = trimtab_runtime::Settings::default();
    of_loop.deadline = settings.deadline;
    of_loop.shutdown = settings.shutdown;
    // The keeper hears of each state, and knows when to write it.
    of_loop.save_interval = Duration::ZERO;
    let mut builder = Controller::builder(Arc::clone(keeper) as Arc<dyn StateStore>)
        .with_settings(of_loop)
        .with_sink(Arc::new(TracingSink::default()))
        .with_sink(Arc::clone(keeper) as Arc<_>);
    if let Some(clock) = &settings.clock {
        builder = builder.with_clock(Arc::clone(clock));
    }
    for sink in &settings.sinks {
        builder = builder.with_sink(Arc::clone(sink));
    }
    Arc::new(builder.build())
}

/// Names that a listing has told of so far, by its scope.
#[derive(Default)]
struct Listings {
    policies: BTreeMap<Option<String>, BTreeSet<WorkloadId>>,
    autoscalers: BTreeMap<Option<String>, BTreeSet<WorkloadId>>,
}

/// Adds a name to the listings that it may be of.
fn note(listings: &mut BTreeMap<Option<String>, BTreeSet<WorkloadId>>, id: &WorkloadId) {
    let namespace = id.as_str().split_once('/').map(|(namespace, _)| namespace);
    for (scope, names) in listings.iter_mut() {
        if scope.is_none() || scope.as_deref() == namespace {
            names.insert(id.clone());
        }
    }
}

struct Loop {
    policies: mpsc::Receiver<Heard<GuardedPolicy>>,
    autoscalers: mpsc::Receiver<Heard<HorizontalPodAutoscaler>>,
    fleet: Fleet,
    leases: Arc<Leases>,
    driver: Option<Driver>,
    readiness: Arc<Readiness>,
    listings: Listings,
}

struct Driver {
    end: CancellationToken,
    /// Who drops the loop holds on to no lease.
    task: AbortOnDropHandle<()>,
}

impl Loop {
    /// Hears of all that happens until the end.
    async fn until(&mut self, stop: &CancellationToken) {
        let (changes, mut changed) = mpsc::unbounded_channel();
        let mut changes = Some(changes);
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cluster = self.fleet.cluster();
        let mut pods =
            Box::pin(timeout(PATIENCE_WITH_PODS, async move { cluster.synced().await }).fuse());
        let mut knows_pods = false;
        loop {
            // Who sees nothing takes no lease from those who do.
            if knows_pods
                && self.readiness.has_policies.load(Ordering::Relaxed)
                && let Some(changes) = changes.take()
            {
                self.take_leases(changes, stop);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                Some(heard) = self.policies.recv() => self.heard_policy(heard).await,
                Some(heard) = self.autoscalers.recv() => self.heard_autoscaler(heard).await,
                Some(change) = changed.recv() => self.lease(change).await,
                synced = &mut pods, if !knows_pods => {
                    knows_pods = true;
                    if synced.is_err() {
                        warn!(target: "trimtab", "it is not known which pods there are; going on without");
                    }
                    self.readiness.has_pods.store(true, Ordering::Relaxed);
                }
                _ = again.tick() => self.fleet.again().await,
            }
        }
    }

    fn take_leases(
        &mut self,
        changes: mpsc::UnboundedSender<LeaseChange>,
        stop: &CancellationToken,
    ) {
        let (leases, stop, end) =
            (Arc::clone(&self.leases), stop.clone(), CancellationToken::new());
        let ends = end.clone();
        let task = tokio::spawn(async move { leases.drive(changes, stop, ends).await });
        self.driver = Some(Driver { end, task: AbortOnDropHandle::new(task) });
    }

    /// All that was decided is saved: another replica may go on.
    async fn give_back(&mut self) {
        if let Some(Driver { end, task }) = self.driver.take() {
            end.cancel();
            if task.await.is_err() {
                warn!(target: "trimtab", "leases are not given back: they end by themselves");
            }
        }
    }

    async fn lease(&mut self, change: LeaseChange) {
        match change {
            LeaseChange::Gained(shard, fence) => self.fleet.gained(shard, fence).await,
            LeaseChange::Lost(shard) => self.fleet.left(shard, false).await,
            LeaseChange::Leave(shard, term) => {
                self.fleet.left(shard, true).await;
                self.leases.give_back(shard, term);
            }
        }
        self.fleet.again().await;
    }

    async fn heard_policy(&mut self, heard: Heard<GuardedPolicy>) {
        match heard {
            Heard::Is(object) => {
                if let Some(id) = self.fleet.is(object).await {
                    note(&mut self.listings.policies, &id);
                }
            }
            Heard::Gone(object) => {
                if let Some(id) = id_of(&object) {
                    self.fleet.gone(&id).await;
                }
            }
            Heard::Listing(scope) => {
                self.listings.policies.insert(scope, BTreeSet::new());
            }
            Heard::Listed(scope) => {
                let names = self.listings.policies.remove(&scope).unwrap_or_default();
                self.fleet.listed(scope.as_deref(), &names).await;
                self.readiness.has_policies.store(true, Ordering::Relaxed);
            }
            Heard::Denied(_) => {}
        }
    }

    async fn heard_autoscaler(&mut self, heard: Heard<HorizontalPodAutoscaler>) {
        let listings = &mut self.listings.autoscalers;
        match heard {
            Heard::Is(hpa) => {
                self.fleet
                    .adopted(|adoption| {
                        if let Some(id) = adoption.is(hpa) {
                            note(listings, &id);
                        }
                    })
                    .await;
            }
            Heard::Gone(hpa) => self.fleet.adopted(|adoption| adoption.gone(&hpa)).await,
            Heard::Listing(scope) => {
                listings.insert(scope, BTreeSet::new());
                return;
            }
            Heard::Listed(scope) => {
                let names = listings.remove(&scope).unwrap_or_default();
                self.fleet.adopted(|adoption| adoption.listed(scope, &names)).await;
            }
            Heard::Denied(scope) => self.fleet.adopted(|adoption| adoption.denied(&scope)).await,
        }
        self.fleet.make().await;
    }
}
