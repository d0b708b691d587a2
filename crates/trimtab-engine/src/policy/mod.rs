//! What should be: the policy, as written ([`PolicySpec`]) and as decided with ([`Policy`]).

mod anticipate;
mod behavior;
mod defaults;
mod field_error;
mod finite;
mod metric;
mod redundancy;
mod retire;
mod spec;
mod strategy;
mod supply;
mod validate;
mod warm_pool;

pub use anticipate::{
    AnticipateSpec, ForecastModel, ForecastSpec, LearnLeadTimeSpec, ScheduleSpec,
};
pub use behavior::{Behavior, RateLimit, RateLimitKind, ScalingRules, SelectPolicy};
pub use field_error::{FieldError, FieldErrorKind, InvalidPolicy};
pub use finite::Finite;
pub use metric::{Metric, MetricSource, Target};
pub use redundancy::{Enough, FailureDomain, RedundancySpec};
pub use retire::{FlapBudget, FlapBudgetSpec, RetireSettings, RetireSpec, VictimRule};
pub use spec::{
    BehaviorSpec, ContainerResourceMetricSource, CrossVersionObjectReference, ExternalMetricSource,
    FeatureGatesSpec, HpaSpec, LabelSelector, LabelSelectorRequirement, MetricIdentifier,
    MetricSpec, MetricTarget, ObjectMetricSource, OverrideSpec, PauseSpec, PodsMetricSource,
    PolicySpec, ResourceMetricSource, ScalingPolicyRule, ScalingRulesSpec,
};
pub use strategy::{
    ApaSettings, ApaSpec, FallbackBehavior, FallbackSpec, KedaModifiers, KedaPause, KedaSettings,
    KedaSpec, KedaTrigger, KedaTriggerSpec, KnativeAggregation, KnativeSettings, KnativeSpec,
    RayServeAggregation, RayServeSettings, RayServeSpec, Sampling, ScalingModifiersSpec, SloCounts,
    SloErrorBudget, SloErrorBudgetSpec, SloLatencySpec, SloLearned, SloLearnedSpec, SloModel,
    SloObjectivesSpec, SloOffered, SloOfferedSpec, SloRefitSpec, SloRole, SloSampling,
    SloSamplingSpec, SloServiceModelSpec, SloSettings, SloSignal, SloSignalSpec, SloSpec,
    SloTokens, SloUnknownSpec, Strategy, StrategyName, TargetCapacityDirection, WvaAnalyzer,
    WvaSettings, WvaSignals, WvaSpec,
};
pub use supply::{SupplyPool, SupplyPoolSpec, SupplySettings, SupplySpec};
pub use warm_pool::{WarmPoolSettings, WarmPoolSpec, WarmSize, WarmSizeSpec, WarmSurgeSpec};

pub(crate) use anticipate::{Anticipation, CreditRules, ForecastRules, LearnRules};

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_metric::Span;

use crate::digest::Digest;
use crate::schedule::Schedule;

/// A checked policy, ready to decide with: it exists, so it is valid.
///
/// Made once from a [`PolicySpec`] and then shared; deciding does not change it. It serializes as
/// the spec it was made from, with the defaults filled in.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let mut spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
///         "maxReplicas": 10}"#,
/// )?;
/// let policy = Policy::new(spec.clone())?;
/// assert_eq!((policy.bounds().min, policy.bounds().max), (1, 10));
/// assert_eq!(policy.metrics()[0].name(), "cpu"); // the API server's default metric
///
/// spec.min_replicas = Some(11);
/// let refused = Policy::new(spec).unwrap_err();
/// assert_eq!(refused.errors()[0].field(), "spec.maxReplicas");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    spec: PolicySpec,
    bounds: Bounds,
    metrics: Vec<Metric>,
    behavior: Option<Behavior>,
    hpa: HpaSettings,
    strategy: Strategy,
    warm_pool: Option<WarmPoolSettings>,
    retire: Option<RetireSettings>,
    supply: Option<Box<SupplySettings>>,
    anticipation: Option<Box<Anticipation>>,
}

/// The least and the most replicas; under `rayServe` at its target capacity.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bounds {
    /// `minReplicas`
    pub min: i32,
    /// `maxReplicas`; the largest `i32` where there is no limit.
    pub max: i32,
}

