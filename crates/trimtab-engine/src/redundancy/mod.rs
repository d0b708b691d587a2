//! The part of stage 7 that asks what is left when failure domains are lost.
//!
//! Replicas that run are where they are; those that are to come, and those that wait for a node, are
//! taken to go where the fewest are. On the way down it may be anybody who goes. So the count is enough
//! whatever is lost, once the new replicas are spread.

mod explain;
mod spread;

pub use explain::RedundancyStep;

pub(crate) use explain::{raised, words};

use serde::{Deserialize, Serialize};

use crate::observation::Observation;
use crate::policy::{Bounds, Enough, Policy, RedundancySpec};
use crate::state::State;
use crate::trace::{Recorder, Rule, Stage, Step};
use spread::Spread;

/// What `redundancy` remembers of a count that it raised for the load: a strategy that finds nothing to
/// change asks for that count, and the load does not need all of it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedundancyState {
    /// What the load needed.
    pub load: i32,
    /// The count that came out.
    pub replicas: i32,
}

/// A count on its way through stage 7.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Count {
    /// The present one.
    pub(crate) current: i32,
    /// What the strategy wants.
    pub(crate) wanted: i32,
    /// What became of it, within the bounds.
    pub(crate) bounded: i32,
    /// What the nodes allow. Replicas without a node survive nothing.
    pub(crate) most: Option<i32>,
}

/// Raises the count to what is enough after a loss, within `maxReplicas` and what the nodes allow. 0
/// stays.
pub(crate) fn redundancy<R: Recorder>(
    policy: &Policy,
    bounds: Bounds,
    state: &mut State,
    observation: &Observation,
    count: Count,
    trace: &mut R,
) -> i32 {
    let Some(spec) = policy.spec().redundancy.filter(|spec| spec.survive_domain_losses > 0) else {
        forget(state);
        return count.bounded;
    };
    if count.bounded <= 0 {
        forget(state);
        return count.bounded;
    }
    let need = need(&spec, bounds, state, count);
    let spread = Spread::seen(&spec, observation);
    let most = count.most.map_or(bounds.max, |most| most.min(bounds.max)).max(count.bounded);
    let to = spread.least_that_leaves(need, count.bounded, most);
    if spec.enough == Enough::Load && to > need {
        let memory = RedundancyState { load: need, replicas: to };
        state.envelope.get_or_insert_default().redundancy = Some(memory);
    } else {
        forget(state);
    }
    trace.record(|| {
        let step = RedundancyStep {
            losses: spec.survive_domain_losses,
            domain: spec.domain,
            domains: spread.domains(),
            unknown: spread.unknown(),
            left: spread.left_of(to),
            need,
        };
        Step { stage: Stage::Bound, from: count.bounded, to, rule: Rule::Redundancy(step) }
    });
    to
}

/// How many have to be left.
fn need(spec: &RedundancySpec, bounds: Bounds, state: &State, count: Count) -> i32 {
    if spec.enough == Enough::Min {
        return bounds.min;
    }
    let before = state.envelope.as_ref().and_then(|envelope| envelope.redundancy);
    let same = count.wanted == count.current;
    let load = match before.filter(|before| same && before.replicas == count.current) {
        Some(before) => before.load,
        None => count.wanted,
    };
    load.min(count.bounded).max(bounds.min)
}

fn forget(state: &mut State) {
    if let Some(envelope) = &mut state.envelope {
        envelope.redundancy = None;
    }
}
