//! Stage 3, anticipate: how many will it need one lead time from now?
//!
//! What the strategy wants passes through here before windows and rate limits: replicas on their way count
//! as part of it, a forecast and the windows of the policy may raise it. At the end, whatever the strategy
//! knew, the open windows bound the count. A policy that asks for none of this pays nothing for it.

mod credit;
mod explain;
mod forecast;
mod lead_time;
mod schedules;
mod state;

pub use explain::AnticipateStep;
pub use forecast::IgnoredReason;
pub use state::AnticipateState;

pub(crate) use explain::words;
pub(crate) use schedules::bound;

use alloc::boxed::Box;

use libm::ceil;
use trimtab_metric::{Span, Timestamp};

use self::credit::{Load, Sight};
use self::forecast::Forecaster;
use crate::condition::{ConditionReason, ConditionType, Finding};
use crate::decision::ScaleReason;
use crate::observation::{MetricReading, Observation, Scale};
use crate::policy::{Anticipation, Finite, ForecastRules, Metric, Policy};
use crate::state::State;
use crate::strategy::slo::count;
use crate::trace::{Recorder, Rule, Stage, Step};

/// What is subtracted before rounding up, in replicas.
const ROUNDING: f64 = 1e-9;

/// Before the strategy: takes note of the starts and of the load.
pub(crate) fn note(policy: &Policy, state: &mut State, observation: &Observation) {
    let Some(rules) = policy.anticipation() else { return };
    let Observation { now, ref pods, .. } = *observation;
    if let Some(learn) = rules.learn {
        memory(state).starts.get_or_insert_default().note(pods, learn, now);
    }
    let Some(forecast) = &rules.forecast else { return };
    let Some(load) = load(forecast, observation) else { return };
    let lead_time = lead_time(policy, state);
    match &mut memory(state).forecaster {
        Some(known) => known.observe(forecast, now, load, lead_time),
        none => *none = Some(Box::new(Forecaster::new(forecast, now, load))),
    }
}

/// From asking for a replica until it serves: learned, if that is asked for and enough is known.
pub(crate) fn lead_time(policy: &Policy, state: &State) -> Span {
    let given = policy.anticipation().map_or(Span::ZERO, |rules| rules.lead_time);
    learned(policy, state).map_or(given, |(lead_time, _)| lead_time)
}

/// The lead time that was learned, and from how many starts.
pub(crate) fn learned(policy: &Policy, state: &State) -> Option<(Span, u32)> {
    let rules = policy.anticipation()?.learn?;
    state.envelope.as_ref()?.anticipate.as_ref()?.starts.as_ref()?.learned(rules)
}

/// After the strategy: what becomes of the count that it wants, and why if it was raised.
pub(crate) fn anticipate<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    desired: i32,
    trace: &mut R,
) -> (i32, Option<ScaleReason>) {
    let Some(rules) = policy.anticipation() else { return (desired, None) };
    let now = observation.now;
    let lead_time = match learned(policy, state) {
        Some((lead_time, starts)) => {
            let rule = AnticipateStep::LeadTime { lead_time, starts };
            record(trace, desired, desired, || rule);
            lead_time
        }
        None => rules.lead_time,
    };
    let credited = credit(rules, state, (observation, scale, lead_time), desired, trace);
    let forecast = forecast(policy, rules, state, (now, lead_time), credited, trace);
    let floored = schedules::raise(policy, rules, (now, lead_time), forecast, trace);
    let reason = if floored > forecast {
        Some(ScaleReason::Schedule)
    } else {
        (forecast > credited).then_some(ScaleReason::Forecast)
    };
    (floored, reason)
}

fn credit<R: Recorder>(
    rules: &Anticipation,
    state: &mut State,
    (observation, scale, lead_time): (&Observation, Scale, Span),
    desired: i32,
    trace: &mut R,
) -> i32 {
    let Some(credit) = rules.credit else { return desired };
    let memory = memory(state);
    let forecaster = memory.forecaster.as_ref();
    let load = forecaster.and_then(|known| known.seen_at(observation.now));
    let load = load.zip(rules.forecast.as_ref()).map(|(value, forecast)| {
        let takes = count(ceil(value.get() / forecast.measure.target - ROUNDING));
        Load { value, takes }
    });
    let sight = Sight::new(credit, observation, scale, memory.order, (lead_time, load));
    let (admitted, order, step) = credit::admit(credit, memory.order, desired, sight);
    memory.order = order;
    if let Some(step) = step {
        record(trace, desired, admitted, || step);
    }
    admitted
}

