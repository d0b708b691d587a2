//! The strategy of a policy: by name as it is written, with its settings as it is decided with.

mod apa;
mod keda;
mod knative;
mod ray_serve;
mod slo;
mod wva;

pub use apa::{ApaSettings, ApaSpec};
pub use keda::{
    FallbackBehavior, FallbackSpec, KedaModifiers, KedaPause, KedaSettings, KedaSpec, KedaTrigger,
    KedaTriggerSpec, ScalingModifiersSpec,
};
pub use knative::{KnativeAggregation, KnativeSettings, KnativeSpec};
pub use ray_serve::{RayServeAggregation, RayServeSettings, RayServeSpec, TargetCapacityDirection};
pub use slo::{
    SloCounts, SloErrorBudget, SloErrorBudgetSpec, SloLatencySpec, SloLearned, SloLearnedSpec,
    SloModel, SloObjectivesSpec, SloOffered, SloOfferedSpec, SloRefitSpec, SloRole, SloSampling,
    SloSamplingSpec, SloServiceModelSpec, SloSettings, SloSignal, SloSignalSpec, SloSpec,
    SloTokens, SloUnknownSpec,
};
pub use wva::{WvaAnalyzer, WvaSettings, WvaSignals, WvaSpec};

pub(super) use keda::formula_names;
pub(super) use slo::{INTERVAL, WINDOW};
pub(super) use wva::ROLES as WVA_ROLES;

use alloc::boxed::Box;
use alloc::string::ToString;
use core::fmt;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::{HpaSettings, PolicySpec};
use crate::float::from_i64;

/// The strategies by name.
///
/// ```
/// use trimtab_engine::StrategyName;
///
/// let name: StrategyName = serde_json::from_str("\"rayServe\"")?;
/// assert_eq!(name, StrategyName::RayServe);
/// assert_eq!(name.to_string(), "rayServe");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StrategyName {
    /// The Kubernetes HorizontalPodAutoscaler, reproduced exactly.
    #[default]
    Hpa,
    /// KEDA's executor between 0 and 1 around the HPA that it generates, reproduced exactly.
    Keda,
    /// Knative's KPA, reproduced exactly.
    Knative,
    /// Ray Serve's autoscaling, reproduced exactly.
    RayServe,
    /// trimtab's own: by the role of each signal.
    Slo,
    /// llm-d's Workload Variant Autoscaler for one variant, and the HPA that follows it.
    Wva,
    /// AIBrix's APA.
    Apa,
}

impl StrategyName {
    /// As it is written in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::Keda => "keda",
            Self::Knative => "knative",
            Self::RayServe => "rayServe",
            Self::Slo => "slo",
            Self::Wva => "wva",
            Self::Apa => "apa",
        }
    }
}

impl fmt::Display for StrategyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The strategy that a policy decides by, with its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// `hpa`, by [`Policy::hpa`](crate::Policy::hpa).
    Hpa,
    /// `keda`
    Keda(Box<KedaSettings>),
    /// `knative`
    Knative(Box<KnativeSettings>),
    /// `rayServe`
    RayServe(Box<RayServeSettings>),
    /// `slo`
    Slo(Box<SloSettings>),
    /// `wva`
    Wva(Box<WvaSettings>),
    /// `apa`
    Apa(Box<ApaSettings>),
}

/// Where a strategy samples its load by itself, at which rhythm.
///
/// The HPA and KEDA read metrics when they decide; Knative and Ray Serve keep windows of samples
/// that they take far more often than they are told of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Time between two samples.
    pub interval: Span,
    /// Time between two reports of the samples since the one before; at least `interval`.
    pub report_interval: Span,
    /// How far back a report has to go.
    pub look_back: Span,
}

/// What one replica may have of the load: the average value of the policy's only External metric.
///
/// The strategies of this module calculate with floats: it is the float that is nearest to the number
/// as it is written, which thousandths may not be.
fn load_per_replica(spec: &PolicySpec) -> Option<f64> {
    let metric = spec.metrics.as_ref()?.first()?.external.as_ref()?;
    let written = metric.target.average_value.as_ref()?;
    let number = written.to_string().parse().ok();
    number.or_else(|| Some(from_i64(written.checked_milli()?) / 1000.0)).filter(|it| it.is_finite())
}

impl Strategy {
    pub(super) fn from_spec(spec: &PolicySpec) -> Self {
        match spec.strategy {
            StrategyName::Hpa => Self::Hpa,
            StrategyName::Keda => Self::Keda(Box::new(KedaSettings::from_spec(spec))),
            StrategyName::Knative => Self::Knative(Box::new(KnativeSettings::from_spec(spec))),
            StrategyName::RayServe => Self::RayServe(Box::new(RayServeSettings::from_spec(spec))),
            StrategyName::Slo => Self::Slo(Box::new(SloSettings::from_spec(spec))),
            StrategyName::Wva => Self::Wva(Box::new(WvaSettings::from_spec(spec))),
            StrategyName::Apa => Self::Apa(Box::new(ApaSettings::from_spec(spec))),
        }
    }

    /// Time between two decisions.
    pub(super) fn period(&self, hpa: &HpaSettings) -> Span {
        match self {
            Self::Hpa | Self::Wva(_) => hpa.sync_period,
            Self::Slo(slo) => slo.period.unwrap_or(hpa.sync_period),
            Self::Keda(keda) => keda.period(hpa),
            Self::Knative(knative) => knative.tick_interval,
            Self::RayServe(ray) => ray.control_loop_interval,
            Self::Apa(apa) => apa.resync_interval,
        }
    }

    /// How the strategy samples its load by itself, if it does.
    pub(super) fn sampling(&self) -> Option<Sampling> {
        match self {
            Self::Hpa | Self::Keda(_) | Self::Wva(_) | Self::Apa(_) => None,
            Self::Slo(slo) => slo.sampling.map(SloSampling::rhythm),
            Self::Knative(knative) => Some(knative.sampling()),
            Self::RayServe(ray) => Some(ray.sampling()),
        }
    }
}
