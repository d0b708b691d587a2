//! What Knative did, step by step, with the numbers that it did it with.

use serde::{Deserialize, Serialize};
use trimtab_metric::{Span, Timestamp};

use super::scale_to_zero::Fate;
use crate::policy::Finite;

/// One step of a decision by the `knative` strategy.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum KnativeStep {
    /// The two averages over the target, rounded up: the stable one, and in panic the larger one.
    Averages {
        /// How many replicas are ready.
        ready: i32,
        /// The load's average over the stable window.
        stable: Finite,
        /// The load's average over the panic window.
        panic: Finite,
        /// What the stable one asks for.
        by_stable: i32,
        /// What the panic one asks for.
        by_panic: i32,
        /// The panic window.
        panic_window: Span,
        /// Whether it panics.
        panicking: bool,
    },
    /// The scale-up and the scale-down rate, from the replicas that are ready.
    Rates {
        /// The least they allow.
        least: i32,
        /// The most they allow.
        most: i32,
    },
    /// There is load, so the count is the activation scale at least.
    ActivationScale {
        /// The activation scale.
        scale: i32,
    },
    /// In panic the count never falls.
    Panic {
        /// Panic is over after this, unless the threshold is crossed again.
        until: Timestamp,
    },
    /// The largest count within the scale-down delay counts.
    Delay {
        /// When the count that held this one leaves the delay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The revision has not reached its initial scale before.
    InitialScale {
        /// The initial scale.
        scale: i32,
    },
    /// Nothing is wanted: what becomes of the last replica.
    ScaleToZero {
        /// That.
        fate: Fate,
        /// When more is known, if only time is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Timestamp>,
    },
    /// Where requests go: through the activator, which buffers them, or straight to the replicas.
    Activator {
        /// Whether they go through it.
        in_path: bool,
        /// What the ready replicas can take beyond the load and the target burst capacity.
        excess_burst_capacity: i32,
        /// How many activators there should be for it.
        activators: i32,
    },
}
