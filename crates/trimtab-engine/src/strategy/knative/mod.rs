//! Knative's KPA: concurrency averaged over two windows, panic, and scale to zero.
//!
//! The rules are those of Knative Serving as of August 2026 (98e5ef90), defects included; recorded
//! runs of the real autoscaler are the test. Amounts are `f64`, as in Knative.

mod autoscaler;
mod delay;
mod explain;
mod revision;
mod scale_to_zero;
mod size;
mod state;
mod step;
mod window;

pub use autoscaler::{AutoscalerSettings, AutoscalerState, Proposal, Tick, activators};
pub use delay::DelayWindow;
pub use revision::Revision;
pub use scale_to_zero::{Fate, Phase, ScaleToZeroSettings, Situation, Verdict};
pub use state::KnativeState;
pub use step::KnativeStep;
pub use window::Buckets;

pub(crate) use explain::words;
pub(crate) use size::size;
