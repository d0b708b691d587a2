//! What stands in `spec` for whoever carries decisions out: the fields that no decision looks at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trimtab_engine::{CrossVersionObjectReference, FieldError, FieldErrorKind, PolicySpec};
use trimtab_prometheus::QueriesSpec;

use crate::metadata::{is_dns_subdomain, label_key_problem, label_value_problem};
use crate::sleep::SleepSpec;
use crate::standby;

/// What a policy says to its host: the fields of `spec` that no decision looks at, and that change no
/// digest.
///
/// ```
/// use trimtab_manifest::{HostMode, SourceSpec, Source, read_policies};
///
/// let source = Source::new("policy.yaml", "\
/// apiVersion: trimtab.dev/v1alpha1
/// kind: ScalingPolicy
/// metadata: {name: llm}
/// spec:
///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
///   maxReplicas: 20
///   mode: shadow
///   sources:
///   - prometheus: {server: main, queries: {preset: vllm}}
/// ");
/// let host = &read_policies(&source)?.policies[0].host;
/// assert_eq!(host.mode, HostMode::Shadow);
/// assert!(matches!(&host.sources[..], [SourceSpec::Prometheus(asked)] if asked.server == "main"));
/// # Ok::<(), trimtab_manifest::ManifestError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HostSpec {
    /// Whether decisions are carried out. Default `active`.
    #[serde(default, skip_serializing_if = "HostMode::is_active")]
    pub mode: HostMode,
    /// Where metrics come from, asked all at once; where two know the same, the first counts. Default:
    /// the metrics APIs of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSpec>,
    /// How it is seen that a pod drains. For `retire`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<DrainingSpec>,
    /// Whose replicas stand by. For `warmPool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbySpec>,
    /// Whose place the policy takes: until that is gone, nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<AdoptSpec>,
}

/// Whether decisions are carried out.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HostMode {
    /// They are.
    #[default]
    Active,
    /// They are made, recorded and reported, and nothing is written: beside another autoscaler.
    Shadow,
}

impl HostMode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

/// Where metrics come from. Exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SourceSpec {
    /// A Prometheus server that the host knows by name.
    Prometheus(PrometheusSourceSpec),
    /// The metrics APIs of the cluster, asked as the HPA asks them.
    Kubernetes(KubernetesSourceSpec),
}

/// A Prometheus server and what it is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrometheusSourceSpec {
    /// Its name in the `servers` of the host's config.
    pub server: String,
    /// What it is asked.
    pub queries: QueriesSpec,
}

/// The metrics APIs of the cluster: `metrics.k8s.io`, `custom.metrics.k8s.io` and
/// `external.metrics.k8s.io`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KubernetesSourceSpec {}

/// How it is seen that a pod drains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DrainingSpec {
    /// Labels that a pod has while it drains, in place of those that it had, beside the label
    /// `trimtab.dev/draining`: a Service or gateway that selects pods by their old values sends it nothing
    /// new.
    pub pod_labels: BTreeMap<String, String>,
}

/// Whose replicas stand by. Exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum StandbySpec {
    /// The workload of the warm pool, with a `scale` subresource as the one that is scaled.
    ScaleTargetRef(CrossVersionObjectReference),
    /// Pods of the workload itself, which are put to sleep and woken over HTTP.
    Sleep(SleepSpec),
}

/// Whose place a policy takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdoptSpec {
    /// The name of a HorizontalPodAutoscaler in the policy's namespace. While it is there, the policy
    /// is in shadow; it takes over once somebody has deleted it.
    pub horizontal_pod_autoscaler: String,
}

/// The fields of [`HostSpec`].
pub(crate) const HOST_FIELDS: [&str; 5] = ["mode", "sources", "draining", "standby", "adopt"];

impl HostSpec {
    /// What is wrong with it beside this policy; empty if nothing is.
    ///
    /// ```
    /// use trimtab_engine::PolicySpec;
    /// use trimtab_manifest::{DrainingSpec, HostSpec};
    ///
    /// let mut host = HostSpec::default();
    /// assert!(host.check(&PolicySpec::default()).is_empty());
    /// host.draining = Some(DrainingSpec::default());
    /// let wrong = host.check(&PolicySpec::default());
    /// assert_eq!(wrong[0].field(), "spec.draining");
    /// ```
    pub fn check(&self, policy: &PolicySpec) -> Vec<FieldError> {
        let mut errors = Vec::new();
        sources(&self.sources, &mut errors);
        if let Some(draining) = &self.draining {
            self::draining(draining, policy, &mut errors);
        }
        if let Some(standby) = &self.standby {
            standby::check(standby, policy, &mut errors);
        }
        if let Some(adopt) = &self.adopt
            && !is_dns_subdomain(&adopt.horizontal_pod_autoscaler)
        {
            let detail = format!(
                "is `{}`, which can't be the name of an object: lowercase letters, digits, `-` and `.`",
                adopt.horizontal_pod_autoscaler
            );
            errors.push(invalid("spec.adopt.horizontalPodAutoscaler", detail));
        }
        errors
    }
}

pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
    FieldError::new(field, FieldErrorKind::Invalid, detail)
}

pub(crate) fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> FieldError {
    FieldError::new(field, FieldErrorKind::Forbidden, detail)
}

fn sources(sources: &[SourceSpec], errors: &mut Vec<FieldError>) {
    let mut kubernetes = 0;
    for (index, source) in sources.iter().enumerate() {
        let field = format!("spec.sources[{index}]");
        match source {
            SourceSpec::Kubernetes(_) => {
                kubernetes += 1;
                if kubernetes == 2 {
                    errors.push(forbidden(
                        format!("{field}.kubernetes"),
                        "is there twice: the metrics APIs are asked once, leave the other out",
                    ));
                }
            }
            SourceSpec::Prometheus(prometheus) => {
                if prometheus.server.is_empty() {
                    let detail = "is missing: set it to the name of a server in the host's config";
                    let field = format!("{field}.prometheus.server");
                    errors.push(FieldError::new(field, FieldErrorKind::Required, detail));
                }
                if let Err(error) = prometheus.queries.resolve() {
                    let field = format!("{field}.prometheus.queries");
                    errors.push(invalid(field, format!("can't be asked: {error}")));
                }
            }
        }
    }
}

fn draining(draining: &DrainingSpec, policy: &PolicySpec, errors: &mut Vec<FieldError>) {
    if policy.retire.is_none() {
        let detail = "is for `retire`, without which no pod drains: set that, or leave it out";
        errors.push(forbidden("spec.draining", detail));
    }
    if draining.pod_labels.is_empty() {
        let detail =
            "is empty: give a label that a pod has while it drains, or leave `draining` out";
        let field = "spec.draining.podLabels";
        errors.push(FieldError::new(field, FieldErrorKind::Required, detail));
    }
    for (key, value) in &draining.pod_labels {
        if let Some(problem) = label_key_problem(key).or_else(|| label_value_problem(value)) {
            let detail = format!("has `{key}: {value}`: {problem}");
            errors.push(invalid("spec.draining.podLabels", detail));
        }
    }
}
