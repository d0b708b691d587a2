//! Keeps the engine's states in the policies' statuses, and says there what was decided, in one write for both.
//!
//! - A decision that is to be carried out is written before it is, as an intent; the write returns when it is safe.
//! - After that, and whenever what people look at has changed, the whole status is written once the tick is told.
//! - Else the state is written as often as the host says, and at the end.
//!
//! Each write is on the condition that the object is as it was last seen. Where it is not, and another replica has decided
//! since, the lease is asked for before anything else is written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::Instant;
use tracing::{debug, warn};
use trimtab_runtime::{DecisionSink, SinkError, StateStore, StoreError, Stored, Tick, WorkloadId};

use super::budget::Budget;
use super::notices::Notices;
use super::resource::{Named, StatusApi, StatusError};
use super::view::{Known, Visible, status, visible};
use crate::controller::events::Teller;
use crate::controller::lease::TermFence;
use crate::controller::metrics::KubeCounts;
use crate::crd::{ACCEPTED, DecidedBy, ScalingPolicyStatus, StoredState};
use crate::target::Fence;

/// So many statuses are read or written at a time.
const AT_ONCE: usize = 16;
/// What people look at is written no more often than that, unless the scale changes.
const LEAST_BETWEEN: Duration = Duration::from_secs(5);
/// How often a write is tried again that somebody was faster than.
const TRIES: u32 = 4;

/// Keeps states, and says what was decided.
pub(crate) struct StatusKeeper {
    api: StatusApi,
    identity: String,
    interval: Duration,
    patience: Duration,
    budget: Budget,
    at_once: Semaphore,
    teller: Teller,
    notices: Arc<Notices>,
    counts: Arc<KubeCounts>,
    entries: Mutex<BTreeMap<WorkloadId, Arc<AsyncMutex<Entry>>>>,
}

/// What the keeper has to know of a policy.
pub(crate) struct Entrance {
    pub(crate) named: Named,
    pub(crate) generation: Option<i64>,
    /// Those of the resource itself.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) fence: TermFence,
}

struct Entry {
    named: Named,
    known: Known,
    fence: TermFence,
    /// The object as it was last seen.
    version: Option<String>,
    /// What was last written or read.
    written: ScalingPolicyStatus,
    written_at: Option<Instant>,
    visible: Option<Visible>,
    latest: Option<Stored>,
    tick: Option<Arc<Tick>>,
    /// What was written has a decision in it of which is not known there what became of it.
    has_intent: bool,
    /// What was decided since is not written.
    is_behind: bool,
    /// Why the last write failed.
    failure: Option<String>,
}

/// Why a status is written.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Cause {
    Intent,
    Change,
    Interval,
    Refusal,
    End,
}

impl Cause {
    fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Change => "change",
            Self::Interval => "interval",
            Self::Refusal => "refusal",
            Self::End => "end",
        }
    }
}

impl StatusKeeper {
    pub(crate) fn new(
        api: StatusApi,
        identity: String,
        (interval, patience): (Duration, Duration),
        writes_per_second: u32,
        teller: Teller,
        counts: Arc<KubeCounts>,
    ) -> Self {
        Self {
            api,
            identity,
            interval,
            patience,
            budget: Budget::new(writes_per_second),
            at_once: Semaphore::new(AT_ONCE),
            teller,
            notices: Arc::default(),
            counts,
            entries: Mutex::default(),
        }
    }

    /// From now on this is known of a policy; what was decided of it stays.
    pub(crate) async fn enter(&self, entrance: Entrance) {
        let Entrance { named, generation, conditions, fence } = entrance;
        let entry = self.entry_or(&named, &fence);
        let mut entry = entry.lock().await;
        self.tell_turns(&entry, &conditions);
        (entry.known.generation, entry.known.conditions) = (generation, conditions);
        entry.fence = fence;
    }

    /// Tells which conditions of the resource itself have turned.
    fn tell_turns(&self, entry: &Entry, new: &[Condition]) {
        let known = entry.known.conditions.iter().chain(&entry.written.conditions);
        for condition in new {
            let before = known.clone().find(|before| before.type_ == condition.type_);
            let is_refused = condition.status != "True" && condition.type_ == ACCEPTED;
            if before.map_or(is_refused, |before| before.status != condition.status) {
                self.teller.tell_condition(&entry.named, condition);
            }
        }
    }

    /// Says that the spec is refused. What ran before may run on.
    pub(crate) async fn refuse(&self, entrance: Entrance) {
        let Entrance { named, generation, conditions, fence } = entrance;
        let entry = self.entry_or(&named, &fence);
        let mut entry = entry.lock().await;
        entry.fence = fence;
        if entry.version.is_none() && self.read(&mut entry).await.is_err() {
            return;
        }
        self.tell_turns(&entry, &conditions);
        (entry.known.generation, entry.known.conditions) = (generation, conditions);
        let says_so = |of: &Condition| {
            let is = |other: &&Condition| other.type_ == of.type_;
            let told = entry.written.conditions.iter().find(is);
            told.is_some_and(|told| {
                (&told.status, &told.reason, &told.message) == (&of.status, &of.reason, &of.message)
            })
        };
        let is_known = entry.known.conditions.iter().all(says_so)
            && entry.written.observed_generation == generation;
        if !is_known && let Err(error) = self.write(&mut entry, Cause::Refusal).await {
            let policy = entry.named.id.as_str();
            warn!(target: "trimtab", policy, %error, "that the policy is refused can't be said");
            entry.is_behind = true;
        }
    }

