//! Knative's settings: the `autoscaling.knative.dev/` annotations and `config-autoscaler`.

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::{Sampling, load_per_replica};
use crate::float::from_i64;
use crate::policy::{Finite, PolicySpec};
use crate::strategy::knative::{AutoscalerSettings, ScaleToZeroSettings};

/// What `strategy: knative` needs to know; names are those of the annotations and of
/// `config-autoscaler`, with units.
///
/// `minReplicas` is `min-scale` (default 0), `maxReplicas` is `max-scale` (0 or absent: no limit).
/// `metrics` holds one External metric, the concurrency or the requests per second of the whole
/// service; its `averageValue` is what one replica may have in all (`target`, or
/// `containerConcurrency` where that is less).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnativeSpec {
    /// The share of `averageValue` that a replica should have, in percent, 1 to 100. Default 70.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_utilization_percentage: Option<Finite>,
    /// The window of the calm average, 6 to 3600 s. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_window_seconds: Option<i32>,
    /// The panic window in percent of the stable one, 1 to 100. Default 10. It is at least 1 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_window_percentage: Option<Finite>,
    /// Panic begins when this percentage of the ready replicas is wanted, 110 to 1000. Default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_threshold_percentage: Option<Finite>,
    /// At most this many times the ready replicas in one tick; above 1. Default 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_scale_up_rate: Option<Finite>,
    /// At least the ready replicas divided by this in one tick; above 1. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_scale_down_rate: Option<Finite>,
    /// How many requests more than now the replicas should be able to take before the activator
    /// buffers; -1 keeps it in the path always, 0 only at zero replicas. Default 211.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_burst_capacity: Option<Finite>,
    /// The least count that any demand at all leads to. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_scale: Option<i32>,
    /// The count that a new revision has to reach once. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_scale: Option<i32>,
    /// For how long a lower count has to be wanted, 0 to 3600 s, in steps of 2 s. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down_delay_seconds: Option<i32>,
    /// Whether the count may go to 0. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_scale_to_zero: Option<bool>,
    /// How long the activator has been in the path before the last replica goes. Default 30, at
    /// least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to_zero_grace_period_seconds: Option<i32>,
    /// How long the last replica stays at least once there is no traffic. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to_zero_pod_retention_period_seconds: Option<i32>,
    /// How long a revision may take to become ready before it is given up (`progress-deadline`).
    /// Default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline_seconds: Option<i32>,
    /// How samples are averaged over the windows. Default `linear`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<KnativeAggregation>,
    /// Whether a route sends traffic to the revision. Without, `minReplicas` does not count and the
    /// scale-down rate neither. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// Time between two decisions, in seconds. Default 2, as in Knative, where it is fixed; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_interval_seconds: Option<i32>,
}

/// How samples are averaged over a window.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum KnativeAggregation {
    /// Every second counts the same.
    #[default]
    Linear,
    /// The last seconds count most (`weighted-exponential`).
    WeightedExponential,
}

/// [`KnativeSpec`] with the defaults filled in, and what it takes of the policy around it.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec, Strategy, StrategyName};
///
/// let spec = PolicySpec { strategy: StrategyName::Knative, ..PolicySpec::default() };
/// let policy = Policy::from_stored(spec);
/// let Strategy::Knative(settings) = policy.strategy() else { return };
/// assert_eq!(settings.autoscaler.target, 70.0); // of 100 requests at once, Knative's default
/// assert_eq!(settings.panic_window.to_string(), "6s");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct KnativeSettings {
    /// Time between two decisions.
    pub tick_interval: Span,
    /// How samples are averaged.
    pub aggregation: KnativeAggregation,
    /// The window of the average that panic goes by, in whole seconds.
    pub panic_window: Span,
    /// What the autoscaler knows.
    pub autoscaler: AutoscalerSettings,
    /// What the reconciler knows.
    pub scale_to_zero: ScaleToZeroSettings,
}

impl KnativeSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = KnativeSpec::default();
        let spec = policy.knative.as_deref().unwrap_or(&absent);
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let total = load_per_replica(policy).unwrap_or(DEFAULT_TOTAL);
        let target = total * (number(spec.target_utilization_percentage, 70.0) / 100.0);
        let autoscaler = AutoscalerSettings {
            max_scale_up_rate: number(spec.max_scale_up_rate, 1000.0),
            max_scale_down_rate: number(spec.max_scale_down_rate, 2.0),
            target: if target < LEAST_TARGET { LEAST_TARGET } else { target },
            total,
            target_burst_capacity: number(spec.target_burst_capacity, 211.0),
            panic_threshold: number(spec.panic_threshold_percentage, 200.0) / 100.0,
            stable_window: seconds(spec.stable_window_seconds, 60),
            scale_down_delay: seconds(spec.scale_down_delay_seconds, 0),
            reachable: spec.reachable.unwrap_or(true),
            activation_scale: spec.activation_scale.unwrap_or(1),
        };
        let scale_to_zero = ScaleToZeroSettings {
            min_scale: policy.min_replicas.unwrap_or(0),
            max_scale: policy.max_replicas,
            initial_scale: spec.initial_scale.unwrap_or(1),
            reachable: autoscaler.reachable,
            enabled: spec.enable_scale_to_zero.unwrap_or(true),
            stable_window: autoscaler.stable_window,
            progress_deadline: seconds(spec.progress_deadline_seconds, 600),
            target_burst_capacity: autoscaler.target_burst_capacity,
            grace_period: seconds(spec.scale_to_zero_grace_period_seconds, 30),
            pod_retention: seconds(spec.scale_to_zero_pod_retention_period_seconds, 0),
        };
        let panic_percentage = number(spec.panic_window_percentage, 10.0);
        Self {
            tick_interval: seconds(spec.tick_interval_seconds, 2),
            aggregation: spec.aggregation.unwrap_or_default(),
            panic_window: panic_window(autoscaler.stable_window, panic_percentage),
            autoscaler,
            scale_to_zero,
        }
    }

    /// Knative scrapes every second and records at once.
    pub(super) fn sampling(&self) -> Sampling {
        const SECOND: Span = Span::from_secs(1);
        Sampling { interval: SECOND, report_interval: SECOND, look_back: self.tick_interval }
    }
}

/// `container-concurrency-target-default`
const DEFAULT_TOTAL: f64 = 100.0;
/// No replica should have less of the load than this.
const LEAST_TARGET: f64 = 0.01;

/// A share of the stable window, to the nearest second, at least one. Knative takes it in nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "saturates, as it should")]
fn panic_window(stable: Span, percentage: f64) -> Span {
    const NANOS: f64 = 1e6;
    let nanos = libm::trunc(from_i64(stable.as_millis()) * NANOS * percentage / 100.0);
    let seconds = libm::round(nanos / (1000.0 * NANOS)) as i64;
    Span::from_secs(seconds.max(1))
}
