//! The settings of trimtab's own strategy: what each signal may do, and how long a start takes.

mod error_budget;
mod offered;
mod sampling;
mod service_model;

pub use error_budget::{SloErrorBudget, SloErrorBudgetSpec};
pub use offered::{SloCounts, SloLearned, SloLearnedSpec, SloOffered, SloOfferedSpec};
pub(in crate::policy) use sampling::{INTERVAL, WINDOW};
pub use sampling::{SloSampling, SloSamplingSpec};
pub use service_model::{
    SloModel, SloObjectivesSpec, SloRefitSpec, SloServiceModelSpec, SloTokens,
};

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use trimtab_metric::{Quantity, Span};

use crate::policy::defaults::SLO_LEAD_TIME_SECONDS;
use crate::policy::{Finite, Metric, MetricSource, MetricSpec, PolicySpec, Target};
use crate::strategy::slo::{LatencyRules, Measure, UnknownRule};

/// What `strategy: slo` needs to know beside metrics, bounds and `behavior`.
///
/// The target of a metric in `metrics` is what its role makes of it: for `demand` the load of one
/// replica (`averageValue`), for `trigger` the activation, for `latency` the objective, for `guard`
/// the limit. A metric that `signals` does not name is a demand.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20, "strategy": "slo",
///         "metrics": [
///           {"type": "External", "external": {"metric": {"name": "requests_in_flight"},
///             "target": {"type": "AverageValue", "averageValue": "64"}}},
///           {"type": "External", "external": {"metric": {"name": "ttft_p95"},
///             "target": {"type": "Value", "value": "800m"}}}],
///         "slo": {"leadTimeSeconds": 180, "signals": [{"metric": "ttft_p95", "role": "latency"}]}}"#,
/// )?)?;
/// assert_eq!(policy.metrics().len(), 2);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloSpec {
    /// From asking for a replica until it serves, in seconds, 1 to 3600. Default 180.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time_seconds: Option<i32>,
    /// A replica that has not become ready this long after its start is overdue, in seconds, at least
    /// 1. Default: half as long again as the lead time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_after_seconds: Option<i32>,
    /// The share of lead times that shall pass without a lack of replicas, 0 to 1: so much of the
    /// growth of the last lead times is kept ready. Default 0.9; 0 keeps nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surge_quantile: Option<Finite>,
    /// Beside a load that keeps *n* replicas busy, this times √*n* more are kept, 0 to 10. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom: Option<Finite>,
    /// At most this share of the present need is kept ready for growth, in percent, at least 0.
    /// Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge_percent: Option<Finite>,
    /// For how long nothing was to be done before the last replica goes, in seconds, at least 0, where
    /// `minReplicas` is 0. Default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_to_zero_after_seconds: Option<i32>,
    /// What a latency over its objective may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<SloLatencySpec>,
    /// What the metrics may do, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<SloSignalSpec>,
    /// What one replica takes, and what users are promised. Default: nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_model: Option<Box<SloServiceModelSpec>>,
    /// Demands of the whole service are sampled, instead of read where they are scraped. Default: they
    /// are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SloSamplingSpec>,
    /// How often requests may miss what was promised: what decides how much a load counts as. Default: it counts
    /// as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_budget: Option<Box<SloErrorBudgetSpec>>,
}

/// What a later release adds counts only where it is set, so that a policy keeps its digest.
impl Hash for SloSpec {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            lead_time_seconds,
            overdue_after_seconds,
            surge_quantile,
            headroom,
            max_surge_percent,
            scale_to_zero_after_seconds,
            latency,
            signals,
            service_model,
            sampling,
            error_budget,
        } = self;
        (lead_time_seconds, overdue_after_seconds, surge_quantile, max_surge_percent).hash(hasher);
        (scale_to_zero_after_seconds, latency, signals).hash(hasher);
        headroom.iter().for_each(|headroom| headroom.hash(hasher));
        service_model.iter().for_each(|model| model.hash(hasher));
        sampling.iter().for_each(|sampling| sampling.hash(hasher));
        error_budget.iter().for_each(|budget| budget.hash(hasher));
    }
}

/// What a latency over its objective may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloLatencySpec {
    /// The exponent of the ratio of latency to objective, above 0 to 1. Default 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damping: Option<Finite>,
    /// At most this many times the ready replicas at once, at least 1. Default 1.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_stretch: Option<Finite>,
    /// At most this much beyond what the load needs, in percent, at least 0. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_boost_percent: Option<Finite>,
    /// How long after replicas became ready a latency over its objective asks for nothing, since its
    /// window still holds the time before; in seconds, at least 0. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_seconds: Option<i32>,
    /// Over this share of its objective a latency lets nothing go, 0 to 1. Default 0.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ratio: Option<Finite>,
}

