//! Taking the place of a HorizontalPodAutoscaler, without a moment in which two autoscalers write.
//!
//! 1. Somebody asks for it: by the annotation `trimtab.dev/adopt: "true"` on the HorizontalPodAutoscaler, from
//!    which the controller makes a `ScalingPolicy` with the same settings; or by a `ScalingPolicy` of their own
//!    with `adopt: {horizontalPodAutoscaler: NAME}`, such as `trimtab import` prints.
//! 2. While the HorizontalPodAutoscaler is there, the policy is in shadow: it decides, and the status
//!    tells what it would do, and nothing is written.
//! 3. Somebody deletes the HorizontalPodAutoscaler. From the next look on the policy writes, with the windows
//!    that it has filled in the meantime.
//!
//! The controller deletes nothing: as long as nobody does, the HorizontalPodAutoscaler scales as before, and making it
//! again puts the policy back into shadow.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use trimtab_manifest::{
    AdoptSpec, HostMode, Limits, ManifestError, NoteKind, ScalingPolicySpec, Source, from_str,
    import,
};
use trimtab_metric::Timestamp;

use super::{ADOPTED, ScalingPolicy, condition};

/// On a HorizontalPodAutoscaler, with `true`: the controller makes a policy of it.
pub const ADOPT_ANNOTATION: &str = "trimtab.dev/adopt";

/// A policy made of a HorizontalPodAutoscaler.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    /// The policy, with the name and the namespace of the other, to be created.
    pub policy: ScalingPolicy,
    /// What there is to know about it: what was assumed, and what is known to go wrong with such settings.
    pub notes: Vec<String>,
}

/// Why no policy can be made of a HorizontalPodAutoscaler.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// It can't be written as a document.
    #[error("the HorizontalPodAutoscaler can't be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// It says something that no policy can say.
    #[error("{}", first(.0))]
    Refused(Box<ManifestError>),
}

fn first(error: &ManifestError) -> String {
    let told = error.problems().iter().map(|problem| match problem.field() {
        Some(field) => format!("`{field}`: {}", problem.message()),
        None => problem.message().to_owned(),
    });
    told.collect::<Vec<_>>().join("; ")
}

impl From<ManifestError> for AdoptError {
    fn from(error: ManifestError) -> Self {
        Self::Refused(Box::new(error))
    }
}

/// Whether somebody asks for a policy in place of this.
///
/// ```
/// use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
/// use trimtab_kube::crd::{ADOPT_ANNOTATION, wants_adoption};
///
/// let mut hpa = HorizontalPodAutoscaler::default();
/// assert!(!wants_adoption(&hpa));
/// hpa.metadata.annotations = Some([(ADOPT_ANNOTATION.to_owned(), "true".to_owned())].into());
/// assert!(wants_adoption(&hpa));
/// ```
pub fn wants_adoption(hpa: &HorizontalPodAutoscaler) -> bool {
    let annotations = hpa.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(ADOPT_ANNOTATION)).is_some_and(|value| value == "true")
}

/// The policy with the settings of a HorizontalPodAutoscaler, which takes its place once that is gone.
///
/// It has no owner: it would go when the other goes. Labels and annotations stay where they are, since
/// they may say who manages the other.
///
/// # Errors
///
/// [`AdoptError`] when it can't be said as a policy.
pub fn policy_of(hpa: &HorizontalPodAutoscaler) -> Result<Adopted, AdoptError> {
    let name = hpa.metadata.name.clone().unwrap_or_default();
    let namespace = hpa.metadata.namespace.clone();
    let document = json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": hpa.spec,
    });
    let imported = import(&Source::new(format!("hpa/{name}"), document.to_string()))?;
    let mut notes = Vec::new();
    let mut spec = ScalingPolicySpec::default();
    for policy in &imported.policies {
        spec = said(&policy.to_yaml())?;
        let known = policy.notes.iter().filter(|note| note.kind != NoteKind::NoCounterpart);
        notes.extend(known.map(|note| note.message.clone()));
    }
    spec.host.adopt = Some(AdoptSpec { horizontal_pod_autoscaler: name.clone() });
    let metadata = ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() };
    Ok(Adopted { policy: ScalingPolicy { metadata, spec, status: None }, notes })
}

/// What was said, without the defaults.
fn said(yaml: &str) -> Result<ScalingPolicySpec, AdoptError> {
    #[derive(Deserialize)]
    struct Document {
        spec: ScalingPolicySpec,
    }
    let document: Document = from_str(&Source::new("policy", yaml), &Limits::default())?;
    Ok(document.spec)
}

/// How far a policy has taken another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandOver {
    /// It takes nobody's place.
    Nobody,
    /// The other is still there.
    Waiting(String),
    /// Whether it is there can't be said: nothing is written until it can.
    Unknown(String),
    /// It is gone.
    Done(String),
}

impl HandOver {
    /// By whether the other is there; `None` where that can't be said.
    ///
    /// ```
    /// use trimtab_kube::crd::{HandOver, HostMode};
    /// use trimtab_manifest::AdoptSpec;
    ///
    /// let adopt = AdoptSpec { horizontal_pod_autoscaler: "web".into() };
    /// let mode = |is_there| HandOver::of(Some(&adopt), is_there).mode(HostMode::Active);
    /// assert_eq!(mode(Some(true)), HostMode::Shadow);
    /// assert_eq!(mode(None), HostMode::Shadow);
    /// assert_eq!(mode(Some(false)), HostMode::Active);
    /// ```
    pub fn of(adopt: Option<&AdoptSpec>, is_there: Option<bool>) -> Self {
        let Some(adopt) = adopt else { return Self::Nobody };
        let name = adopt.horizontal_pod_autoscaler.clone();
        match is_there {
            Some(true) => Self::Waiting(name),
            Some(false) => Self::Done(name),
            None => Self::Unknown(name),
        }
    }

    /// The mode that the policy is in, where its spec has `wanted`.
    pub fn mode(&self, wanted: HostMode) -> HostMode {
        match self {
            Self::Nobody | Self::Done(_) => wanted,
            Self::Waiting(_) | Self::Unknown(_) => HostMode::Shadow,
        }
    }

    /// The condition [`ADOPTED`] that says so; none where it takes nobody's place.
    pub fn condition(&self, generation: Option<i64>, now: Timestamp) -> Option<Condition> {
        let (holds, reason, message) = match self {
            Self::Nobody => return None,
            Self::Waiting(name) => (
                false,
                "HorizontalPodAutoscalerPresent",
                format!(
                    "the HorizontalPodAutoscaler `{name}` still scales: the policy only says what it would \
                     do. Delete it to hand over: `kubectl delete hpa {name}`"
                ),
            ),
            Self::Unknown(name) => (
                false,
                "HorizontalPodAutoscalerUnknown",
                format!(
                    "whether the HorizontalPodAutoscaler `{name}` is there can't be said: nothing is \
                     written until it can"
                ),
            ),
            Self::Done(name) => (
                true,
                "HorizontalPodAutoscalerGone",
                format!(
                    "the HorizontalPodAutoscaler `{name}` is gone, and the policy is in its place"
                ),
            ),
        };
        Some(condition(ADOPTED, holds, reason, &message, generation, now))
    }
}
