//! The task of one workload: it waits for its next tick, a new policy, or the end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use trimtab_engine::State;

use crate::controller::Shared;
use crate::gather::{span, words};
use crate::pace::{Due, Pace};
use crate::tick::{Memory, Ports, tick};
use crate::{StoreError, Stored, Workload};

/// A state from further ahead than that is not one of ours.
const MOST_AHEAD: trimtab_metric::Span = trimtab_metric::Span::from_secs(24 * 3600);

/// What a worker is told.
pub(crate) struct Orders {
    /// The workload as it is now.
    pub(crate) latest: watch::Receiver<Arc<Workload>>,
    /// Tick once more.
    pub(crate) nudge: Arc<Notify>,
    /// End.
    pub(crate) stop: CancellationToken,
}

/// Ticks until it is told to stop. A tick that began is finished.
pub(crate) async fn work(shared: Arc<Shared>, orders: Orders) {
    let Orders { mut latest, nudge, stop } = orders;
    let mut workload = Arc::clone(&latest.borrow_and_update());
    let mut memory = remember(&shared, &workload).await;
    let start = Instant::now();
    let mut pace = Pace::new(&workload.id, period(&workload), start);
    // Somebody asked for a tick, and there is none before that.
    let (mut is_asked, mut quiet_until) = (false, start);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = latest.changed() => {
                if changed.is_err() {
                    return;
                }
                let new = Arc::clone(&latest.borrow_and_update());
                if period(&new) != period(&workload) {
                    pace = Pace::new(&new.id, period(&new), Instant::now());
                }
                workload = new;
            }
            () = sleep_until(pace.next()) => {
                let due = pace.take(Instant::now());
                once(&shared, &workload, &mut memory, due).await;
                (is_asked, quiet_until) = (false, Instant::now() + period(&workload) / 10);
            }
            () = nudge.notified(), if !is_asked => is_asked = true,
            () = sleep_until(quiet_until), if is_asked => {
                let due = Due { late: Duration::ZERO, skipped: 0 };
                once(&shared, &workload, &mut memory, due).await;
                (is_asked, quiet_until) = (false, Instant::now() + period(&workload) / 10);
            }
        }
    }
}

pub(crate) fn period(workload: &Workload) -> Duration {
    let millis = u64::try_from(workload.policy.period().as_millis()).unwrap_or(0);
    Duration::from_millis(millis)
}

/// One tick, and who is told of it. A panic is a mistake of ours that must not end the workload.
async fn once(shared: &Arc<Shared>, workload: &Arc<Workload>, memory: &mut Memory, due: Due) {
    if due.skipped > 0 {
        let (workload, skipped) = (workload.id.as_str(), due.skipped);
        warn!(target: "trimtab", workload, skipped, "ticks were left out: they take too long");
    }
    let ports = Ports { clock: &*shared.clock, store: &*shared.store, settings: &shared.settings };
    let before = memory.clone();
    match AssertUnwindSafe(tick(workload, memory, &ports, due)).catch_unwind().await {
        Ok(done) => shared.tell(done, due).await,
        Err(panic) => {
            let (workload, panic) = (workload.id.as_str(), words(panic.as_ref()));
            error!(target: "trimtab", workload, panic, "the tick panicked");
            shared.metrics.panicked();
            *memory = before;
        }
    }
}

/// What was stored of the workload. What can't be read is told, and stays where it is.
async fn remember(shared: &Shared, workload: &Workload) -> Memory {
    let fresh = |saved| Memory {
        state: State::for_policy(&workload.policy),
        at: None,
        pending: None,
        watched: None,
        saved,
    };
    let id = workload.id.as_str();
    match load(shared, workload).await {
        Ok(None) => fresh(None),
        Ok(Some(Stored { at, state, pending })) => {
            if at > shared.clock.now().saturating_add(MOST_AHEAD) {
                error!(target: "trimtab", workload = id, %at, "the state is from the future: without it");
                return fresh(None);
            }
            shared.clock.not_before(at);
            Memory { state, at: Some(at), pending, watched: None, saved: None }
        }
        Err(error) => {
            error!(target: "trimtab", workload = id, %error, "without history");
            shared.metrics.store_failed(&workload.id);
            fresh(None)
        }
    }
}

/// Loads with patience: a store that can't be reached yet is not one that has nothing.
async fn load(shared: &Shared, workload: &Workload) -> Result<Option<Stored>, StoreError> {
    let mut wait = Duration::from_millis(250);
    let deadline = shared.settings.deadline(&workload.policy);
    let load = || async {
        let late = |_| Err(StoreError::Other(format!("not loaded within {}", span(deadline))));
        timeout(deadline, shared.store.load(&workload.id)).await.unwrap_or_else(late)
    };
    for _ in 0..5 {
        match load().await {
            Err(error) if !matches!(error, StoreError::Damaged { .. }) => {
                let id = workload.id.as_str();
                warn!(target: "trimtab", workload = id, %error, "the state can't be loaded yet");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            known => return known,
        }
    }
    load().await
}