/// What the cluster sets for every HPA, with the defaults filled in.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct HpaSettings {
    /// Time between two decisions.
    pub sync_period: Span,
    /// Tolerance of both directions, unless `behavior` sets its own.
    pub tolerance: f64,
    /// Scale-down window where `behavior` sets none.
    pub downscale_stabilization: Span,
    /// How long a pod's CPU is distrusted after its start.
    pub cpu_initialization_period: Span,
    /// How long after its start a pod counts as never having been ready.
    pub initial_readiness_delay: Span,
    /// Without `behavior`: the most that one step may multiply the count by.
    pub scale_up_limit_factor: f64,
    /// Without `behavior`: the count that one step may always reach.
    pub scale_up_limit_minimum: f64,
    /// `HPAScaleToZero`
    pub scale_to_zero: bool,
    /// `HPAConfigurableTolerance`
    pub configurable_tolerance: bool,
    /// `PodLevelResources`
    pub pod_level_resources: bool,
}

/// How far the ratio of load to target may be off 1 before it counts, per direction.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
}

impl Tolerance {
    /// Whether `ratio` is close enough to 1: both edges included, as floats compare; NaN is not.
    ///
    /// ```
    /// use trimtab_engine::Tolerance;
    ///
    /// let tolerance = Tolerance { down: 0.1, up: 0.1 };
    /// assert!(tolerance.accepts(88.0 / 80.0));
    /// assert!(!tolerance.accepts(89.0 / 80.0));
    /// ```
    pub fn accepts(self, ratio: f64) -> bool {
        (1.0 - self.down) <= ratio && ratio <= (1.0 + self.up)
    }
}

impl Policy {
    /// Fills in the defaults and checks the spec by the API server's rules.
    ///
    /// # Errors
    ///
    /// Every rule that is broken, each with the path of its field.
    pub fn new(spec: PolicySpec) -> Result<Self, InvalidPolicy> {
        let spec = spec.with_defaults();
        match InvalidPolicy::from_errors(validate::validate(&spec)) {
            Some(invalid) => Err(invalid),
            None => Ok(Self::compile(spec)),
        }
    }

    /// Takes a spec as some API server holds it, without checking it by this version's rules.
    ///
    /// A controller meets such objects when they were stored under other rules. Deciding with them
    /// is defined and does what the HPA does: a metric of an unknown type or without a usable
    /// target fails, an unknown `selectPolicy` counts as `Max`, an unknown rate limit is no limit.
    /// For a policy that a person wrote, use [`Policy::new`].
    pub fn from_stored(spec: PolicySpec) -> Self {
        Self::compile(spec.with_defaults())
    }

    fn compile(spec: PolicySpec) -> Self {
        let hpa = HpaSettings::from_spec(spec.hpa.as_ref());
        let strategy = Strategy::from_spec(&spec);
        let (min, max) = match (&strategy, spec.max_replicas) {
            (Strategy::RayServe(ray), _) => (ray.limits.lower, ray.limits.upper),
            (Strategy::Knative(_), 0) => (spec.min_replicas.unwrap_or(1), i32::MAX),
            (_, max) => (spec.min_replicas.unwrap_or(1), max),
        };
        let bounds = Bounds { min, max };
        let metrics = spec.metrics.iter().flatten().map(Metric::from_spec).collect();
        let behavior = spec
            .behavior
            .as_ref()
            .map(|behavior| Behavior::from_spec(behavior, hpa.downscale_stabilization));
        let warm_pool = spec.warm_pool.as_deref();
        let warm_pool = warm_pool.map(|pool| WarmPoolSettings::from_spec(pool, &spec));
        let retire = spec.retire.as_deref();
        let retire = retire.map(|retire| RetireSettings::from_spec(retire, spec.strategy));
        let supply =
            spec.supply.as_deref().map(|supply| Box::new(SupplySettings::from_spec(supply)));
        let anticipation = Anticipation::from_spec(&spec).map(Box::new);
        Self {
            spec,
            bounds,
            metrics,
            behavior,
            hpa,
            strategy,
            warm_pool,
            retire,
            supply,
            anticipation,
        }
    }

    /// The spec with its defaults filled in.
    pub fn spec(&self) -> &PolicySpec {
        &self.spec
    }

    /// The least and the most replicas.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The metrics in the order of the spec. Readings in an observation have the same order.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// The rules of movement; `None` is the HPA's older path with its fixed rate limit.
    pub fn behavior(&self) -> Option<&Behavior> {
        self.behavior.as_ref()
    }

    /// The windows of the policy, in its order.
    pub fn schedules(&self) -> &[Schedule] {
        self.anticipation.as_ref().map_or(&[], |anticipation| &anticipation.schedules)
    }

    /// How far the decision looks ahead, if it does.
    pub(crate) fn anticipation(&self) -> Option<&Anticipation> {
        self.anticipation.as_deref()
    }

    /// The HPA whose stages come behind the sizing: under `keda` the one that KEDA generates, else
    /// the policy itself.
    pub(crate) fn hpa_policy(&self) -> &Policy {
        match &self.strategy {
            Strategy::Keda(keda) => &keda.generated,
            _ => self,
        }
    }

