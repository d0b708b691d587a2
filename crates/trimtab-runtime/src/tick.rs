//! One tick of one workload: observe, decide, act, keep.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout};
use trimtab_engine::{
    Decision, DecisionRecord, ObservationError, ObservationRecord, Outcome, RetirePlan,
    ScaleUpdate, State, WarmPlan, settle,
};
use trimtab_metric::Timestamp;

use crate::gather::{Gathered, gather, read_target, span, words};
use crate::pace::Due;
use crate::sink::{Missing, Tick};
use crate::{
    Change, Clock, Mode, Settings, SourceError, StateStore, StoreError, Stored, TargetError,
    Workload,
};

/// What one tick hands to the next.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) state: State,
    /// The time of the last observation.
    pub(crate) at: Option<Timestamp>,
    /// A decision of a process that ended before it knew what became of it.
    pub(crate) pending: Option<Box<Decision>>,
    /// In shadow: the last decision, with the count that it found.
    pub(crate) watched: Option<Box<Decision>>,
    /// When the state was last saved.
    pub(crate) saved: Option<Instant>,
}

/// What a tick needs besides its workload.
pub(crate) struct Ports<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) store: &'a dyn StateStore,
    pub(crate) settings: &'a Settings,
}

/// Waits between two tries to write to a target.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Observes, decides, acts and keeps; read from top to bottom.
pub(crate) async fn tick(
    workload: &Workload,
    memory: &mut Memory,
    ports: &Ports<'_>,
    due: Due,
) -> Tick {
    let start = Instant::now();
    let deadline = ports.settings.deadline(&workload.policy);
    let now = ports.clock.now().max(memory.at.unwrap_or(Timestamp::MIN));
    let seen = gather(workload, now, memory.at, deadline).await;
    let Gathered { observation, version, mut missing, mut target_error, times } = seen;
    memory.follow(workload, observation.replicas, now);
    let before = memory.take_up(workload, observation.replicas);

    let deciding = Instant::now();
    let (mut record, mut state) = decide(workload, before, observation, &mut missing);
    record.workload = Some(String::from(workload.id.as_str()));
    let decision_time = deciding.elapsed();

    let change = change(&record, version).filter(|_| workload.mode == Mode::Active);
    let mut store_error = None;
    if let Some(change) = &change {
        let pending = Some(Box::new(Decision { trace: None, ..record.decision.clone() }));
        let intent = Stored { at: now, state: state.clone(), pending };
        store_error = save(workload, ports.store, &intent, deadline).await.err();
        let written = write(workload, change, deadline).await;
        let update = if written.is_ok() { ScaleUpdate::Applied } else { ScaleUpdate::Rejected };
        // That somebody else scales it, too, is said as long as it is so.
        target_error = written.err().or(target_error);
        state = record.settle(&workload.policy, state, update);
    }
    if workload.mode == Mode::Active && record.observation.replicas.is_some() {
        // Of two that go wrong, what was decided counts for more.
        target_error = target_error.or(tend(workload, deadline).await.err());
    }
    let is_due = memory.saved.is_none_or(|saved| saved.elapsed() >= ports.settings.save_interval);
    if change.is_some() || is_due {
        let stored = Stored { at: now, state: state.clone(), pending: None };
        match save(workload, ports.store, &stored, deadline).await {
            Ok(()) => {
                memory.saved = Some(Instant::now());
                store_error = None;
            }
            Err(error) => store_error = Some(error),
        }
    }
    (memory.state, memory.at) = (state, Some(now));
    if workload.mode == Mode::Shadow && record.observation.replicas.is_some() {
        memory.watched = Some(Box::new(Decision { trace: None, ..record.decision.clone() }));
    }
    Tick {
        workload: workload.id.clone(),
        policy: Arc::clone(&workload.policy),
        mode: workload.mode,
        record,
        missing,
        target_error,
        store_error: store_error.map(Arc::new),
        source_times: times,
        decision_time,
        total_time: start.elapsed(),
        late: due.late,
    }
}

impl Memory {
    /// In shadow somebody else scales. What they did since the last look is history as if it had been decided here, so
    /// that rate limits bind both alike.
    fn follow(&mut self, workload: &Workload, replicas: Option<i32>, now: Timestamp) {
        let Some(replicas) = replicas else { return };
        let Some(last) = self.watched.take() else { return };
        if last.current_replicas != replicas {
            let (scale_to, outcome) = (Some(replicas), Outcome::Decided);
            let done = Decision { at: now, scale_to, outcome, retire: None, warm: None, ..*last };
            let state = std::mem::take(&mut self.state);
            self.state = settle(&workload.policy, state, &done, ScaleUpdate::Applied);
        }
    }

    /// The state to decide from; what became of a decision that another process left is known by the count.
    fn take_up(&mut self, workload: &Workload, replicas: Option<i32>) -> State {
        if let (Some(decision), Some(replicas)) = (&self.pending, replicas) {
            let applied = decision.scale_to.is_none_or(|wanted| wanted == replicas);
            let update = if applied { ScaleUpdate::Applied } else { ScaleUpdate::Rejected };
            let state = std::mem::take(&mut self.state);
            self.state = settle(&workload.policy, state, decision, update);
            self.pending = None;
        }
        self.state.clone()
    }
}

