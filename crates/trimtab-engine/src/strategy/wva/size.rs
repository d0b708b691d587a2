//! From the readings to the count that WVA publishes, and what the HPA makes of it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use libm::round;
use serde::{Deserialize, Serialize};
use trimtab_metric::Timestamp;

use super::percentage::Verdict;
use super::token::GatewayQueue;
use super::{Counts, WvaStep, at_least_one, idle, percentage, token};
use crate::condition::{ConditionReason, ConditionType};
use crate::decision::Outcome;
use crate::float::from_i64;
use crate::observation::{MetricReading, Observation, Scale};
use crate::policy::{Finite, Policy, WvaAnalyzer, WvaSettings};
use crate::state::State;
use crate::strategy::hpa::{Calculation, Circumstances, external_average};
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Recorder, Rule, Stage, Step};

/// What WVA remembers: what it published, and what full replicas could compute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WvaState {
    /// The count that was published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<i32>,
    /// When the replicas were last analyzed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzed_at: Option<Timestamp>,
    /// When requests were last seen to succeed, or could not be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_request: Option<Timestamp>,
    /// What V2 learned.
    #[serde(default)]
    pub history: token::History,
}

impl WvaState {
    /// How many bytes its lists take.
    pub(crate) fn list_bytes(&self) -> usize {
        let token::History { short, medium, long } = &self.history;
        let windows = [short, medium, long].into_iter().flatten();
        windows.map(|window| window.tokens.capacity() * size_of::<i64>()).sum()
    }
}

/// What WVA publishes: a new count if an analysis is due, and else the last one.
///
/// The current count lies within the bounds, or is 0. At 0 nothing is analyzed: one replica comes
/// back when requests wait at the gateway.
pub(crate) fn size<R: Recorder>(
    settings: &WvaSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    min: i32,
    trace: &mut R,
) -> Sized {
    let now = observation.now;
    let mut own = match state.strategy.take() {
        Some(StrategyState::Wva(own)) => own,
        _ => Box::default(),
    };
    let sized = if scale.spec_replicas == 0 {
        wake(settings, &mut own, observation, min, trace)
    } else {
        publish(settings, &mut own, observation, scale, trace)
    };
    let (active, reason) = match sized {
        Sized::Wanted { .. } => (true, ConditionReason::ValidMetricFound),
        Sized::Nothing(Outcome::Disabled) => (false, ConditionReason::ScalingDisabled),
        Sized::Nothing(_) => (false, ConditionReason::FailedGetPodsMetric),
    };
    state.status.conditions.set(ConditionType::ScalingActive, active, reason, now);
    state.strategy = Some(StrategyState::Wva(own));
    sized
}

