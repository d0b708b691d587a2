//! May this request be queued now? The queue's bound follows from the wait that users are promised and from what
//! the replicas take on within it.
//!
//! A gateway that queues everything makes everyone wait for too long; one that queues nothing turns away what would
//! have been served a moment later. In between lies the queue whose last request still starts in time. How long it is
//! depends on the replicas that there are now, so no fixed number is right.
//!
//! # The model
//!
//! Requests wait in one queue, first come, first served. A [`Server`] has slots; a request keeps one for its service
//! time *S*. By [Little's law][little], applied to the slots, *S* is the mean number in flight over the completions per
//! second ([`service_seconds`]), and *c* slots that are busy all the time complete *c / S* per second. Of a server that
//! is ready at time *T* (0 for one that is), a busy slot is at a random moment of its request and becomes free
//! once per *S*; a free slot takes one request at once and the next one *S* later. Within a time *t* the servers
//! take on
//!
//! ```text
//! takes(t) = Σ busy · (t − T) / S  +  free · max(1, (t − T) / S)     over the servers with T ≤ t
//! ```
//!
//! and the request with *q* ahead of it starts when `takes(t)` reaches *q* + 1. So with an allowed wait *W* the queue's
//! bound is **`takes(W)`, rounded down**: capacity per second times allowed wait, and what is free.
//!
//! While nobody is ready, [`Limits::hold_seconds`] is the allowed wait, so that a scale from zero holds the requests that
//! asked for it. While no service time is known at all, nothing can be said of waits, and [`Limits::unknown`] is
//! the bound.
//!
//! What is turned away has asked nevertheless: **count it as demand**, or a full queue looks like a satisfied one
//! ([`SloOfferedSpec`](crate::SloOfferedSpec) has `rejected` for it).
//!
//! [little]: https://doi.org/10.1287/opre.9.3.383

use libm::{ceil, fmax, fmin};
use serde::{Deserialize, Serialize};

/// The longest wait that is told apart from none at all, in seconds: some thirty years.
const FOREVER: f64 = 1e9;

/// A replica, as the queue in front of it sees it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// How many requests it serves at once.
    pub slots: u32,
    /// How many it is serving.
    #[serde(default)]
    pub in_flight: u32,
    /// How long a request keeps a slot, in seconds; see [`service_seconds`]. `None` if nothing was seen yet: then only
    /// its free slots count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_seconds: Option<f64>,
    /// In how many seconds it will be ready; `None` for one that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_in_seconds: Option<f64>,
}

/// What is promised, and what may be held.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The longest that a request is to wait for a slot, in seconds, while a replica is ready.
    pub wait_seconds: f64,
    /// The longest that a request is held while none is, in seconds; less than `wait_seconds` counts as that. A
    /// start that takes longer holds nothing.
    pub hold_seconds: f64,
    /// How many may wait while no service time is known.
    pub unknown: u32,
    /// How many may wait at most, whatever the replicas take: what memory there is.
    pub most: u32,
    /// The longest `Retry-After`, in seconds.
    pub most_retry_seconds: u32,
}

impl Default for Limits {
    /// 10 s for a slot, 5 minutes for a replica, 64 requests blindly, 10,000 at most, back within a minute.
    fn default() -> Self {
        Self {
            wait_seconds: 10.0,
            hold_seconds: 300.0,
            unknown: 64,
            most: 10_000,
            most_retry_seconds: 60,
        }
    }
}

/// What becomes of a request.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum Admission {
    /// There is a free slot for it now.
    Admit,
    /// It may wait.
    #[serde(rename_all = "camelCase")]
    Queue {
        /// How long that will be, by the model; `None` if no service time is known.
        wait_seconds: Option<f64>,
    },
    /// It would wait for too long.
    #[serde(rename_all = "camelCase")]
    Reject {
        /// When what waits now will have started: the `Retry-After` of HTTP, in whole seconds.
        retry_after_seconds: u32,
    },
}

