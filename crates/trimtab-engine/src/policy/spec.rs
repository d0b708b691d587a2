//! How a policy is written: the `spec` of a `ScalingPolicy` document, field for field.
//!
//! Where `autoscaling/v2` has a field, the name, the shape and the default are the
//! HorizontalPodAutoscaler's. Nothing here is checked: [`Policy::new`](crate::Policy::new) does
//! that, so these types hold wrong policies as well as right ones.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Timestamp};

use super::{
    AnticipateSpec, ApaSpec, Finite, KedaSpec, KnativeSpec, RayServeSpec, ScheduleSpec, SloSpec,
    StrategyName, WvaSpec,
};
use super::{RedundancySpec, SupplySpec};
use super::{RetireSpec, WarmPoolSpec};

/// The `spec` of a `ScalingPolicy`, as written and before any check.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let spec: PolicySpec = serde_json::from_str(
///     r#"{
///         "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "strategy": "hpa",
///         "minReplicas": 2,
///         "maxReplicas": 20,
///         "metrics": [{
///             "type": "Pods",
///             "pods": {
///                 "metric": {"name": "requests_waiting"},
///                 "target": {"type": "AverageValue", "averageValue": "4"}
///             }
///         }]
///     }"#,
/// )?;
/// let policy = Policy::new(spec)?;
/// assert_eq!(policy.bounds().max, 20);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PolicySpec {
    /// What is scaled. Has to name a resource with a `scale` subresource.
    #[serde(default)]
    pub scale_target_ref: CrossVersionObjectReference,
    /// Which rule turns load into a wanted count. Default: `hpa`.
    #[serde(default)]
    pub strategy: StrategyName,
    /// Fewest replicas. Default 1; under `keda`, `knative` and, if it scales to zero, `wva` 0. Under
    /// `hpa`, 0 needs the `HPAScaleToZero` gate and an Object or External metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,
    /// Most replicas, at least 1 and at least `minReplicas`. Required, but for these defaults: 100
    /// under `keda`, 1 under `rayServe`, and no limit (0) under `knative`.
    #[serde(default)]
    pub max_replicas: i32,
    /// What is measured and what each measure should be. Default: CPU at 80 % of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,
    /// How fast the count may move. Absent is **not** the same as `{}`: absent selects the HPA's
    /// older path with a fixed rate limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<BehaviorSpec>,
    /// Ways in which the count does not move, whatever the strategy wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseSpec>,
    /// A count that is set by hand, for some time.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub manual_override: Option<OverrideSpec>,
    /// Replicas that stand by. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_pool: Option<Box<WarmPoolSpec>>,
    /// How replicas leave. Default: the count falls at once, and whoever carries it out sees to the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire: Option<Box<RetireSpec>>,
    /// Bounds that hold at certain times. Their fewest replicas are ready when the time comes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ScheduleSpec>,
    /// How far the decision looks ahead. Absent: not at all, but as the strategy does itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anticipate: Option<Box<AnticipateSpec>>,
    /// What a cluster sets for all its HorizontalPodAutoscalers by flags and feature gates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hpa: Option<HpaSpec>,
    /// What `strategy: keda` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keda: Option<Box<KedaSpec>>,
    /// What `strategy: knative` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knative: Option<Box<KnativeSpec>>,
    /// What `strategy: rayServe` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ray_serve: Option<Box<RayServeSpec>>,
    /// What `strategy: slo` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Box<SloSpec>>,
    /// What `strategy: wva` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wva: Option<Box<WvaSpec>>,
    /// What `strategy: apa` needs to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apa: Option<Box<ApaSpec>>,
    /// Where nodes come from, and how many replicas may wait for one. Default: nobody asks for nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supply: Option<Box<SupplySpec>>,
    /// How many failure domains may be lost. Default: nobody asks where replicas run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redundancy: Option<RedundancySpec>,
}

