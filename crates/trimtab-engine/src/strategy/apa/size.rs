//! From the readings to the count that AIBrix would write.

use alloc::vec::Vec;

use libm::round;
use serde::{Deserialize, Serialize};

use super::{ApaStep, Cooldown, Proposal, Reach, Window, propose};
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::float::{from_count, from_i64, to_i64};
use crate::observation::{MetricReading, Observation, PodReadings, PodTable, Startup};
use crate::policy::{ApaSettings, Finite, Metric, MetricSource, Policy, Target};
use crate::sense::PodCounts;
use crate::state::State;
use crate::strategy::hpa::{Calculation, MetricError, MetricStatus, failure_reason};
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Direction, Measured, MetricResult, MetricStep, Recorder, Rule, Stage, Step};

/// What APA remembers: a window for each metric, and its recommendations.
///
/// Bounded: a window has at most one value for each of its seconds, and one more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApaState {
    /// In the order of the policy's metrics.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Past recommendations.
    #[serde(default)]
    pub cooldown: Cooldown,
}

impl ApaState {
    /// How many bytes its lists take.
    pub(crate) fn list_bytes(&self) -> usize {
        let samples: usize = self.windows.iter().map(Window::capacity).sum();
        self.windows.capacity() * size_of::<Window>()
            + samples * size_of::<super::Sample>()
            + self.cooldown.capacity() * size_of::<crate::state::Recommendation>()
    }
}

/// Asks every metric, takes the largest proposal within the bounds, and the recommendation of the
/// last minutes that counts.
///
/// Metrics that fail are left out, in both directions. The current count lies within the bounds, or
/// is 0.
pub(crate) fn size<R: Recorder>(
    policy: &Policy,
    settings: &ApaSettings,
    state: &mut State,
    observation: &Observation,
    current: i32,
    trace: &mut R,
) -> Sized {
    let now = observation.now;
    let bounds = policy.bounds();
    if current == 0 && bounds.min != 0 {
        let reason = ConditionReason::ScalingDisabled;
        state.status.conditions.set(ConditionType::ScalingActive, false, reason, now);
        trace.record(|| Step::unchanged(Stage::Size, 0, Rule::ScalingDisabled));
        return Sized::Nothing(Outcome::Disabled);
    }
    let mut own = match state.strategy.take() {
        Some(StrategyState::Apa(own)) => own,
        _ => alloc::boxed::Box::default(),
    };
    own.windows.resize_with(policy.metrics().len(), Window::default);
    let asked = ask(policy, settings, &mut own, observation, current, trace);
    let sized = match asked.best {
        None => {
            let reason = asked.first_failed.unwrap_or(ConditionReason::InvalidMetricSourceType);
            state.status.conditions.set(ConditionType::ScalingActive, false, reason, now);
            trace.record(|| Step::unchanged(Stage::Size, current, Rule::TooLittleKnown));
            Sized::Nothing(Outcome::MetricsUnknown)
        }
        Some((proposal, winner)) => {
            let reason = ConditionReason::ValidMetricFound;
            state.status.conditions.set(ConditionType::ScalingActive, true, reason, now);
            let largest = proposal.wanted;
            let rule = Rule::LargestProposal { metric: winner };
            trace.record(|| Step { stage: Stage::Size, from: current, to: largest, rule });
            let limited = limit(&proposal, trace);
            let (bounded, rule) = bound(limited, policy);
            trace.record(|| Step { stage: Stage::Bound, from: limited, to: bounded, rule });
            let (up, down) = (settings.up_cooldown, settings.down_cooldown);
            let counts = own.cooldown.stabilize(bounded, current, now, up, down);
            if counts != bounded {
                let (direction, window) =
                    if bounded > current { (Direction::Up, up) } else { (Direction::Down, down) };
                let rule = Rule::Apa(ApaStep::PastRecommendation { direction, window });
                trace.record(|| Step { stage: Stage::Stabilize, from: bounded, to: counts, rule });
            }
            let (to, rule) = bound(counts, policy);
            if to != counts {
                trace.record(|| Step { stage: Stage::Bound, from: counts, to, rule });
            }
            let outcome = match asked.first_failed {
                None => Outcome::Decided,
                Some(_) => Outcome::PartiallyDecided,
            };
            Sized::Wanted { replicas: to, winner, outcome }
        }
    };
    state.strategy = Some(StrategyState::Apa(own));
    sized
}

/// What came of asking all metrics.
struct Asked {
    /// The largest proposal with its metric.
    best: Option<(Proposal, u32)>,
    first_failed: Option<ConditionReason>,
}

