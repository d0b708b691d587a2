#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod calendar;
mod exact_float;
mod histogram;
mod per_replica;
mod quantity;
mod reading;
#[cfg(feature = "schema")]
mod schema;
mod span;
mod timestamp;
mod unit;
mod window;

pub use histogram::{Bucket, Histogram, HistogramChange, HistogramError, histogram_quantile};
pub use per_replica::{Coverage, PerReplica};
pub use quantity::{MAX_QUANTITY_BYTES, MAX_QUANTITY_EXPONENT, ParseQuantityError, Quantity};
pub use reading::{InvalidReason, Reading, Sample};
pub use span::{ParseSpanError, Span};
pub use timestamp::{ParseTimestampError, Timestamp};
pub use unit::{Kind, Unit};
pub use window::{CounterRate, Ewma, MaxWindow, MeanWindow, MinWindow, PushError, QuantileWindow};
