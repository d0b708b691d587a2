//! The warm pool as pods of the workload itself, which sleep and are woken over HTTP.
//!
//! A pod that stands by has the marks of one that drains, so that it gets no work, and the label
//! `trimtab.dev/standby`. Whatever is to be known after a restart stands at the pods, or they say it.

mod change;
mod crew;
#[cfg(test)]
mod laws;
mod pool;
mod server;
mod tend;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use kube::Client;
use trimtab_engine::{PodPhase, PodRecord, Readiness, ReadyCondition, WarmCounts};
use trimtab_manifest::SleepSpec;
use trimtab_metric::Span;
use trimtab_runtime::TargetError;

use super::count::{Found, Host, count_of, selector_of};
use super::fence::Fence;
use super::retirement::{self, Mark, RetirementSpec, Stand};
use super::{KubeTarget, order};
use crate::cluster::{Cluster, Pod, STANDBY, Selector};
use crew::{Crew, Troubles, lock};
use pool::{Owed, Pool, small};
use server::{Order, Servers};

/// Puts pods to sleep and wakes them.
pub(super) struct Sleeper {
    servers: Arc<Servers>,
    /// A pod that had work when it was taken aside may have it for so long.
    longest_session: Span,
    crew: Crew,
    troubles: Arc<Troubles>,
    memory: Mutex<Memory>,
}

/// What one call leaves for the next. Without it nothing is lost but what is owed: then pods that were
/// asked for, for the pool, serve.
#[derive(Default)]
struct Memory {
    owed: Owed,
    /// Those that stand by and said that they do not sleep.
    awake: BTreeSet<String>,
    /// Which pods they are, and how many were asked for.
    seen: Option<(Selector, i32)>,
}

/// How a pod is that stands by.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum State {
    /// It serves at once.
    Awake,
    Asleep,
    /// It has no server yet.
    Starting,
    /// It does not say.
    Unknown,
    /// It falls asleep or wakes up right now.
    Busy,
}

/// What marks pods, for works that outlive a call.
#[derive(Clone)]
struct Hand {
    client: Client,
    namespace: String,
    manager: String,
    retirement: RetirementSpec,
    fence: Option<Arc<dyn Fence>>,
    servers: Arc<Servers>,
    troubles: Arc<Troubles>,
}

/// What a target with a pool says of itself.
pub(super) struct Seen {
    pub(super) replicas: i32,
    pub(super) status_replicas: i32,
    pub(super) pods: Vec<PodRecord>,
    pub(super) warm: WarmCounts,
    pub(super) apart: Vec<String>,
}

impl Sleeper {
    pub(super) fn new(spec: &SleepSpec, longest_session: Span) -> Self {
        Self {
            servers: Arc::new(Servers::new(spec)),
            longest_session,
            crew: Crew::default(),
            troubles: Arc::default(),
            memory: Mutex::default(),
        }
    }

    /// The pool as it is watched.
    fn pool(
        &self,
        cluster: Option<&Cluster>,
        namespace: &str,
        selector: &Selector,
        total: i32,
    ) -> Result<Pool, TargetError> {
        let unknown = "which pods there are is not known, and so neither is which of them sleep";
        let pods = cluster.and_then(|cluster| cluster.pod_facts(namespace, selector));
        let pods = pods.ok_or_else(|| TargetError::Unreachable(String::from(unknown)))?;
        let mut memory = lock(&self.memory);
        memory.seen = Some((selector.clone(), total));
        Ok(Pool::of(pods, total, &memory.owed))
    }

    /// How each of those is that stand by, in their order.
    async fn states(&self, pool: &Pool) -> Vec<State> {
        let servers: Vec<(&Pod, IpAddr)> = pool
            .members
            .iter()
            .filter_map(|pod| Some((pod, server_of(pod)?)))
            .filter(|(pod, _)| self.servers.tell_state() && !self.crew.is_busy(pod.name()))
            .collect();
        let asked: Vec<IpAddr> = servers.iter().map(|(_, at)| *at).collect();
        let answers = self.servers.asleep(&asked).await;
        let mut awake = BTreeSet::new();
        let mut told = BTreeMap::new();
        for ((pod, _), answer) in servers.into_iter().zip(answers) {
            let state = match answer {
                Ok(is_asleep) => {
                    self.troubles.answers(pod.name());
                    if !is_asleep {
                        awake.insert(String::from(pod.name()));
                    }
                    if is_asleep { State::Asleep } else { untold(pod) }
                }
                // Its server does not listen yet, and never did.
                Err(_) if !pod.is_ready() && !pod.slept() => State::Starting,
                Err(words) => {
                    self.troubles.note_unless_told(pod.name(), words);
                    State::Unknown
                }
            };
            told.insert(pod.name(), state);
        }
        lock(&self.memory).awake = awake;
        let state = |pod: &Pod| match told.get(pod.name()) {
            Some(state) => *state,
            None if self.crew.is_busy(pod.name()) => State::Busy,
            None if pod.slept() && is_marked(pod, Stand::Asleep(0)) => State::Asleep,
            None => untold(pod),
        };
        pool.members.iter().map(state).collect()
    }

    /// How many can be promoted now, and how many are on their way. One that did not wake up when it was
    /// told to is not counted upon.
    fn warm(&self, pool: &Pool, states: &[State]) -> WarmCounts {
        let ready = pool.members.iter().zip(states).filter(|(pod, state)| {
            matches!(state, State::Awake | State::Asleep)
                && !self.troubles.refuses_to_wake(pod.name())
        });
        let ready = small(ready.count()).min(pool.size());
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        WarmCounts { ready: count(ready), starting: count(pool.size().saturating_sub(ready)) }
    }
}

