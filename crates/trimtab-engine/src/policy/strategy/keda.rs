//! KEDA's settings: what a `ScaledObject` has beside its triggers.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use crate::policy::{Finite, HpaSettings, PolicySpec};

/// What `strategy: keda` needs to know, field for field as a `ScaledObject` has it, with units in
/// the names.
///
/// `minReplicas` is KEDA's `minReplicaCount` (default 0) and `maxReplicas` its `maxReplicaCount`
/// (default 100). Every trigger is a metric in `metrics`, External with `Value` or `AverageValue`,
/// or a Resource; `behavior` is `advanced.horizontalPodAutoscalerConfig.behavior`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaSpec {
    /// Time between two looks at the triggers, in seconds. Default 30, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polling_interval_seconds: Option<i32>,
    /// How long no trigger has been active before the workload goes to 0 (or idle), in seconds.
    /// Default 300, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_period_seconds: Option<i32>,
    /// The same for a workload that was never active, from its first observation on. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_cooldown_period_seconds: Option<i32>,
    /// How many replicas there are while no trigger is active; less than `minReplicas`. Default:
    /// unset, which means 0 where `minReplicas` is 0 and no idling otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_replica_count: Option<i32>,
    /// What a trigger has beside its metric and target, in the order of `metrics`. Those that are
    /// not there have the defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<KedaTriggerSpec>,
    /// How many replicas there are while a trigger cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackSpec>,
    /// One metric made of several by a formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_modifiers: Option<ScalingModifiersSpec>,
    /// Annotation `autoscaling.keda.sh/paused`: nothing is scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Annotation `autoscaling.keda.sh/paused-replicas`: this many, and nothing else is scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_replicas: Option<i32>,
    /// Annotation `autoscaling.keda.sh/paused-scale-in`: never fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_scale_in: Option<bool>,
    /// Annotation `autoscaling.keda.sh/paused-scale-out`: never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_scale_out: Option<bool>,
    /// Annotation `autoscaling.keda.sh/force-activation`: as if a trigger were always active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_activation: Option<bool>,
}

/// What a trigger has beside its metric and target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KedaTriggerSpec {
    /// What the formula calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The trigger is active while its value is above this. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_threshold: Option<Finite>,
}

/// How many replicas there are while a trigger cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FallbackSpec {
    /// More failed reads in a row than this, and the fallback begins. At least 0.
    pub failure_threshold: i32,
    /// The count. At least 0.
    pub replicas: i32,
    /// What the count is compared with. Default `static`.
    #[serde(default)]
    pub behavior: FallbackBehavior,
}

/// What the count of the fallback is compared with.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FallbackBehavior {
    /// Nothing: `replicas`.
    #[default]
    Static,
    /// The current count instead of `replicas`.
    CurrentReplicas,
    /// The larger of the current count and `replicas`.
    CurrentReplicasIfHigher,
    /// The smaller of the current count and `replicas`.
    CurrentReplicasIfLower,
    /// The trigger is nil in the formula, which decides; a formula that is nil means `replicas`.
    ScalingModifiers,
}

/// One metric made of several by a formula.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingModifiersSpec {
    /// The formula over the names of the triggers; see `Formula`.
    pub formula: String,
    /// What its result should be, a number as text: KEDA looks at how it is written.
    pub target: String,
    /// The workload is active while the result is above this, a number as text. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_target: Option<String>,
    /// `AverageValue` (default) or `Value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_type: Option<String>,
}

/// [`KedaSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct KedaSettings {
    /// Time between two looks at the triggers.
    pub polling_interval: Span,
}

impl KedaSettings {
    pub(super) fn from_spec(spec: &PolicySpec) -> Self {
        let absent = KedaSpec::default();
        let spec = spec.keda.as_ref().unwrap_or(&absent);
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        Self { polling_interval: seconds(spec.polling_interval_seconds, 30) }
    }

    /// The longest time of which both the polling interval and the HPA's sync period are multiples.
    pub(super) fn period(&self, hpa: &HpaSettings) -> Span {
        let (mut a, mut b) = (self.polling_interval.as_millis(), hpa.sync_period.as_millis());
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Span::from_millis(a.max(1))
    }
}
