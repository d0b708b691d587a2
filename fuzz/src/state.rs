//! Histories.

use arbitrary::{Arbitrary, Result, Unstructured};
use trimtab_engine::{
    EnvelopeState, PoolMemory, Recommendation, RedundancyState, ScaleEvent, State, SupplyState,
};

use crate::amounts::{list, option, small, time};
use crate::envelope::POOLS;

pub(crate) fn state(u: &mut Unstructured<'_>) -> Result<State> {
    let mut state = State::default();
    let event = |u: &mut Unstructured<'_>| {
        Ok(ScaleEvent { change: small(u)?, at: time(u)?, outdated: bool::arbitrary(u)? })
    };
    state.recommendations =
        option(u, |u| list(u, 8, |u| Ok(Recommendation { replicas: small(u)?, at: time(u)? })))?;
    state.scale_ups = list(u, 4, event)?;
    state.scale_downs = list(u, 4, event)?;
    state.status.current_replicas = small(u)?;
    state.status.desired_replicas = small(u)?;
    if u.ratio(1, 4)? {
        let mut envelope = EnvelopeState::default();
        envelope.supply = option(u, |u| Ok(SupplyState { pools: list(u, 4, memory)? }))?;
        envelope.redundancy =
            option(u, |u| Ok(RedundancyState { load: small(u)?, replicas: small(u)? }))?;
        state.envelope = Some(Box::new(envelope));
    }
    Ok(state)
}

fn memory(u: &mut Unstructured<'_>) -> Result<PoolMemory> {
    Ok(PoolMemory {
        pool: u.choose(&POOLS)?.to_string(),
        failures: u.arbitrary()?,
        retry_at: option(u, time)?,
        waiting_since: option(u, time)?,
        placed: u.int_in_range(0..=8)?,
    })
}
