//! The warm pool as it is.

use serde::{Deserialize, Serialize};

/// How many replicas stand by. They are no part of the target's own count.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmCounts {
    /// So many can be promoted now.
    #[serde(default)]
    pub ready: u32,
    /// So many are on their way into the pool.
    #[serde(default)]
    pub starting: u32,
}
