#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

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
mod sense;
mod settle;
mod stabilize;
mod state;
pub mod strategy;
mod trace;

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
    CapacityType, ContainerKind, ContainerMetrics, ContainerRecord, MetricReading, Observation,
    ObservationError, ObservationRecord, PodDetails, PodMetrics, PodPhase, PodReadings, PodRecord,
    PodRow, PodSample, PodTable, Point, Readiness, ReadingRecord, ReadyCondition, Requests,
    ResourceList, Scale, Selector, Unavailable,
};
pub use policy::{
    ApaSettings, ApaSpec, Behavior, BehaviorSpec, Bounds, ContainerResourceMetricSource,
    CrossVersionObjectReference, ExternalMetricSource, FallbackBehavior, FallbackSpec,
    FeatureGatesSpec, FieldError, FieldErrorKind, Finite, HpaSettings, HpaSpec, InvalidPolicy,
    KedaModifiers, KedaPause, KedaSettings, KedaSpec, KedaTrigger, KedaTriggerSpec,
    KnativeAggregation, KnativeSettings, KnativeSpec, LabelSelector, LabelSelectorRequirement,
    Metric, MetricIdentifier, MetricSource, MetricSpec, MetricTarget, ObjectMetricSource,
    OverrideSpec, PauseSpec, PodsMetricSource, Policy, PolicySpec, RateLimit, RateLimitKind,
    RayServeAggregation, RayServeSettings, RayServeSpec, ResourceMetricSource, Sampling,
    ScalingModifiersSpec, ScalingPolicyRule, ScalingRules, ScalingRulesSpec, SelectPolicy,
    SloLatencySpec, SloRole, SloSettings, SloSignal, SloSignalSpec, SloSpec, SloUnknownSpec,
    Strategy, StrategyName, Target, TargetCapacityDirection, Tolerance, WvaAnalyzer, WvaSettings,
    WvaSignals, WvaSpec,
};
pub use record::{DecisionRecord, LogEntry};
pub use sense::{CpuReadiness, PodClass, PodCounts, classify};
pub use settle::{ScaleUpdate, settle};
pub use state::{Recommendation, ScaleEvent, State, StateVersion, Status};
pub use strategy::StrategyState;
pub use strategy::hpa::{Calculation, MetricError, MetricStatus};
pub use strategy::keda::{KedaState, KedaStep};
pub use strategy::knative::{KnativeState, KnativeStep};
pub use strategy::ray_serve::{RayServeState, RayServeStep};
pub use trace::{Direction, Held, Measured, MetricResult, MetricStep, Rule, Stage, Step};
