//! One replica: where it is, how far it has come, and what it has to do.

use std::net::SocketAddr;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimtab::admission::Server;
use trimtab::metric::Timestamp;
use trimtab::{PodPhase, PodRecord, Readiness, ReadyCondition};

use crate::pace::Pace;

/// A replica.
#[derive(Debug)]
pub struct Replica {
    /// Its name: that of the pod in observations.
    pub name: String,
    /// Where it listens, once it was started.
    pub address: Option<SocketAddr>,
    /// When it was asked for, for decisions.
    pub created: Timestamp,
    /// When it was asked for, for the gateway.
    pub asked: Instant,
    /// It answers.
    pub ready: bool,
    /// Since when it does, or does not.
    pub ready_since: Timestamp,
    /// It once did.
    pub was_ready: bool,
    /// How often it did not answer in a row.
    pub failures: u32,
    /// What it is serving.
    pub in_flight: u32,
    /// When it was last given something: a number that grows.
    pub last_given: u64,
    /// How fast it works.
    pub pace: Pace,
    /// Since when it takes no new work, because a decision said that it is to go.
    pub draining_since: Option<Timestamp>,
    /// It goes when it is idle, or then: the count fell and nobody said who goes.
    pub leaves_by: Option<Instant>,
    /// It was told to end.
    pub stop: CancellationToken,
}

/// What a replica is, for people and metrics.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplicaState {
    /// It has not answered yet.
    Starting,
    /// It serves.
    Ready,
    /// It served, and does not answer.
    Unready,
    /// It serves what it has, and gets nothing new.
    Draining,
    /// It was told to end.
    Stopping,
}

impl ReplicaState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Starting, Self::Ready, Self::Unready, Self::Draining, Self::Stopping];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unready => "unready",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl Replica {
    /// What it is.
    pub fn state(&self) -> ReplicaState {
        if self.stop.is_cancelled() {
            ReplicaState::Stopping
        } else if self.draining_since.is_some() || self.leaves_by.is_some() {
            ReplicaState::Draining
        } else if self.ready {
            ReplicaState::Ready
        } else if self.was_ready {
            ReplicaState::Unready
        } else {
            ReplicaState::Starting
        }
    }

    /// Whether it takes new work.
    pub fn serves(&self) -> bool {
        self.state() == ReplicaState::Ready
    }

    /// Whether it is one of those that were asked for: it neither leaves nor ends.
    pub fn stays(&self) -> bool {
        !self.stop.is_cancelled() && self.leaves_by.is_none()
    }

    /// As admission sees it; `None` for one that takes nothing new. `lead_time` is how long a start takes, in seconds,
    /// and `usual` how long a request keeps a slot elsewhere.
    pub fn server(
        &self,
        slots: u32,
        lead_time: f64,
        usual: Option<f64>,
        now: Instant,
    ) -> Option<Server> {
        let ready_in_seconds = match self.state() {
            ReplicaState::Ready => None,
            ReplicaState::Starting | ReplicaState::Unready => {
                let age = now.saturating_duration_since(self.asked).as_secs_f64();
                // One that is late is expected to be as late again.
                let left = lead_time - age;
                Some(if left >= 0.0 { left } else { -left })
            }
            ReplicaState::Draining | ReplicaState::Stopping => return None,
        };
        let service_seconds = self.pace.service_seconds().or(usual);
        Some(Server { slots, in_flight: self.in_flight, service_seconds, ready_in_seconds })
    }

    /// As a decision sees it.
    pub fn record(&self) -> PodRecord {
        let status = if self.ready { Readiness::True } else { Readiness::False };
        let is_there = self.address.is_some();
        PodRecord {
            name: self.name.clone(),
            phase: if is_there { PodPhase::Running } else { PodPhase::Pending },
            terminating: !self.stays(),
            creation_timestamp: Some(self.created),
            start_time: is_there.then_some(self.created),
            ready: Some(ReadyCondition { status, last_transition_time: Some(self.ready_since) }),
            in_flight: Some(self.in_flight),
            draining_since: self.draining_since,
            ..PodRecord::default()
        }
    }
}
