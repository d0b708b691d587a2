//! What goes on beside the ticks: pods that fall asleep and wake up.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use trimtab_runtime::TargetError;

use super::server::Order;

/// What a pod did not do is told for that long, unless it does it meanwhile.
const TOLD_FOR: Duration = Duration::from_secs(600);
/// A pod that did not fall asleep is told again after that time.
const REST: Duration = Duration::from_secs(60);
/// So many pods are named at most.
const MOST_NAMED: usize = 3;

/// Works under way, at most one for each pod. They end with whoever began them.
#[derive(Default)]
pub(super) struct Crew {
    works: Mutex<JoinSet<()>>,
    busy: Arc<Mutex<BTreeSet<String>>>,
}

/// A pod is busy as long as this is there.
struct Busy(Arc<Mutex<BTreeSet<String>>>, String);

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.0).remove(&self.1);
    }
}

impl Crew {
    pub(super) fn is_busy(&self, pod: &str) -> bool {
        lock(&self.busy).contains(pod)
    }

    /// Begins a work for a pod; what comes of it can be waited for, and need not be. Nothing if there
    /// is one already.
    pub(super) fn begin(
        &self,
        pod: &str,
        work: impl Future<Output = bool> + Send + 'static,
    ) -> Option<oneshot::Receiver<bool>> {
        if !lock(&self.busy).insert(String::from(pod)) {
            return None;
        }
        let busy = Busy(Arc::clone(&self.busy), String::from(pod));
        let (done, waits) = oneshot::channel();
        let mut works = lock(&self.works);
        while works.try_join_next().is_some() {}
        works.spawn(async move {
            let is_done = work.await;
            drop(busy);
            // It fails where nobody waits any more.
            let _told = done.send(is_done);
        });
        Some(waits)
    }
}

/// What pods did not do.
#[derive(Default)]
pub(super) struct Troubles(Mutex<BTreeMap<String, Trouble>>);

struct Trouble {
    /// What it was told; nothing if it was asked.
    order: Option<Order>,
    words: String,
    since: Instant,
}

impl Troubles {
    pub(super) fn note(&self, pod: &str, order: Option<Order>, words: String) {
        let trouble = Trouble { order, words, since: Instant::now() };
        lock(&self.0).insert(String::from(pod), trouble);
    }

    /// It does not say how it is; what it did not do before is worth more to tell.
    pub(super) fn note_unless_told(&self, pod: &str, words: String) {
        let trouble = Trouble { order: None, words, since: Instant::now() };
        lock(&self.0).entry(String::from(pod)).or_insert(trouble);
    }

    pub(super) fn forget(&self, pod: &str) {
        lock(&self.0).remove(pod);
    }

    /// It answers, so that it can't be said that it does not.
    pub(super) fn answers(&self, pod: &str) {
        let mut troubles = lock(&self.0);
        if troubles.get(pod).is_some_and(|trouble| trouble.order.is_none()) {
            troubles.remove(pod);
        }
    }

    /// Whether it did not wake up when it was told to.
    pub(super) fn refuses_to_wake(&self, pod: &str) -> bool {
        lock(&self.0).get(pod).is_some_and(|trouble| trouble.order == Some(Order::Wake))
    }

    /// Whether it was told in vain a moment ago.
    pub(super) fn rests(&self, pod: &str) -> bool {
        lock(&self.0).get(pod).is_some_and(|trouble| trouble.since.elapsed() < REST)
    }

    /// All that is known of pods that are there.
    pub(super) fn report(&self, there: &BTreeSet<String>) -> Result<(), TargetError> {
        let mut troubles = lock(&self.0);
        troubles.retain(|pod, trouble| there.contains(pod) && trouble.since.elapsed() < TOLD_FOR);
        if troubles.is_empty() {
            return Ok(());
        }
        let one = |(pod, trouble): (&String, &Trouble)| {
            let what = match trouble.order {
                Some(Order::Sleep) => " does not fall asleep",
                Some(Order::Wake) => " does not wake up",
                None => "",
            };
            format!("pod `{pod}`{what}: {}", trouble.words)
        };
        let mut told: Vec<String> = troubles.iter().take(MOST_NAMED).map(one).collect();
        if troubles.len() > MOST_NAMED {
            told.push(format!("and {} more", troubles.len() - MOST_NAMED));
        }
        Err(TargetError::Replicas(told.join("; ")))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
