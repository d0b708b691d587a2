//! What is driven now, and how it becomes what a new config says.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tracing::{info, warn};
use trimtab_engine::{CrossVersionObjectReference, RetireSpec};
use trimtab_prometheus::{
    PrometheusClient, PrometheusSource, Replica, Replicas, ReplicasSpec, ScrapeSource, ScrapeSpec,
    ServerSpec, SpecError,
};
use trimtab_runtime::{
    Ask, Clock, Controller, ExecSpec, ExecTarget, LocalSpec, LocalTarget, MetricSource,
    ScaleTarget, SourceError, WebhookTarget, Workload, WorkloadId,
};

use super::clusters::Clusters;
use super::config::{RunConfig, SourceConfig, TargetConfig, WorkloadConfig};
use super::load::{Loaded, Named, is_keda};
use super::notes::notes;
use super::scaler::Scaler;
use crate::error::CommandError;

/// Prometheus servers by name.
pub(super) type Servers = BTreeMap<String, (ServerSpec, PrometheusClient)>;

/// The workloads with the parts that they are made of, so that what did not change goes on as it is.
pub(super) struct Fleet {
    clock: Arc<dyn Clock>,
    scaler: Scaler,
    servers: Servers,
    clusters: Clusters,
    parts: BTreeMap<WorkloadId, Parts>,
}

#[derive(Clone)]
struct Parts {
    config: WorkloadConfig,
    /// What its policy is called, and what that names.
    policy: KnownAs,
    /// What its policy says of those that leave.
    retire: Option<Box<RetireSpec>>,
    target: Arc<dyn ScaleTarget>,
    sources: Vec<Arc<dyn MetricSource>>,
    /// What was said about them.
    notes: Vec<String>,
    /// The target again, where its processes have to be ended.
    local: Option<Arc<LocalTarget>>,
}

impl Fleet {
    pub(super) fn new(clock: Arc<dyn Clock>, scaler: Scaler) -> Self {
        Self {
            clock,
            scaler,
            servers: BTreeMap::new(),
            clusters: Clusters::default(),
            parts: BTreeMap::new(),
        }
    }

    /// Drives what `loaded` says, and nothing else. If any part of it can't be made, all stays as it is.
    pub(super) async fn follow(
        &mut self,
        loaded: &Loaded,
        controller: &Controller,
    ) -> Result<(), CommandError> {
        let clusters = Clusters::of(&loaded.config, &self.clusters).await?;
        let (servers, parts) = self.made_of(loaded, &clusters).await?;
        let before = std::mem::replace(&mut self.parts, parts);
        (self.servers, self.clusters) = (servers, clusters);
        for (id, parts) in before {
            let still = self.parts.get(&id);
            if still.is_none() {
                info!(target: "trimtab", workload = id.as_str(), "no longer driven");
                controller.remove(&id).await;
            }
            // One that was replaced has no place any more.
            if let Some(local) = parts.local {
                let is_kept = still
                    .and_then(|now| now.local.as_ref())
                    .is_some_and(|now| Arc::ptr_eq(now, &local));
                if !is_kept {
                    local.shutdown().await;
                }
            }
        }
        for (id, named) in &loaded.policies {
            let Some(parts) = self.parts.get(id) else { continue };
            let (policy, target) = (named.policy.clone(), Arc::clone(&parts.target));
            let mut workload =
                Workload::new(id.clone(), policy, target).with_mode(parts.config.mode);
            workload.sources.clone_from(&parts.sources);
            controller.set(workload);
        }
        Ok(())
    }

    /// Whether all of it can be made, and what is most likely a mistake in it all the same. Nothing is started.
    pub(super) fn check(loaded: &Loaded) -> Result<Vec<String>, CommandError> {
        let mut all = Vec::new();
        let servers = servers(&loaded.config, &BTreeMap::new())?;
        for workload in &loaded.config.workloads {
            let what = target_words(workload);
            match &workload.target {
                TargetConfig::Exec(spec) => {
                    drop(ExecTarget::new(spec.clone()).map_err(|error| refused(&what, &error))?)
                }
                TargetConfig::Webhook(spec) => {
                    drop(WebhookTarget::new(spec.clone()).map_err(|error| refused(&what, &error))?)
                }
                TargetConfig::Local(spec) => {
                    spec.check().map_err(|error| refused(&what, &error))?
                }
                TargetConfig::Kubernetes(_) => {}
                // That was looked at when it was loaded.
                TargetConfig::Keda(_) => {}
            }
            let is_local = matches!(workload.target, TargetConfig::Local(_));
            let sources = sources(workload, &servers, is_local.then(Weak::new).as_ref(), None)?;
            let Some(named) = loaded.policies.get(&workload.name) else { continue };
            let notes = notes(workload, &named.policy, &servers, &sources);
            all.extend(
                notes.into_iter().map(|note| format!("workload `{}`: {note}", workload.name)),
            );
        }
        Ok(all)
    }