    /// Forgets a policy that is somebody else's, or gone.
    pub(crate) fn forget(&self, id: &WorkloadId) {
        self.entries().remove(id);
        self.notices.forget(id);
    }

    /// Where targets leave what they have to say.
    pub(crate) fn notices(&self) -> Arc<Notices> {
        Arc::clone(&self.notices)
    }

    /// Who tells of events.
    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// Writes what is not written yet, of these. All wait together for renewals that are late: what is not written now is lost.
    pub(crate) async fn save_all(&self, ids: &[WorkloadId]) -> usize {
        let entries: Vec<_> = {
            let entries = self.entries();
            ids.iter().filter_map(|id| entries.get(id).cloned()).collect()
        };
        let until = Instant::now() + self.patience;
        let saves: Vec<_> = entries.into_iter().map(|entry| self.save_last(entry, until)).collect();
        let done: Vec<bool> = stream::iter(saves).buffer_unordered(AT_ONCE).collect().await;
        done.iter().filter(|is_saved| !**is_saved).count()
    }

    async fn save_last(&self, entry: Arc<AsyncMutex<Entry>>, until: Instant) -> bool {
        let mut entry = entry.lock().await;
        if !entry.is_behind && !entry.has_intent {
            return true;
        }
        let may_write = entry.fence.opens_within(until.saturating_duration_since(Instant::now()));
        may_write.await && self.write(&mut entry, Cause::End).await.is_ok()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<WorkloadId, Arc<AsyncMutex<Entry>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &WorkloadId) -> Option<Arc<AsyncMutex<Entry>>> {
        self.entries().get(id).cloned()
    }

    fn entry_or(&self, named: &Named, fence: &TermFence) -> Arc<AsyncMutex<Entry>> {
        let mut entries = self.entries();
        let fresh = || {
            Arc::new(AsyncMutex::new(Entry {
                named: named.clone(),
                known: Known::default(),
                fence: fence.clone(),
                version: None,
                written: ScalingPolicyStatus::default(),
                written_at: None,
                visible: None,
                latest: None,
                tick: None,
                has_intent: false,
                is_behind: false,
                failure: None,
            }))
        };
        Arc::clone(entries.entry(named.id.clone()).or_insert_with(fresh))
    }

    /// Reads a status anew.
    async fn read(&self, entry: &mut Entry) -> Result<(), StatusError> {
        let read = {
            let _turn = self.at_once.acquire().await;
            self.api.read(&entry.named).await
        };
        let held = read.inspect_err(|error| self.counts.status_failed("read", error))?;
        entry.version = Some(held.version);
        entry.written = held.status;
        Ok(())
    }

    /// Writes all of the status as it is to be now.
    async fn write(&self, entry: &mut Entry, cause: Cause) -> Result<(), StoreError> {
        let written = self.try_write(entry, cause).await;
        entry.failure = written.as_ref().err().map(ToString::to_string);
        if written.is_ok() {
            entry.is_behind = false;
            entry.written_at = Some(Instant::now());
            self.counts.status_written(cause.word());
        }
        written
    }

    async fn try_write(&self, entry: &mut Entry, cause: Cause) -> Result<(), StoreError> {
        let mut new = status(&entry.known, entry.tick.as_deref(), &entry.written);
        let mut too_large = None;
        if let Some(stored) = &entry.latest {
            match StoredState::encode(stored) {
                Ok(state) => new.state = Some(state),
                Err(error) => {
                    new.state = None;
                    too_large = Some(StoreError::Other(error.to_string()));
                }
            }
        }
        let ours = DecidedBy { holder: self.identity.clone(), term: entry.fence.term() };
        new.decided_by = Some(ours.clone());
        for _ in 0..TRIES {
            if !entry.fence.may_write() {
                return Err(no_longer());
            }
            let written = {
                let _turn = self.at_once.acquire().await;
                if !entry.fence.may_write() {
                    return Err(no_longer());
                }
                self.api.write(&entry.named, entry.version.as_deref(), &new).await
            };
            match written {
                Ok(held) => {
                    entry.version = Some(held.version);
                    entry.has_intent = cause == Cause::Intent;
                    entry.written = new;
                    return too_large.map_or(Ok(()), Err);
                }
                Err(StatusError::Conflict) => self.look_again(entry, &ours).await?,
                // Its end is heard of soon.
                Err(StatusError::Gone) => return Ok(()),
                Err(error) => {
                    self.counts.status_failed("write", &error);
                    return Err(StoreError::Other(format!("the status is not written: {error}")));
                }
            }
        }
        Err(StoreError::Other(String::from(
            "the policy is changed faster than its status is written",
        )))
    }

