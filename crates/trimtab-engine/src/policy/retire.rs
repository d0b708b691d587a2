//! How replicas leave: who goes first, how long a session may last, how often the count may change.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use super::StrategyName;

/// How replicas leave, so that scaling down cuts no session.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20,
///         "retire": {"maxSessionSeconds": 900, "preferSpot": true,
///                    "flapBudget": {"changes": 6, "periodSeconds": 3600}}}"#,
/// )?)?;
/// assert_eq!(policy.retire().map(|retire| retire.order.len()), Some(4));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RetireSpec {
    /// How long a replica that is to go may keep what it is serving, in seconds, 0 to 604800. Then it
    /// goes. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_seconds: Option<i32>,
    /// By what a replica is chosen, the first rule first. Default `notReady`, `fewestInFlight`,
    /// `spread`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victim_order: Option<Vec<VictimRule>>,
    /// Spot before on-demand, behind `notReady` in the default order. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer_spot: Option<bool>,
    /// How many starts and stops there may be. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap_budget: Option<FlapBudgetSpec>,
    /// Under `slo`: no step down to where a trigger per replica would be at its activation again.
    /// Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<bool>,
}

/// How many starts and stops there may be within a time. A start is never held back by it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlapBudgetSpec {
    /// How many, at least 2: one stop, and the start that takes it back.
    pub changes: i32,
    /// Within which time, in seconds, 1 to 604800.
    pub period_seconds: i32,
}

/// By what a replica is chosen to go.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum VictimRule {
    /// One that is pending, then one that is not ready, then the others.
    NotReady,
    /// One on a spot node.
    Spot,
    /// The one that is serving the fewest requests; where that is unknown, last.
    FewestInFlight,
    /// One of the zone that has the most, and there of the node that has the most.
    Spread,
}

/// [`RetireSpec`] with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetireSettings {
    /// How long a replica that is to go may keep what it is serving.
    pub max_session: Span,
    /// By what a replica is chosen, the first rule first.
    pub order: Vec<VictimRule>,
    /// How many starts and stops there may be.
    pub flap_budget: Option<FlapBudget>,
    /// No step down to where a trigger per replica would be at its activation again.
    pub projection: bool,
}

/// [`FlapBudgetSpec`], as it is decided with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct FlapBudget {
    /// How many starts and stops.
    pub changes: i32,
    /// Within which time.
    pub period: Span,
}

impl RetireSettings {
    pub(super) fn from_spec(spec: &RetireSpec, strategy: StrategyName) -> Self {
        let order = spec.victim_order.clone().unwrap_or_else(|| {
            let spot = spec.prefer_spot.unwrap_or(false).then_some(VictimRule::Spot);
            let rest = [VictimRule::FewestInFlight, VictimRule::Spread];
            [VictimRule::NotReady].into_iter().chain(spot).chain(rest).collect()
        });
        Self {
            max_session: Span::from_secs(i64::from(spec.max_session_seconds.unwrap_or(300))),
            order,
            flap_budget: spec.flap_budget.map(|budget| FlapBudget {
                changes: budget.changes,
                period: Span::from_secs(i64::from(budget.period_seconds)),
            }),
            projection: strategy == StrategyName::Slo && spec.projection.unwrap_or(true),
        }
    }
}
