//! What has been, lately: values over a sliding stretch of time, in bounded memory.
//!
//! All windows share their rules:
//!
//! - A sample is **inside** while it is younger than the span: at `now`, those with `now - span < at <= now`. `now` is the latest
//!   time the window was told, by a sample or by `advance`, and never goes back.
//! - Samples come **in order of time**. One at the time of the newest, or before it, is refused and changes nothing: the first
//!   report of an instant stands.
//! - Memory is bounded by a **capacity** in samples. At the bound each new sample pushes out the oldest, so the window then covers
//!   less than its span. A capacity of zero counts as one, a span below a millisecond as a millisecond.
//! - A sample costs amortized constant time.

mod bounds;
mod counter;
mod ewma;
mod extreme;
mod mean;
mod quantile;

pub use bounds::PushError;
pub use counter::CounterRate;
pub use ewma::Ewma;
pub use extreme::{MaxWindow, MinWindow};
pub use mean::MeanWindow;
pub use quantile::QuantileWindow;
