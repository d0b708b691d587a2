#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

pub mod admission;
mod anticipate;
mod autoscaler;
mod bound;
mod condition;
mod course;
mod deadline;
mod decide;
mod decision;
mod digest;
mod envelope;
mod envelope_state;
mod event;
mod explain;
mod float;
mod hold;
mod limit;
mod observation;
mod policy;
mod record;
mod redundancy;
mod retire;
pub mod schedule;
mod sense;
mod settle;
mod stabilize;
mod state;
pub mod strategy;
mod supply;
mod trace;
mod warm;

pub use anticipate::{AnticipateState, AnticipateStep, IgnoredReason};
pub use autoscaler::Autoscaler;
pub use condition::{
    Condition, ConditionMessage, ConditionReason, ConditionStatus, ConditionType, Conditions,
};
pub use deadline::next_deadline;
pub use decide::{decide, decide_traced};
pub use decision::{Decision, Outcome, ScaleReason};
pub use digest::{Digest, ParseDigestError};
pub use envelope::normalize;
pub use envelope_state::EnvelopeState;
pub use event::EventReason;
pub use explain::Explanation;
pub use observation::{
    CapacityType, ContainerKind, ContainerMetrics, ContainerRecord, MetricReading, NodeSupply,
    Observation, ObservationError, ObservationRecord, PodDetails, PodMetrics, PodPhase,
    PodReadings, PodRecord, PodRow, PodSample, PodTable, Point, PoolSupply, PoolSupplyRecord,
    Readiness, ReadingRecord, ReadyCondition, Requests, ResourceList, Scale, Selector, Unavailable,
    WarmCounts,
};
pub use policy::{
    AnticipateSpec, ApaSettings, ApaSpec, Behavior, BehaviorSpec, Bounds,
    ContainerResourceMetricSource, CrossVersionObjectReference, Enough, ExternalMetricSource,
    FailureDomain, FallbackBehavior, FallbackSpec, FeatureGatesSpec, FieldError, FieldErrorKind,
    Finite, FlapBudget, FlapBudgetSpec, ForecastModel, ForecastSpec, HpaSettings, HpaSpec,
    InvalidPolicy, KedaModifiers, KedaPause, KedaSettings, KedaSpec, KedaTrigger, KedaTriggerSpec,
    KnativeAggregation, KnativeSettings, KnativeSpec, LabelSelector, LabelSelectorRequirement,
    LearnLeadTimeSpec, Metric, MetricIdentifier, MetricSource, MetricSpec, MetricTarget,
    ObjectMetricSource, OverrideSpec, PauseSpec, PodsMetricSource, Policy, PolicySpec, RateLimit,
    RateLimitKind, RayServeAggregation, RayServeSettings, RayServeSpec, RedundancySpec,
    ResourceMetricSource, RetireSettings, RetireSpec, Sampling, ScalingModifiersSpec,
    ScalingPolicyRule, ScalingRules, ScalingRulesSpec, ScheduleSpec, SelectPolicy, SloCounts,
    SloErrorBudget, SloErrorBudgetSpec, SloLatencySpec, SloLearned, SloLearnedSpec, SloModel,
    SloObjectivesSpec, SloOffered, SloOfferedSpec, SloRefitSpec, SloRole, SloSampling,
    SloSamplingSpec, SloServiceModelSpec, SloSettings, SloSignal, SloSignalSpec, SloSpec,
    SloTokens, SloUnknownSpec, Strategy, StrategyName, SupplyPool, SupplyPoolSpec, SupplySettings,
    SupplySpec, Target, TargetCapacityDirection, Tolerance, VictimRule, WarmPoolSettings,
    WarmPoolSpec, WarmSize, WarmSizeSpec, WarmSurgeSpec, WvaAnalyzer, WvaSettings, WvaSignals,
    WvaSpec,
};
pub use record::{DecisionRecord, LogEntry};
pub use redundancy::{RedundancyState, RedundancyStep};
pub use retire::{CountChange, RetirePlan, RetireState, RetireStep};
pub use sense::{CpuReadiness, PodClass, PodCounts, classify};
pub use settle::{ScaleUpdate, settle};
pub use state::{Recommendation, ScaleEvent, State, StateVersion, Status};
pub use strategy::StrategyState;
pub use strategy::hpa::{Calculation, MetricError, MetricStatus};
pub use strategy::keda::{KedaState, KedaStep};
pub use strategy::knative::{KnativeState, KnativeStep};
pub use strategy::ray_serve::{RayServeState, RayServeStep};
pub use supply::{PoolMemory, PoolPlan, SupplyPlan, SupplyState, SupplyStep};
pub use trace::{Direction, Held, Measured, MetricResult, MetricStep, Rule, Stage, Step};
pub use warm::{WarmPlan, WarmState, WarmStep};
