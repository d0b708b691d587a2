//! What one metric proposes, how that was calculated, and why it may not be able to.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::observation::Unavailable;
use crate::policy::Finite;
use crate::sense::PodCounts;

/// What one metric proposes.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The count. It may be negative, if the metric is.
    pub replicas: i32,
    /// What the metric is, as the HPA's status reports it.
    pub status: MetricStatus,
    /// Load over target, as first calculated; infinite or NaN where there are no replicas.
    pub ratio: f64,
    /// How the count follows from it.
    pub calculation: Calculation,
    /// What the pods were to this metric; zero for metrics that do not look at pods.
    pub pods: PodCounts,
}

/// What a metric is, as the HPA's status reports it. Amounts are thousandths.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum MetricStatus {
    /// Of a utilization target.
    #[serde(rename_all = "camelCase")]
    Utilization {
        /// Whole percent of the request.
        percent: i32,
        /// The average over the measured pods.
        average_milli: i64,
    },
    /// Of an average target.
    #[serde(rename_all = "camelCase")]
    AverageValue {
        /// The average.
        milli: i64,
    },
    /// Of a value target.
    #[serde(rename_all = "camelCase")]
    Value {
        /// The value.
        milli: i64,
    },
}

/// How a count follows from load and target.
///
/// `current` is the count that the metric compares with: `spec.replicas`, or `status.replicas` for
/// averages of a total.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Calculation {
    /// The ratio is near enough to 1: `current`.
    WithinTolerance,
    /// `ceil(ratio × count)`, over the pods that were measured.
    Ratio {
        /// The ratio; absent when it is not finite.
        ratio: Option<Finite>,
        /// The pods.
        count: u32,
    },
    /// As [`Calculation::Ratio`], after silent and young pods were filled in at the value that moves
    /// the count least.
    Filled {
        /// The ratio with them; absent when it is not finite.
        ratio: Option<Finite>,
        /// All pods that count.
        count: u32,
    },
    /// With silent and young pods filled in, the ratio is near enough to 1 or points the other way:
    /// `current`.
    FilledReversed,
    /// `ceil(total / target)`.
    Quotient {
        /// The quotient; absent when it is not finite.
        quotient: Option<Finite>,
    },
}

/// Why a metric proposes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum MetricError {
    /// There is no reading.
    #[error("no reading: {}", unavailable(.why))]
    Unavailable {
        /// Why not.
        why: Unavailable,
    },
    /// The selector finds no pod.
    #[error("no pods to compare with")]
    NoPods,
    /// No reading is left once unready and terminating pods are left out.
    #[error("no pod with a usable reading")]
    NoUsableReadings,
    /// A container that should request the resource does not.
    #[error("pod {} has a container that requests none of the resource", .row.saturating_add(1))]
    MissingRequest {
        /// The first such pod by its row.
        row: u32,
    },
    /// The measured pods request nothing.
    #[error("the measured pods request 0 of the resource")]
    ZeroRequests,
    /// No target that this type of metric can be held against.
    #[error("no target that fits the type of the metric")]
    NoTarget,
    /// The type is not known.
    #[error("unknown type of metric")]
    UnknownType,
    /// The reading has not the form that the type of metric takes.
    #[error("a reading of another type of metric")]
    WrongForm,
}

fn unavailable(why: &Unavailable) -> &'static str {
    match why {
        Unavailable::Missing => "missing",
        Unavailable::Stale => "stale",
        Unavailable::Invalid => "not a number that the metric can have",
        Unavailable::Failed => "the source failed",
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_last_row_there_could_be_has_a_message() {
        let error = MetricError::MissingRequest { row: u32::MAX };
        assert!(error.to_string().starts_with("pod 4294967295 "));
    }
}
