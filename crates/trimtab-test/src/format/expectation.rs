//! What is expected: of one decision, of all, of none, of some, and of sums.

use trimtab_engine::{ConditionReason, ConditionStatus, ConditionType, Outcome};
use trimtab_manifest::Span as Place;
use trimtab_metric::Span;

/// A number that is expected, and where it stands.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Limit {
    /// That.
    pub number: f64,
    /// Its place.
    pub place: Place,
}

/// An amount that is expected.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Wanted {
    /// This.
    Exactly(Limit),
    /// From this to that, both included; at least one of them is there.
    Within {
        /// The least.
        min: Option<Limit>,
        /// The most.
        max: Option<Limit>,
    },
}

/// A count that is expected.
pub type Count = Wanted;

/// A word that is expected, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// That.
    pub word: String,
    /// Its place.
    pub place: Place,
}

/// What is expected of a condition.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ConditionWanted {
    /// This status.
    Status(ConditionStatus),
    /// That it holds, for this reason.
    Reason(ConditionReason),
}

/// What is expected of one decision. All of it has to hold.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Matcher {
    /// What was decided.
    pub replicas: Option<Count>,
    /// The count before.
    pub current: Option<Count>,
    /// Words, each of which has to be met.
    pub reasons: Vec<Word>,
    /// The rule that changed the count last; `none` where none did.
    pub limited_by: Option<Word>,
    /// How far it came.
    pub outcome: Option<(Outcome, Place)>,
    /// Conditions.
    pub conditions: Vec<(ConditionType, ConditionWanted, Place)>,
}

impl Matcher {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far the count may go within a time.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct StepLimit {
    /// Upwards; else downwards.
    pub up: bool,
    /// So far.
    pub max: Limit,
    /// Within this.
    pub per: Span,
}

/// What is expected of decisions. Times are steps from the first.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Of one.
    At {
        /// That.
        step: u64,
        /// What.
        matcher: Matcher,
    },
    /// Of all in a range.
    Always {
        /// The first of them.
        from: u64,
        /// The last of them.
        until: u64,
        /// What.
        matcher: Matcher,
        /// How far the count may go.
        steps: Vec<StepLimit>,
        /// Where the entry stands.
        place: Place,
    },
    /// Of none in a range.
    Never {
        /// The first of them.
        from: u64,
        /// The last of them.
        until: u64,
        /// What.
        matcher: Matcher,
        /// Where the entry stands.
        place: Place,
    },
    /// Of one at least in a range.
    Eventually {
        /// The first of them.
        from: u64,
        /// The last of them.
        until: u64,
        /// What.
        matcher: Matcher,
        /// Where the entry stands.
        place: Place,
    },
}

/// A sum over a test.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Total {
    /// Changes of the count.
    Changes,
    /// Those upwards.
    ScaleUps,
    /// Those downwards.
    ScaleDowns,
    /// Changes that went the other way than the one before.
    Reversals,
    /// Replicas times hours.
    ReplicaHours,
    /// The largest count.
    PeakReplicas,
    /// The mean count over time.
    MeanReplicas,
    /// Seconds at `maxReplicas`.
    SecondsAtMax,
    /// Metrics that could not be read, over all decisions.
    UnknownReadings,
    /// Decisions that changed nothing since too little was known.
    Undecided,
}

impl Total {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Changes,
        Self::ScaleUps,
        Self::ScaleDowns,
        Self::Reversals,
        Self::ReplicaHours,
        Self::PeakReplicas,
        Self::MeanReplicas,
        Self::SecondsAtMax,
        Self::UnknownReadings,
        Self::Undecided,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::ScaleUps => "scale_ups",
            Self::ScaleDowns => "scale_downs",
            Self::Reversals => "reversals",
            Self::ReplicaHours => "replica_hours",
            Self::PeakReplicas => "peak_replicas",
            Self::MeanReplicas => "mean_replicas",
            Self::SecondsAtMax => "seconds_at_max",
            Self::UnknownReadings => "unknown_readings",
            Self::Undecided => "undecided",
        }
    }
}

/// What a policy is simulated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BacktestLoad {
    /// Generated requests, by the scenario's name.
    Scenario(String),
    /// Recorded ones, by the path from the test file.
    Trace(String),
}

/// What is expected of a policy closed loop. Who has a simulator runs it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BacktestCase {
    /// The load.
    pub load: BacktestLoad,
    /// How long a start takes; nothing: as the cluster says.
    pub lead_time: Option<Span>,
    /// How long a scenario lasts; nothing: as long as it is meant to.
    pub duration: Option<Span>,
    /// What the requests per second are multiplied by.
    pub rate_scale: f64,
    /// The service profile's name; nothing: the default one.
    pub profile: Option<String>,
    /// The cluster's path from the test file; nothing: the default one.
    pub cluster: Option<String>,
    /// The objective, such as `ttft<=2s@99%`; nothing: that.
    pub objective: Option<String>,
    /// Where all chance comes from.
    pub seed: u64,
    /// What is expected.
    pub figures: Vec<(BacktestFigure, Wanted)>,
    /// Where the entry stands.
    pub place: Place,
}

/// A result of a backtest.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BacktestFigure {
    /// Share of the requests within the objective.
    Attainment,
    /// Dollars.
    Cost,
    /// GPUs times hours.
    GpuHours,
    /// Replicas that were started.
    Starts,
    /// Replicas that were stopped by a decision.
    Stops,
    /// The least replica-seconds that would have done, over those that were spent.
    Efficiency,
}

impl BacktestFigure {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Attainment, Self::Cost, Self::GpuHours, Self::Starts, Self::Stops, Self::Efficiency];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attainment => "attainment",
            Self::Cost => "cost",
            Self::GpuHours => "gpu_hours",
            Self::Starts => "starts",
            Self::Stops => "stops",
            Self::Efficiency => "efficiency",
        }
    }
}