/// What an HPA makes of the published count, with an External metric and an `averageValue` of 1: it
/// follows, unless the change is within its tolerance.
pub(crate) fn follow<R: Recorder>(
    policy: &Policy,
    published: i32,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> i32 {
    let at = Circumstances {
        now: observation.now,
        spec_replicas: scale.spec_replicas,
        status_replicas: scale.status_replicas,
        tolerance: policy.tolerance(),
        pods: &observation.pods,
        settings: policy.hpa(),
    };
    let proposal = external_average(i64::from(published).saturating_mul(1000), 1000, &at);
    let to = proposal.replicas.max(0);
    if to != published && proposal.calculation == Calculation::WithinTolerance {
        let ratio = Finite::new(proposal.ratio);
        let rule = Rule::Wva(WvaStep::Tolerated { ratio });
        trace.record(|| Step { stage: Stage::Size, from: published, to, rule });
    }
    to
}

/// From 0: as soon as requests wait at the gateway.
fn wake<R: Recorder>(
    settings: &WvaSettings,
    own: &mut WvaState,
    observation: &Observation,
    min: i32,
    trace: &mut R,
) -> Sized {
    let waiting = settings.signals.gateway_queue_size;
    match waiting.and_then(|index| Some((index, total(observation, Some(index))?))) {
        Some((index, queued)) if queued > 0 => {
            own.desired = Some(1);
            own.last_request = Some(observation.now);
            let rule = Rule::Wva(WvaStep::Woken { queued });
            trace.record(|| Step { stage: Stage::Size, from: 0, to: 1, rule });
            Sized::Wanted { replicas: 1, winner: place(Some(index)), outcome: Outcome::Decided }
        }
        Some((index, _)) if min == 0 => {
            let rule = Rule::Wva(WvaStep::Asleep);
            trace.record(|| Step::unchanged(Stage::Size, 0, rule));
            Sized::Wanted { replicas: 0, winner: place(Some(index)), outcome: Outcome::Decided }
        }
        _ => {
            trace.record(|| Step::unchanged(Stage::Size, 0, Rule::ScalingDisabled));
            Sized::Nothing(Outcome::Disabled)
        }
    }
}

fn publish<R: Recorder>(
    settings: &WvaSettings,
    own: &mut WvaState,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Sized {
    let (now, current) = (observation.now, scale.spec_replicas);
    let mut winner = settings.signals.kv_cache_usage;
    let next = own.analyzed_at.map(|at| at.saturating_add(settings.optimization_interval));
    let due = next.is_none_or(|next| next <= now) || own.analyzed_at > Some(now);
    let idle_since = idle_since(settings, own, observation);
    let target = match own.desired.filter(|_| !due) {
        Some(desired) => {
            let rule = Rule::Wva(WvaStep::Published { next: next.unwrap_or(now) });
            trace.record(|| Step { stage: Stage::Size, from: current, to: desired, rule });
            desired
        }
        None => {
            let Some((analyzed, step)) = analyze(settings, own, observation, scale) else {
                trace.record(|| Step::unchanged(Stage::Size, current, Rule::TooLittleKnown));
                return Sized::Nothing(Outcome::MetricsUnknown);
            };
            let rule = Rule::Wva(step);
            trace.record(|| Step { stage: Stage::Size, from: current, to: analyzed, rule });
            let (to, rule) = match idle_since {
                Some(since) => {
                    winner = settings.signals.requests;
                    (0, WvaStep::Idle { since })
                }
                None if settings.retention.is_none() => {
                    (at_least_one(analyzed), WvaStep::AtLeastOne)
                }
                None => (analyzed, WvaStep::AtLeastOne),
            };
            if to != analyzed {
                let rule = Rule::Wva(rule);
                trace.record(|| Step { stage: Stage::Size, from: analyzed, to, rule });
            }
            own.desired = Some(to);
            own.analyzed_at = Some(now);
            to
        }
    };
    Sized::Wanted { replicas: target, winner: place(winner), outcome: Outcome::Decided }
}

/// Since when no request has come, if that is long enough to go to 0.
///
/// While it cannot be asked for, a request might have come.
fn idle_since(
    settings: &WvaSettings,
    own: &mut WvaState,
    observation: &Observation,
) -> Option<Timestamp> {
    let retention = settings.retention?;
    let now = observation.now;
    let requests = total(observation, settings.signals.requests);
    let last = own.last_request.filter(|last| *last <= now && requests == Some(0));
    own.last_request = last.or(Some(now));
    last.filter(|last| idle(*last, retention, now))
}

/// The count that the analyzer comes to, and how; nothing if no replica reports.
fn analyze(
    settings: &WvaSettings,
    own: &mut WvaState,
    observation: &Observation,
    scale: Scale,
) -> Option<(i32, WvaStep)> {
    let counts = counts(own, observation, scale);
    let replicas = replicas(settings, observation)?;
    Some(match settings.analyzer {
        WvaAnalyzer::Percentage => {
            let spare = percentage::analyze(replicas.map(Row::share), settings.percentage);
            if spare.reporting == 0 {
                return None;
            }
            let (verdict, target) = spare.target(counts, settings.percentage);
            (target, percentage_step(&spare, verdict, counts))
        }
        WvaAnalyzer::Token => {
            let replicas: Vec<token::Replica> =
                replicas.map(|row| row.tokens(settings, observation)).collect();
            if replicas.is_empty() {
                return None;
            }
            let tokens = token::analyze(
                &replicas,
                gateway(settings, observation),
                counts,
                settings.engine,
                settings.token,
                &mut own.history,
                observation.now,
            );
            (tokens.target(counts), token_step(&tokens))
        }
    })
}

fn percentage_step(spare: &percentage::Spare, verdict: Verdict, counts: Counts) -> WvaStep {
    let number = |value| Finite::new(value).unwrap_or_default();
    match verdict {
        Verdict::InTransition => WvaStep::InTransition {
            current: counts.current,
            reporting: spare.reporting,
            desired: counts.outstanding(),
        },
        _ => WvaStep::Spare {
            verdict,
            reporting: spare.reporting,
            non_saturated: spare.non_saturated,
            kv_cache: number(spare.kv_cache),
            queue: number(spare.queue),
        },
    }
}

fn token_step(tokens: &token::Tokens) -> WvaStep {
    let number = |value| Finite::new(value).unwrap_or_default();
    WvaStep::Tokens {
        demand: number(tokens.demand),
        supply: number(tokens.supply),
        required: number(tokens.required),
        spare: number(tokens.spare),
        per_replica: tokens.per_replica,
    }
}

/// Without pods to look at, all that there are count as ready.
fn counts(own: &WvaState, observation: &Observation, scale: Scale) -> Counts {
    let current =
        if scale.status_replicas == 0 { scale.spec_replicas } else { scale.status_replicas };
    let pending = if observation.pods.is_empty() {
        0
    } else {
        let ready = i32::try_from(observation.pods.ready()).unwrap_or(i32::MAX);
        current.saturating_sub(ready).max(0)
    };
    Counts { current, pending, desired: own.desired }
}

/// A pod that reports: its KV cache and its queue in thousandths, and its row.
#[derive(Copy, Clone)]
struct Row {
    row: usize,
    kv_cache_usage: i64,
    requests_waiting: i64,
}

/// The pods that report a KV cache or a queue; of two that miss the other, WVA takes 0 for it.
/// Nothing if one of both can't be read at all.
fn replicas<'a>(
    settings: &WvaSettings,
    observation: &'a Observation,
) -> Option<impl Iterator<Item = Row> + 'a> {
    let usage = per_pod(observation, settings.signals.kv_cache_usage)?;
    let waiting = per_pod(observation, settings.signals.requests_waiting)?;
    let rows = observation.pods.len();
    Some((0..rows).filter_map(move |row| {
        let (usage, waiting) = (usage(row), waiting(row));
        (usage.is_some() || waiting.is_some()).then(|| Row {
            row,
            kv_cache_usage: usage.unwrap_or(0),
            requests_waiting: waiting.unwrap_or(0),
        })
    }))
}