/// Decides. Readings that do not fit the policy are the mistake of whoever gave them, and count as failed.
fn decide(
    workload: &Workload,
    before: State,
    observation: ObservationRecord,
    missing: &mut Vec<Missing>,
) -> (DecisionRecord, State) {
    let mut observation = observation;
    loop {
        match DecisionRecord::decide(&workload.policy, before.clone(), observation.clone()) {
            Ok(decided) => return decided,
            Err(error) => {
                let culprit = culprit(&error);
                let reason = SourceError::Invalid(error.to_string());
                let problem = crate::Problem { metric: culprit.clone(), error: reason };
                missing.push(Missing::one("observation", problem));
                observation = without(observation, &error, &culprit);
            }
        }
    }
}

/// The metric or pod that an error is about.
fn culprit(error: &ObservationError) -> String {
    match error {
        ObservationError::UnknownMetric { metric, .. }
        | ObservationError::WrongForm { metric, .. } => metric.clone(),
        ObservationError::DuplicatePod { name } => name.clone(),
        ObservationError::UnknownPool { pool, .. }
        | ObservationError::DuplicatePool { pool }
        | ObservationError::UnknownNodeSize { pool } => pool.clone(),
        _ => String::new(),
    }
}

/// The observation without what can't be meant. Each call takes something away, so that they end.
fn without(
    mut observation: ObservationRecord,
    error: &ObservationError,
    culprit: &str,
) -> ObservationRecord {
    match error {
        ObservationError::UnknownMetric { .. } | ObservationError::WrongForm { .. } => {
            observation.readings.retain(|reading| reading.metric != culprit);
        }
        ObservationError::UnknownPool { .. }
        | ObservationError::DuplicatePool { .. }
        | ObservationError::UnknownNodeSize { .. } => observation.supply = None,
        // Who is there is not known, so neither is how many, and nothing can be decided.
        _ => observation = nothing_seen(observation.time),
    }
    observation
}

fn nothing_seen(time: Timestamp) -> ObservationRecord {
    ObservationRecord {
        time,
        replicas: None,
        status_replicas: None,
        selector: trimtab_engine::Selector::default(),
        pods: Vec::new(),
        pod_metrics: None,
        readings: Vec::new(),
        warm: None,
        supply: None,
    }
}

/// What is to be carried out, if anything is.
fn change(record: &DecisionRecord, version: Option<String>) -> Option<Change> {
    let decision = &record.decision;
    let from = record.observation.replicas?;
    let plan = decision.retire.as_ref();
    let warm = decision.warm.filter(moves);
    if decision.scale_to.is_none() && !plan.is_some_and(drains) && warm.is_none() {
        return None;
    }
    let names = |rows: &[u32]| {
        let name = |row: &u32| {
            record.observation.pods.get(usize::try_from(*row).ok()?).map(|pod| pod.name.clone())
        };
        rows.iter().filter_map(name).collect::<Vec<_>>()
    };
    let of = |rows: fn(&RetirePlan) -> &[u32]| plan.map(rows).map(names).unwrap_or_default();
    Some(Change {
        from,
        replicas: decision.scale_to.unwrap_or(from),
        drain: of(|plan| &plan.drain),
        retire: of(|plan| &plan.retire),
        take_back: of(|plan| &plan.take_back),
        warm,
        version,
    })
}

fn drains(plan: &RetirePlan) -> bool {
    !plan.drain.is_empty() || !plan.retire.is_empty() || !plan.take_back.is_empty()
}

fn moves(plan: &WarmPlan) -> bool {
    let WarmPlan { size: _, promote, start: _, demote, refill, release } = *plan;
    [promote, demote, refill, release].iter().any(|count| *count > 0)
}

/// Writes a change, again where that may help, until the deadline. After a conflict it is written only if the
/// count is still the one that was decided on.
async fn write(
    workload: &Workload,
    change: &Change,
    deadline: Duration,
) -> Result<(), TargetError> {
    let mut last = None;
    let attempts = async {
        let mut change = change.clone();
        let mut wait = FIRST_WAIT;
        loop {
            let written =
                std::panic::AssertUnwindSafe(workload.target.write(&workload.id, &change));
            let error = match written.catch_unwind().await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(panic) => return Err(TargetError::Malformed(words(panic.as_ref()))),
            };
            if !error.is_passing() {
                return Err(error);
            }
            last = Some(error.clone());
            sleep(wait).await;
            wait = wait.saturating_mul(2);
            if error == TargetError::Conflict {
                let status = read_target(workload, deadline).await?;
                if status.replicas != change.from {
                    return Err(error);
                }
                change.version = status.version;
            }
        }
    };
    match timeout(deadline, attempts).await {
        Ok(written) => written,
        // What it said when it last said something tells more than that time is up.
        Err(_) => Err(last.unwrap_or_else(|| TargetError::TimedOut(span(deadline)))),
    }
}

async fn tend(workload: &Workload, deadline: Duration) -> Result<(), TargetError> {
    let tended = std::panic::AssertUnwindSafe(workload.target.tend(&workload.id)).catch_unwind();
    match timeout(deadline, tended).await {
        Ok(Ok(tended)) => tended,
        Ok(Err(panic)) => Err(TargetError::Malformed(words(panic.as_ref()))),
        Err(_) => Err(TargetError::TimedOut(span(deadline))),
    }
}

async fn save(
    workload: &Workload,
    store: &dyn StateStore,
    stored: &Stored,
    deadline: Duration,
) -> Result<(), StoreError> {
    let late = |_| Err(StoreError::Other(format!("not saved within {}", span(deadline))));
    timeout(deadline, store.save(&workload.id, stored)).await.unwrap_or_else(late)
}