/// May a request be queued behind `waiting` others?
///
/// It never rejects while a slot is free, and more capacity never turns a yes into a no.
///
/// ```
/// use trimtab_engine::admission::{Admission, Limits, Server, admit};
///
/// // Two replicas of 8 slots, all busy, 4 s a request: they complete 4 per second, 40 in 10 s.
/// let busy = Server { slots: 8, in_flight: 8, service_seconds: Some(4.0), ready_in_seconds: None };
/// let (limits, fleet) = (Limits::default(), [busy, busy]);
/// assert_eq!(admit(&limits, &fleet, 39), Admission::Queue { wait_seconds: Some(10.0) });
/// assert_eq!(admit(&limits, &fleet, 40), Admission::Reject { retry_after_seconds: 10 });
///
/// // One of them has a free slot, and nobody waits.
/// let fleet = [busy, Server { in_flight: 7, ..busy }];
/// assert_eq!(admit(&limits, &fleet, 0), Admission::Admit);
/// ```
pub fn admit(limits: &Limits, servers: &[Server], waiting: u32) -> Admission {
    if waiting < free_now(servers) {
        return Admission::Admit;
    }
    if waiting < queue_bound(limits, servers) {
        let allowed = allowed_wait(limits, servers);
        // By the bound it is within what is allowed; what the search for it adds to that is none.
        let wait = wait_seconds(servers, waiting).map(|wait| fmin(wait, allowed));
        return Admission::Queue { wait_seconds: wait.filter(|_| is_known(servers, allowed)) };
    }
    Admission::Reject { retry_after_seconds: retry_after(limits, servers, waiting) }
}

/// How many may wait: what the servers take on within the allowed wait, rounded down.
///
/// ```
/// use trimtab_engine::admission::{Limits, Server, queue_bound};
///
/// let limits = Limits { wait_seconds: 10.0, hold_seconds: 300.0, ..Limits::default() };
/// // A scale from zero: ready in 180 s, so that it has 120 s of the 300 to work off what was held.
/// let starting = Server { slots: 8, service_seconds: Some(4.0), ready_in_seconds: Some(180.0), in_flight: 0 };
/// assert_eq!(queue_bound(&limits, &[starting]), 240);
/// // With 10 s of them left its slots count, each once for now and again 4 s later.
/// assert_eq!(queue_bound(&limits, &[Server { ready_in_seconds: Some(290.0), ..starting }]), 20);
/// // Nobody will be there in time.
/// assert_eq!(queue_bound(&limits, &[Server { ready_in_seconds: Some(301.0), ..starting }]), 0);
/// ```
pub fn queue_bound(limits: &Limits, servers: &[Server]) -> u32 {
    let allowed = allowed_wait(limits, servers);
    let in_time = |server: &Server| server.ready_in() <= allowed;
    if !servers.iter().any(|server| server.slots > 0 && in_time(server)) {
        return 0;
    }
    let takes = whole(takes(servers, allowed));
    let bound = if is_known(servers, allowed) { takes } else { takes.max(limits.unknown) };
    bound.min(limits.most)
}

/// How many requests the servers take on within so many seconds, by the model.
///
/// ```
/// use trimtab_engine::admission::{Server, takes};
///
/// let half = Server { slots: 4, in_flight: 2, service_seconds: Some(2.0), ready_in_seconds: None };
/// assert_eq!(takes(&[half], 0.0), 2.0); // what is free
/// assert_eq!(takes(&[half], 1.0), 3.0); // one of the busy ones became free
/// assert_eq!(takes(&[half], 10.0), 20.0); // four slots, five requests each
/// ```
pub fn takes(servers: &[Server], seconds: f64) -> f64 {
    servers.iter().map(|server| server.takes(seconds)).sum()
}

/// How long the request with so many ahead of it waits for a slot, in seconds; `None` if it would be forever.
pub fn wait_seconds(servers: &[Server], ahead: u32) -> Option<f64> {
    reaches(servers, f64::from(ahead) + 1.0)
}

