//! KEDA's settings: what a `ScaledObject` has beside its triggers.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::float::to_i64;
use crate::policy::{
    BehaviorSpec, ExternalMetricSource, Finite, HpaSettings, MetricIdentifier, MetricSpec,
    MetricTarget, Policy, PolicySpec, ScalingRulesSpec,
};
use crate::strategy::keda::{ExecutorSettings, Formula};

/// What KEDA calls the metric that a formula makes.
const COMPOSITE: &str = "composite-metric";

/// What `strategy: keda` needs to know, field for field as a `ScaledObject` has it, with units in
/// the names.
///
/// `minReplicas` is KEDA's `minReplicaCount` (default 0) and `maxReplicas` its `maxReplicaCount`
/// (default 100). Every trigger is a metric in `metrics`, External with `Value` or `AverageValue`,
/// or a Resource; `behavior` is `advanced.horizontalPodAutoscalerConfig.behavior`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KedaTriggerSpec {
    /// What the formula calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The trigger is active while its value is above this. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_threshold: Option<Finite>,
    /// The HPA gets what the last poll of the executor read. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_cached_metrics: Option<bool>,
}

/// How many replicas there are while a trigger cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

/// [`KedaSpec`] with the defaults filled in, and the HPA that KEDA generates.
#[derive(Clone, Debug, PartialEq)]
pub struct KedaSettings {
    /// Time between two looks at the triggers.
    pub polling_interval: Span,
    /// When the executor moves, and where to.
    pub executor: ExecutorSettings,
    /// One for each metric of the policy, in its order.
    pub triggers: Vec<KedaTrigger>,
    /// What stands in for a trigger that cannot be read; nothing where KEDA disables it.
    pub fallback: Option<FallbackSpec>,
    /// The composite metric.
    pub modifiers: Option<KedaModifiers>,
    /// What the annotations stop.
    pub pause: KedaPause,
    /// The HPA that KEDA generates: at least one replica, the triggers or the composite metric.
    pub generated: Policy,
    /// Which of the policy's metrics those of the generated HPA are, by place. The composite metric
    /// has the place after the last.
    pub places: Vec<u32>,
}

/// What a trigger is to KEDA.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct KedaTrigger {
    /// The executor looks at it. The metrics of the pods are the HPA's alone.
    pub external: bool,
    /// It is active while its value is above this.
    pub activation_threshold: f64,
    /// The HPA gets what the last poll read.
    pub use_cached_metrics: bool,
}

/// The composite metric.
#[derive(Clone, Debug, PartialEq)]
pub struct KedaModifiers {
    /// The formula over the external triggers, in their order; nothing where KEDA can't compile it.
    pub formula: Option<Formula>,
    /// What its result should be.
    pub target: f64,
    /// The workload is active while the result is above this.
    pub activation_target: f64,
    /// The target is for the whole, not for each replica.
    pub is_value: bool,
}

/// What annotations stop.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct KedaPause {
    /// Everything.
    pub paused: bool,
    /// Everything, once there are this many.
    pub replicas: Option<i32>,
    /// The way down.
    pub scale_in: bool,
    /// The way up.
    pub scale_out: bool,
}

impl KedaSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = KedaSpec::default();
        let spec = policy.keda.as_deref().unwrap_or(&absent);
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        let metrics = policy.metrics.as_deref().unwrap_or_default();
        let modifiers = spec.scaling_modifiers.as_ref();
        let flag = |value: Option<bool>| value.unwrap_or(false);
        let pause = KedaPause {
            paused: flag(spec.paused) || spec.paused_replicas.is_some(),
            replicas: spec.paused_replicas,
            scale_in: flag(spec.paused_scale_in),
            scale_out: flag(spec.paused_scale_out),
        };
        let executor = ExecutorSettings {
            min: policy.min_replicas.unwrap_or(0),
            idle: spec.idle_replica_count,
            cooldown: seconds(spec.cooldown_period_seconds, 300),
            initial_cooldown: seconds(spec.initial_cooldown_period_seconds, 0),
            fallback_replicas: spec.fallback.as_ref().map(|fallback| fallback.replicas),
            force_activation: flag(spec.force_activation),
            pause_scale_in: pause.scale_in,
            pause_scale_out: pause.scale_out,
        };
        let (generated, places) = generated_hpa(policy, spec, pause);
        Self {
            polling_interval: seconds(spec.polling_interval_seconds, 30),
            executor,
            triggers: triggers(spec, metrics),
            fallback: spec.fallback.clone().filter(|it| it.is_valid(modifiers)),
            modifiers: modifiers.map(|it| KedaModifiers::from_spec(it, spec, metrics)),
            pause,
            generated,
            places,
        }
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

impl FallbackSpec {
    /// KEDA takes a fallback beside a formula only if the formula's target is written as a whole
    /// number above 0; any other silently disables it.
    pub fn is_valid(&self, modifiers: Option<&ScalingModifiersSpec>) -> bool {
        let whole = |text: &str| text.parse::<i64>().is_ok_and(|target| target > 0);
        self.failure_threshold >= 0
            && self.replicas >= 0
            && modifiers.is_none_or(|modifiers| whole(&modifiers.target))
    }
}

