//! Sums over the decisions of a test.

use trimtab_engine::{Decision, Outcome, Policy};
use trimtab_metric::Timestamp;

use crate::format::Total;

/// Takes in one decision after another. Each decision's count holds until the next.
#[derive(Debug)]
pub(super) struct Tally {
    max: i32,
    held: Option<(Timestamp, i32)>,
    /// Which way the last change went.
    last_up: Option<bool>,
    ups: u64,
    downs: u64,
    reversals: u64,
    seconds: f64,
    replica_seconds: f64,
    peak: i32,
    seconds_at_max: f64,
    unknown: u64,
    undecided: u64,
}

impl Tally {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            max: policy.bounds().max,
            held: None,
            last_up: None,
            ups: 0,
            downs: 0,
            reversals: 0,
            seconds: 0.0,
            replica_seconds: 0.0,
            peak: 0,
            seconds_at_max: 0.0,
            unknown: 0,
            undecided: 0,
        }
    }

    pub(super) fn take(&mut self, decision: &Decision, unknown: usize) {
        let (at, from, to) = (decision.at, decision.current_replicas, decision.desired_replicas);
        if let Some((since, replicas)) = self.held {
            let seconds = at.since(since).as_secs_f64();
            self.seconds += seconds;
            self.replica_seconds += f64::from(replicas) * seconds;
            if replicas >= self.max {
                self.seconds_at_max += seconds;
            }
        }
        self.held = Some((at, to));
        self.peak = self.peak.max(to);
        self.unknown = self.unknown.saturating_add(unknown as u64);
        if matches!(decision.outcome, Outcome::MetricsUnknown | Outcome::ScaleUnavailable) {
            self.undecided += 1;
        }
        if decision.scale_to.is_some() {
            let up = to > from;
            *if up { &mut self.ups } else { &mut self.downs } += 1;
            if self.last_up.is_some_and(|last| last != up) {
                self.reversals += 1;
            }
            self.last_up = Some(up);
        }
    }

    pub(super) fn total(&self, total: Total) -> f64 {
        match total {
            Total::Changes => (self.ups + self.downs) as f64,
            Total::ScaleUps => self.ups as f64,
            Total::ScaleDowns => self.downs as f64,
            Total::Reversals => self.reversals as f64,
            Total::ReplicaHours => self.replica_seconds / 3600.0,
            Total::PeakReplicas => f64::from(self.peak),
            Total::MeanReplicas if self.seconds > 0.0 => self.replica_seconds / self.seconds,
            Total::MeanReplicas => self.held.map_or(0.0, |(_, replicas)| f64::from(replicas)),
            Total::SecondsAtMax => self.seconds_at_max,
            Total::UnknownReadings => self.unknown as f64,
            Total::Undecided => self.undecided as f64,
        }
    }
}
