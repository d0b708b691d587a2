//! What KEDA is told of each workload, and who keeps that up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;
use trimtab_runtime::{DecisionSink, Mode, SinkError, Tick, WorkloadId};

use crate::{Report, Reporting};

/// A decision counts for five periods, and for two minutes: what is older is not told.
const LEAST_PATIENCE: Duration = Duration::from_secs(120);

/// What KEDA is told, by workload.
///
/// It joins the two sides: a [`KedaTarget`](crate::KedaTarget) enters the count that is wanted, the service answers with
/// it. It is a [`DecisionSink`], too, and has to be one of the controller's: a count is told only while decisions
/// confirm it.
///
/// ```
/// use std::sync::Arc;
/// use trimtab_keda::Answers;
/// use trimtab_runtime::{Controller, MemoryStore};
///
/// let answers = Arc::new(Answers::new());
/// let controller = Controller::builder(Arc::new(MemoryStore::new()))
///     .with_sink(answers.clone())
///     .build();
/// ```
#[derive(Default)]
pub struct Answers {
    entries: RwLock<BTreeMap<WorkloadId, Arc<Entry>>>,
}

/// Who a workload is to KEDA.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The workload.
    pub workload: WorkloadId,
    /// The name of its policy, by which a trigger may ask for it.
    pub policy: Option<String>,
    /// The only ScaledObject that gets its count, as `NAMESPACE/NAME`; without it any does that asks.
    pub scaled_object: Option<String>,
    /// How its count becomes a value.
    pub reporting: Reporting,
}

impl Registration {
    /// A workload that any ScaledObject may ask for, told as it is.
    pub fn new(workload: WorkloadId) -> Self {
        Self { workload, policy: None, scaled_object: None, reporting: Reporting::default() }
    }
}

/// A workload, for as long as somebody scales it.
pub(crate) struct Entry {
    pub(crate) registration: Registration,
    latest: watch::Sender<Latest>,
    trouble: Mutex<Option<String>>,
    /// Whose place it took. It comes back if that was for nothing.
    before: Weak<Entry>,
}

/// What is known now.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(crate) struct Latest {
    /// How many replicas were asked for last.
    asked: Option<i32>,
    /// How many were there to be when that was last looked at; what counts until something is asked for.
    read: Option<i32>,
    /// How many there are, as the HPA counts them.
    counted: Option<i32>,
    /// The last decision that could be made.
    confirmed: Option<Confirmed>,
}

/// A decision that could be made.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Confirmed {
    at: Instant,
    patience: Duration,
    mode: Mode,
}

/// Why there is no count to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// There was no decision yet.
    NoDecision { trouble: Option<String> },
    /// The last one is too old.
    Stale { age: Duration, trouble: Option<String> },
    /// Decisions are not to be carried out.
    Shadow,
}

impl Answers {
    /// Without workloads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether each workload has had a decision.
    pub fn is_ready(&self) -> bool {
        self.all().iter().all(|entry| entry.latest.borrow().confirmed.is_some())
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.all().iter().map(|entry| entry.latest.receiver_count()).sum()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().cloned().collect()
    }

    pub(crate) fn get(&self, workload: &WorkloadId) -> Option<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(workload).cloned()
    }

    /// Enters a workload. What was told of it before stands until its first decision.
    pub(crate) fn enter(&self, registration: Registration) -> Arc<Entry> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let id = registration.workload.clone();
        let before = entries.get(&id);
        let latest = before.map(|before| *before.latest.borrow()).unwrap_or_default();
        let entry = Arc::new(Entry {
            registration,
            latest: watch::Sender::new(latest),
            trouble: Mutex::new(None),
            before: before.map(Arc::downgrade).unwrap_or_default(),
        });
        entries.insert(id, Arc::clone(&entry));
        entry
    }

    /// Takes a workload out again, unless another has its name by now. One that it was to replace and that is
    /// still there has its place again.
    pub(crate) fn leave(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let id = &entry.registration.workload;
        if entries.get(id).is_some_and(|now| Arc::ptr_eq(now, entry)) {
            match entry.before.upgrade() {
                Some(before) => entries.insert(id.clone(), before),
                None => entries.remove(id),
            };
        }
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(entries.keys()).finish()
    }
}

