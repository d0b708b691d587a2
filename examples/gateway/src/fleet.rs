//! The replicas and the queue in front of them, under one lock: who may come in, who gets which slot, who is done.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimtab::admission::{Admission, Limits, Server, admit, queue_bound};
use trimtab::metric::Timestamp;
use trimtab_runtime::Clock;

use crate::config::{Loaded, seconds};
use crate::lease::{Outcome, Ticket};
use crate::pace::Pace;
use crate::queue::{Queue, Slot};
use crate::replica::Replica;
use crate::routing::least_loaded;
use crate::signals::Signals;

/// So many of the last starts say how long one takes.
const STARTS: usize = 8;

/// What of the config the fleet goes by.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// How many requests a replica serves at once.
    pub slots: u32,
    /// What may wait.
    pub limits: Limits,
    /// How long a start takes while none was seen.
    pub lead_time: Duration,
    /// Over which time the pace of a replica is looked at.
    pub pace: Duration,
    /// Over which time rates and latencies are told.
    pub window: Duration,
    /// How long one that goes without having drained may keep its requests.
    pub drain: Duration,
}

impl FleetSettings {
    /// Those of a config.
    pub fn of(loaded: &Loaded) -> Self {
        let config = &loaded.config;
        Self {
            slots: config.replicas.slots,
            limits: config.queue.limits(),
            lead_time: loaded.lead_time(),
            pace: seconds(config.queue.pace_seconds),
            window: seconds(config.window_seconds),
            drain: seconds(config.replicas.drain_seconds),
        }
    }
}

/// All replicas, and who waits for them.
pub struct Fleet {
    /// What it goes by.
    pub settings: FleetSettings,
    /// The time of decisions.
    pub clock: Arc<dyn Clock>,
    /// Something was changed that the supervisor has to look at.
    pub changed: Notify,
    state: Mutex<State>,
}

/// What the lock is for.
pub struct State {
    /// How many replicas were asked for.
    pub desired: i32,
    /// Grows with each change of that.
    pub version: u64,
    /// How many were ever started: the next one's number.
    pub started: u64,
    /// Those that there are.
    pub replicas: Vec<Replica>,
    /// Who waits.
    pub queue: Queue,
    /// What was seen of requests.
    pub signals: Signals,
    /// How fast the replicas work, all together.
    pace: Pace,
    /// How long the last starts took, in seconds.
    starts: VecDeque<f64>,
    given: u64,
    /// The gateway ends: nobody comes in.
    closing: bool,
}

/// Nobody may wait behind those that do.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// When to come back, in seconds.
    pub retry_after: u32,
}

impl Fleet {
    /// Nobody is there, and so many are asked for.
    pub fn new(settings: FleetSettings, clock: Arc<dyn Clock>, desired: i32) -> Self {
        let now = Instant::now();
        let state = State {
            desired,
            version: 0,
            started: 0,
            replicas: Vec::new(),
            queue: Queue::default(),
            signals: Signals::new(settings.window, now),
            pace: Pace::new(settings.pace, now),
            starts: VecDeque::new(),
            given: 0,
            closing: false,
        };
        Self { settings, clock, changed: Notify::new(), state: Mutex::new(state) }
    }

    /// The replicas and the queue, for as long as nobody else needs them.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request comes: a place in the queue, which may be at its very head, or not.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if it would wait for too long.
    pub fn enter(self: &Arc<Self>) -> Result<Ticket, Rejected> {
        let now = Instant::now();
        let mut state = self.lock();
        state.signals.arrive();
        let limits = &self.settings.limits;
        let verdict = if state.closing {
            Admission::Reject { retry_after_seconds: 1 }
        } else {
            state.catch_up(now);
            let servers = state.servers(&self.settings, now);
            admit(limits, &servers, state.queue.len())
        };
        if let Admission::Reject { retry_after_seconds } = verdict {
            state.signals.reject();
            return Err(Rejected { retry_after: retry_after_seconds });
        }
        let (id, slot) = state.queue.push(now);
        state.dispatch(&self.settings, now);
        Ok(Ticket::new(self, id, slot))
    }

    /// A request whose replica was not there waits again, before all others: it was let in already.
    pub fn enter_again(self: &Arc<Self>, since: Instant) -> Ticket {
        let mut state = self.lock();
        let (id, slot) = state.queue.push_front(since);
        state.dispatch(&self.settings, Instant::now());
        Ticket::new(self, id, slot)
    }

    /// A request waited for too long and is turned away after all. When to come back, in seconds.
    pub fn give_up(&self) -> u32 {
        let now = Instant::now();
        let mut state = self.lock();
        state.signals.reject();
        let servers = state.servers(&self.settings, now);
        match admit(&Limits { most: 0, ..self.settings.limits }, &servers, state.queue.len()) {
            Admission::Reject { retry_after_seconds } => retry_after_seconds,
            _ => 1,
        }
    }

    /// How many may wait now.
    pub fn bound(&self) -> u32 {
        let state = self.lock();
        queue_bound(&self.settings.limits, &state.servers(&self.settings, Instant::now()))
    }

