//! How the strategies that decide by one total tell of it: the metric's step, and its failure.

use trimtab_metric::Timestamp;

use super::Sized;
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::observation::Unavailable;
use crate::policy::{Finite, Metric, Policy, Target};
use crate::sense::PodCounts;
use crate::state::State;
use crate::strategy::hpa::{Calculation, MetricError, MetricStatus};
use crate::trace::{Measured, MetricResult, MetricStep, Recorder, Rule, Stage, Step};

/// A load of the whole service, what one replica should have of it, and how many are ready.
#[derive(Copy, Clone, Debug)]
pub(super) struct Measure {
    pub(super) load: f64,
    pub(super) target: f64,
    pub(super) ready: i32,
}

impl Measure {
    /// Tells it as any metric of a policy is told. `wanted` is what it asks for.
    pub(super) fn step(self, policy: &Policy, current: i32, wanted: i32) -> Step {
        let Self { load, target, ready } = self;
        let measured = Measured {
            status: MetricStatus::Value { milli: milli(load) },
            ratio: Finite::new(load / (target * f64::from(ready.max(1)))),
            calculation: Calculation::Quotient { quotient: Finite::new(load / target) },
            pods: PodCounts::default(),
        };
        let rule = Rule::Metric(MetricStep {
            index: 0,
            name: policy.metrics().first().map(Metric::name).unwrap_or_default().into(),
            target: Target::AverageValue { milli: milli(target) },
            result: MetricResult::Measured(measured),
        });
        Step { stage: Stage::Size, from: current, to: wanted, rule }
    }
}

/// Notes that the load is known.
pub(super) fn note_valid(state: &mut State, now: Timestamp) {
    let reason = ConditionReason::ValidMetricFound;
    state.status.conditions.set(ConditionType::ScalingActive, true, reason, now);
}

/// The load can't be read: nothing is decided.
pub(super) fn unreadable<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    now: Timestamp,
    current: i32,
    why: Unavailable,
    trace: &mut R,
) -> Sized {
    let reason = ConditionReason::FailedGetExternalMetric;
    state.status.conditions.set(ConditionType::ScalingActive, false, reason, now);
    trace.record(|| {
        let metric = policy.metrics().first();
        let rule = Rule::Metric(MetricStep {
            index: 0,
            name: metric.map(Metric::name).unwrap_or_default().into(),
            target: metric.map_or(Target::Unusable, Metric::target),
            result: MetricResult::Failed { error: MetricError::Unavailable { why }, reason },
        });
        Step::unchanged(Stage::Size, current, rule)
    });
    trace.record(|| Step::unchanged(Stage::Size, current, Rule::TooLittleKnown));
    Sized::Nothing(Outcome::MetricsUnknown)
}

/// To the nearest thousandth, for people.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn milli(value: f64) -> i64 {
    libm::round(value * 1000.0) as i64
}
