//! The resource as the API server holds it.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::core::object::{HasSpec, HasStatus};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_engine::{FieldError, Policy};
use trimtab_manifest::{Limits, ScalingPolicySpec, Source};

use super::{GROUP, KIND, PLURAL, ScalingPolicyStatus, VERSION};

/// A `ScalingPolicy` of `trimtab.dev/v1alpha1`.
///
/// It reads what a file has, and as strictly: a field that no policy has is an error. To watch a cluster in
/// which somebody may have stored such an object, watch [`GuardedPolicy`], so that it stops no other.
///
/// ```
/// use trimtab_kube::crd::ScalingPolicy;
///
/// let policy: ScalingPolicy = serde_json::from_value(serde_json::json!({
///     "apiVersion": "trimtab.dev/v1alpha1", "kind": "ScalingPolicy",
///     "metadata": {"name": "llm", "namespace": "inference"},
///     "spec": {
///         "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20,
///     },
/// }))?;
/// assert_eq!(policy.compile().unwrap().bounds().max, 20);
///
/// let wrong = serde_json::json!({"metadata": {"name": "llm"}, "spec": {"maxReplica": 20}});
/// let error = serde_json::from_value::<ScalingPolicy>(wrong).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`spec.maxReplica`: unknown field `maxReplica` (did you mean `maxReplicas`?)"
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ScalingPolicy {
    /// What names it.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What somebody wants.
    #[serde(deserialize_with = "spec")]
    pub spec: ScalingPolicySpec,
    /// What is.
    #[serde(default)]
    pub status: Option<ScalingPolicyStatus>,
}

/// A `ScalingPolicy`, or what keeps it from being read: one object that can't be read stops no watch.
pub type GuardedPolicy = DeserializeGuard<ScalingPolicy>;

impl ScalingPolicy {
    /// One with a name, in a namespace.
    pub fn new(namespace: &str, name: &str, spec: ScalingPolicySpec) -> Self {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        };
        Self { metadata, spec, status: None }
    }

    /// Checks its spec by all rules, those that the API server can't check too, and makes the policy.
    ///
    /// # Errors
    ///
    /// Every rule that is broken, each with the path of its field.
    pub fn compile(&self) -> Result<Policy, Vec<FieldError>> {
        self.spec.compile()
    }
}

impl Serialize for ScalingPolicy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Object<'a> {
            api_version: String,
            kind: &'a str,
            metadata: &'a ObjectMeta,
            spec: &'a ScalingPolicySpec,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: &'a Option<ScalingPolicyStatus>,
        }
        let Self { metadata, spec, status } = self;
        let api_version = format!("{GROUP}/{VERSION}");
        Object { api_version, kind: KIND, metadata, spec, status }.serialize(serializer)
    }
}

/// All that is wrong with a spec, as a file's reader says it, in one line: it is shown in a condition.
fn spec<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScalingPolicySpec, D::Error> {
    let value = Value::deserialize(deserializer)?;
    ScalingPolicySpec::deserialize(&value).map_err(|error| D::Error::custom(told(&value, &error)))
}

fn told(value: &Value, error: &serde_json::Error) -> String {
    let source = Source::new("spec", value.to_string());
    let read = trimtab_manifest::from_str::<ScalingPolicySpec>(&source, &Limits::default());
    // A document that is too large for a file may be read from a cluster.
    let Err(found) = read else { return error.to_string() };
    let problems: Vec<String> = found
        .problems()
        .iter()
        .map(|problem| {
            let field =
                problem.field().map(|field| format!("`spec.{field}`: ")).unwrap_or_default();
            let help = problem.help().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{field}{}{help}", problem.message())
        })
        .collect();
    problems.join("; ")
}

impl kube::Resource for ScalingPolicy {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Cow::Borrowed(KIND)
    }

    fn group((): &()) -> Cow<'_, str> {
        Cow::Borrowed(GROUP)
    }

    fn version((): &()) -> Cow<'_, str> {
        Cow::Borrowed(VERSION)
    }

    fn plural((): &()) -> Cow<'_, str> {
        Cow::Borrowed(PLURAL)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl HasSpec for ScalingPolicy {
    type Spec = ScalingPolicySpec;

    fn spec(&self) -> &ScalingPolicySpec {
        &self.spec
    }

    fn spec_mut(&mut self) -> &mut ScalingPolicySpec {
        &mut self.spec
    }
}

impl HasStatus for ScalingPolicy {
    type Status = ScalingPolicyStatus;

    fn status(&self) -> Option<&ScalingPolicyStatus> {
        self.status.as_ref()
    }

    fn status_mut(&mut self) -> &mut Option<ScalingPolicyStatus> {
        &mut self.status
    }
}
