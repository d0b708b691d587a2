//! KEDA as the hand that scales: what is decided becomes what KEDA is told.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;
use trimtab_engine::{Policy, StrategyName};
use trimtab_runtime::{Change, ScaleTarget, TargetError, TargetStatus, WorkloadId};

use crate::answers::Entry;
use crate::{Answers, Registration};

/// A workload whose count KEDA asks for.
///
/// Writing enters the count into the [`Answers`]; KEDA's HPA carries it out within its 15 s. So what is *asked for* is what
/// was written last, and what *is there* is what the HPA counts. KEDA does not tell that, so another target is read for
/// it, and never written: the one that the [`Answers`] would write to without KEDA, or one that asks a Prometheus.
///
/// Until a first change is decided, the count is the one that is read. From then on a count that somebody else sets is
/// not taken up, just as the HPA would undo it.
///
/// # Without anything to read
///
/// [`assuming`](Self::assuming) takes it that the HPA did what it was told. That holds with the recommended ScaledObject
/// only; with a tolerance, bounds or limits of its own, strategies that look at how many there are (all that have rate limits or credit
/// what starts) decide on a count that is not there.
pub struct KedaTarget {
    answers: Arc<Answers>,
    entry: Arc<Entry>,
    count: Count,
}

enum Count {
    Read(Arc<dyn ScaleTarget>),
    Assumed(i32),
}

impl KedaTarget {
    /// A workload whose replicas are counted by `reader`, of which only [`read`](ScaleTarget::read) is used.
    pub fn reading(
        answers: &Arc<Answers>,
        registration: Registration,
        reader: Arc<dyn ScaleTarget>,
    ) -> Self {
        Self::new(answers, registration, Count::Read(reader))
    }

    /// A workload of which is assumed that there are as many replicas as were asked for last, at the start `initial`.
    pub fn assuming(answers: &Arc<Answers>, registration: Registration, initial: i32) -> Self {
        Self::new(answers, registration, Count::Assumed(initial))
    }

    fn new(answers: &Arc<Answers>, registration: Registration, count: Count) -> Self {
        let entry = answers.enter(registration);
        Self { answers: Arc::clone(answers), entry, count }
    }
}

impl Drop for KedaTarget {
    fn drop(&mut self) {
        self.answers.leave(&self.entry);
    }
}

impl fmt::Debug for KedaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KedaTarget").field(&self.entry.registration).finish()
    }
}

#[async_trait]
impl ScaleTarget for KedaTarget {
    fn name(&self) -> &str {
        "keda"
    }

    async fn read(&self, workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let seen = match &self.count {
            Count::Read(reader) => reader.read(workload).await?,
            Count::Assumed(initial) => TargetStatus::steady(self.entry.asked().unwrap_or(*initial)),
        };
        self.entry.see(seen.replicas, seen.status_replicas);
        let replicas = self.entry.asked().unwrap_or(seen.replicas);
        // Who scales it is KEDA, which a reader may take for a rival; and the count is not written past it.
        Ok(TargetStatus { replicas, version: None, contested: None, warm: None, ..seen })
    }

    async fn write(&self, _workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        if let Some(what) = beyond(change) {
            return Err(TargetError::Refused(format!("KEDA knows counts only, and no {what}")));
        }
        self.entry.ask_for(change.replicas);
        Ok(())
    }
}

/// What is in a change besides a count.
fn beyond(change: &Change) -> Option<&'static str> {
    let drains = [&change.drain, &change.retire, &change.take_back];
    if drains.iter().any(|names| !names.is_empty()) {
        Some("replicas that go first")
    } else {
        change.warm.map(|_| "warm pool")
    }
}

/// A policy that KEDA can't carry out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unsuitable(String);

/// Whether KEDA can carry out what a policy decides, which is a count and no more.
///
/// # Errors
///
/// [`Unsuitable`] where a policy says which replicas go, or has a warm pool.
///
/// ```
/// use trimtab_engine::Policy;
///
/// let spec = r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///     "maxReplicas": 3, "retire": {}}"#;
/// let error = trimtab_keda::check(&Policy::new(serde_json::from_str(spec)?)?).unwrap_err();
/// assert!(error.to_string().starts_with("`retire` can't be carried out by KEDA"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check(policy: &Policy) -> Result<(), Unsuitable> {
    let spec = policy.spec();
    let instead = "leave it out, or let `trimtab controller` scale instead of KEDA";
    if spec.retire.is_some() {
        return Err(Unsuitable(format!(
            "`retire` can't be carried out by KEDA, whose HPA says how many go and not who: {instead}"
        )));
    }
    if spec.warm_pool.is_some() {
        return Err(Unsuitable(format!(
            "`warmPool` can't be carried out by KEDA, which knows one count: {instead}"
        )));
    }
    if spec.strategy == StrategyName::Keda {
        return Err(Unsuitable(String::from(
            "`strategy: keda` decides as KEDA itself would, within KEDA's own loops: name the triggers in the \
             ScaledObject, or choose another strategy",
        )));
    }
    Ok(())
}
