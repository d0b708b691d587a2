//! trimtab's own strategy: the queue decides whether, the load and the latency decide how much, the
//! hardware says where it ends.
//!
//! Every signal has a [role](crate::SloRole). [`Want`] is what they come to: a count to go up to, and
//! a count that it may come down to. Between the two the count stays.

mod average;
mod capacity;
mod error_budget;
mod explain;
mod found;
mod latency;
mod load;
mod model;
mod offered;
mod queueing;
mod refit;
mod sensing;
mod signal;
mod size;
mod state;
mod surge;
mod want;

pub use average::{Average, Noise};
pub use capacity::Learned;
pub use error_budget::ErrorBudget;
pub use explain::SloStep;
pub use latency::{LatencyRules, stretch};
pub use model::{Mix, Objectives, Operation, ServiceModel, Staffing};
pub use offered::{Backlog, Load, Part, Reading, offered};
pub use queueing::{Station, erlang_c, halfin_whitt};
pub use refit::Refit;
pub use sensing::{DemandState, SensingState};
pub use signal::{Known, Measure, Seen, UnknownRule};
pub use state::SloState;
pub use surge::Surge;
pub use want::Want;

pub(crate) use explain::{name_of, words};
pub(crate) use signal::count;
pub(crate) use size::{keep_the_last, size};