impl KubeTarget {
    /// What is seen, with those apart that stand by.
    pub(super) async fn see_asleep(
        &self,
        sleeper: &Sleeper,
        found: &Found,
    ) -> Result<Seen, TargetError> {
        let (pool, selector, status_replicas) = self.pool(sleeper, found).await?;
        let states = sleeper.states(&pool).await;
        let records = self.cluster.as_ref();
        let records = records.and_then(|all| all.pods(&self.host.namespace, &selector));
        let mut pods = records.unwrap_or_default();
        let apart = pool.apart();
        pods.retain(|pod| !apart.contains(&pod.name));
        for pod in &mut pods {
            if pool.waking.iter().any(|waking| waking.name() == pod.name) {
                // It serves soon, as one that starts now: one that began long ago would be overdue.
                pod.draining_since = None;
                pod.creation_timestamp = Some(retirement::now());
                pod.start_time = pod.creation_timestamp;
                pod.ready =
                    Some(ReadyCondition { status: Readiness::False, last_transition_time: None });
            }
        }
        Ok(Seen {
            replicas: pool.replicas(),
            status_replicas: status_replicas.saturating_sub(small(pool.members.len())).max(0),
            pods,
            warm: sleeper.warm(&pool, &states),
            apart,
        })
    }

    async fn pool(
        &self,
        sleeper: &Sleeper,
        found: &Found,
    ) -> Result<(Pool, Selector, i32), TargetError> {
        if order::is_kept(&found.scalable) {
            return Err(TargetError::Refused(format!(
                "pods of a {} leave from the top, wherever those are that sleep",
                found.scalable.resource.kind
            )));
        }
        let scale = self.main.read(&self.host, found).await?;
        let text = selector_of(&scale);
        let selector: Selector =
            text.parse().map_err(|error| TargetError::Malformed(format!("{error}")))?;
        if selector.is_everything() {
            return Err(TargetError::Malformed(String::from("its scale has no selector")));
        }
        let Host { namespace, .. } = &self.host;
        let pool = sleeper.pool(self.cluster.as_ref(), namespace, &selector, count_of(&scale))?;
        let status_replicas = scale.status.as_ref().map_or(0, |status| status.replicas);
        Ok((pool, selector, status_replicas))
    }

    fn hand(&self, sleeper: &Sleeper) -> Hand {
        let Host { client, namespace, manager, fence, .. } = &self.host;
        Hand {
            client: client.clone(),
            namespace: namespace.clone(),
            manager: manager.clone(),
            retirement: self.retirement.clone(),
            fence: fence.clone(),
            servers: Arc::clone(&sleeper.servers),
            troubles: Arc::clone(&sleeper.troubles),
        }
    }
}

impl Hand {
    /// Wakes a pod that is marked so, and lets it serve; else it stands by again.
    async fn wake(self, pod: Pod, at: IpAddr) -> bool {
        let name = pod.name();
        let told = self.servers.tell(Order::Wake, at, pod.slept()).await;
        let mark = match &told {
            Ok(()) => Mark::Promoted,
            Err(_) => Mark::Stands(Stand::Idle),
        };
        match &told {
            Ok(()) => self.troubles.forget(name),
            Err(words) => {
                tracing::warn!("pod {}/{name} does not wake up: {words}", self.namespace);
                self.troubles.note(name, Some(Order::Wake), words.clone());
            }
        }
        self.mark(name, mark).await;
        told.is_ok()
    }

    /// Puts a pod to sleep that stands by. That it is told to is marked before, since a pod that may
    /// sleep must not serve without being woken.
    async fn put_to_sleep(self, pod: Pod, at: IpAddr) -> bool {
        let (name, restarts) = (pod.name(), pod.restarts());
        if !self.mark(name, Mark::Stands(Stand::Dozes(restarts))).await {
            return false;
        }
        match self.servers.tell(Order::Sleep, at, true).await {
            Ok(()) => {
                self.troubles.forget(name);
                self.mark(name, Mark::Stands(Stand::Asleep(restarts))).await
            }
            Err(words) => {
                tracing::warn!("pod {}/{name} does not fall asleep: {words}", self.namespace);
                self.troubles.note(name, Some(Order::Sleep), words);
                false
            }
        }
    }

    /// Whether a pod has the mark now. One that is not marked is seen to again at the next tick.
    async fn mark(&self, pod: &str, mark: Mark) -> bool {
        if self.fence.as_ref().is_some_and(|fence| !fence.may_write()) {
            return false;
        }
        let Self { client, namespace, manager, retirement, .. } = self;
        let pods = [String::from(pod)];
        let marked = retirement::mark(client, retirement, manager, namespace, &pods, mark).await;
        if let Err(error) = &marked {
            tracing::warn!("pod {namespace}/{pod} is not marked: {error}");
        }
        marked.is_ok()
    }
}

/// Where a pod's server is, if it can have one.
fn server_of(pod: &Pod) -> Option<IpAddr> {
    pod.address().filter(|_| pod.phase() == PodPhase::Running)
}

/// Whether a pod that does not sleep has still to start: then there is nothing to wake.
fn starts(pod: &Pod) -> bool {
    !pod.slept() && (!pod.is_ready() || server_of(pod).is_none())
}

/// How a pod is that does not sleep, or of which nobody can ask.
fn untold(pod: &Pod) -> State {
    match pod.is_ready() {
        true => State::Awake,
        false if pod.slept() => State::Unknown,
        false => State::Starting,
    }
}

fn is_marked(pod: &Pod, stand: Stand) -> bool {
    pod.label(STANDBY) == Some(stand.word())
}