/// How long a request keeps a slot, in seconds, by Little's law: the mean number in flight over a time, and how many
/// were completed per second of it. `None` if none was.
///
/// ```
/// use trimtab_engine::admission::service_seconds;
///
/// assert_eq!(service_seconds(6.0, 1.5), Some(4.0));
/// assert_eq!(service_seconds(6.0, 0.0), None);
/// ```
pub fn service_seconds(mean_in_flight: f64, completed_per_second: f64) -> Option<f64> {
    let seconds = mean_in_flight / completed_per_second;
    (completed_per_second > 0.0 && seconds.is_finite() && seconds > 0.0).then_some(seconds)
}

impl Server {
    /// What it takes on within so many seconds.
    fn takes(&self, seconds: f64) -> f64 {
        let since_ready = seconds - self.ready_in();
        if since_ready.is_nan() || since_ready < 0.0 {
            return 0.0;
        }
        let rounds = self.service().map_or(0.0, |service| since_ready / service);
        f64::from(self.busy()) * rounds + f64::from(self.free()) * fmax(rounds, 1.0)
    }

    /// Never more than it has slots: one with more in flight has none free, and works them off as it can.
    fn busy(&self) -> u32 {
        self.in_flight.min(self.slots)
    }

    fn free(&self) -> u32 {
        self.slots.saturating_sub(self.in_flight)
    }

    /// 0 for one that is ready; what can't be a time is never.
    fn ready_in(&self) -> f64 {
        match self.ready_in_seconds {
            None => 0.0,
            Some(seconds) if seconds.is_nan() => f64::INFINITY,
            Some(seconds) => fmax(seconds, 0.0),
        }
    }

    fn service(&self) -> Option<f64> {
        self.service_seconds.filter(|seconds| *seconds > 0.0 && seconds.is_finite())
    }
}

/// The slots that can be taken now.
fn free_now(servers: &[Server]) -> u32 {
    let ready = servers.iter().filter(|server| server.ready_in_seconds.is_none());
    ready.fold(0_u32, |free, server| free.saturating_add(server.free()))
}

fn allowed_wait(limits: &Limits, servers: &[Server]) -> f64 {
    let at_least = |seconds: f64, least: f64| if seconds > least { seconds } else { least };
    let wait = at_least(limits.wait_seconds, 0.0);
    let is_ready = |server: &Server| server.ready_in_seconds.is_none() && server.slots > 0;
    let allowed =
        if servers.iter().any(is_ready) { wait } else { at_least(limits.hold_seconds, wait) };
    fmin(allowed, FOREVER)
}

/// Whether anything can be said of waits: the service time of one that counts is known.
fn is_known(servers: &[Server], allowed: f64) -> bool {
    servers.iter().any(|server| {
        server.slots > 0 && server.service().is_some() && server.ready_in() <= allowed
    })
}

/// When the servers have taken on so many.
///
/// What they take grows with time, in steps and slopes, so that the moment is found by halving. It errs to the
/// late side, by less than a billionth.
fn reaches(servers: &[Server], requests: f64) -> Option<f64> {
    if takes(servers, 0.0) >= requests {
        return Some(0.0);
    }
    let (mut early, mut late) = (0.0, 1.0);
    while takes(servers, late) < requests {
        if late >= FOREVER {
            return None;
        }
        (early, late) = (late, late * 2.0);
    }
    for _ in 0..64 {
        let middle = early + (late - early) / 2.0;
        if takes(servers, middle) >= requests { late = middle } else { early = middle }
    }
    Some(late)
}

/// When what waits has started, or one could; where that can't be said, when the first server will be ready;
/// else the longest.
fn retry_after(limits: &Limits, servers: &[Server], waiting: u32) -> u32 {
    let drained = reaches(servers, f64::from(waiting.max(1)));
    let first = || servers.iter().filter_map(|server| server.ready_in_seconds).reduce(fmin);
    let seconds = drained.or_else(first).map_or(u32::MAX, |seconds| {
        // A billionth of a second more is not another second.
        whole(ceil(seconds - 1e-6))
    });
    seconds.clamp(1, limits.most_retry_seconds.max(1))
}

/// Rounded down, and the nearest that fits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and takes what is not a number for 0"
)]
fn whole(value: f64) -> u32 {
    value as u32
}
