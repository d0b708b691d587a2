//! What came of a policy: its changes, and how long what held.

use serde::Serialize;
use trimtab_engine::{Decision, MetricResult, Outcome, Policy, Stage};
use trimtab_metric::{Span, Timestamp};

use super::why::why;

/// A change of the count.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) time: Timestamp,
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) why: String,
}

/// Sums over all decisions. Time runs from the first decision to the last; each decision's count
/// holds until the next.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) decisions: u64,
    pub(super) scale_ups: u64,
    pub(super) scale_downs: u64,
    pub(super) replica_hours: f64,
    pub(super) peak_replicas: i32,
    pub(super) mean_replicas: f64,
    pub(super) seconds: f64,
    pub(super) seconds_at_max: f64,
    /// How long the count was other than the metrics wanted because of the windows …
    pub(super) seconds_held_by_stabilization: f64,
    /// … the rate limits …
    pub(super) seconds_held_by_rate_limits: f64,
    /// … or `minReplicas` and `maxReplicas`.
    pub(super) seconds_held_by_bounds: f64,
    /// Metrics that could not be read, over all decisions.
    pub(super) unknown_readings: u64,
    /// Decisions that changed nothing because too little was known.
    pub(super) undecided: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recorded: Option<Recorded>,
}

/// What was recorded of the real count.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recorded {
    pub(super) replica_hours: f64,
    pub(super) peak_replicas: i32,
    /// How long the policy's count was the recorded one.
    pub(super) seconds_equal: f64,
}

/// What holds from one decision until the next.
#[derive(Copy, Clone, Debug)]
struct Holding {
    since: Timestamp,
    replicas: i32,
    recorded: Option<i32>,
    stabilized: bool,
    limited: bool,
    bounded: bool,
}

/// Takes in one decision after another.
pub(super) struct Tally {
    max: i32,
    holding: Option<Holding>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) changes: Vec<Change>,
    /// How often each metric made the largest proposal.
    wins: Vec<u64>,
    /// Replicas times seconds, decided and recorded; hours only at the end, since these are whole.
    replica_seconds: f64,
    recorded_seconds: f64,
    totals: Totals,
}

impl Tally {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            max: policy.bounds().max,
            holding: None,
            first: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
            changes: Vec::new(),
            wins: vec![0; policy.metrics().len()],
            replica_seconds: 0.0,
            recorded_seconds: 0.0,
            totals: Totals::default(),
        }
    }

    /// How many decisions were taken in.
    pub(super) fn decisions(&self) -> u64 {
        self.totals.decisions
    }

    /// The metric that most often made the largest proposal, by its place.
    pub(super) fn winner(&self) -> usize {
        let most = self.wins.iter().copied().max().unwrap_or_default();
        self.wins.iter().position(|wins| *wins == most).unwrap_or_default()
    }

    pub(super) fn take(&mut self, decision: &Decision, recorded: Option<i32>) {
        let (at, from, to) = (decision.at, decision.current_replicas, decision.desired_replicas);
        if self.totals.decisions == 0 {
            self.first = at;
        }
        self.last = at;
        self.pass(at);
        self.totals.decisions += 1;
        self.totals.peak_replicas = self.totals.peak_replicas.max(to);
        self.totals.unknown_readings += decision
            .metrics()
            .filter(|metric| matches!(metric.result, MetricResult::Failed { .. }))
            .count() as u64;
        if matches!(decision.outcome, Outcome::MetricsUnknown | Outcome::ScaleUnavailable) {
            self.totals.undecided += 1;
        }
        let winner = decision.metric.and_then(|index| usize::try_from(index).ok());
        if let Some(wins) = winner.and_then(|index| self.wins.get_mut(index)) {
            *wins += 1;
        }
        if decision.scale_to.is_some() {
            *if to > from { &mut self.totals.scale_ups } else { &mut self.totals.scale_downs } += 1;
            self.changes.push(Change { time: at, from, to, why: why(decision) });
        }
        let changed = |stage: Stage| {
            let steps = decision.trace.as_deref().unwrap_or_default();
            steps.iter().any(|step| step.stage == stage && step.from != step.to)
        };
        self.holding = Some(Holding {
            since: at,
            replicas: to,
            recorded,
            stabilized: changed(Stage::Stabilize),
            limited: changed(Stage::Limit),
            bounded: changed(Stage::Bound),
        });
    }

    /// Counts what held until `now`.
    fn pass(&mut self, now: Timestamp) {
        let Some(held) = self.holding else { return };
        let seconds = now.since(held.since).as_secs_f64();
        let totals = &mut self.totals;
        totals.seconds += seconds;
        self.replica_seconds += f64::from(held.replicas) * seconds;
        for (holds, sum) in [
            (held.replicas >= self.max, &mut totals.seconds_at_max),
            (held.stabilized, &mut totals.seconds_held_by_stabilization),
            (held.limited, &mut totals.seconds_held_by_rate_limits),
            (held.bounded, &mut totals.seconds_held_by_bounds),
        ] {
            if holds {
                *sum += seconds;
            }
        }
        if let Some(count) = held.recorded {
            let recorded = totals.recorded.get_or_insert_default();
            self.recorded_seconds += f64::from(count) * seconds;
            recorded.peak_replicas = recorded.peak_replicas.max(count);
            if count == held.replicas {
                recorded.seconds_equal += seconds;
            }
        }
    }

    /// The sums.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.totals.clone();
        totals.replica_hours = self.replica_seconds / 3600.0;
        if let Some(recorded) = &mut totals.recorded {
            recorded.replica_hours = self.recorded_seconds / 3600.0;
        }
        totals.mean_replicas = if totals.seconds > 0.0 {
            self.replica_seconds / totals.seconds
        } else {
            self.holding.map_or(0.0, |held| f64::from(held.replicas))
        };
        totals
    }
}

/// Seconds as a span, to the second.
pub(super) fn span(seconds: f64) -> Span {
    Span::from_secs_f64(seconds.round()).unwrap_or(Span::MAX)
}