/// What a later release adds counts only where it is set, so that a policy keeps its digest.
impl Hash for PolicySpec {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            scale_target_ref,
            strategy,
            min_replicas,
            max_replicas,
            metrics,
            behavior,
            pause,
            manual_override,
            warm_pool,
            retire,
            schedules,
            anticipate,
            hpa,
            keda,
            knative,
            ray_serve,
            slo,
            wva,
            apa,
            supply,
            redundancy,
        } = self;
        (scale_target_ref, min_replicas, max_replicas).hash(hasher);
        (metrics, behavior, hpa).hash(hasher);
        if *strategy != StrategyName::Hpa {
            strategy.as_str().hash(hasher);
        }
        pause.iter().for_each(|pause| pause.hash(hasher));
        manual_override.iter().for_each(|given| given.hash(hasher));
        warm_pool.iter().for_each(|pool| pool.hash(hasher));
        retire.iter().for_each(|retire| retire.hash(hasher));
        schedules.iter().for_each(|schedule| schedule.hash(hasher));
        anticipate.iter().for_each(|anticipate| anticipate.hash(hasher));
        keda.iter().for_each(|keda| keda.hash(hasher));
        knative.iter().for_each(|knative| knative.hash(hasher));
        ray_serve.iter().for_each(|ray_serve| ray_serve.hash(hasher));
        slo.iter().for_each(|slo| slo.hash(hasher));
        wva.iter().for_each(|wva| wva.hash(hasher));
        apa.iter().for_each(|apa| apa.hash(hasher));
        // Named, so that the one is never taken for the other.
        supply.iter().for_each(|supply| ("supply", supply).hash(hasher));
        redundancy.iter().for_each(|redundancy| ("redundancy", redundancy).hash(hasher));
    }
}

/// Ways in which the count does not move. The bounds count as before: a pause of scaling down also keeps
/// a count that is above `maxReplicas`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PauseSpec {
    /// It does not rise. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scale_up: bool,
    /// It does not fall. Default false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub scale_down: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A count that is set by hand, for some time; windows, rate limits and `minReplicas` do not hold it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OverrideSpec {
    /// The count, from 0 to `maxReplicas`.
    pub replicas: i32,
    /// From then on the strategy decides again.
    pub until: Timestamp,
}

/// A reference to one object by API version, kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CrossVersionObjectReference {
    /// Group and version, such as `apps/v1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind, such as `Deployment`.
    #[serde(default)]
    pub kind: String,
    /// Name of the object.
    #[serde(default)]
    pub name: String,
}

/// One metric and its target. Exactly the field that `type` names has to be set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricSpec {
    /// `Resource`, `ContainerResource`, `Pods`, `Object` or `External`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// For `Object`: a value that describes one Kubernetes object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectMetricSource>,
    /// For `Pods`: a value per pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsMetricSource>,
    /// For `Resource`: a resource that pods request, such as `cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceMetricSource>,
    /// For `ContainerResource`: the same of one container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_resource: Option<ContainerResourceMetricSource>,
    /// For `External`: values from outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMetricSource>,
}

/// A metric of one Kubernetes object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ObjectMetricSource {
    /// The object that the metric describes.
    #[serde(default)]
    pub described_object: CrossVersionObjectReference,
    /// What the metric should be: `Value` or `AverageValue`.
    #[serde(default)]
    pub target: MetricTarget,
    /// Which metric.
    #[serde(default)]
    pub metric: MetricIdentifier,
}

/// A metric with one value per pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PodsMetricSource {
    /// Which metric.
    #[serde(default)]
    pub metric: MetricIdentifier,
    /// What its average over the pods should be: `AverageValue`.
    #[serde(default)]
    pub target: MetricTarget,
}

/// A resource metric, summed over the containers of each pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceMetricSource {
    /// The resource: `cpu`, `memory`, or any other that pods request.
    #[serde(default)]
    pub name: String,
    /// `Utilization` (percent of the request) or `AverageValue`.
    #[serde(default)]
    pub target: MetricTarget,
}