    /// The strategy that decides, with its settings.
    pub fn strategy(&self) -> &Strategy {
        &self.strategy
    }

    /// Where nodes come from, if the policy says so.
    pub fn supply(&self) -> Option<&SupplySettings> {
        self.supply.as_deref()
    }

    /// Time between two decisions, as the strategy has it: the HPA's sync period, Knative's tick.
    ///
    /// ```
    /// # use trimtab_engine::{Policy, PolicySpec, StrategyName};
    /// let knative = PolicySpec { strategy: StrategyName::Knative, ..PolicySpec::default() };
    /// assert_eq!(Policy::from_stored(PolicySpec::default()).period().to_string(), "15s");
    /// assert_eq!(Policy::from_stored(knative).period().to_string(), "2s");
    /// ```
    pub fn period(&self) -> Span {
        self.strategy.period(&self.hpa)
    }

    /// How the strategy samples its load by itself, where it does not take readings as they come.
    pub fn sampling(&self) -> Option<Sampling> {
        self.strategy.sampling()
    }

    /// The warm pool, if there is one.
    pub fn warm_pool(&self) -> Option<&WarmPoolSettings> {
        self.warm_pool.as_ref()
    }

    /// How replicas leave, if the policy says so.
    pub fn retire(&self) -> Option<&RetireSettings> {
        self.retire.as_ref()
    }

    /// What the cluster sets for every HPA.
    pub fn hpa(&self) -> &HpaSettings {
        &self.hpa
    }

    /// The tolerance that counts, per direction: the policy's own where it has one and the gate
    /// allows it, else the cluster's.
    ///
    /// ```
    /// # use trimtab_engine::{Policy, PolicySpec};
    /// let spec: PolicySpec = serde_json::from_str(
    ///     r#"{"maxReplicas": 3, "behavior": {"scaleDown": {"tolerance": "0.3"}}}"#,
    /// )?;
    /// let tolerance = Policy::from_stored(spec).tolerance();
    /// assert_eq!((tolerance.down, tolerance.up), (0.3, 0.1));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn tolerance(&self) -> Tolerance {
        let own = |rules: fn(&Behavior) -> &ScalingRules| {
            self.behavior
                .as_ref()
                .filter(|_| self.hpa.configurable_tolerance)
                .and_then(|behavior| rules(behavior).tolerance)
                .unwrap_or(self.hpa.tolerance)
        };
        Tolerance { down: own(|b| &b.scale_down), up: own(|b| &b.scale_up) }
    }

    /// Whether some metric can tell that load is there while no replica is.
    pub(crate) fn can_wake_from_zero(&self) -> bool {
        self.metrics
            .iter()
            .any(|metric| matches!(metric.source(), MetricSource::Object | MetricSource::External))
    }

    /// A fingerprint of the policy, equal for equal specs and stable over releases and platforms.
    ///
    /// It tells two policies in a log apart; it is not a cryptographic hash.
    ///
    /// ```
    /// # use trimtab_engine::{Policy, PolicySpec};
    /// let spec = PolicySpec { max_replicas: 3, ..PolicySpec::default() };
    /// assert_eq!(Policy::from_stored(spec.clone()).digest(), Policy::from_stored(spec).digest());
    /// ```
    pub fn digest(&self) -> Digest {
        Digest::of(&self.spec)
    }
}

impl HpaSettings {
    fn from_spec(spec: Option<&HpaSpec>) -> Self {
        let absent = HpaSpec::default();
        let spec = spec.unwrap_or(&absent);
        let gates = spec.feature_gates.clone().unwrap_or_default();
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        Self {
            sync_period: seconds(spec.sync_period_seconds, 15),
            tolerance: spec.tolerance.map_or(0.1, Finite::get),
            downscale_stabilization: seconds(spec.downscale_stabilization_seconds, 300),
            cpu_initialization_period: seconds(spec.cpu_initialization_period_seconds, 300),
            initial_readiness_delay: seconds(spec.initial_readiness_delay_seconds, 30),
            scale_up_limit_factor: spec.scale_up_limit_factor.map_or(2.0, Finite::get),
            scale_up_limit_minimum: spec.scale_up_limit_minimum.map_or(4.0, Finite::get),
            scale_to_zero: gates.hpa_scale_to_zero.unwrap_or(false),
            configurable_tolerance: gates.hpa_configurable_tolerance.unwrap_or(true),
            pod_level_resources: gates.pod_level_resources.unwrap_or(true),
        }
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = PolicySpec::deserialize(deserializer)?;
        Self::new(spec).map_err(serde::de::Error::custom)
    }
}
