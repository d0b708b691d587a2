//! What the supply stage did, and the words for it.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};

/// What the nodes allow: `placed + min(slots + max_pending, room)`, but no less than `floor`. A count
/// above that is cut to it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupplyStep {
    /// Replicas that have a node.
    pub placed: i32,
    /// Replicas that were asked for and have none.
    pub waiting: i32,
    /// How many more nodes are there or coming for; absent where that is not known, and then nothing
    /// is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<i32>,
    /// How many more the pools may take, growth included; absent where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<i32>,
    /// Replicas that may wait for a node.
    pub max_pending: i32,
    /// The present count, or `minReplicas` where that is more: it is not cut below.
    pub floor: i32,
    /// Pools that failed and are asked for nothing.
    pub backing_off: i32,
}

impl SupplyStep {
    /// The most that the nodes allow; `None` if too little is known.
    pub fn allowed(&self) -> Option<i32> {
        let more = self.slots?.saturating_add(self.max_pending);
        let more = self.room.map_or(more, |room| more.min(room));
        Some(self.placed.saturating_add(more).max(self.floor))
    }
}

/// Subject, measure and rule.
pub(crate) fn words(step: &SupplyStep) -> (String, String, String) {
    let SupplyStep { placed, waiting, max_pending, .. } = *step;
    let has = match waiting {
        0 => format!("{placed} on nodes"),
        waiting => format!("{placed} on nodes, {waiting} waiting"),
    };
    let Some(slots) = step.slots else {
        return (String::new(), has, String::from("it is not known what the nodes carry"));
    };
    let failed = match step.backing_off {
        0 => String::new(),
        1 => String::from("; 1 pool backs off"),
        pools => format!("; {pools} pools back off"),
    };
    let allowed = step.allowed().unwrap_or(i32::MAX);
    let rule = match step.room {
        _ if allowed == step.floor => format!("{allowed} stay, whatever the nodes carry"),
        Some(room) if room < slots.saturating_add(max_pending) => {
            format!("the pools take {room} more: at most {allowed}")
        }
        _ => format!("nodes for {slots} more, {max_pending} may wait: at most {allowed}"),
    };
    (String::new(), has, rule + &failed)
}