    /// Ends the processes that it runs.
    pub(super) async fn end(&self) {
        let locals = self.parts.values().filter_map(|parts| parts.local.as_ref());
        let ends: Vec<_> = locals.map(|local| local.shutdown()).collect();
        futures_util::future::join_all(ends).await;
    }

    async fn made_of(
        &self,
        loaded: &Loaded,
        clusters: &Clusters,
    ) -> Result<(Servers, BTreeMap<WorkloadId, Parts>), CommandError> {
        let servers = servers(&loaded.config, &self.servers)?;
        let mut parts = BTreeMap::new();
        for workload in &loaded.config.workloads {
            let Some(named) = loaded.policies.get(&workload.name) else { continue };
            let made = self.parts_of(workload, named, &servers, clusters).await?;
            parts.insert(workload.name.clone(), made);
        }
        Ok((servers, parts))
    }

    async fn parts_of(
        &self,
        config: &WorkloadConfig,
        named: &Named,
        servers: &Servers,
        clusters: &Clusters,
    ) -> Result<Parts, CommandError> {
        let before = self.parts.get(&config.name);
        let what = target_words(config);
        let same_target = before.filter(|before| {
            // KEDA asks by the policy's name; how many there are is asked of a server, or of what the policy names.
            let is_as_known = before.policy == known_as(named) && same(&self.servers, servers);
            let sleeps =
                matches!(&config.target, TargetConfig::Kubernetes(spec) if spec.sleep.is_some());
            before.config.target == config.target
                && (is_as_known || !is_keda(config))
                && (!sleeps || before.retire == named.policy.spec().retire)
        });
        let (target, local) = match (same_target, &config.target) {
            (Some(before), _) => (Arc::clone(&before.target), before.local.clone()),
            (None, TargetConfig::Exec(spec)) => {
                // A scale of 0 would switch scaling off, and nobody can be asked for another.
                let fewest = named.policy.bounds().min;
                let last = self.scaler.last_wanted(config).await;
                let initial_replicas = last.or(spec.initial_replicas).or(Some(fewest));
                let spec = ExecSpec { initial_replicas, ..spec.clone() };
                let target = ExecTarget::new(spec).map_err(|error| refused(&what, &error))?;
                (Arc::new(target) as Arc<dyn ScaleTarget>, None)
            }
            (None, TargetConfig::Webhook(spec)) => {
                let target =
                    WebhookTarget::new(spec.clone()).map_err(|error| refused(&what, &error))?;
                (Arc::new(target) as Arc<dyn ScaleTarget>, None)
            }
            (None, TargetConfig::Local(spec)) => {
                let initial_replicas = spec.initial_replicas.or(Some(named.policy.bounds().min));
                let spec = LocalSpec { initial_replicas, ..spec.clone() };
                let target = LocalTarget::start(spec, Arc::clone(&self.clock))
                    .map_err(|error| refused(&what, &error))?;
                (Arc::clone(&target) as Arc<dyn ScaleTarget>, Some(target))
            }
            (None, TargetConfig::Kubernetes(spec)) => {
                let wrong = |error| CommandError::argument(format!("{what}: {error}"));
                spec.check(&named.policy).map_err(wrong)?;
                (Arc::new(clusters.target(spec, &named.policy)?) as Arc<dyn ScaleTarget>, None)
            }
            (None, TargetConfig::Keda(keda)) => {
                (self.scaler.target(config, keda, named, servers, clusters).await?, None)
            }
        };
        // Counters and windows go on in sources that are asked the same of the same.
        let same_sources = same_target.filter(|before| before.config.sources == config.sources);
        let sources = match same_sources.filter(|_| same(&self.servers, servers)) {
            Some(before) => before.sources.clone(),
            None => {
                let local = local.as_ref().map(Arc::downgrade);
                sources(config, servers, local.as_ref(), Some(clusters))?
            }
        };
        let notes = notes(config, &named.policy, servers, &sources);
        for note in notes.iter().filter(|note| !before.is_some_and(|it| it.notes.contains(note))) {
            warn!(target: "trimtab", workload = config.name.as_str(), "{note}");
        }
        let retire = named.policy.spec().retire.clone();
        let (config, policy) = (config.clone(), known_as(named));
        Ok(Parts { config, policy, retire, target, sources, notes, local })
    }
}