/// What a metric may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloSignalSpec {
    /// Which metric, by its name in `metrics`.
    pub metric: String,
    /// What it may do. Default `demand`.
    #[serde(default)]
    pub role: SloRole,
    /// Of a trigger: under this the way down is open; less than the activation. Default half of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Quantity>,
    /// Of a guard: at this one more replica is asked for; at least the limit. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<Quantity>,
    /// Fewer ready replicas with a sample than this share, and nothing is known; 0 to 1. Default 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_coverage: Option<Finite>,
    /// Samples of single replicas that are older than this do not count, in seconds, at least 1.
    /// Default: whatever their age. A reading of the whole service has no age: a source that knows it to
    /// be old reports it as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<i32>,
    /// What it says while nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<SloUnknownSpec>,
    /// Of a demand: what its reading leaves out of the load that is offered. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Box<SloOfferedSpec>>,
    /// Of a demand: how it learns what one replica takes. Default: that is its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Box<SloLearnedSpec>>,
}

/// What a later release adds counts only where it is set, so that a policy keeps its digest.
impl Hash for SloSignalSpec {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            metric,
            role,
            release,
            hard_limit,
            min_coverage,
            max_age_seconds,
            on_unknown,
            offered,
            learned,
        } = self;
        (metric, role, release, hard_limit, min_coverage, max_age_seconds).hash(hasher);
        on_unknown.hash(hasher);
        offered.iter().for_each(|offered| offered.hash(hasher));
        learned.iter().for_each(|learned| learned.hash(hasher));
    }
}

/// What a metric says while nothing is known of it, per direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SloUnknownSpec {
    /// On the way up. Default `hold`: it asks for nothing.
    #[serde(default)]
    pub up: UnknownRule,
    /// On the way down: `hold` or `ignore`. Default `hold`: nothing may go.
    #[serde(default)]
    pub down: UnknownRule,
}

/// What a signal may do.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SloRole {
    /// Whether: at its activation it opens the way up, under its release the way down.
    Trigger,
    /// How much: a load, shared by the replicas.
    #[default]
    Demand,
    /// How much: a time that has an objective.
    Latency,
    /// Where it ends: over its limit nothing goes.
    Guard,
    /// Nothing by itself: what a demand or the service model is made of.
    Part,
}

/// [`SloSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct SloSettings {
    /// From asking for a replica until it serves.
    pub lead_time: Span,
    /// A start that takes longer is overdue.
    pub overdue_after: Span,
    /// The quantile of growth that is kept ready.
    pub surge_quantile: f64,
    /// Times the square root of the need, beside it.
    pub headroom: f64,
    /// At most this share of the need, 1 for all of it.
    pub max_surge: f64,
    /// For how long nothing was to be done before the last replica goes.
    pub idle_after: Span,
    /// How far a look at a latency may go.
    pub latency: LatencyRules,
    /// At most this share beyond what the load needs.
    pub max_boost: f64,
    /// How long a latency asks for nothing after replicas became ready.
    pub settle: Span,
    /// Over this share of its objective a latency lets nothing go.
    pub hold_ratio: f64,
    /// No step down to where a trigger per replica would be at its activation again.
    pub projection: bool,
    /// One for each metric of the policy, in its order.
    pub signals: Vec<SloSignal>,
    /// What one replica takes, and what users are promised.
    pub model: Option<Box<SloModel>>,
    /// How demands are sampled, if they are.
    pub sampling: Option<SloSampling>,
    /// How often is decided, where the sampling says so.
    pub period: Option<Span>,
    /// How often requests may miss what was promised.
    pub error_budget: Option<SloErrorBudget>,
}

/// A metric as the strategy looks at it.
#[derive(Clone, Debug, PartialEq)]
pub struct SloSignal {
    /// What it may do.
    pub role: SloRole,
    /// How a reading becomes a number.
    pub measure: Measure,
    /// The reading is of the whole service and is to be shared by the replicas.
    pub is_shared: bool,
    /// Of a trigger: under this the way down is open.
    pub release: f64,
    /// Of a guard: at this one more replica is asked for.
    pub hard_limit: Option<f64>,
    /// What it says on the way up while nothing is known of it.
    pub unknown_up: UnknownRule,
    /// What it says on the way down while nothing is known of it.
    pub unknown_down: UnknownRule,
    /// Of a demand: what its reading leaves out.
    pub offered: Option<Box<SloOffered>>,
    /// Of a demand: how it learns what one replica takes.
    pub learned: Option<Box<SloLearned>>,
}