    /// Somebody changed the object. That is nothing, unless it was another replica that decided.
    async fn look_again(&self, entry: &mut Entry, ours: &DecidedBy) -> Result<(), StoreError> {
        let before = entry.written.decided_by.clone();
        let written = entry.written.clone();
        match self.read(entry).await {
            Ok(()) => {}
            Err(StatusError::Gone) => return Ok(()),
            Err(error) => {
                return Err(StoreError::Other(format!("the status can't be read: {error}")));
            }
        }
        let now = std::mem::replace(&mut entry.written, written).decided_by;
        let is_ours = now.as_ref() == Some(ours) || now == before;
        if !is_ours && !entry.fence.confirm(self.patience).await {
            let (policy, by) = (entry.named.id.as_str(), now.unwrap_or_default());
            warn!(target: "trimtab", policy, holder = by.holder, term = by.term, "somebody else decides");
            return Err(no_longer());
        }
        entry.written.decided_by = now;
        Ok(())
    }

    /// Whether and why a status is to be written after a tick.
    fn cause(&self, entry: &Entry, new: &Visible) -> Option<Cause> {
        let since = entry.written_at.map(|at| at.elapsed());
        if entry.has_intent {
            return Some(Cause::Change);
        }
        let has_changed = entry.visible.as_ref() != Some(new);
        if has_changed && since.is_none_or(|since| since >= LEAST_BETWEEN) {
            return self.budget.take().then_some(Cause::Change);
        }
        let is_due = since.is_none_or(|since| since >= self.interval);
        (is_due && self.budget.take()).then_some(Cause::Interval)
    }
}

fn no_longer() -> StoreError {
    StoreError::Other(String::from("this process no longer leads: another one may write now"))
}

#[async_trait]
impl StateStore for StatusKeeper {
    async fn load(&self, workload: &WorkloadId) -> Result<Option<Stored>, StoreError> {
        let unknown = || StoreError::Other(format!("`{workload}` is not decided about here"));
        let entry = self.entry(workload).ok_or_else(unknown)?;
        let mut entry = entry.lock().await;
        match self.read(&mut entry).await {
            Ok(()) => {}
            Err(StatusError::Gone) => return Ok(None),
            Err(error) => {
                return Err(StoreError::Other(format!("the status can't be read: {error}")));
            }
        }
        let by = entry.written.decided_by.clone().unwrap_or_default();
        let is_later = by.holder != self.identity && by.term >= entry.fence.term();
        if is_later && !entry.fence.confirm(self.patience).await {
            return Err(no_longer());
        }
        let Some(state) = &entry.written.state else { return Ok(None) };
        let path = || format!("scalingpolicies/{workload}/status").into();
        let stored = state
            .decode()
            .map_err(|error| StoreError::Damaged { path: path(), reason: error.to_string() })?;
        entry.has_intent = stored.pending.is_some();
        entry.latest = Some(stored.clone());
        Ok(Some(stored))
    }

    async fn save(&self, workload: &WorkloadId, stored: &Stored) -> Result<(), StoreError> {
        let unknown = || StoreError::Other(format!("`{workload}` is not decided about here"));
        let entry = self.entry(workload).ok_or_else(unknown)?;
        let mut entry = entry.lock().await;
        entry.latest = Some(stored.clone());
        if stored.pending.is_some() {
            return self.write(&mut entry, Cause::Intent).await;
        }
        // It is written when the tick is told, or soon after; until then what is there is an intent, or as it was.
        entry.is_behind = true;
        entry.failure.clone().map_or(Ok(()), |failure| Err(StoreError::Other(failure)))
    }

    async fn remove(&self, workload: &WorkloadId) -> Result<(), StoreError> {
        self.forget(workload);
        Ok(())
    }
}

#[async_trait]
impl DecisionSink for StatusKeeper {
    fn name(&self) -> &str {
        "status"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        let Some(entry) = self.entry(&tick.workload) else { return Ok(()) };
        let mut entry = entry.lock().await;
        entry.known.taken_over = self.notices.said(&tick.workload);
        if let Some(told) = self.notices.news(&tick.workload) {
            self.teller.tell_taken_over(&entry.named, told);
        }
        let new = visible(&entry.known, tick);
        let before = entry.tick.replace(Arc::clone(tick));
        self.teller.tell(&entry.named, before.as_deref(), &entry.written, tick);
        let Some(cause) = self.cause(&entry, &new) else { return Ok(()) };
        let written = self.write(&mut entry, cause).await;
        if written.is_ok() {
            entry.visible = Some(new);
        }
        written.map_err(|error| {
            debug!(target: "trimtab", workload = tick.workload.as_str(), %error, "status not written");
            SinkError(error.to_string())
        })
    }

    async fn flush(&self) -> Result<(), SinkError> {
        let ids: Vec<WorkloadId> = self.entries().keys().cloned().collect();
        match self.save_all(&ids).await {
            0 => Ok(()),
            failed => Err(SinkError(format!("{failed} states are not saved"))),
        }
    }
}
