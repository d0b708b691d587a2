//! Ray Serve's settings: a deployment's `autoscaling_config`.

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::Sampling;
use crate::policy::{Finite, PolicySpec};

/// What `strategy: rayServe` needs to know, field for field as `autoscaling_config` of Ray 2.60.
///
/// `minReplicas` is `min_replicas` (default 1), `maxReplicas` is `max_replicas` (default 1).
/// `metrics` holds one External metric, the ongoing requests (running and queued) of the whole
/// deployment; its `averageValue` is `target_ongoing_requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
pub enum TargetCapacityDirection {
    /// Up: `initialReplicas` is the least.
    Up,
    /// Down.
    Down,
}

/// [`RayServeSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct RayServeSettings {
    /// Time between two decisions.
    pub control_loop_interval: Span,
    /// Time between two reports.
    pub metrics_interval: Span,
    /// Over how long requests are averaged.
    pub look_back_period: Span,
}

impl RayServeSettings {
    pub(super) fn from_spec(spec: &PolicySpec) -> Self {
        let absent = RayServeSpec::default();
        let spec = spec.ray_serve.as_deref().unwrap_or(&absent);
        Self {
            control_loop_interval: seconds(spec.control_loop_interval_seconds, 0.1),
            metrics_interval: seconds(spec.metrics_interval_seconds, 10.0),
            look_back_period: seconds(spec.look_back_period_seconds, 30.0),
        }
    }

    /// Handles and replicas count twice a second, keep the look-back period, and report now and then.
    pub(super) fn sampling(&self) -> Sampling {
        const HALF_A_SECOND: Span = Span::from_millis(500);
        Sampling {
            interval: HALF_A_SECOND,
            report_interval: self.metrics_interval.max(HALF_A_SECOND),
            look_back: self.look_back_period,
        }
    }
}

/// To the nearest millisecond, at least one.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn seconds(value: Option<Finite>, default: f64) -> Span {
    let milli = libm::round(value.map_or(default, Finite::get) * 1000.0);
    Span::from_millis((milli as i64).max(1))
}
