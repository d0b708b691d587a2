//! What Ray Serve did, step by step, with the numbers that it did it with.

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use crate::policy::Finite;
use crate::trace::Direction;

/// One step of a decision by the `rayServe` strategy.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum RayServeStep {
    /// The deployment is new: it begins with its initial count, or with the present one, within the
    /// bounds.
    Registered {
        /// The initial count, not scaled by the capacity.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial: Option<i32>,
    },
    /// No replica runs while there are requests: as many as the upscaling factor, or what was asked
    /// for if that is more, at once.
    ColdStart {
        /// The upscaling factor.
        factor: Finite,
    },
    /// No replica runs and there are no requests: what was asked for stands.
    Starting,
    /// The requests over the target; from the running replicas there, the factor's share of the way.
    Desired {
        /// How many replicas run.
        running: i32,
        /// How many the requests need.
        desired: Finite,
        /// The factor of that direction.
        factor: Finite,
    },
    /// A change waits until it has been wanted for the delay of its direction.
    Delay {
        /// Which way.
        direction: Direction,
        /// Since when it has been wanted.
        since: Timestamp,
        /// The delay.
        delay: Span,
        /// Whether it is over.
        over: bool,
    },
    /// The way to 0 leads over 1, which then has a delay of its own.
    LastReplica,
    /// Replicas come in whole gangs.
    Gangs {
        /// Replicas per gang.
        size: i32,
    },
    /// The bounds at the cluster's target capacity.
    Capacity {
        /// The least count.
        least: i32,
        /// The largest count.
        most: i32,
    },
}
