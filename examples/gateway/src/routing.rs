//! Which replica gets the next request: of those with a free slot, the one with the least to do.

use crate::replica::Replica;

/// The place of the replica that takes the next request; of several with as little to do, the one that was
/// given something the longest ago. `None` if no slot is free.
///
/// One that drains, leaves or is not ready gets nothing.
pub fn least_loaded(replicas: &[Replica], slots: u32) -> Option<usize> {
    let free = |replica: &&Replica| replica.serves() && replica.in_flight < slots;
    let (place, _) = replicas
        .iter()
        .enumerate()
        .filter(|(_, replica)| free(replica))
        .min_by_key(|(_, replica)| (replica.in_flight, replica.last_given))?;
    Some(place)
}