#[async_trait]
impl DecisionSink for Answers {
    fn name(&self) -> &str {
        "keda"
    }

    async fn record(&self, tick: &Arc<Tick>) -> Result<(), SinkError> {
        if let Some(entry) = self.get(&tick.workload) {
            entry.confirm(tick);
        }
        Ok(())
    }
}

impl Entry {
    /// What is known now, and what will be. It ends with the entry.
    pub(crate) fn watch(&self) -> watch::Receiver<Latest> {
        self.latest.subscribe()
    }

    /// Takes in how many there are to be and how many the HPA counts.
    pub(crate) fn see(&self, read: i32, counted: i32) {
        self.latest.send_modify(|latest| {
            (latest.read, latest.counted) = (Some(read), Some(counted));
        });
    }

    pub(crate) fn ask_for(&self, replicas: i32) {
        self.latest.send_modify(|latest| latest.asked = Some(replicas));
    }

    /// What was asked for last, if anything was.
    pub(crate) fn asked(&self) -> Option<i32> {
        self.latest.borrow().asked
    }

    /// A decision was made, and carried out in what is asked for by now; or could not be made.
    fn confirm(&self, tick: &Tick) {
        let trouble = tick.target_error.as_ref().map(ToString::to_string);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        if tick.record.observation.replicas.is_none() {
            return;
        }
        let millis = u64::try_from(tick.policy.period().as_millis()).unwrap_or(0);
        let patience = Duration::from_millis(millis).saturating_mul(5).max(LEAST_PATIENCE);
        let confirmed = Confirmed { at: Instant::now(), patience, mode: tick.mode };
        self.latest.send_modify(|latest| latest.confirmed = Some(confirmed));
    }

    /// How many are wanted, if that is known.
    pub(crate) fn wanted(&self) -> Result<i32, Silence> {
        let latest = *self.latest.borrow();
        latest.wanted().map_err(|silence| {
            let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match silence {
                Silence::NoDecision { .. } => Silence::NoDecision { trouble },
                Silence::Stale { age, .. } => Silence::Stale { age, trouble },
                Silence::Shadow => Silence::Shadow,
            }
        })
    }

    /// What is reported, if anything can be.
    pub(crate) fn report(&self) -> Result<Report, Silence> {
        let wanted = self.wanted()?;
        let counted = self.latest.borrow().counted.unwrap_or(wanted);
        Ok(self.registration.reporting.of(wanted, counted))
    }
}

impl Latest {
    /// How many are wanted, if that is known.
    pub(crate) fn wanted(&self) -> Result<i32, Silence> {
        let (Some(wanted), Some(confirmed)) = (self.asked.or(self.read), self.confirmed) else {
            return Err(Silence::NoDecision { trouble: None });
        };
        if confirmed.mode == Mode::Shadow {
            return Err(Silence::Shadow);
        }
        let age = confirmed.at.elapsed();
        if age > confirmed.patience {
            return Err(Silence::Stale { age, trouble: None });
        }
        Ok(wanted)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = match self {
            Self::NoDecision { trouble } => {
                f.write_str("there was no decision yet")?;
                trouble
            }
            Self::Stale { age, trouble } => {
                write!(f, "the last decision is {} s old", age.as_secs())?;
                trouble
            }
            Self::Shadow => {
                return f.write_str(
                    "it is in shadow mode, where decisions are not carried out: set `mode: active`, or \
                     leave the trigger out until then",
                );
            }
        };
        trouble.as_ref().map_or(Ok(()), |trouble| write!(f, ": {trouble}"))
    }
}
