//! What a strategy's answer passes through: windows, rate limits, bounds.

use trimtab_metric::Timestamp;

use crate::bound::bound;
use crate::condition::{ConditionReason, ConditionType, Finding};
use crate::limit::{limit, unlimited};
use crate::policy::{Policy, Strategy};
use crate::stabilize::stabilize;
use crate::state::State;
use crate::supply::{Nodes, carry};
use crate::trace::{Recorder, Untraced};

/// Applies the stages behind the sizing to a count that the caller wants for reasons of its own:
/// stabilization windows, rate limits and bounds, as the policy has them.
///
/// `current` is the present count, within the bounds or 0; `desired` is 0 or more. Returns the count
/// that comes out, and the state with the recommendation and the conditions.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec, State, normalize};
/// use trimtab_metric::Timestamp;
///
/// let policy = Policy::from_stored(PolicySpec { max_replicas: 100, ..PolicySpec::default() });
/// let (replicas, _) =
///     normalize(&policy, State::for_policy(&policy), 3, 50, Timestamp::from_secs(0));
/// assert_eq!(replicas, 6); // without `behavior`, at most twice as many at once
/// ```
pub fn normalize(
    policy: &Policy,
    mut state: State,
    current: i32,
    desired: i32,
    now: Timestamp,
) -> (i32, State) {
    state.seed(policy, current, now);
    let replicas = envelope(policy, &mut state, current, desired, now, None, &mut Untraced);
    (replicas, state)
}

/// Stages 4 to 7, and the condition that says whether one of 4, 5 and 7 cut the count. Stage 6 has its
/// own.
pub(crate) fn envelope<R: Recorder>(
    policy: &Policy,
    state: &mut State,
    current: i32,
    desired: i32,
    now: Timestamp,
    nodes: Option<&mut Nodes<'_>>,
    trace: &mut R,
) -> i32 {
    let stabilized = stabilize(policy, state, current, desired, now, trace);
    let limited = if current == 0 && says_what_stages_did(policy) {
        unlimited(stabilized, trace) // of nothing, a percentage is nothing: it would never wake
    } else {
        limit(policy, state, current, stabilized, now, trace)
    };
    let carried = carry(nodes, policy.bounds(), limited, trace);
    let bounded = bound(policy, current, carried, trace);
    if says_what_stages_did(policy) {
        let conditions = &mut state.status.conditions;
        let held = if stabilized == desired {
            Finding::fails(ConditionReason::ReadyForNewScale)
        } else if desired >= current {
            Finding::holds(ConditionReason::ScaleUpStabilized, [desired, stabilized])
        } else {
            Finding::holds(ConditionReason::ScaleDownStabilized, [desired, stabilized])
        };
        conditions.note(ConditionType::Stabilized, held, now);
        let cut = match limited.cut {
            Some(reason) => Finding::holds(reason, [stabilized, limited.replicas]),
            None => Finding::fails(ConditionReason::WithinRateLimits),
        };
        conditions.note(ConditionType::RateLimited, cut, now);
    }
    let limited = limited.replicas != stabilized || bounded.replicas != carried.replicas;
    let reason = bounded.cut.unwrap_or(ConditionReason::DesiredWithinRange);
    state.status.conditions.set(ConditionType::ScalingLimited, limited, reason, now);
    bounded.replicas
}

/// Whether windows and rate limits have conditions of their own: where the policy turned them on for a
/// strategy whose original has none. The others say it in the HPA's words alone, as the HPA does.
fn says_what_stages_did(policy: &Policy) -> bool {
    match policy.strategy() {
        Strategy::Slo(_) | Strategy::Knative(_) | Strategy::RayServe(_) | Strategy::Apa(_) => true,
        Strategy::Hpa | Strategy::Keda(_) | Strategy::Wva(_) => false,
    }
}
