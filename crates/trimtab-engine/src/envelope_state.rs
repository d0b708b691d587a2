//! What the stages remember that a policy has to turn on.

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use crate::anticipate::AnticipateState;

/// What the stages remember that a policy has to turn on, stage by stage. A stage that is off remembers
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvelopeState {
    /// Of stage 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anticipate: Option<Box<AnticipateState>>,
}

impl EnvelopeState {
    /// How many bytes it takes, its lists included.
    pub(crate) fn heap_bytes(&self) -> usize {
        let anticipate = self.anticipate.as_ref();
        size_of::<Self>()
            + anticipate.map_or(0, |own| size_of::<AnticipateState>() + own.heap_bytes())
    }
}