impl Row {
    fn share(self) -> percentage::Replica {
        percentage::Replica {
            kv_cache_usage: from_i64(self.kv_cache_usage) / 1000.0,
            requests_waiting: self.requests_waiting / 1000,
        }
    }

    fn tokens(self, settings: &WvaSettings, observation: &Observation) -> token::Replica {
        let signals = settings.signals;
        let number = |metric| {
            let milli = per_pod(observation, metric).and_then(|of| of(self.row));
            milli.map_or(0.0, |milli| from_i64(milli) / 1000.0)
        };
        let capacity = settings.kv_cache_capacity;
        let in_use = round(from_i64(self.kv_cache_usage) / 1000.0 * from_i64(capacity));
        let hit_rate = number(signals.prefix_cache_hit_rate);
        token::Replica {
            tokens_in_use: token::whole(in_use).clamp(0, capacity.max(0)),
            requests_waiting: self.requests_waiting / 1000,
            average_input_tokens: number(signals.average_input_tokens),
            average_output_tokens: number(signals.average_output_tokens),
            prefix_cache_hit_rate: if (0.0..=1.0).contains(&hit_rate) { hit_rate } else { 0.0 },
            kv_cache_capacity: capacity,
        }
    }
}

fn gateway(settings: &WvaSettings, observation: &Observation) -> GatewayQueue {
    let whole = |metric| from_i64(total(observation, metric).unwrap_or(0).max(0) / 1000);
    GatewayQueue {
        requests: whole(settings.signals.gateway_queue_size),
        bytes: whole(settings.signals.gateway_queue_bytes),
    }
}

/// What each pod reports of a metric, by row, in thousandths.
fn per_pod(
    observation: &Observation,
    metric: Option<usize>,
) -> Option<impl Fn(usize) -> Option<i64> + '_> {
    let MetricReading::PerPod(readings) = observation.reading(metric?) else { return None };
    let (milli, reported, _) = readings.columns();
    Some(move |row: usize| {
        let milli = milli.get(row).copied();
        milli.filter(|_| reported.get(row).copied().unwrap_or(false))
    })
}

/// The value of a metric that is not per pod, in thousandths.
fn total(observation: &Observation, metric: Option<usize>) -> Option<i64> {
    match observation.reading(metric?) {
        MetricReading::Total(milli) => Some(*milli),
        MetricReading::Totals(milli) => {
            Some(milli.iter().fold(0_i64, |sum, milli| sum.saturating_add(*milli)))
        }
        _ => None,
    }
}

fn place(metric: Option<usize>) -> u32 {
    metric.and_then(|index| u32::try_from(index).ok()).unwrap_or(u32::MAX)
}