    /// Lets nobody in any more, and sends those away that wait.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.queue.clear();
    }

    /// Whether the gateway ends.
    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// A slot is free again. `outcome` says what became of its request.
    pub(crate) fn release(&self, replica: &str, since: Instant, outcome: Outcome) {
        let now = Instant::now();
        let mut state = self.lock();
        state.catch_up(now);
        let took = now.saturating_duration_since(since);
        let says_how_long = matches!(outcome, Outcome::Completed | Outcome::Broken);
        if let Some(one) = state.replicas.iter_mut().find(|one| one.name == replica) {
            one.in_flight = one.in_flight.saturating_sub(1);
            if says_how_long {
                one.pace.complete(took);
            } else if outcome == Outcome::Unreached {
                one.unready(self.clock.now());
            }
        }
        if says_how_long {
            state.pace.complete(took);
        }
        if outcome == Outcome::Completed {
            state.signals.complete();
        }
        state.dispatch(&self.settings, now);
        drop(state);
        // One that leaves may be idle now.
        self.changed.notify_one();
    }

    /// A replica answered when it was asked whether it is ready, or did not.
    pub fn note_health(&self, name: &str, healthy: bool, failures: u32) {
        let (now, time) = (Instant::now(), self.clock.now());
        let mut state = self.lock();
        let Some(one) = state.replicas.iter_mut().find(|one| one.name == name) else { return };
        one.failures = if healthy { 0 } else { one.failures.saturating_add(1) };
        if healthy && !one.ready {
            (one.ready, one.ready_since) = (true, time);
            let is_first = !std::mem::replace(&mut one.was_ready, true);
            let took = now.saturating_duration_since(one.asked).as_secs_f64();
            if is_first {
                state.starts.truncate(STARTS - 1);
                state.starts.push_front(took);
            }
            state.dispatch(&self.settings, now);
        } else if one.ready && one.failures >= failures {
            one.unready(time);
        }
    }

    /// A replica was started, and listens there.
    pub fn note_address(&self, name: &str, address: SocketAddr) {
        let mut state = self.lock();
        if let Some(one) = state.replicas.iter_mut().find(|one| one.name == name) {
            one.address = Some(address);
        }
    }

    /// A replica is no more. Whether it had been told to end.
    pub fn note_end(&self, name: &str) -> bool {
        let mut state = self.lock();
        let place = state.replicas.iter().position(|one| one.name == name);
        let was_told = place.is_some_and(|place| {
            let one = state.replicas.remove(place);
            one.stop.is_cancelled()
        });
        drop(state);
        self.changed.notify_one();
        was_told
    }
}

impl State {
    /// One more replica, of which nothing is there yet.
    pub fn add(
        &mut self,
        settings: &FleetSettings,
        time: Timestamp,
    ) -> (String, CancellationToken) {
        let now = Instant::now();
        self.started += 1;
        let name = format!("replica-{}", self.started);
        let stop = CancellationToken::new();
        self.replicas.push(Replica {
            name: name.clone(),
            address: None,
            created: time,
            asked: now,
            ready: false,
            ready_since: time,
            was_ready: false,
            failures: 0,
            in_flight: 0,
            last_given: 0,
            pace: Pace::new(settings.pace, now),
            draining_since: None,
            leaves_by: None,
            stop: stop.clone(),
        });
        (name, stop)
    }

    /// How many of those that were asked for are there.
    pub fn staying(&self) -> i32 {
        let count = self.replicas.iter().filter(|one| one.stays()).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// How many requests the replicas are serving.
    pub fn in_flight(&self) -> u32 {
        self.replicas.iter().fold(0, |sum, one| sum.saturating_add(one.in_flight))
    }

    /// What has passed since the last change is counted.
    fn catch_up(&mut self, now: Instant) {
        let all = self.in_flight();
        self.pace.advance(now, all);
        for one in &mut self.replicas {
            one.pace.advance(now, one.in_flight);
        }
    }

    /// The replicas as admission sees them, with those that were asked for and are not there yet.
    fn servers(&self, settings: &FleetSettings, now: Instant) -> Vec<Server> {
        let usual = self.pace.service_seconds();
        let lead_time = self.starts.iter().copied().reduce(longer);
        let lead_time = lead_time.unwrap_or(settings.lead_time.as_secs_f64());
        let there = self.replicas.iter();
        let mut servers: Vec<Server> =
            there.filter_map(|one| one.server(settings.slots, lead_time, usual, now)).collect();
        let missing = self.desired.saturating_sub(self.staying());
        // Where none is asked for, the request itself is what asks.
        let missing = if servers.is_empty() { missing.max(1) } else { missing };
        let new = Server {
            slots: settings.slots,
            in_flight: 0,
            service_seconds: usual,
            ready_in_seconds: Some(lead_time),
        };
        servers.extend((0..missing).map(|_| new));
        servers
    }

    /// Gives free slots to those that wait, the first one first.
    pub fn dispatch(&mut self, settings: &FleetSettings, now: Instant) {
        self.catch_up(now);
        while !self.queue.is_empty() {
            let Some(place) = least_loaded(&self.replicas, settings.slots) else { return };
            let Some(one) = self.replicas.get_mut(place) else { return };
            let Some(address) = one.address else { return };
            let Some(since) = self.queue.give(&Slot { replica: one.name.clone(), address }) else {
                return;
            };
            self.given += 1;
            one.in_flight += 1;
            one.last_given = self.given;
            self.signals.wait.push(now, now.saturating_duration_since(since));
        }
    }
}

impl Replica {
    fn unready(&mut self, time: Timestamp) {
        if self.ready {
            (self.ready, self.ready_since) = (false, time);
        }
    }
}

fn longer(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}