impl SloSettings {
    pub(super) fn from_spec(policy: &PolicySpec) -> Self {
        let absent = SloSpec::default();
        let spec = policy.slo.as_deref().unwrap_or(&absent);
        let own = spec.latency.clone().unwrap_or_default();
        let number = |value: Option<Finite>, default: f64| value.map_or(default, Finite::get);
        let seconds =
            |value: Option<i32>, default: i64| Span::from_secs(value.map_or(default, i64::from));
        let lead_time = seconds(spec.lead_time_seconds, i64::from(SLO_LEAD_TIME_SECONDS));
        let half_as_long_again = lead_time.as_millis().saturating_mul(3).div_euclid(2);
        let rules = LatencyRules::default();
        let metrics = policy.metrics.as_deref().unwrap_or_default();
        let place = |name: &str| {
            let at = metrics.iter().position(|metric| Metric::from_spec(metric).name() == name)?;
            u32::try_from(at).ok()
        };
        let sampling = spec.sampling.as_ref().map(|sampling| sampling.settings(lead_time));
        Self {
            lead_time,
            overdue_after: spec
                .overdue_after_seconds
                .map_or(Span::from_millis(half_as_long_again), |it| Span::from_secs(it.into())),
            headroom: number(spec.headroom, 0.0),
            surge_quantile: number(spec.surge_quantile, 0.9),
            max_surge: number(spec.max_surge_percent, 100.0) / 100.0,
            idle_after: seconds(spec.scale_to_zero_after_seconds, 600),
            latency: LatencyRules {
                damping: number(own.damping, rules.damping),
                max_stretch: number(own.max_stretch, rules.max_stretch),
            },
            max_boost: number(own.max_boost_percent, 20.0) / 100.0,
            settle: seconds(own.settle_seconds, 60),
            hold_ratio: number(own.hold_ratio, 0.8),
            projection: policy.retire.as_ref().is_some_and(|it| it.projection.unwrap_or(true)),
            signals: metrics.iter().map(|metric| signal(spec, metric, lead_time, place)).collect(),
            model: spec.service_model.as_ref().map(|model| Box::new(model.settings(place))),
            sampling,
            period: sampling
                .filter(|_| policy.hpa.as_ref().is_none_or(|hpa| hpa.sync_period_seconds.is_none()))
                .map(|it| it.interval),
            error_budget: spec.error_budget.as_ref().map(|budget| budget.settings(place)),
        }
    }
}

/// A metric with what `signals` says of it.
fn signal(
    spec: &SloSpec,
    metric: &MetricSpec,
    lead_time: Span,
    place: impl Fn(&str) -> Option<u32>,
) -> SloSignal {
    let read = Metric::from_spec(metric);
    let absent = SloSignalSpec::default();
    let own = spec.signals.iter().find(|own| own.metric == read.name()).unwrap_or(&absent);
    let units = |quantity: &Quantity| crate::float::from_i64(quantity.milli()) / 1000.0;
    let is_whole = matches!(read.source(), MetricSource::External | MetricSource::Object);
    let (target, is_average) = match read.target() {
        Target::AverageValue { milli } => (crate::float::from_i64(milli) / 1000.0, true),
        Target::Value { milli } => (crate::float::from_i64(milli) / 1000.0, false),
        Target::Utilization { .. } | Target::Unusable => (0.0, false),
    };
    let unknown = own.on_unknown.clone().unwrap_or_default();
    SloSignal {
        role: own.role,
        measure: Measure {
            is_load: matches!(own.role, SloRole::Demand | SloRole::Part),
            target,
            min_coverage: own.min_coverage.map_or(0.5, Finite::get),
            max_age: own.max_age_seconds.map(|seconds| Span::from_secs(i64::from(seconds))),
        },
        is_shared: is_whole && is_average,
        release: own.release.as_ref().map_or(target / 2.0, units),
        hard_limit: own.hard_limit.as_ref().map(units),
        unknown_up: unknown.up,
        unknown_down: unknown.down,
        offered: own.offered.as_ref().map(|own| Box::new(own.settings(lead_time, &place))),
        learned: own.learned.as_ref().map(|own| Box::new(own.settings(&place))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    /// As it was hashed before there was more: field after field.
    #[derive(Hash)]
    struct Signal {
        metric: String,
        role: SloRole,
        release: Option<Quantity>,
        hard_limit: Option<Quantity>,
        min_coverage: Option<Finite>,
        max_age_seconds: Option<i32>,
        on_unknown: Option<SloUnknownSpec>,
    }

    #[derive(Hash)]
    struct Slo {
        lead_time_seconds: Option<i32>,
        overdue_after_seconds: Option<i32>,
        surge_quantile: Option<Finite>,
        max_surge_percent: Option<Finite>,
        scale_to_zero_after_seconds: Option<i32>,
        latency: Option<SloLatencySpec>,
        signals: Vec<Signal>,
    }

    /// A policy that has nothing of what came later has the digest that it had.
    #[test]
    fn what_is_not_set_does_not_count() {
        let signal = SloSignalSpec { metric: String::from("load"), ..SloSignalSpec::default() };
        let mut spec = SloSpec {
            lead_time_seconds: Some(90),
            latency: Some(SloLatencySpec::default()),
            signals: Vec::from([signal]),
            ..SloSpec::default()
        };
        let before = Slo {
            lead_time_seconds: Some(90),
            overdue_after_seconds: None,
            surge_quantile: None,
            max_surge_percent: None,
            scale_to_zero_after_seconds: None,
            latency: Some(SloLatencySpec::default()),
            signals: Vec::from([Signal {
                metric: String::from("load"),
                role: SloRole::Demand,
                release: None,
                hard_limit: None,
                min_coverage: None,
                max_age_seconds: None,
                on_unknown: None,
            }]),
        };
        assert_eq!(Digest::of(&spec), Digest::of(&before));
        spec.service_model = Some(Box::default());
        assert_ne!(Digest::of(&spec), Digest::of(&before));
    }
}