/// The name of a policy, its namespace, and what it scales.
type KnownAs = (String, Option<String>, CrossVersionObjectReference);

fn known_as(named: &Named) -> KnownAs {
    let reference = named.policy.spec().scale_target_ref.clone();
    (named.name.clone(), named.namespace.clone(), reference)
}

fn target_words(config: &WorkloadConfig) -> String {
    format!("the target of `{}`", config.name)
}

/// Clients for servers; those of before for servers that did not change.
fn servers(config: &RunConfig, before: &Servers) -> Result<Servers, CommandError> {
    let mut servers = Servers::new();
    for (name, spec) in &config.servers {
        let client = match before.get(name).filter(|(before, _)| before == spec) {
            Some((_, client)) => client.clone(),
            None => PrometheusClient::new(spec)
                .map_err(|error| refused(&format!("server `{name}`"), &error))?,
        };
        servers.insert(name.clone(), (spec.clone(), client));
    }
    Ok(servers)
}

/// Whether two are servers of the same names and addresses.
fn same(one: &Servers, other: &Servers) -> bool {
    let specs = |servers: &Servers| -> Vec<(String, ServerSpec)> {
        servers.iter().map(|(name, (spec, _))| (name.clone(), spec.clone())).collect()
    };
    specs(one) == specs(other)
}

/// Who can be scraped of a local target: those that are ready, draining ones too.
struct Ready(Weak<LocalTarget>);

#[async_trait]
impl Replicas for Ready {
    async fn replicas(&self, _ask: Ask<'_>) -> Result<Vec<Replica>, SourceError> {
        let all = self.0.upgrade().map(|target| target.replicas()).unwrap_or_default();
        let ready = all.into_iter().filter(|replica| replica.is_ready);
        let page = |address| format!("http://{address}/metrics");
        Ok(ready.map(|ready| Replica { name: ready.name, url: page(ready.address) }).collect())
    }
}

fn scraper(
    spec: &ScrapeSpec,
    local: Option<&Weak<LocalTarget>>,
) -> Result<ScrapeSource, SpecError> {
    let says_where = spec.replicas != ReplicasSpec::default();
    match local.filter(|_| !says_where) {
        Some(local) => ScrapeSource::with_replicas(spec, Arc::new(Ready(Weak::clone(local)))),
        None => ScrapeSource::new(spec),
    }
}

fn sources(
    config: &WorkloadConfig,
    servers: &Servers,
    local: Option<&Weak<LocalTarget>>,
    clusters: Option<&Clusters>,
) -> Result<Vec<Arc<dyn MetricSource>>, CommandError> {
    let mut made: Vec<Arc<dyn MetricSource>> = Vec::new();
    let of_cluster = match (&config.target, clusters) {
        (TargetConfig::Kubernetes(spec), Some(clusters)) => Some((clusters, spec)),
        _ => None,
    };
    if let Some((clusters, spec)) = of_cluster {
        made.extend(clusters.observation(spec)?);
    }
    for source in &config.sources {
        let what = format!("a source of `{}`", config.name);
        match source {
            SourceConfig::Prometheus(prometheus) => {
                let Some((_, client)) = servers.get(&prometheus.server) else { continue };
                let source = PrometheusSource::new(client.clone(), &prometheus.queries)
                    .map_err(|error| refused(&what, &error))?;
                made.push(Arc::new(source));
            }
            SourceConfig::Kubernetes(_) => match (&of_cluster, &config.target) {
                (Some((clusters, spec)), _) => made.push(clusters.metrics(spec)?),
                (None, TargetConfig::Kubernetes(_)) => {}
                (None, _) => {
                    let message =
                        format!("{what} is the cluster that its target is in, and that is in none");
                    return Err(CommandError::argument(message)
                        .with_help("give it a `target.kubernetes`, or another source"));
                }
            },
            SourceConfig::Scrape(spec) => {
                let source = scraper(spec, local).map_err(|error| refused(&what, &error))?;
                made.push(Arc::new(source));
            }
        }
    }
    Ok(made)
}

fn refused(what: &str, error: &dyn std::error::Error) -> CommandError {
    CommandError::argument(format!("{what} can't be used: {error}"))
}