/// Raises the count to what the load from one lead time from now on takes.
fn forecast<R: Recorder>(
    policy: &Policy,
    rules: &Anticipation,
    state: &mut State,
    (now, lead_time): (Timestamp, Span),
    wanted: i32,
    trace: &mut R,
) -> i32 {
    let Some(rules) = &rules.forecast else { return wanted };
    let known = state.envelope.as_ref().and_then(|own| own.anticipate.as_ref());
    let known = known.and_then(|own| own.forecaster.as_ref());
    let forecast = match known {
        Some(known) => known.forecast(rules, now, lead_time),
        None => Err(IgnoredReason::Learning),
    };
    let name = || {
        let metric = policy.metrics().get(rules.metric as usize);
        metric.map(Metric::name).unwrap_or_default().into()
    };
    let finding = match &forecast {
        Ok(_) => Finding::fails(ConditionReason::ForecastUsed),
        Err(why) => Finding::holds(why.reason(), [0; 2]).about(rules.metric),
    };
    state.status.conditions.note(ConditionType::ForecastIgnored, finding, now);
    let forecast = match forecast {
        Ok(forecast) => forecast,
        Err(why) => {
            let step = || AnticipateStep::ForecastIgnored { name: name(), why };
            record(trace, wanted, wanted, step);
            return wanted;
        }
    };
    let target = rules.measure.target;
    let takes = count(ceil(forecast.load.get() / target - ROUNDING)).min(policy.bounds().max);
    let raised = wanted.max(takes);
    record(trace, wanted, raised, || AnticipateStep::Forecast {
        metric: rules.metric,
        name: name(),
        model: forecast.model,
        at: now.saturating_add(lead_time),
        point: forecast.point,
        load: forecast.load,
        target: Finite::new(target).unwrap_or_default(),
        loss: forecast.loss,
    });
    raised
}

/// The whole load of the forecast's metric, if it is known.
fn load(rules: &ForecastRules, observation: &Observation) -> Option<Finite> {
    let reading = observation.reading(rules.metric as usize);
    if let MetricReading::Series(sources) = reading {
        // Of a load that comes as series, what each source counted last.
        let last = |points: &alloc::vec::Vec<crate::observation::Point>| {
            points.iter().max_by_key(|point| point.at).map(|point| point.milli)
        };
        let sum = sources.iter().filter_map(last).reduce(i64::saturating_add)?;
        return Finite::new(crate::float::from_i64(sum) / 1000.0).filter(|load| load.get() >= 0.0);
    }
    let seen = rules.measure.of(reading, &observation.pods, observation.now).seen()?;
    Some(seen.low)
}

/// The first time after `now` at which a window, a forecast or a start could change the answer.
pub(crate) fn next_deadline(policy: &Policy, state: &State, now: Timestamp) -> Option<Timestamp> {
    let rules = policy.anticipation()?;
    let lead_time = lead_time(policy, state);
    let window = schedules::next_change(rules, now, lead_time);
    let counts = rules.forecast.is_some() || rules.credit.is_some();
    let tick = now.saturating_add(policy.period());
    let tick = Some(tick).filter(|tick| counts && *tick > now);
    [window, tick].into_iter().flatten().min()
}

fn memory(state: &mut State) -> &mut AnticipateState {
    let envelope = state.envelope.get_or_insert_default();
    envelope.anticipate.get_or_insert_default()
}

fn record<R: Recorder>(trace: &mut R, from: i32, to: i32, step: impl FnOnce() -> AnticipateStep) {
    trace.record(|| Step { stage: Stage::Anticipate, from, to, rule: Rule::Anticipate(step()) });
}

/// A place in a list from a number that is at least 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0")]
fn rank(rank: f64) -> usize {
    rank as usize
}
