//! The form of the vectors. Times are seconds since the Unix epoch.

use std::collections::BTreeMap;

use serde::Deserialize;
use trimtab_engine::strategy::ray_serve::Sample;
use trimtab_engine::{RayServeAggregation, TargetCapacityDirection};

/// A deployment and what happens to it.
#[derive(Deserialize)]
pub(in crate::conform) struct Case {
    pub(super) mode: Mode,
    pub(super) config: Config,
    pub(super) gang_size: i32,
    pub(super) target_capacity: Option<f64>,
    target_capacity_direction: Option<Direction>,
    pub(super) target_before_register: i32,
    pub(super) target_after_register: i32,
    pub(super) steps: Vec<Step>,
}

/// Where the load comes from.
#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// The total is given.
    Direct,
    /// A user's policy gives the count.
    Custom,
    /// The total is aggregated from reports.
    Reports,
}

/// `autoscaling_config`
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) min_replicas: i32,
    pub(super) max_replicas: i32,
    pub(super) initial_replicas: Option<i32>,
    pub(super) target_ongoing_requests: f64,
    pub(super) upscale_delay_s: f64,
    pub(super) downscale_delay_s: f64,
    pub(super) downscale_to_zero_delay_s: Option<f64>,
    pub(super) upscaling_factor: Option<f64>,
    pub(super) downscaling_factor: Option<f64>,
    #[serde(default)]
    pub(super) look_back_period_s: Option<f64>,
    pub(super) aggregation_function: RayServeAggregation,
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Direction {
    Up,
    Down,
}

/// One tick of the control loop.
#[derive(Deserialize)]
pub(super) struct Step {
    #[serde(rename = "in")]
    pub(super) input: Input,
    pub(super) out: Output,
}

/// What the controller sees.
#[derive(Deserialize)]
pub(super) struct Input {
    pub(super) t: f64,
    pub(super) target: i32,
    pub(super) running: i32,
    #[serde(default)]
    pub(super) total_requests: Option<f64>,
    #[serde(default)]
    pub(super) policy_desired: Option<f64>,
    #[serde(default)]
    pub(super) running_ids: Vec<String>,
    #[serde(default)]
    pub(super) reports: Vec<Report>,
}

/// What it makes of that.
#[derive(Deserialize)]
pub(super) struct Output {
    pub(super) total: f64,
    pub(super) raw: i32,
    pub(super) decision: i32,
    pub(super) counter: i32,
    pub(super) since: Option<f64>,
}

/// A report that came in just before the tick: by whom, made when, of what.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Report {
    /// A client's side.
    Handle { id: String, t: f64, queued: Series, running: BTreeMap<String, Series> },
    /// A replica.
    Replica { id: String, t: f64, running: Series },
}

/// Pairs of a time and a count.
#[derive(Deserialize)]
pub(super) struct Series(Vec<(f64, f64)>);

impl Case {
    pub(super) fn target_capacity_direction(&self) -> Option<TargetCapacityDirection> {
        self.target_capacity_direction.map(|direction| match direction {
            Direction::Up => TargetCapacityDirection::Up,
            Direction::Down => TargetCapacityDirection::Down,
        })
    }
}

impl Series {
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.0.iter().map(|&(at, value)| Sample { at, value }).collect()
    }
}