/// A resource metric of one container of each pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ContainerResourceMetricSource {
    /// The resource.
    #[serde(default)]
    pub name: String,
    /// `Utilization` (percent of the request) or `AverageValue`.
    #[serde(default)]
    pub target: MetricTarget,
    /// The container.
    #[serde(default)]
    pub container: String,
}

/// A metric from outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExternalMetricSource {
    /// Which metric.
    #[serde(default)]
    pub metric: MetricIdentifier,
    /// `Value` (of the sum) or `AverageValue` (of the sum over the replicas).
    #[serde(default)]
    pub target: MetricTarget,
}

/// A metric by name and labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricIdentifier {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Labels that narrow it down. An adapter applies them; the decision does not look at them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// A Kubernetes label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabelSelector {
    /// Labels that have to be equal.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions; all have to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// One condition on a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabelSelectorRequirement {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What a metric should be.
///
/// The API server does not check that `type` agrees with the field that is set; for Object metrics
/// the decision does, and treats a disagreement as a failing metric.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricTarget {
    /// `Utilization`, `Value` or `AverageValue`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// The target of the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,
    /// The target of the average over the replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
    /// The target in whole percent of what the pods request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_utilization: Option<i32>,
}

/// How fast the count may move, per direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BehaviorSpec {
    /// Rules for more replicas. Default: no window, the larger of 4 pods and 100 % every 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRulesSpec>,
    /// Rules for fewer replicas. Default: the cluster's window, 100 % every 15 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRulesSpec>,
}

/// The rules of one direction. Each field that is absent takes its own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScalingRulesSpec {
    /// For how long a recommendation has to hold, 0 to 3600 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stabilization_window_seconds: Option<i32>,
    /// `Max` (default), `Min` or `Disabled`: which of the policies counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<String>,
    /// The rate limits. Given, they replace the default ones as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<ScalingPolicyRule>>,
    /// How far off target the load may be before it counts. Default: the cluster's tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Quantity>,
}

/// One rate limit: at most `value` pods or percent within `periodSeconds`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScalingPolicyRule {
    /// `Pods` or `Percent`.
    #[serde(default, rename = "type")]
    pub type_: String,
    /// How many pods or percent; at least 1.
    #[serde(default)]
    pub value: i32,
    /// Over which time, 1 to 1800 s.
    #[serde(default)]
    pub period_seconds: i32,
}

/// What `kube-controller-manager` sets by flags and feature gates for every HPA of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HpaSpec {
    /// `--horizontal-pod-autoscaler-sync-period`, in seconds. Default 15, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_period_seconds: Option<i32>,
    /// `--horizontal-pod-autoscaler-tolerance`. Default 0.1, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Finite>,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`, in seconds. Default 300, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downscale_stabilization_seconds: Option<i32>,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`, in seconds. Default 300, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_initialization_period_seconds: Option<i32>,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`, in seconds. Default 30, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_readiness_delay_seconds: Option<i32>,
    /// Without `behavior`: at most this many times the current count at once. Default 2,
    /// 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up_limit_factor: Option<Finite>,
    /// Without `behavior`: this many replicas may always be reached at once. Default 4, 1
    /// to 1,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up_limit_minimum: Option<Finite>,
    /// Feature gates that change decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_gates: Option<FeatureGatesSpec>,
}

/// Kubernetes feature gates that change what the HPA decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FeatureGatesSpec {
    /// `minReplicas: 0` is allowed. Alpha; default off.
    #[serde(default, rename = "HPAScaleToZero", skip_serializing_if = "Option::is_none")]
    pub hpa_scale_to_zero: Option<bool>,
    /// `behavior.*.tolerance` counts. Default on (Kubernetes 1.35).
    #[serde(default, rename = "HPAConfigurableTolerance", skip_serializing_if = "Option::is_none")]
    pub hpa_configurable_tolerance: Option<bool>,
    /// Requests of a whole pod count. Default on (Kubernetes 1.34).
    #[serde(default, rename = "PodLevelResources", skip_serializing_if = "Option::is_none")]
    pub pod_level_resources: Option<bool>,
}
