//! What a number counts, and how it behaves when replicas are added.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What a metric is counted in. For people and for checks; it never converts a value.
///
/// # Example
///
/// ```
/// use trimtab_metric::Unit;
/// assert_eq!(Unit::TokensPerSecond.symbol(), "tok/s");
/// assert_eq!(serde_json::to_string(&Unit::TokensPerSecond)?, "\"tokensPerSecond\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(
    Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Unit {
    /// A plain number.
    #[default]
    None,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Tokens of a language model.
    Tokens,
    /// Tokens per second.
    TokensPerSecond,
    /// Requests.
    Requests,
    /// Requests per second.
    RequestsPerSecond,
    /// Processor cores.
    Cores,
    /// A fraction of one: 0.8 is four fifths.
    Ratio,
    /// Hundredths: 80 is four fifths.
    Percent,
    /// Degrees Celsius.
    Celsius,
    /// Watts.
    Watts,
}

impl Unit {
    /// How the unit is written after a number; empty for a plain number and a ratio.
    ///
    /// ```
    /// use trimtab_metric::Unit;
    /// assert_eq!(Unit::Percent.symbol(), "%");
    /// assert_eq!(Unit::None.symbol(), "");
    /// ```
    pub const fn symbol(self) -> &'static str {
        match self {
            Unit::None | Unit::Ratio => "",
            Unit::Seconds => "s",
            Unit::Milliseconds => "ms",
            Unit::Bytes => "B",
            Unit::BytesPerSecond => "B/s",
            Unit::Tokens => "tok",
            Unit::TokensPerSecond => "tok/s",
            Unit::Requests => "req",
            Unit::RequestsPerSecond => "req/s",
            Unit::Cores => "cores",
            Unit::Percent => "%",
            Unit::Celsius => "\u{b0}C",
            Unit::Watts => "W",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

/// How a quantity behaves when the number of replicas changes under the same load.
///
/// The kind decides what arithmetic on it means: dividing a latency by a replica count is as wrong as averaging a queue.
///
/// # Example
///
/// ```
/// use trimtab_metric::Kind;
/// assert!(Kind::Stock.divides_by_replicas());
/// assert!(!Kind::Latency.divides_by_replicas());
/// assert_eq!(serde_json::to_string(&Kind::Latency)?, "\"latency\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An amount that is there: queue length, requests in flight, cache blocks in use. The total divides by replicas, and the parts
    /// of the replicas add up to it.
    Stock,
    /// An amount per time: requests or tokens per second. The total divides by replicas, and the parts add up to it.
    Rate,
    /// A time something takes. Does not divide: it stays flat while there is spare capacity and rises steeply near saturation. Over
    /// replicas, take the worst or merge the histograms; a sum means nothing.
    Latency,
    /// A share of capacity, per replica: utilization. The average over replicas is what falls as replicas are added, in proportion.
    Ratio,
}

impl Kind {
    /// Whether the total over all replicas is shared out when replicas are added, so that a target per replica makes sense.
    ///
    /// ```
    /// use trimtab_metric::Kind;
    /// assert!(Kind::Rate.divides_by_replicas());
    /// ```
    pub const fn divides_by_replicas(self) -> bool {
        matches!(self, Kind::Stock | Kind::Rate)
    }

    /// Whether the average over replicas is the reading of the whole.
    ///
    /// ```
    /// use trimtab_metric::Kind;
    /// assert!(Kind::Ratio.averages_over_replicas());
    /// ```
    pub const fn averages_over_replicas(self) -> bool {
        matches!(self, Kind::Ratio)
    }
}
