//! llm-d's Workload Variant Autoscaler: how saturated are the replicas?
//!
//! Two analyzers, of which one decides: [`percentage`] (V1) counts the spare KV cache and queue and
//! moves by one replica, [`token`] (V2) weighs the demand in tokens against the capacity and moves
//! by as many as it takes. What they come to is what WVA publishes as `wva_desired_replicas`, and
//! [`at_least_one`] and [`idle`] are what it does last: keep one replica, or none.
//!
//! As of llm-d/llm-d-workload-variant-autoscaler b08b1c77 (2026-02-19), for one variant: one pool
//! of equal replicas. Absent are the choice among variants by cost, the limiter by GPUs, the
//! model-based analyzer, and split prefill and decode.

mod explain;
pub mod percentage;
mod size;
pub mod token;

pub use explain::WvaStep;
pub use size::WvaState;

pub(crate) use explain::words;
pub(crate) use size::{follow, size};

use trimtab_metric::{Span, Timestamp};

/// What the scale says of the variant.
///
/// ```
/// use trimtab_engine::strategy::wva::Counts;
///
/// let counts = Counts { current: 4, pending: 1, desired: Some(4) };
/// assert_eq!(counts.ready(), 3);
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many replicas there are (`status.replicas`), or were asked for if there are none.
    pub current: i32,
    /// Those of them that are not ready; at least 0.
    pub pending: i32,
    /// What was published last; nothing before the first time. WVA takes 0 for nothing.
    pub desired: Option<i32>,
}

impl Counts {
    /// Those that are ready; at least 0.
    pub fn ready(self) -> i32 {
        self.current.saturating_sub(self.pending).max(0)
    }

    /// What was published last, if it is not reached.
    pub fn outstanding(self) -> Option<i32> {
        self.desired.filter(|desired| *desired != 0 && *desired != self.current)
    }
}

/// Without scale to zero, at least one replica stays.
///
/// ```
/// assert_eq!(trimtab_engine::strategy::wva::at_least_one(0), 1);
/// ```
pub fn at_least_one(target: i32) -> i32 {
    if target > 0 { target } else { 1 }
}

/// Whether no request has come for the whole retention period, so that no replica is needed.
///
/// WVA asks Prometheus how many requests succeeded within the period; `last_request` is the last
/// time at which some had, or the first at which anybody looked.
///
/// ```
/// use trimtab_engine::strategy::wva::idle;
/// use trimtab_metric::{Span, Timestamp};
///
/// let ten_minutes = Span::from_secs(600);
/// assert!(!idle(Timestamp::from_secs(0), ten_minutes, Timestamp::from_secs(599)));
/// assert!(idle(Timestamp::from_secs(0), ten_minutes, Timestamp::from_secs(600)));
/// ```
pub fn idle(last_request: Timestamp, retention: Span, now: Timestamp) -> bool {
    last_request.saturating_add(retention) <= now
}
