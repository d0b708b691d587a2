//! The Kubernetes HorizontalPodAutoscaler: each metric proposes a count, the largest one counts.
//!
//! The rules are those of `autoscaling/v2` as of Kubernetes 1.36, reproduced to the bit, defects
//! included; recorded runs of the real controller are the test. Amounts are thousandths in `i64`,
//! with the wrapping of Go's integers.

mod combine;
mod per_pod;
mod proposal;
mod sight;
mod total;

pub use proposal::{Calculation, MetricError, MetricStatus, Proposal};

pub(crate) use combine::{failure_reason, size};
pub(crate) use sight::{Generated, Sight};
pub(crate) use total::external_average;

use trimtab_metric::Timestamp;

use crate::observation::{MetricReading, PodTable};
use crate::policy::{HpaSettings, MetricSource, Target, Tolerance};
use crate::sense::CpuReadiness;

/// What a proposal depends on beside the metric itself.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Circumstances<'a> {
    /// The time of the decision.
    pub now: Timestamp,
    /// `spec.replicas`
    pub spec_replicas: i32,
    /// `status.replicas`; metrics that average a total over the replicas divide by it.
    pub status_replicas: i32,
    /// How far off target is near enough.
    pub tolerance: Tolerance,
    /// The pods.
    pub pods: &'a PodTable,
    /// What the cluster sets.
    pub settings: &'a HpaSettings,
}

/// What one metric proposes: the part of the decision that a host may want by itself.
///
/// # Errors
///
/// [`MetricError`]: why it can't propose anything.
///
/// ```
/// use trimtab_engine::strategy::hpa::{Circumstances, propose};
/// use trimtab_engine::{MetricReading, MetricSource, PodTable, Policy, PolicySpec, Target};
/// use trimtab_metric::Timestamp;
///
/// let policy = Policy::from_stored(PolicySpec::default());
/// let at = Circumstances {
///     now: Timestamp::from_secs(0),
///     spec_replicas: 3,
///     status_replicas: 3,
///     tolerance: policy.tolerance(),
///     pods: &PodTable::default(),
///     settings: policy.hpa(),
/// };
/// let reading = MetricReading::Totals(vec![30_000, 12_000]); // two series: 42 in all
/// let target = Target::AverageValue { milli: 10_000 };
/// let proposal = propose(&MetricSource::External, target, &reading, &at)?;
/// assert_eq!(proposal.replicas, 5); // ceil(42 / 10)
/// # Ok::<(), trimtab_engine::MetricError>(())
/// ```
pub fn propose(
    source: &MetricSource,
    target: Target,
    reading: &MetricReading,
    at: &Circumstances<'_>,
) -> Result<Proposal, MetricError> {
    let resource = match source {
        MetricSource::Unknown => return Err(MetricError::UnknownType),
        MetricSource::Resource { resource } | MetricSource::ContainerResource { resource, .. } => {
            resource.as_str()
        }
        MetricSource::Pods | MetricSource::Object | MetricSource::External => "",
    };
    if target == Target::Unusable {
        return Err(MetricError::NoTarget);
    }
    if let MetricReading::Unavailable(why) = reading {
        return Err(MetricError::Unavailable { why: *why });
    }
    match (source, target, reading) {
        (MetricSource::Object, Target::Value { milli }, MetricReading::Total(value)) => {
            total::value(*value, milli, at)
        }
        (MetricSource::Object, Target::AverageValue { milli }, MetricReading::Total(value)) => {
            Ok(total::object_average(*value, milli, at))
        }
        (MetricSource::External, Target::Value { milli }, MetricReading::Totals(values)) => {
            total::value(total::saturating_sum(values), milli, at)
        }
        (MetricSource::External, Target::AverageValue { milli }, MetricReading::Totals(values)) => {
            Ok(total::external_average(total::non_negative_sum(values), milli, at))
        }
        (_, Target::AverageValue { milli }, MetricReading::PerPod(readings)) => {
            per_pod::average(readings, milli, cpu_readiness(resource, at), at)
        }
        (_, Target::Utilization { percent }, MetricReading::PerPod(readings)) => {
            per_pod::utilization(readings, percent, cpu_readiness(resource, at), at)
        }
        _ => Err(MetricError::WrongForm),
    }
}

/// Only CPU use is distrusted while a pod starts.
fn cpu_readiness(resource: &str, at: &Circumstances<'_>) -> Option<CpuReadiness> {
    (resource == "cpu").then_some(CpuReadiness {
        now: at.now,
        initialization_period: at.settings.cpu_initialization_period,
        readiness_delay: at.settings.initial_readiness_delay,
    })
}
