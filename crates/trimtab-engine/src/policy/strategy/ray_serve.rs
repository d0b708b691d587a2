//! Ray Serve's settings: a deployment's `autoscaling_config`.

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::{Sampling, load_per_replica};
use crate::policy::{Finite, PolicySpec};
use crate::strategy::ray_serve::{Capacity, Limits, Parameters};

/// What `strategy: rayServe` needs to know, field for field as `autoscaling_config` of Ray 2.60.
///
/// `minReplicas` is `min_replicas` (default 1), `maxReplicas` is `max_replicas` (default 1).
/// `metrics` holds one External metric, the ongoing requests (running and queued) of the whole
/// deployment; its `averageValue` is `target_ongoing_requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RayServeSpec {
    /// The count to begin with. Default: the one that is there, or `minReplicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_replicas: Option<i32>,
    /// For how long more has to be wanted, in seconds. Default 30, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscale_delay_seconds: Option<Finite>,
    /// For how long less has to be wanted, in seconds. Default 600, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downscale_delay_seconds: Option<Finite>,
    /// The same for the last replica. Default: as `downscaleDelaySeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downscale_to_zero_delay_seconds: Option<Finite>,
    /// The share of the way up that one decision goes; above 0. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscaling_factor: Option<Finite>,
    /// The share of the way down that one decision goes; above 0. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downscaling_factor: Option<Finite>,
    /// Over how many seconds requests are averaged; above 0. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_back_period_seconds: Option<Finite>,
    /// How they are averaged. Default `mean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation_function: Option<RayServeAggregation>,
    /// Time between two reports of the handles and replicas, in seconds; above 0. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_interval_seconds: Option<Finite>,
    /// Replicas start and stop in gangs of this many; at least 1. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gang_size: Option<i32>,
    /// The share of the bounds that this cluster takes (`target_capacity`), 0 to 100 percent.
    /// Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_capacity_percentage: Option<Finite>,
    /// Which way the capacity moves. Default: neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_capacity_direction: Option<TargetCapacityDirection>,
    /// Time between two decisions, in seconds; at least 0.001. Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_loop_interval_seconds: Option<Finite>,
}

/// How requests are averaged over the look-back period.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RayServeAggregation {
    /// The mean over time.
    #[default]
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// Which way a `target_capacity` moves.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TargetCapacityDirection {
    /// Up: `initialReplicas` is the least.
    Up,
    /// Down.
    Down,
}

/// [`RayServeSpec`] with the defaults filled in, and what it takes of the policy around it.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec, Strategy, StrategyName};
///
/// let spec = PolicySpec { strategy: StrategyName::RayServe, ..PolicySpec::default() };
/// let policy = Policy::from_stored(spec);
/// let Strategy::RayServe(settings) = policy.strategy() else { return };
/// assert_eq!(settings.parameters.target_ongoing_requests, 2.0); // Ray's default
/// assert_eq!((settings.limits.lower, settings.limits.upper), (1, 1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RayServeSettings {
    /// Time between two decisions.
    pub control_loop_interval: Span,
    /// Time between two reports.
    pub metrics_interval: Span,
    /// Over how long requests are averaged.
    pub look_back_period: Span,
    /// How they are averaged.
    pub aggregation: RayServeAggregation,
    /// How much of the deployment the cluster takes.
    pub capacity: Capacity,
    /// The bounds at that capacity.
    pub limits: Limits,
    /// What the policy looks at.
    pub parameters: Parameters,
}

impl RayServeSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = RayServeSpec::default();
        let spec = policy.ray_serve.as_deref().unwrap_or(&absent);
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let count = |value: i32| value.max(0);
        let min_replicas = count(policy.min_replicas.unwrap_or(1));
        let capacity = Capacity {
            percentage: spec.target_capacity_percentage.map(Finite::get),
            direction: spec.target_capacity_direction,
        };
        let initial = spec.initial_replicas.map(count);
        let downscale_delay = number(spec.downscale_delay_seconds, 600.0);
        let to_zero = spec.downscale_to_zero_delay_seconds;
        let parameters = Parameters {
            target_ongoing_requests: load_per_replica(policy).unwrap_or(DEFAULT_TARGET),
            upscaling_factor: number(spec.upscaling_factor, 1.0),
            downscaling_factor: number(spec.downscaling_factor, 1.0),
            upscale_delay: number(spec.upscale_delay_seconds, 30.0),
            downscale_delay,
            downscale_to_zero_delay: number(to_zero, downscale_delay),
            gang_size: spec.gang_size.unwrap_or(1),
            min_replicas,
        };
        Self {
            aggregation: spec.aggregation_function.unwrap_or_default(),
            capacity,
            limits: Limits::new(min_replicas, count(policy.max_replicas), initial, capacity),
            parameters,
            control_loop_interval: seconds(spec.control_loop_interval_seconds, 0.1),
            metrics_interval: seconds(spec.metrics_interval_seconds, 10.0),
            look_back_period: seconds(spec.look_back_period_seconds, 30.0),
        }
    }

    /// Handles and replicas count five times in a look-back period, or each time that they report if
    /// that is more often.
    pub(super) fn sampling(&self) -> Sampling {
        let fifth = Span::from_millis((self.look_back_period.as_millis() / 5).max(1));
        Sampling {
            interval: fifth.min(self.metrics_interval),
            report_interval: self.metrics_interval,
            look_back: self.look_back_period,
        }
    }
}

/// `target_ongoing_requests`
const DEFAULT_TARGET: f64 = 2.0;

/// To the nearest millisecond, at least one.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn seconds(value: Option<Finite>, default: f64) -> Span {
    let milli = libm::round(value.map_or(default, Finite::get) * 1000.0);
    Span::from_millis((milli as i64).max(1))
}