fn ask<R: Recorder>(
    policy: &Policy,
    settings: &ApaSettings,
    own: &mut ApaState,
    observation: &Observation,
    current: i32,
    trace: &mut R,
) -> Asked {
    let mut asked = Asked { best: None, first_failed: None };
    let metrics = policy.metrics().iter().zip(&settings.targets).zip(&mut own.windows);
    for (index, ((metric, target), window)) in (0_u32..).zip(metrics) {
        let read = match metric.target() {
            Target::AverageValue { .. } | Target::Value { .. } if *target > 0.0 => {
                average(metric, observation.reading(index as usize), &observation.pods)
            }
            _ => Err(MetricError::NoTarget),
        };
        let proposed = read.map(|(value, pods)| {
            if let Some(value) = Finite::new(value) {
                window.record(observation.now, value, settings.observe_window);
            }
            (propose(current, window.mean(), *target, settings.rates), pods)
        });
        trace.record(|| metric_step(index, metric, current, window, &proposed));
        match proposed {
            Ok((proposal, _)) => {
                let largest = asked.best.map(|(best, _)| best.replicas());
                if largest.is_none_or(|largest| proposal.replicas() > largest) {
                    asked.best = Some((proposal, index));
                }
            }
            Err(_) => {
                asked.first_failed = asked.first_failed.or(Some(failure_reason(metric)));
            }
        }
    }
    asked
}

/// The mean over the pods, or the total as it is.
///
/// AIBrix asks every pod that has an address, and takes 0 of one that does not answer: here, of a
/// pod that has started and reports nothing. One that has not started is left out.
fn average(
    metric: &Metric,
    reading: &MetricReading,
    pods: &PodTable,
) -> Result<(f64, PodCounts), MetricError> {
    let number = |milli: i64| from_i64(milli) / 1000.0;
    match (metric.source(), reading) {
        (_, MetricReading::Unavailable(why)) => Err(MetricError::Unavailable { why: *why }),
        (MetricSource::Object, MetricReading::Total(milli)) => {
            Ok((number(*milli), PodCounts::default()))
        }
        (MetricSource::External, MetricReading::Totals(milli)) => {
            let mut sum = 0.0;
            milli.iter().for_each(|milli| sum += number(*milli));
            Ok((sum, PodCounts::default()))
        }
        (
            MetricSource::Pods
            | MetricSource::Resource { .. }
            | MetricSource::ContainerResource { .. },
            MetricReading::PerPod(readings),
        ) => over_pods(readings, pods).ok_or(MetricError::NoUsableReadings),
        _ => Err(MetricError::WrongForm),
    }
}

fn over_pods(readings: &PodReadings, pods: &PodTable) -> Option<(f64, PodCounts)> {
    let (milli, reported, _) = readings.columns();
    let (unlisted, unlisted_milli) = readings.unlisted();
    let mut sum = from_i64(unlisted_milli) / 1000.0;
    let mut counts = PodCounts::default();
    let rows = milli.iter().zip(reported).map(|(milli, reported)| reported.then_some(*milli));
    let rows = rows.chain(core::iter::repeat(None));
    for (startup, value) in pods.startup().zip(rows) {
        match value {
            Some(milli) => {
                sum += from_i64(milli) / 1000.0;
                counts.measured = counts.measured.saturating_add(1);
            }
            None if startup.start_time == Startup::NOT_STARTED => {
                counts.unready = counts.unready.saturating_add(1);
            }
            None => counts.missing = counts.missing.saturating_add(1),
        }
    }
    let reporting = unlisted.saturating_add(counts.measured as usize);
    let values = reporting.saturating_add(counts.missing as usize);
    (reporting > 0).then(|| (sum / from_count(values), counts))
}

fn limit<R: Recorder>(proposal: &Proposal, trace: &mut R) -> i32 {
    let (from, to) = (proposal.wanted, proposal.replicas());
    let rule = match proposal.reach {
        Reach::AtMost(limit) if to != from => Rule::ScaleUpLimit { limit },
        Reach::AtLeast(limit) if to != from => {
            Rule::RateLimit { direction: Direction::Down, limit }
        }
        _ => Rule::Unlimited,
    };
    trace.record(|| Step { stage: Stage::Limit, from, to, rule });
    to
}

fn bound(replicas: i32, policy: &Policy) -> (i32, Rule) {
    let bounds = policy.bounds();
    if replicas < bounds.min {
        (bounds.min, Rule::MinReplicas)
    } else if replicas > bounds.max {
        (bounds.max, Rule::MaxReplicas)
    } else {
        (replicas, Rule::WithinBounds)
    }
}

fn metric_step(
    index: u32,
    metric: &Metric,
    current: i32,
    window: &Window,
    proposed: &Result<(Proposal, PodCounts), MetricError>,
) -> Step {
    let (to, result) = match proposed {
        Ok((proposal, pods)) => {
            let milli = to_i64(round(window.mean() * 1000.0));
            let status = match metric.target() {
                Target::Value { .. } => MetricStatus::Value { milli },
                _ => MetricStatus::AverageValue { milli },
            };
            let ratio = Finite::new(proposal.ratio);
            let calculation = match proposal.reach {
                Reach::Stays => Calculation::WithinTolerance,
                Reach::AtMost(_) | Reach::AtLeast(_) => {
                    Calculation::Ratio { ratio, count: current.unsigned_abs() }
                }
            };
            let measured = Measured { status, ratio, calculation, pods: *pods };
            (proposal.wanted, MetricResult::Measured(measured))
        }
        Err(error) => {
            (current, MetricResult::Failed { error: *error, reason: failure_reason(metric) })
        }
    };
    let (name, target) = (metric.name().into(), metric.target());
    let rule = Rule::Metric(MetricStep { index, name, target, result });
    Step { stage: Stage::Size, from: current, to, rule }
}
