//! What looking ahead remembers of a workload.

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use super::credit::Order;
use super::forecast::Forecaster;
use super::lead_time::Starts;

/// What looking ahead remembers: under a kilobyte, with a forecast 2 KiB more, with one that has a season
/// 4.5 KiB more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct AnticipateState {
    /// How long starts took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) starts: Option<Starts>,
    /// What is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<Order>,
    /// The load of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forecaster: Option<Box<Forecaster>>,
}

impl AnticipateState {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.starts.as_ref().map_or(0, Starts::heap_bytes)
            + self.forecaster.as_ref().map_or(0, |own| size_of::<Forecaster>() + own.heap_bytes())
    }
}
