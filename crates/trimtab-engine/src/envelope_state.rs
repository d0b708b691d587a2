//! What the stages remember that a policy has to turn on.

use serde::{Deserialize, Serialize};

/// What the stages remember that a policy has to turn on, stage by stage. A stage that is off remembers
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct EnvelopeState {}

impl EnvelopeState {
    /// How many bytes it takes, its lists included.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
    }
}
