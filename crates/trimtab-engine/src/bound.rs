//! Stage 7, bound: is the count between `minReplicas` and `maxReplicas`?

use crate::condition::ConditionReason;
use crate::decision::ScaleReason;
use crate::limit::Limited;
use crate::policy::Policy;
use crate::trace::{Recorder, Rule, Stage, Step};

/// A current count outside the bounds goes straight back inside: no metric is asked, no window or
/// rate limit applies. A workload at 0 is not below its minimum; it is switched off or asleep.
pub(crate) fn enforce<R: Recorder>(
    policy: &Policy,
    current: i32,
    trace: &mut R,
) -> Option<(i32, ScaleReason)> {
    let bounds = policy.bounds();
    let (to, reason, rule) = if current == 0 {
        return None;
    } else if current > bounds.max {
        (bounds.max, ScaleReason::AboveMax, Rule::MaxReplicas)
    } else if current < bounds.min {
        (bounds.min, ScaleReason::BelowMin, Rule::MinReplicas)
    } else {
        return None;
    };
    trace.record(|| Step { stage: Stage::Bound, from: current, to, rule });
    Some((to, reason))
}

/// Cuts the count to the bounds, unless a tighter rate limit has already cut it.
///
/// With `behavior`, only the bound that lies in the direction of the move is looked at; without it,
/// both are.
pub(crate) fn bound<R: Recorder>(
    policy: &Policy,
    current: i32,
    limited: Limited,
    trace: &mut R,
) -> Limited {
    let bounds = policy.bounds();
    let Limited { replicas, cut } = limited;
    let (up, down) = match policy.behavior() {
        Some(_) => (replicas > current, replicas < current),
        None => (true, true),
    };
    let (bounded, rule) = if cut.is_some() {
        (limited, Rule::WithinBounds)
    } else if down && replicas < bounds.min {
        let cut = Some(ConditionReason::TooFewReplicas);
        (Limited { replicas: bounds.min, cut }, Rule::MinReplicas)
    } else if up && replicas > bounds.max {
        let cut = Some(ConditionReason::TooManyReplicas);
        (Limited { replicas: bounds.max, cut }, Rule::MaxReplicas)
    } else {
        (limited, Rule::WithinBounds)
    };
    trace.record(|| Step { stage: Stage::Bound, from: replicas, to: bounded.replicas, rule });
    bounded
}

/// A workload that wakes from 0 wakes to its minimum at once.
pub(crate) fn wake<R: Recorder>(
    policy: &Policy,
    current: i32,
    replicas: i32,
    trace: &mut R,
) -> Option<i32> {
    let min = policy.bounds().min;
    if current != 0 || replicas >= min {
        return None;
    }
    trace.record(|| Step { stage: Stage::Bound, from: replicas, to: min, rule: Rule::MinReplicas });
    Some(min)
}
