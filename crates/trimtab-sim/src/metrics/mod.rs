//! What production sees of the cluster: exported, scraped now and then, late, and now and then lost.
//!
//! Replicas and the gateway count ([`Exporter`], [`GatewayExporter`]); a [`Scraper`] reads what they
//! counted; [`Bindings`] say which [`Signal`] each metric of a policy takes; an [`Observer`] makes the
//! observation that the policy decides on. It never shows the future, nor the exact present. What a
//! strategy samples by itself is taken by a [`Sampler`] instead.

mod bindings;
mod exporter;
mod latency;
mod names;
mod nodes;
mod observe;
mod reading;
mod sampler;
mod scraper;
mod series;
mod signal;

pub use bindings::{BindError, Bindings};
pub use exporter::{Exporter, GatewayExporter, Gauges};
pub use names::{PublishedName, Whole, published_names};
pub use nodes::observe_nodes;
pub use observe::{Observer, PodView};
pub use sampler::{Sampler, ServiceLoad};
pub use scraper::Scraper;
pub use signal::{Signal, Statistic, Timing};

use trimtab_metric::{Span, Timestamp};

use crate::Moment;

/// The time of [`Moment::START`]: 2026-01-05T00:00:00Z, a Monday.
///
/// ```
/// assert_eq!(trimtab_sim::metrics::EPOCH.to_string(), "2026-01-05T00:00:00Z");
/// ```
pub const EPOCH: Timestamp = Timestamp::from_secs(1_767_571_200);

/// The time of a moment, down to the millisecond.
///
/// ```
/// use trimtab_sim::{Moment, metrics};
///
/// let moment = Moment::from_seconds(61.0015);
/// assert_eq!(metrics::timestamp(moment).to_string(), "2026-01-05T00:01:01.001Z");
/// ```
pub fn timestamp(moment: Moment) -> Timestamp {
    EPOCH.saturating_add(Span::from_millis(moment.nanos().div_euclid(NANOS_PER_MILLI)))
}

const NANOS_PER_MILLI: i64 = 1_000_000;
