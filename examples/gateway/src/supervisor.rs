//! Sees to it that there are as many replicas as were asked for, that each is asked whether it is ready, and that those
//! that leave end when they are idle.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::fleet::Fleet;
use crate::launcher::{Instance, Launcher};
use crate::proxy::Upstream;

/// How replicas are asked and stopped.
#[derive(Clone, Debug)]
pub struct Care {
    /// What a replica is asked for to see whether it is ready.
    pub health_path: String,
    /// How often.
    pub health_period: Duration,
    /// So many times without an answer, and it is not.
    pub health_failures: u32,
    /// How long one that was told to end may take.
    pub stop_grace: Duration,
}

/// Looks after the replicas of a fleet.
pub struct Supervisor {
    /// The fleet.
    pub fleet: Arc<Fleet>,
    /// What starts them.
    pub launcher: Arc<dyn Launcher>,
    /// How they are asked and stopped.
    pub care: Care,
    /// What asks them.
    pub upstream: Upstream,
}

/// After a replica that ended by itself the next start waits: a second, then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long a replica may take to say that it is ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the replicas are looked at when nothing was changed.
const LOOK: Duration = Duration::from_millis(500);

impl Supervisor {
    /// Goes on until it is told to end; then it ends all replicas and waits for that.
    pub async fn run(self, end: CancellationToken) {
        let this = Arc::new(self);
        let keepers = TaskTracker::new();
        let mut backoff = Backoff::default();
        let (ended, mut crashes) = tokio::sync::mpsc::unbounded_channel();
        loop {
            for (name, stop) in this.missing(backoff.not_before) {
                let (this, ended) = (Arc::clone(&this), ended.clone());
                keepers.spawn(async move {
                    // Whoever would hear of it may have ended.
                    let _told = ended.send(this.keep(&name, stop).await);
                });
            }
            this.stop_idle();
            tokio::select! {
                () = end.cancelled() => break,
                Some(end) = crashes.recv() => backoff.note(end, Instant::now()),
                () = this.fleet.changed.notified() => {}
                () = sleep_until(Instant::now() + LOOK) => {}
            }
        }
        this.stop_all();
        keepers.close();
        keepers.wait().await;
    }

    /// Adds as many as are missing to the fleet, and says which.
    fn missing(&self, not_before: Option<Instant>) -> Vec<(String, CancellationToken)> {
        if not_before.is_some_and(|then| Instant::now() < then) {
            return Vec::new();
        }
        let time = self.fleet.clock.now();
        let mut state = self.fleet.lock();
        let missing = state.desired.saturating_sub(state.staying()).max(0);
        (0..missing).map(|_| state.add(&self.fleet.settings, time)).collect()
    }

    /// Tells those to end that leave and are idle, or have had their time.
    fn stop_idle(&self) {
        let now = Instant::now();
        for one in &self.fleet.lock().replicas {
            let is_due = |by: Instant| one.in_flight == 0 || by <= now;
            if one.leaves_by.is_some_and(is_due) && !one.stop.is_cancelled() {
                info!(replica = one.name, in_flight = one.in_flight, "stopping");
                one.stop.cancel();
            }
        }
    }

    fn stop_all(&self) {
        let mut state = self.fleet.lock();
        state.desired = 0;
        state.replicas.iter().for_each(|one| one.stop.cancel());
    }

    /// One replica from its start to its end.
    async fn keep(&self, name: &str, stop: CancellationToken) -> End {
        let started = tokio::select! {
            started = self.launcher.start(name) => started,
            () = stop.cancelled() => return self.gone(name, "it was not needed any more"),
        };
        let mut instance = match started {
            Ok(instance) => instance,
            Err(error) => return self.gone(name, &error.to_string()),
        };
        let address = instance.address();
        info!(replica = name, %address, "started");
        self.fleet.note_address(name, address);
        let mut looks = interval(self.care.health_period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_ready = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    instance.stop(self.care.stop_grace).await;
                    return self.gone(name, "it was stopped");
                }
                how = instance.ended() => {
                    return End { was_ready, ..self.gone(name, &how) };
                }
                _ = looks.tick() => {}
            }
            let healthy = self.is_healthy(&mut *instance, &stop).await;
            if healthy && !was_ready {
                info!(replica = name, "ready");
            }
            was_ready |= healthy;
            self.fleet.note_health(name, healthy, self.care.health_failures);
        }
    }

    /// Whether it answers; not for longer than it is there.
    async fn is_healthy(&self, instance: &mut dyn Instance, stop: &CancellationToken) -> bool {
        let address = instance.address();
        let asked = timeout(PATIENCE, self.upstream.is_ok(address, &self.care.health_path));
        tokio::select! {
            answer = asked => answer.unwrap_or(false),
            _ = instance.ended() => false,
            () = stop.cancelled() => false,
        }
    }

    fn gone(&self, name: &str, how: &str) -> End {
        let was_told = self.fleet.note_end(name);
        if was_told {
            info!(replica = name, how, "ended");
        } else {
            warn!(replica = name, how, "a replica ended by itself");
        }
        End { was_told, was_ready: false }
    }
}

/// How a replica ended.
#[derive(Copy, Clone, Debug)]
struct End {
    was_told: bool,
    was_ready: bool,
}

/// What keeps a replica that can't live from being started over and over.
#[derive(Debug, Default)]
struct Backoff {
    not_before: Option<Instant>,
    wait: Option<Duration>,
}

impl Backoff {
    fn note(&mut self, end: End, now: Instant) {
        if end.was_told {
            return;
        }
        // One that had served is replaced at once.
        if end.was_ready {
            *self = Self::default();
            return;
        }
        let wait = self.wait.map_or(FIRST_WAIT, |wait| wait.saturating_mul(2).min(LONGEST_WAIT));
        (self.not_before, self.wait) = (Some(now + wait), Some(wait));
    }
}
