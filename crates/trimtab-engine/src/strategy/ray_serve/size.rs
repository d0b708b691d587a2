//! One decision of Ray Serve: registration, or requests, policy and bounds.

use alloc::boxed::Box;

use libm::ceil;
use trimtab_metric::{Span, Timestamp};

use super::capacity::saturating_i32;
use super::state::{RayServeState, ongoing};
use super::{Capacity, Course, Load, Proposal, RayServeStep, Replicas, Wait, propose};
use crate::decision::{Outcome, ScaleReason};
use crate::float::from_i64;
use crate::observation::{Observation, Scale};
use crate::policy::{Finite, Policy, RayServeSettings};
use crate::state::State;
use crate::strategy::one_total::{Measure, note_valid, unreadable};
use crate::strategy::{Sized, StrategyState};
use crate::trace::{Recorder, Rule, Stage, Step};

/// Registers a deployment that is not known yet, whatever its load is: that decides how many replicas
/// it begins with. The count, where that is not the present one; ticks follow with the next decision.
pub(crate) fn register<R: Recorder>(
    settings: &RayServeSettings,
    state: &mut State,
    current: i32,
    trace: &mut R,
) -> Option<(i32, ScaleReason)> {
    if matches!(state.strategy, Some(StrategyState::RayServe(_))) {
        return None;
    }
    state.strategy = Some(StrategyState::RayServe(Box::default()));
    let limits = settings.limits;
    let replicas = limits.register(current);
    if replicas == current {
        return None;
    }
    let reason = if limits.initial.is_some() {
        ScaleReason::Initial
    } else if replicas < current {
        ScaleReason::AboveMax
    } else {
        ScaleReason::BelowMin
    };
    let rule = Rule::RayServe(RayServeStep::Registered { initial: limits.initial });
    trace.record(|| Step { stage: Stage::Bound, from: current, to: replicas, rule });
    Some((replicas, reason))
}

/// Takes the load in, and says how many replicas there should be, delays and bounds included.
///
/// Where the load can't be read, nothing is decided, and what was wanted before is still wanted.
pub(crate) fn size<R: Recorder>(
    policy: &Policy,
    settings: &RayServeSettings,
    state: &mut State,
    observation: &Observation,
    scale: Scale,
    trace: &mut R,
) -> Sized {
    let (now, current) = (observation.now, scale.spec_replicas);
    let requests = match ongoing(settings, observation.reading(0), now) {
        Err(why) => return unreadable(policy, state, now, current, why, trace),
        Ok(requests) => requests,
    };
    note_valid(state, now);
    let mut memory = match state.strategy.take() {
        Some(StrategyState::RayServe(memory)) => memory,
        _ => Box::default(),
    };
    let RayServeState { streak } = &mut *memory;
    let replicas = Replicas { running: observation.ready_replicas(scale), target: current };
    let load = Load::Requests(requests);
    let (proposal, after) = propose(&settings.parameters, replicas, load, seconds(now), *streak);
    *streak = after;
    state.strategy = Some(StrategyState::RayServe(memory));
    let bounded = settings.limits.bound(proposal.replicas);

    let target = settings.parameters.target_ongoing_requests;
    let measure = Measure { load: requests, target, ready: replicas.running };
    let wanted = saturating_i32(ceil(requests / target));
    trace.record(|| measure.step(policy, current, wanted));
    record_course(settings, replicas, &proposal, trace);
    record_bounds(settings, proposal.replicas, bounded, trace);
    Sized::Wanted { replicas: bounded, winner: 0, outcome: Outcome::Decided }
}

/// From the target to what the policy says.
fn record_course<R: Recorder>(
    settings: &RayServeSettings,
    replicas: Replicas,
    proposal: &Proposal,
    trace: &mut R,
) {
    let parameters = &settings.parameters;
    let Replicas { running, target } = replicas;
    let Proposal { before_gangs, course, .. } = *proposal;
    let finite = |value| Finite::new(value).unwrap_or_default();
    let mut step = |stage, from, to, step: RayServeStep| {
        trace.record(|| Step { stage, from, to, rule: Rule::RayServe(step) });
    };
    match course {
        Course::ColdStart => {
            let factor = finite(parameters.upscaling_factor);
            step(Stage::Size, target, before_gangs, RayServeStep::ColdStart { factor });
        }
        Course::AtOnce { .. } => step(Stage::Size, target, before_gangs, RayServeStep::Starting),
        Course::Delayed { desired, scaled, wait } => {
            let up = desired > f64::from(running);
            let factor =
                if up { parameters.upscaling_factor } else { parameters.downscaling_factor };
            let (desired, factor) = (finite(desired), finite(factor));
            let scaled = scaled.max(0);
            let rule = RayServeStep::Desired { running, desired, factor };
            step(Stage::Size, target, scaled, rule);
            if let Some(wait) = wait {
                let held = if wait.over { scaled } else { before_gangs };
                step(Stage::Stabilize, scaled, held, delay(wait));
                if held != before_gangs {
                    step(Stage::Stabilize, held, before_gangs, RayServeStep::LastReplica);
                }
            }
        }
    }
    if parameters.gang_size > 1 {
        let size = parameters.gang_size;
        step(Stage::Size, before_gangs, proposal.replicas, RayServeStep::Gangs { size });
    }
}

fn delay(wait: Wait) -> RayServeStep {
    let Wait { direction, since, delay, over } = wait;
    RayServeStep::Delay {
        direction,
        since: Timestamp::from_millis(milliseconds(since)),
        delay: Span::from_millis(milliseconds(delay)),
        over,
    }
}

fn record_bounds<R: Recorder>(
    settings: &RayServeSettings,
    wanted: i32,
    bounded: i32,
    trace: &mut R,
) {
    let limits = settings.limits;
    let rule = if settings.capacity != Capacity::default() {
        Rule::RayServe(RayServeStep::Capacity { least: limits.lower, most: limits.upper })
    } else if bounded > wanted {
        Rule::MinReplicas
    } else if bounded < wanted {
        Rule::MaxReplicas
    } else {
        Rule::WithinBounds
    };
    trace.record(|| Step { stage: Stage::Bound, from: wanted, to: bounded, rule });
}

/// Since the Unix epoch, as the nearest float.
fn seconds(now: Timestamp) -> f64 {
    from_i64(now.as_millis()) / 1000.0
}

/// To the nearest, for people.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn milliseconds(seconds: f64) -> i64 {
    libm::round(seconds * 1000.0) as i64
}
