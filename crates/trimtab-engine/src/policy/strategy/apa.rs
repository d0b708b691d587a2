//! APA's settings: the annotations and windows of AIBrix's `PodAutoscaler`.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::policy::{Finite, MetricSpec, MetricTarget, PolicySpec};
use crate::strategy::apa::Rates;

/// What `strategy: apa` needs to know; names are those of AIBrix's annotations and of a
/// `PodAutoscaler`, with units.
///
/// Each metric is a source of AIBrix with its target value: Pods, Resource and ContainerResource
/// metrics (`pod`, `custom`, `resource`) by `averageValue`, External and Object metrics (`external`,
/// `domain`) by `value`, undivided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApaSpec {
    /// More than this above the target, as a share of it, asks for more; at least 0. Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up_tolerance: Option<Finite>,
    /// More than this below the target, as a share of it, asks for fewer; at least 0. Default 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down_tolerance: Option<Finite>,
    /// At most this many times the current count at once; above 0. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_scale_up_rate: Option<Finite>,
    /// At least the current count divided by this at once; above 0. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_scale_down_rate: Option<Finite>,
    /// The largest recommendation of this long counts on the way up, in seconds, 0 to 3600.
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up_cooldown_window_seconds: Option<i32>,
    /// The smallest recommendation of this long counts on the way down, in seconds, 0 to 3600.
    /// Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down_cooldown_window_seconds: Option<i32>,
    /// Over how long a metric is averaged, in seconds, 1 to 3600. Default 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe_window_seconds: Option<i32>,
    /// Time between two decisions, in seconds, at least 1. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync_interval_seconds: Option<i32>,
}

/// [`ApaSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ApaSettings {
    /// Tolerances and limits of one decision.
    pub rates: Rates,
    /// The window of recommendations on the way up.
    pub up_cooldown: Span,
    /// The window of recommendations on the way down.
    pub down_cooldown: Span,
    /// Over how long a metric is averaged.
    pub observe_window: Span,
    /// Time between two decisions.
    pub resync_interval: Span,
    /// What each metric should be, in the order of the policy; 0 where it can't be held against one.
    pub targets: Vec<f64>,
}

impl ApaSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = ApaSpec::default();
        let spec = policy.apa.as_deref().unwrap_or(&absent);
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        let rates = Rates::default();
        Self {
            rates: Rates {
                up_tolerance: number(spec.scale_up_tolerance, rates.up_tolerance),
                down_tolerance: number(spec.scale_down_tolerance, rates.down_tolerance),
                max_up: number(spec.max_scale_up_rate, rates.max_up),
                max_down: number(spec.max_scale_down_rate, rates.max_down),
            },
            up_cooldown: seconds(spec.scale_up_cooldown_window_seconds, 0),
            down_cooldown: seconds(spec.scale_down_cooldown_window_seconds, 300),
            observe_window: seconds(spec.observe_window_seconds, 180),
            resync_interval: seconds(spec.resync_interval_seconds, 10),
            targets: policy.metrics.iter().flatten().map(target_value).collect(),
        }
    }
}

/// The target value of a source.
fn target_value(metric: &MetricSpec) -> f64 {
    let average = |target: &MetricTarget| target.average_value.clone();
    let value = |target: &MetricTarget| target.value.clone();
    let target = match metric.type_.as_str() {
        "Pods" => metric.pods.as_ref().and_then(|metric| average(&metric.target)),
        "Resource" => metric.resource.as_ref().and_then(|metric| average(&metric.target)),
        "ContainerResource" => {
            metric.container_resource.as_ref().and_then(|metric| average(&metric.target))
        }
        "Object" => metric.object.as_ref().and_then(|metric| value(&metric.target)),
        "External" => metric.external.as_ref().and_then(|metric| value(&metric.target)),
        _ => None,
    };
    target.map_or(0.0, |target| nearest(&target))
}

/// The number nearest to a quantity of whole thousandths, as if it were written as a decimal.
fn nearest(quantity: &Quantity) -> f64 {
    let milli = quantity.milli();
    if Quantity::from_milli(milli) == *quantity {
        crate::float::from_i64(milli) / 1000.0
    } else {
        quantity.approx_f64()
    }
}
