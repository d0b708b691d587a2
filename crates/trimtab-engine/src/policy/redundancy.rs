//! What may be lost: failure domains, and how many replicas have to be left after losing some.

use serde::{Deserialize, Serialize};

/// How many failure domains may be lost before too few replicas are left.
///
/// ```
/// use trimtab_engine::{FailureDomain, Policy, PolicySpec};
///
/// let policy = Policy::new(serde_json::from_str::<PolicySpec>(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "minReplicas": 4, "maxReplicas": 20,
///         "redundancy": {"surviveDomainLosses": 1, "domains": 3}}"#,
/// )?)?;
/// let redundancy = policy.spec().redundancy.ok_or("it has one")?;
/// assert_eq!(redundancy.domain, FailureDomain::Zone);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RedundancySpec {
    /// After the loss of so many domains, those with the most replicas, enough are left; at least 1.
    #[serde(default)]
    pub survive_domain_losses: i32,
    /// What is lost as a whole. Default `zone`.
    #[serde(default)]
    pub domain: FailureDomain,
    /// What is enough. Default `min`.
    #[serde(default, rename = "of")]
    pub enough: Enough,
    /// How many domains there are, more than may be lost. Default: those in which replicas are seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<i32>,
}

/// What is lost as a whole.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FailureDomain {
    /// The replicas of a zone.
    #[default]
    Zone,
    /// The replicas of a node.
    Node,
}

/// How many replicas are enough after a loss.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Enough {
    /// `minReplicas`
    #[default]
    Min,
    /// As many as the load needs.
    Load,
}
