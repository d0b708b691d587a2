//! The warm pool: how many replicas stand by, and how soon they serve.

use libm::{ceil, fmax, fmin};
use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::{Finite, PolicySpec, StrategyName};
use crate::policy::defaults::SLO_LEAD_TIME_SECONDS;

/// Replicas that stand by: provisioned, the weights at hand, not serving.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20,
///         "warmPool": {"size": {"surge": {"idleCost": 1, "missCost": 9}}, "maxSize": 4,
///                      "promoteSeconds": 10, "leadTimeSeconds": 240}}"#,
/// )?)?;
/// assert_eq!(policy.warm_pool().map(|pool| pool.clamp(7.2)), Some(4));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarmPoolSpec {
    /// How many stand by.
    pub size: WarmSizeSpec,
    /// At least so many, 0 or more. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<i32>,
    /// At most so many, at least `minSize`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<i32>,
    /// From a promotion until the replica serves, in seconds, 0 to 3600, less than the lead time.
    /// Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promote_seconds: Option<i32>,
    /// From a start until the replica serves or stands by, in seconds, 1 to 3600. Default 180; under
    /// `slo` that of `slo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_seconds: Option<i32>,
    /// Replicas that leave go back to the pool while it has room. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_on_scale_in: Option<bool>,
}

/// How many stand by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WarmSizeSpec {
    /// So many.
    Fixed(i32),
    /// So many percent of the replicas that are wanted, rounded up.
    Percent(Finite),
    /// What was lately asked for in addition within one lead time.
    Surge(WarmSurgeSpec),
}

/// How much of what is asked for in addition within one lead time stands by: the share of lead times
/// that shall pass without a lack, as a `quantile`, or by what a spare and a lack cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WarmSurgeSpec {
    /// The share, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<Finite>,
    /// What a replica costs that stands by for nothing, above 0, in any unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_cost: Option<Finite>,
    /// What a replica costs that is not there, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub miss_cost: Option<Finite>,
}

/// [`WarmPoolSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct WarmPoolSettings {
    /// How many stand by.
    pub size: WarmSize,
    /// At least so many.
    pub min_size: i32,
    /// At most so many.
    pub max_size: i32,
    /// From a promotion until the replica serves.
    pub promote: Span,
    /// From a start until the replica serves or stands by.
    pub lead_time: Span,
    /// Replicas that leave go back to the pool while it has room.
    pub return_on_scale_in: bool,
}

/// [`WarmSizeSpec`], as it is decided with.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum WarmSize {
    /// So many.
    Fixed(i32),
    /// This share of the replicas that are wanted, 1 for all of them.
    Share(f64),
    /// This quantile of what is asked for in addition within one lead time.
    Surge(f64),
}

impl WarmPoolSettings {
    pub(super) fn from_spec(spec: &WarmPoolSpec, policy: &PolicySpec) -> Self {
        let seconds = |value: i32| Span::from_secs(i64::from(value));
        let slo = policy.slo.as_ref().and_then(|slo| slo.lead_time_seconds);
        let slo = slo.filter(|_| policy.strategy == StrategyName::Slo);
        let lead_time = spec.lead_time_seconds.or(slo).unwrap_or(SLO_LEAD_TIME_SECONDS);
        let min_size = spec.min_size.unwrap_or(0).max(0);
        Self {
            size: match &spec.size {
                WarmSizeSpec::Fixed(replicas) => WarmSize::Fixed(*replicas),
                WarmSizeSpec::Percent(percent) => WarmSize::Share(percent.get() / 100.0),
                WarmSizeSpec::Surge(surge) => WarmSize::Surge(surge.critical_ratio()),
            },
            min_size,
            max_size: spec.max_size.unwrap_or(i32::MAX).max(min_size),
            promote: seconds(spec.promote_seconds.unwrap_or(20)),
            lead_time: seconds(lead_time),
            return_on_scale_in: spec.return_on_scale_in.unwrap_or(false),
        }
    }

    /// So many, rounded up, within the least and the most.
    pub fn clamp(&self, replicas: f64) -> i32 {
        let rounded = fmin(fmax(ceil(replicas - 1e-9), 0.0), 1e9);
        crate::float::to_i32(rounded).max(self.min_size).min(self.max_size)
    }
}

impl WarmSurgeSpec {
    /// The newsvendor's critical ratio: the cost of a lack over that of a lack and a spare together.
    ///
    /// ```
    /// use trimtab_engine::{Finite, WarmSurgeSpec};
    ///
    /// let costs = WarmSurgeSpec {
    ///     idle_cost: Finite::new(1.0), miss_cost: Finite::new(3.0), ..WarmSurgeSpec::default()
    /// };
    /// assert_eq!(costs.critical_ratio(), 0.75);
    /// ```
    pub fn critical_ratio(&self) -> f64 {
        let given = self.quantile.map(Finite::get);
        let costs = match (self.idle_cost.map(Finite::get), self.miss_cost.map(Finite::get)) {
            (Some(idle), Some(miss)) if idle + miss > 0.0 => Some(miss / (idle + miss)),
            _ => None,
        };
        fmin(fmax(given.or(costs).unwrap_or(0.9), 0.0), 1.0)
    }
}
