//! What the stages remember that a policy has to turn on.

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use crate::anticipate::AnticipateState;
use crate::redundancy::RedundancyState;
use crate::retire::RetireState;
use crate::supply::SupplyState;
use crate::warm::WarmState;

/// What the stages remember that a policy has to turn on, stage by stage. A stage that is off remembers
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvelopeState {
    /// Of a warm pool whose size is a `surge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<WarmState>,
    /// Of a `flapBudget`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<RetireState>,
    /// Which node pools fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply: Option<SupplyState>,
    /// What the load needed of a count that was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redundancy: Option<RedundancyState>,
    /// Of stage 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anticipate: Option<Box<AnticipateState>>,
}

impl EnvelopeState {
    /// How many bytes it takes, its lists included.
    pub(crate) fn heap_bytes(&self) -> usize {
        let anticipate = self.anticipate.as_ref();
        size_of::<Self>()
            + self.warm.as_ref().map_or(0, WarmState::list_bytes)
            + self.retire.as_ref().map_or(0, RetireState::list_bytes)
            + self.supply.as_ref().map_or(0, SupplyState::heap_bytes)
            + anticipate.map_or(0, |own| size_of::<AnticipateState>() + own.heap_bytes())
    }
}
