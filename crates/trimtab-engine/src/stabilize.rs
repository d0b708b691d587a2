//! Stage 4, stabilize: has it wanted that for long enough?

use alloc::vec::Vec;

use trimtab_metric::{Span, Timestamp};

use crate::condition::{ConditionReason, ConditionType};
use crate::policy::{Behavior, Policy, Strategy};
use crate::state::{Recommendation, State, push_tight};
use crate::trace::{Held, Recorder, Rule, Stage, Step};

/// So many recommendations are kept before those that can't matter go, where they come often.
const MANY: usize = 64;

/// Holds the count against recommendations that are younger than the window, and remembers this
/// one, before limits and bounds.
pub(crate) fn stabilize<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    current: i32,
    desired: i32,
    now: Timestamp,
    trace: &mut R,
) -> i32 {
    let past = state.recommendations.get_or_insert_default();
    if past.len() >= MANY
        && matches!(policy.strategy(), Strategy::Slo(slo) if slo.sampling.is_some())
    {
        make_room(past); // they come every few seconds
    }
    let stabilized = match policy.behavior() {
        Some(rules) => within_windows(rules, past, current, desired, now, trace),
        None => highest(policy.hpa().downscale_stabilization, past, desired, now, trace),
    };
    let reason = if stabilized == desired {
        ConditionReason::ReadyForNewScale
    } else if policy.behavior().is_some() && desired >= current {
        ConditionReason::ScaleUpStabilized
    } else {
        ConditionReason::ScaleDownStabilized
    };
    state.status.conditions.set(ConditionType::AbleToScale, true, reason, now);
    stabilized
}

/// With `behavior`. A recommendation exactly as old as the window no longer counts.
fn within_windows<R: Recorder>(
    rules: &Behavior,
    past: &mut Vec<Recommendation>,
    current: i32,
    desired: i32,
    now: Timestamp,
    trace: &mut R,
) -> i32 {
    let up_edge = now.saturating_sub(rules.scale_up.window);
    let down_edge = now.saturating_sub(rules.scale_down.window);
    let (mut lowest, mut highest, mut reusable) = (desired, desired, None);
    for (slot, recommendation) in past.iter().enumerate() {
        if recommendation.at > up_edge {
            lowest = lowest.min(recommendation.replicas);
        }
        if recommendation.at > down_edge {
            highest = highest.max(recommendation.replicas);
        }
        if recommendation.at < up_edge && recommendation.at < down_edge {
            reusable = Some(slot);
        }
    }
    let stabilized = current.max(lowest).min(highest);
    trace.record(|| {
        let window =
            if desired >= current { rules.scale_up.window } else { rules.scale_down.window };
        let held = (stabilized != desired)
            .then(|| holder(past, stabilized, window, Span::ZERO, now))
            .flatten();
        let rule = Rule::Windows { current, lowest, highest, held };
        Step { stage: Stage::Stabilize, from: desired, to: stabilized, rule }
    });
    remember(past, reusable, Recommendation { replicas: desired, at: now });
    stabilized
}

/// Without `behavior`. A recommendation exactly as old as the window still counts, and one from
/// before may even raise the count.
fn highest<R: Recorder>(
    window: Span,
    past: &mut Vec<Recommendation>,
    desired: i32,
    now: Timestamp,
    trace: &mut R,
) -> i32 {
    let edge = now.saturating_sub(window);
    let (mut highest, mut reusable) = (desired, None);
    for (slot, recommendation) in past.iter().enumerate() {
        if recommendation.at < edge {
            reusable = Some(slot);
        } else {
            highest = highest.max(recommendation.replicas);
        }
    }
    trace.record(|| {
        let held = (highest != desired)
            .then(|| holder(past, highest, window, Span::from_millis(1), now))
            .flatten();
        let rule = Rule::HighestRecommendation { held };
        Step { stage: Stage::Stabilize, from: desired, to: highest, rule }
    });
    remember(past, reusable, Recommendation { replicas: desired, at: now });
    highest
}

