//! What the controller says of a policy: `status`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_engine::CrossVersionObjectReference;
use trimtab_manifest::HostMode;
use trimtab_metric::Timestamp;

use super::StoredState;
use super::schema::conditions;

/// The longest explanation that stands in a status, in characters.
pub const MOST_EXPLANATION_CHARS: usize = 4096;

/// What the controller says of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ScalingPolicyStatus {
    /// The generation of the spec that this is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether decisions are carried out now: `shadow`, too, while another autoscaler is still there that
    /// the policy takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<HostMode>,
    /// What is scaled, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_target: Option<ScaleTargetStatus>,
    /// How many replicas were asked for when it was last looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<i32>,
    /// How many the last decision wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_replicas: Option<i32>,
    /// How many serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// How many stand by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_replicas: Option<i32>,
    /// The last decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<LastDecision>,
    /// What is so, and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// What the next decision needs to know of those before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StoredState>,
    /// Which replica of the controller has decided and written this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
}

/// Which replica of the controller decides, and in which term of its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecidedBy {
    /// Who holds the lease.
    #[serde(default)]
    pub holder: String,
    /// The lease's `leaseTransitions` when it was taken.
    #[serde(default)]
    pub term: i32,
}

/// What is scaled, as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTargetStatus {
    /// Group and version, such as `apps/v1`.
    #[serde(default)]
    pub api_version: String,
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Which pods are its own, as a label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

impl From<&CrossVersionObjectReference> for ScaleTargetStatus {
    fn from(reference: &CrossVersionObjectReference) -> Self {
        let CrossVersionObjectReference { api_version, kind, name } = reference.clone();
        Self { api_version, kind, name, selector: None }
    }
}

/// A decision in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastDecision {
    /// When it was made.
    pub time: Timestamp,
    /// From how many replicas.
    pub from: i32,
    /// To how many.
    pub to: i32,
    /// Why, in a word.
    #[serde(default)]
    pub reason: String,
    /// Why, in full.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub explanation: String,
}

impl LastDecision {
    /// With an explanation, of which the first [`MOST_EXPLANATION_CHARS`] are kept.
    ///
    /// ```
    /// # use trimtab_kube::crd::{LastDecision, MOST_EXPLANATION_CHARS};
    /// # use trimtab_metric::Timestamp;
    /// let decision = LastDecision {
    ///     time: Timestamp::from_secs(0), from: 2, to: 4, reason: "Load".into(), explanation: String::new(),
    /// };
    /// let long = decision.with_explanation(&"ü".repeat(5000));
    /// assert_eq!(long.explanation.chars().count(), MOST_EXPLANATION_CHARS);
    /// ```
    #[must_use]
    pub fn with_explanation(mut self, text: &str) -> Self {
        self.explanation = match text.char_indices().nth(MOST_EXPLANATION_CHARS) {
            None => text.to_owned(),
            Some(_) => text.chars().take(MOST_EXPLANATION_CHARS - 1).chain(['…']).collect(),
        };
        self
    }
}

impl ScalingPolicyStatus {
    /// The condition of a type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Sets a condition. Since when it is so stays where its status does not change.
    ///
    /// ```
    /// # use trimtab_kube::crd::{ScalingPolicyStatus, condition};
    /// # use trimtab_metric::Timestamp;
    /// let mut status = ScalingPolicyStatus::default();
    /// let at = Timestamp::from_secs;
    /// status.set_condition(condition("Accepted", true, "Valid", "it is valid", Some(1), at(10)));
    /// status.set_condition(condition("Accepted", true, "Valid", "it is valid", Some(2), at(20)));
    /// let accepted = status.condition("Accepted").unwrap();
    /// assert_eq!(accepted.observed_generation, Some(2));
    /// assert_eq!(accepted.last_transition_time.0.to_string(), "1970-01-01T00:00:10Z");
    /// ```
    pub fn set_condition(&mut self, mut condition: Condition) {
        match self.conditions.iter_mut().find(|other| other.type_ == condition.type_) {
            Some(before) => {
                if before.status == condition.status {
                    condition.last_transition_time = before.last_transition_time.clone();
                }
                *before = condition;
            }
            None => self.conditions.push(condition),
        }
    }
}
