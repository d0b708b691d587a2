//! How fast the count may move: windows, rate limits and tolerances per direction.

use alloc::vec::Vec;

use trimtab_metric::Span;

use super::{BehaviorSpec, ScalingRulesSpec};

/// The rules of both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// For more replicas.
    pub scale_up: ScalingRules,
    /// For fewer replicas.
    pub scale_down: ScalingRules,
}

/// The rules of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRules {
    /// For how long a recommendation has to hold.
    pub window: Span,
    /// Which of the rate limits counts.
    pub select: SelectPolicy,
    /// The rate limits.
    pub limits: Vec<RateLimit>,
    /// This direction's own tolerance.
    pub tolerance: Option<f64>,
    /// The longest period of any rate limit: how long a scale event matters.
    pub longest_period: Span,
}

/// Which of several rate limits counts.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// No change in this direction at all.
    Disabled,
}

/// At most so much within a period.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// Pods or percent.
    pub kind: RateLimitKind,
    /// How many of them.
    pub value: i32,
    /// Within which time.
    pub period: Span,
}

/// What a rate limit counts in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateLimitKind {
    /// Replicas.
    Pods,
    /// Percent of the count at the start of the period.
    Percent,
}

impl Behavior {
    /// `cluster_window` is the scale-down window where the spec has none.
    pub(super) fn from_spec(spec: &BehaviorSpec, cluster_window: Span) -> Self {
        // The flag has sub-second resolution, the field it stands in for has not.
        let cluster_window = Span::from_secs(cluster_window.as_millis() / 1000);
        Self {
            scale_up: ScalingRules::from_spec(spec.scale_up.as_ref(), Span::ZERO),
            scale_down: ScalingRules::from_spec(spec.scale_down.as_ref(), cluster_window),
        }
    }
}

impl ScalingRules {
    fn from_spec(spec: Option<&ScalingRulesSpec>, default_window: Span) -> Self {
        let absent = ScalingRulesSpec::default();
        let spec = spec.unwrap_or(&absent);
        let limits: Vec<RateLimit> = spec
            .policies
            .iter()
            .flatten()
            .filter_map(|rule| {
                let kind = match rule.type_.as_str() {
                    "Pods" => RateLimitKind::Pods,
                    "Percent" => RateLimitKind::Percent,
                    _ => return None,
                };
                let period = Span::from_secs(i64::from(rule.period_seconds));
                Some(RateLimit { kind, value: rule.value, period })
            })
            .collect();
        Self {
            window: spec
                .stabilization_window_seconds
                .map_or(default_window, |seconds| Span::from_secs(i64::from(seconds))),
            select: match spec.select_policy.as_deref() {
                Some("Disabled") => SelectPolicy::Disabled,
                Some("Min") => SelectPolicy::Min,
                _ => SelectPolicy::Max,
            },
            longest_period: limits.iter().map(|limit| limit.period).max().unwrap_or_default(),
            limits,
            tolerance: spec.tolerance.as_ref().map(|quantity| quantity.canonical().approx_f64()),
        }
    }
}
