//! The trace: what each stage took in, what it gave out, and the rule that did it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::anticipate::AnticipateStep;
use crate::condition::ConditionReason;
use crate::observation::Selector;
use crate::policy::{Finite, Target};
use crate::redundancy::RedundancyStep;
use crate::retire::RetireStep;
use crate::sense::PodCounts;
use crate::state::Recommendation;
use crate::strategy::apa::ApaStep;
use crate::strategy::hpa::{Calculation, MetricError, MetricStatus, Proposal};
use crate::strategy::keda::KedaStep;
use crate::strategy::knative::KnativeStep;
use crate::strategy::ray_serve::RayServeStep;
use crate::strategy::slo::SloStep;
use crate::strategy::wva::WvaStep;
use crate::supply::SupplyStep;
use crate::warm::WarmStep;

/// One step of a decision.
///
/// Within a decision, each step's `from` is the `to` of the one before it, except that the steps of
/// single metrics each start at the current count; the last step's `to` is what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The stage that took it.
    pub stage: Stage,
    /// The count that went in.
    pub from: i32,
    /// The count that came out.
    pub to: i32,
    /// The rule that did it.
    pub rule: Rule,
}

/// A stage of the pipeline.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Stage {
    /// What do we know? A step of its own only where that is too little to go on.
    Sense,
    /// How many does the load need?
    Size,
    /// How many will it need a lead time from now?
    Anticipate,
    /// Has it wanted that for long enough?
    Stabilize,
    /// How fast may it move?
    Limit,
    /// Can the nodes carry it?
    Supply,
    /// Is it within the bounds?
    Bound,
    /// Which come from the warm pool, and how many should be in it?
    Warm,
    /// Who may leave without cutting a session?
    Retire,
}

/// Which way a count moves.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// What a stage did, with the numbers that it did it with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Rule {
    /// The counts could not be read.
    ScaleUnavailable,
    /// The target's pod selector can't be used.
    SelectorUnusable {
        /// What is wrong with it.
        selector: Selector,
    },
    /// The count is 0 and was not brought there by the autoscaler.
    ScalingDisabled,
    /// One metric's proposal.
    Metric(MetricStep),
    /// The largest proposal counts; less than nothing counts as nothing.
    LargestProposal {
        /// The metric that made it, by its place in the policy.
        metric: u32,
    },
    /// Some metric failed and no other one asks for more than there is.
    TooLittleKnown,
    /// With `behavior`: the count follows only as far as every recommendation within the window of
    /// its direction agrees: `min(max(current, lowest), highest)`.
    Windows {
        /// The count before.
        current: i32,
        /// The lowest recommendation within the scale-up window, this one included.
        lowest: i32,
        /// The highest recommendation within the scale-down window, this one included.
        highest: i32,
        /// The recommendation that held the count, and until when it can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Held>,
    },
    /// Without `behavior`: the highest recommendation within the window counts.
    HighestRecommendation {
        /// The recommendation that held the count, and until when it can.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Held>,
    },
    /// A rate limit: from what the count was at the start of its period.
    RateLimit {
        /// Which way.
        direction: Direction,
        /// What it may be now: at least (down) or at most (up).
        limit: i32,
    },
    /// Without `behavior`: at most a multiple of the current count at once.
    ScaleUpLimit {
        /// What it may be now at most.
        limit: i32,
    },
    /// Nothing to change.
    Unlimited,
    /// `minReplicas` raised the count.
    MinReplicas,
    /// `maxReplicas` lowered the count.
    MaxReplicas,
    /// The count is within the bounds.
    WithinBounds,
    /// The count is set by hand.
    Override {
        /// Until then.
        until: Timestamp,
    },
    /// The way is paused.
    DirectionPaused {
        /// Which.
        direction: Direction,
    },
    /// What comes from the warm pool, and how many should be in it.
    Warm(WarmStep),
    /// Who may leave.
    Retire(RetireStep),
    /// A step of looking ahead.
    Anticipate(AnticipateStep),
    /// A step of `strategy: keda`.
    Keda(KedaStep),
    /// A step of `strategy: knative`.
    Knative(KnativeStep),
    /// A step of `strategy: rayServe`.
    RayServe(RayServeStep),
    /// A step of `strategy: slo`.
    Slo(SloStep),
    /// A step of `strategy: wva`.
    Wva(WvaStep),
    /// A step of `strategy: apa`.
    Apa(ApaStep),
    /// What the nodes allow.
    Supply(SupplyStep),
    /// What is left after a loss of failure domains.
    Redundancy(RedundancyStep),
}

/// A recommendation that holds the count where it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// The recommendation.
    pub by: Recommendation,
    /// The window that it is in.
    pub window: Span,
    /// When it leaves the window.
    pub until: Timestamp,
}

/// One metric's part in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricStep {
    /// Its place in the policy. The composite metric of `keda` has the one after the last.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it should be.
    pub target: Target,
    /// What it is and what follows, or why nothing does.
    pub result: MetricResult,
}

/// What came of asking one metric.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum MetricResult {
    /// A proposal.
    Measured(Measured),
    /// Nothing.
    Failed {
        /// Why.
        error: MetricError,
        /// The word for it in conditions and events.
        reason: ConditionReason,
    },
}

/// What a metric is, and how its proposal follows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Measured {
    /// What the metric is.
    pub status: MetricStatus,
    /// Load over target; absent when it is not finite.
    pub ratio: Option<Finite>,
    /// How the count follows.
    pub calculation: Calculation,
    /// What the pods were to this metric.
    pub pods: PodCounts,
}

impl From<&Proposal> for Measured {
    fn from(proposal: &Proposal) -> Self {
        Self {
            status: proposal.status,
            ratio: Finite::new(proposal.ratio),
            calculation: proposal.calculation,
            pods: proposal.pods,
        }
    }
}

impl Step {
    pub(crate) fn unchanged(stage: Stage, replicas: i32, rule: Rule) -> Self {
        Self { stage, from: replicas, to: replicas, rule }
    }
}

/// Where steps go: nowhere, or into a list. A step that nobody wants is never made.
pub(crate) trait Recorder {
    fn record(&mut self, step: impl FnOnce() -> Step);
}

/// Records nothing.
pub(crate) struct Untraced;

impl Recorder for Untraced {
    fn record(&mut self, _: impl FnOnce() -> Step) {}
}

impl Recorder for Vec<Step> {
    fn record(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}
