//! How a watch is: listed or not, heard of or not, refused or not.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::runtime::watcher;
use tokio::time::Instant;
use tracing::{info, warn};

use super::pulse::Pulse;

/// What is watched.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Pods.
    Pods,
    /// Nodes.
    Nodes,
    /// PodDisruptionBudgets.
    Budgets,
    /// Karpenter's NodePools.
    NodePools,
    /// Karpenter's NodeClaims.
    NodeClaims,
}

/// How a watch is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchHealth {
    /// What is watched.
    pub part: Part,
    /// In which namespace; `None`: in all, or what is in none.
    pub namespace: Option<String>,
    /// Whether it has been listed.
    pub synced: bool,
    /// Whether the cluster has no such kind.
    pub absent: bool,
    /// How long nothing was heard of it.
    pub age: Option<Duration>,
    /// How often all of it was listed. More than once: the watch could not go on from where it was.
    pub listings: u64,
    /// What went wrong last, and has not gone well since.
    pub error: Option<String>,
}

/// A watch, for the task that follows it and for all that read what it saw.
#[derive(Debug)]
pub(super) struct Watching {
    pub(super) part: Part,
    pub(super) namespace: Option<String>,
    pub(super) pulse: Pulse,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    synced: bool,
    /// Whether it is known how it is, be it well or not.
    tried: bool,
    absent: bool,
    listings: u64,
    /// What went wrong last, and when.
    error: Option<(String, Instant)>,
    stale: bool,
}

impl Watching {
    pub(super) fn new(part: Part, namespace: Option<String>) -> Self {
        Self { part, namespace, pulse: Pulse::new(), state: Mutex::default() }
    }

    /// Whether what it saw can be believed: it was listed, and heard of since.
    pub(super) fn is_trusted(&self, stale_after: Duration) -> bool {
        let age = self.pulse.age();
        let mut state = self.lock();
        let stale = state.synced && age.is_none_or(|age| age > stale_after);
        if stale != std::mem::replace(&mut state.stale, stale) {
            let (part, namespace) = (self.part, self.namespace.as_deref());
            if stale {
                let error = self.error(&state);
                warn!(target: "trimtab", %part, namespace, ?age, error, "what was seen is too old");
            } else {
                info!(target: "trimtab", %part, namespace, "what was seen is current again");
            }
        }
        state.synced && !stale
    }

    pub(super) fn is_absent(&self) -> bool {
        self.lock().absent
    }

    pub(super) fn is_tried(&self) -> bool {
        self.lock().tried
    }

    pub(super) fn is_synced(&self) -> bool {
        self.lock().synced
    }

    pub(super) fn health(&self) -> WatchHealth {
        let state = self.lock();
        WatchHealth {
            part: self.part,
            namespace: self.namespace.clone(),
            synced: state.synced,
            absent: state.absent,
            age: self.pulse.age(),
            listings: state.listings,
            error: self.error(&state).map(String::from),
        }
    }

    /// All of it was listed.
    pub(super) fn listed(&self, objects: usize) {
        self.pulse.beat();
        let mut state = self.lock();
        state.listings += 1;
        (state.synced, state.tried, state.absent, state.error) = (true, true, false, None);
        let (part, namespace, listings) = (self.part, self.namespace.as_deref(), state.listings);
        info!(target: "trimtab", %part, namespace, objects, listings, "listed");
    }

    pub(super) fn failed(&self, error: &watcher::Error) {
        let text = error.to_string();
        let mut state = self.lock();
        if self.error(&state) != Some(&text) {
            let (part, namespace) = (self.part, self.namespace.as_deref());
            warn!(target: "trimtab", %part, namespace, error = text, "a watch failed; it is begun again");
        }
        (state.tried, state.error) = (true, Some((text, Instant::now())));
    }

    /// What goes wrong: what went wrong last, if nothing was heard since. A watch that goes on says
    /// nothing of that itself.
    fn error<'a>(&self, state: &'a State) -> Option<&'a str> {
        let (text, at) = state.error.as_ref()?;
        let heard_since = self.pulse.age().is_some_and(|age| age < at.elapsed());
        (!heard_since).then_some(text.as_str())
    }

    /// The cluster has no such kind.
    pub(super) fn missing(&self) {
        let mut state = self.lock();
        (state.synced, state.tried, state.absent, state.error) = (false, true, true, None);
    }

    /// Which kinds the cluster has can't be said.
    pub(super) fn unknown(&self, why: String) {
        let mut state = self.lock();
        (state.tried, state.error) = (true, Some((why, Instant::now())));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
            Self::Budgets => "poddisruptionbudgets",
            Self::NodePools => "nodepools",
            Self::NodeClaims => "nodeclaims",
        })
    }
}