/// The recommendation that will hold `replicas` the longest, if one of the past does.
fn holder(
    past: &[Recommendation],
    replicas: i32,
    window: Span,
    grace: Span,
    now: Timestamp,
) -> Option<Held> {
    let until = |at: Timestamp| at.saturating_add(window).saturating_add(grace);
    past.iter()
        .filter(|by| by.replicas == replicas && until(by.at) > now)
        .max_by_key(|by| by.at)
        .map(|by| Held { by: *by, window, until: until(by.at) })
}

/// Stores a recommendation in the place of one that no window reaches, or at the end.
fn remember(past: &mut Vec<Recommendation>, reusable: Option<usize>, new: Recommendation) {
    if let Some(old) = reusable.and_then(|slot| past.get_mut(slot)) {
        *old = new;
        return;
    }
    if past.len() >= State::MOST_ENTRIES {
        make_room(past);
    }
    push_tight(past, new);
}

/// Forgets what can't matter: a recommendation is without effect once a later one is at least as
/// high and a later one is at least as low, since later ones stay in every window for longer. If
/// all of them matter, the oldest goes.
fn make_room(past: &mut Vec<Recommendation>) {
    past.sort_by_key(|recommendation| recommendation.at);
    let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
    let mut kept: Vec<Recommendation> = past
        .drain(..)
        .rev()
        .filter(|recommendation| {
            let matters = recommendation.replicas < lowest || recommendation.replicas > highest;
            lowest = lowest.min(recommendation.replicas);
            highest = highest.max(recommendation.replicas);
            matters
        })
        .take(State::MOST_ENTRIES - 1)
        .collect();
    kept.reverse();
    *past = kept;
}

/// The first time after `now` at which a recommendation leaves a window.
pub(crate) fn next_deadline(policy: &Policy, state: &State, now: Timestamp) -> Option<Timestamp> {
    let past = state.recommendations.as_deref().unwrap_or_default();
    let leaves = |window: Span, grace: Span| {
        past.iter()
            .map(move |recommendation| {
                recommendation.at.saturating_add(window).saturating_add(grace)
            })
            .filter(|at| *at > now)
            .min()
    };
    match policy.behavior() {
        Some(rules) => [rules.scale_up.window, rules.scale_down.window]
            .into_iter()
            .filter_map(|window| leaves(window, Span::ZERO))
            .min(),
        None => leaves(policy.hpa().downscale_stabilization, Span::from_millis(1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(tick: usize) -> Timestamp {
        Timestamp::from_millis(i64::try_from(tick).unwrap())
    }

    /// The lowest and the highest of the recommendations since a moment.
    fn range(past: &[Recommendation], since: Timestamp) -> Option<(i32, i32)> {
        let inside = past.iter().filter(|entry| entry.at > since).map(|entry| entry.replicas);
        Some((inside.clone().min()?, inside.max()?))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Forgetting what can't matter changes no window, whatever its length.
        #[test]
        fn making_room_changes_no_window(
            replicas in prop::collection::vec(0_i32..50, 1..200),
            windows in prop::collection::vec(0_usize..200, 8),
        ) {
            let entry = |(tick, replicas)| Recommendation { replicas, at: at(tick) };
            let before: Vec<_> = replicas.into_iter().enumerate().map(entry).collect();
            let mut after = before.clone();
            make_room(&mut after);
            prop_assert!(after.len() <= before.len().min(100));
            for since in windows {
                prop_assert_eq!(range(&after, at(since)), range(&before, at(since)));
            }
        }
    }

    #[test]
    fn where_all_of_them_matter_the_oldest_goes() {
        // Ever closer to the middle, from both sides: each is the highest or the lowest so far back.
        let far = |tick: usize| i32::try_from(2 * State::MOST_ENTRIES - tick).unwrap();
        let entry = |tick| Recommendation {
            replicas: if tick % 2 == 0 { far(tick) } else { -far(tick) },
            at: at(tick),
        };
        let mut past: Vec<_> = (0..State::MOST_ENTRIES).map(entry).collect();
        remember(&mut past, None, entry(State::MOST_ENTRIES));
        assert_eq!(past.len(), State::MOST_ENTRIES);
        assert_eq!(past.first().copied(), Some(entry(1)));
        assert_eq!(past.last().copied(), Some(entry(State::MOST_ENTRIES)));
    }
}
