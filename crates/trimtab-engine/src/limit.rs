//! Stage 5, limit: how fast may it move?

use libm::ceil;
use trimtab_metric::Timestamp;

use crate::condition::ConditionReason;
use crate::float::to_i32;
use crate::policy::{Policy, RateLimit, RateLimitKind, ScalingRules, SelectPolicy};
use crate::state::{ScaleEvent, State};
use crate::trace::{Direction, Recorder, Rule, Stage, Step};

/// A count, and what cut it if something did.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) replicas: i32,
    pub(crate) cut: Option<ConditionReason>,
}

/// Cuts the count to what the rate limits allow.
///
/// A rate limit that is no tighter than the bound in its direction is left to the bound.
pub(crate) fn limit<R: Recorder>(
    policy: &Policy,
    state: &State,
    current: i32,
    wanted: i32,
    now: Timestamp,
    trace: &mut R,
) -> Limited {
    let bounds = policy.bounds();
    let (limit, cuts, reason, rule) = match policy.behavior() {
        Some(rules) if wanted > current => {
            let limit = highest_allowed(&rules.scale_up, state, current, now).max(current);
            let rule = Rule::RateLimit { direction: Direction::Up, limit };
            (limit, limit < bounds.max && wanted > limit, ConditionReason::ScaleUpLimit, rule)
        }
        Some(rules) if wanted < current => {
            let limit = lowest_allowed(&rules.scale_down, state, current, now).min(current);
            let rule = Rule::RateLimit { direction: Direction::Down, limit };
            (limit, limit > bounds.min && wanted < limit, ConditionReason::ScaleDownLimit, rule)
        }
        Some(_) => (wanted, false, ConditionReason::DesiredWithinRange, Rule::Unlimited),
        None => {
            let factor = policy.hpa().scale_up_limit_factor * f64::from(current);
            let limit = to_i32(libm::fmax(factor, policy.hpa().scale_up_limit_minimum));
            let cuts = limit < bounds.max && wanted > limit && wanted >= bounds.min;
            (limit, cuts, ConditionReason::ScaleUpLimit, Rule::ScaleUpLimit { limit })
        }
    };
    let limited = if cuts {
        Limited { replicas: limit, cut: Some(reason) }
    } else {
        Limited { replicas: wanted, cut: None }
    };
    trace.record(|| Step {
        stage: Stage::Limit,
        from: wanted,
        to: limited.replicas,
        rule: if cuts { rule } else { Rule::Unlimited },
    });
    limited
}

/// Lets the count pass.
pub(crate) fn unlimited<R: Recorder>(wanted: i32, trace: &mut R) -> Limited {
    trace.record(|| Step::unchanged(Stage::Limit, wanted, Rule::Unlimited));
    Limited { replicas: wanted, cut: None }
}

/// The most that the scale-up rules allow now.
fn highest_allowed(rules: &ScalingRules, state: &State, current: i32, now: Timestamp) -> i32 {
    let (pick, none): (fn(i32, i32) -> i32, i32) = match rules.select {
        SelectPolicy::Disabled => return current,
        SelectPolicy::Max => (i32::max, i32::MIN),
        SelectPolicy::Min => (i32::min, i32::MAX),
    };
    starts(rules, state, current, now)
        .map(|(limit, start)| match limit.kind {
            RateLimitKind::Pods => start.wrapping_add(limit.value),
            RateLimitKind::Percent => {
                to_i32(ceil(f64::from(start) * (1.0 + f64::from(limit.value) / 100.0)))
            }
        })
        .fold(none, pick)
}

/// The least that the scale-down rules allow now.
fn lowest_allowed(rules: &ScalingRules, state: &State, current: i32, now: Timestamp) -> i32 {
    let (pick, none): (fn(i32, i32) -> i32, i32) = match rules.select {
        SelectPolicy::Disabled => return current,
        SelectPolicy::Max => (i32::min, i32::MAX),
        SelectPolicy::Min => (i32::max, i32::MIN),
    };
    starts(rules, state, current, now)
        .map(|(limit, start)| match limit.kind {
            RateLimitKind::Pods => start.wrapping_sub(limit.value),
            RateLimitKind::Percent => {
                to_i32(f64::from(start) * (1.0 - f64::from(limit.value) / 100.0))
            }
        })
        .fold(none, pick)
}

/// Each rate limit with the count at the start of its period: the current one less what was added
/// since, plus what was removed.
fn starts<'a>(
    rules: &'a ScalingRules,
    state: &'a State,
    current: i32,
    now: Timestamp,
) -> impl Iterator<Item = (&'a RateLimit, i32)> + 'a {
    let mut last = None;
    rules.limits.iter().map(move |limit| {
        let start = match last {
            Some((period, start)) if period == limit.period => start,
            _ => {
                let edge = now.saturating_sub(limit.period);
                current
                    .wrapping_sub(changed_since(&state.scale_ups, edge))
                    .wrapping_add(changed_since(&state.scale_downs, edge))
            }
        };
        last = Some((limit.period, start));
        (limit, start)
    })
}

/// An event exactly as old as the period no longer counts.
fn changed_since(events: &[ScaleEvent], edge: Timestamp) -> i32 {
    events
        .iter()
        .fold(0, |sum, event| sum.wrapping_add(if event.at > edge { event.change } else { 0 }))
}

/// The first time after `now` at which a scale event leaves the period of a rate limit.
pub(crate) fn next_deadline(policy: &Policy, state: &State, now: Timestamp) -> Option<Timestamp> {
    let rules = policy.behavior()?;
    let periods = rules.scale_up.limits.iter().chain(&rules.scale_down.limits);
    let events = || state.scale_ups.iter().chain(&state.scale_downs);
    periods
        .flat_map(|limit| events().map(|event| event.at.saturating_add(limit.period)))
        .filter(|at| *at > now)
        .min()
}