impl KedaModifiers {
    fn from_spec(
        modifiers: &ScalingModifiersSpec,
        spec: &KedaSpec,
        metrics: &[MetricSpec],
    ) -> Self {
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let names = formula_names(spec, metrics);
        Self {
            formula: Formula::parse(&modifiers.formula, &names).ok(),
            target: number(&modifiers.target).unwrap_or(0.0),
            activation_target: modifiers
                .activation_target
                .as_deref()
                .and_then(number)
                .unwrap_or(0.0),
            is_value: modifiers.metric_type.as_deref() == Some("Value"),
        }
    }

    /// What the generated HPA has instead of the triggers.
    fn metric(&self) -> MetricSpec {
        let target = Quantity::from_milli(to_i64(self.target * 1000.0));
        let target = match self.is_value {
            true => MetricTarget {
                type_: String::from("Value"),
                value: Some(target),
                ..MetricTarget::default()
            },
            false => MetricTarget {
                type_: String::from("AverageValue"),
                average_value: Some(target),
                ..MetricTarget::default()
            },
        };
        let metric = MetricIdentifier { name: String::from(COMPOSITE), selector: None };
        MetricSpec {
            type_: String::from("External"),
            external: Some(ExternalMetricSource { metric, target }),
            ..MetricSpec::default()
        }
    }
}

fn triggers(spec: &KedaSpec, metrics: &[MetricSpec]) -> Vec<KedaTrigger> {
    let own = |place: usize| spec.triggers.get(place);
    let trigger = |(place, metric): (usize, &MetricSpec)| KedaTrigger {
        external: metric.external.is_some(),
        activation_threshold: own(place)
            .and_then(|trigger| trigger.activation_threshold)
            .map_or(0.0, Finite::get),
        use_cached_metrics: own(place).is_some_and(|it| it.use_cached_metrics == Some(true)),
    };
    metrics.iter().enumerate().map(trigger).collect()
}

/// What the formula calls the external triggers, in their order; nothing where one has no name.
pub(in crate::policy) fn formula_names<'a>(
    spec: &'a KedaSpec,
    metrics: &[MetricSpec],
) -> Vec<&'a str> {
    let named = |(place, _): (usize, &MetricSpec)| {
        spec.triggers.get(place).and_then(|trigger| trigger.name.as_deref()).unwrap_or_default()
    };
    let external = metrics.iter().enumerate().filter(|(_, metric)| metric.external.is_some());
    external.map(named).collect()
}

/// The HPA that KEDA generates, with the places of its metrics in the policy.
///
/// Its metrics are sorted by their type, those of a type in the order of the triggers. With a formula
/// only the resources of whole pods stay, and the composite metric comes last.
fn generated_hpa(policy: &PolicySpec, spec: &KedaSpec, pause: KedaPause) -> (Policy, Vec<u32>) {
    let given = policy.metrics.as_deref().unwrap_or_default();
    let mut metrics: Vec<(u32, MetricSpec)> = (0..).zip(given.iter().cloned()).collect();
    let after_the_last = u32::try_from(given.len()).unwrap_or(u32::MAX);
    metrics.sort_by(|(_, a), (_, b)| a.type_.cmp(&b.type_));
    if let Some(modifiers) = &spec.scaling_modifiers {
        metrics.retain(|(_, metric)| metric.resource.is_some());
        let composite = KedaModifiers::from_spec(modifiers, spec, given).metric();
        metrics.push((after_the_last, composite));
    }
    let (places, metrics) = metrics.into_iter().unzip();
    let generated = PolicySpec {
        scale_target_ref: policy.scale_target_ref.clone(),
        min_replicas: Some(policy.min_replicas.unwrap_or(0).max(1)),
        max_replicas: policy.max_replicas,
        metrics: Some(metrics),
        behavior: paused_behavior(policy.behavior.clone(), pause),
        hpa: policy.hpa.clone(),
        ..PolicySpec::default()
    };
    (Policy::from_stored(generated), places)
}

/// A direction that is paused is switched off in the generated HPA's `behavior`, which is made for it
/// if there is none.
fn paused_behavior(behavior: Option<BehaviorSpec>, pause: KedaPause) -> Option<BehaviorSpec> {
    let disable = |rules: Option<ScalingRulesSpec>| {
        let rules = rules.unwrap_or_default();
        Some(ScalingRulesSpec { select_policy: Some(String::from("Disabled")), ..rules })
    };
    if !pause.scale_in && !pause.scale_out {
        return behavior;
    }
    let BehaviorSpec { mut scale_up, mut scale_down } = behavior.unwrap_or_default();
    if pause.scale_in {
        scale_down = disable(scale_down);
    }
    if pause.scale_out {
        scale_up = disable(scale_up);
    }
    Some(BehaviorSpec { scale_up, scale_down })
}
