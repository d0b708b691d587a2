//! The whole `spec` of a `ScalingPolicy`: what is decided by, and what the host is told, side by side.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use trimtab_engine::{FieldError, InvalidPolicy, Policy, PolicySpec};

use crate::host::{
    AdoptSpec, DrainingSpec, HOST_FIELDS, HostMode, HostSpec, SourceSpec, StandbySpec,
};

/// The `spec` of a `ScalingPolicy`, in a file as in a cluster: the fields of the policy and those for its
/// host, all on one level.
///
/// A field that neither has is an error.
///
/// ```
/// use trimtab_manifest::{HostMode, ScalingPolicySpec};
///
/// let spec: ScalingPolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
///         "maxReplicas": 20, "mode": "shadow"}"#,
/// )?;
/// assert_eq!((spec.policy.max_replicas, spec.host.mode), (20, HostMode::Shadow));
/// assert_eq!(serde_json::to_value(&spec)?["mode"], "shadow");
///
/// let wrong = serde_json::from_str::<ScalingPolicySpec>(r#"{"mod": "shadow"}"#).unwrap_err();
/// assert!(wrong.to_string().starts_with("unknown field `mod`"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScalingPolicySpec {
    /// What is decided by.
    #[serde(flatten)]
    pub policy: PolicySpec,
    /// What the host is told.
    #[serde(flatten)]
    pub host: HostSpec,
}

impl ScalingPolicySpec {
    /// Checks all of it, and makes the policy.
    ///
    /// # Errors
    ///
    /// Every rule that is broken, of the policy and of the fields for its host.
    ///
    /// ```
    /// use trimtab_manifest::ScalingPolicySpec;
    ///
    /// let spec: ScalingPolicySpec = serde_json::from_str(
    ///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "llm"},
    ///         "adopt": {"horizontalPodAutoscaler": "LLM"}}"#,
    /// )?;
    /// let refused = spec.compile().unwrap_err();
    /// let fields: Vec<&str> = refused.iter().map(|error| error.field()).collect();
    /// let max = "spec.maxReplicas"; // missing, and below 1
    /// assert_eq!(fields, [max, max, "spec.adopt.horizontalPodAutoscaler"]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn compile(&self) -> Result<Policy, Vec<FieldError>> {
        let host = self.host.check(&self.policy);
        match Policy::new(self.policy.clone()).map_err(InvalidPolicy::into_errors) {
            Ok(policy) if host.is_empty() => Ok(policy),
            Ok(_) => Err(host),
            Err(errors) => Err(errors.into_iter().chain(host).collect()),
        }
    }
}

/// All fields, those of the policy in front.
pub(crate) const FIELDS: [&str; 26] = [
    "scaleTargetRef",
    "strategy",
    "minReplicas",
    "maxReplicas",
    "metrics",
    "behavior",
    "pause",
    "override",
    "warmPool",
    "retire",
    "schedules",
    "anticipate",
    "hpa",
    "keda",
    "knative",
    "rayServe",
    "slo",
    "wva",
    "apa",
    "supply",
    "redundancy",
    "mode",
    "sources",
    "draining",
    "standby",
    "adopt",
];

impl<'de> Deserialize<'de> for ScalingPolicySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("ScalingPolicySpec", &FIELDS, SpecVisitor)
    }
}

struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = ScalingPolicySpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of a scaling policy")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScalingPolicySpec, A::Error> {
        let mut host = Given::default();
        let rest = Rest { map, host: &mut host };
        let policy = PolicySpec::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(ScalingPolicySpec { policy, host: host.into() })
    }
}

/// The fields for the host that were met on the way.
#[derive(Default)]
struct Given {
    mode: Option<HostMode>,
    sources: Option<Vec<SourceSpec>>,
    draining: Option<Option<DrainingSpec>>,
    standby: Option<Option<StandbySpec>>,
    adopt: Option<Option<AdoptSpec>>,
}

impl From<Given> for HostSpec {
    fn from(given: Given) -> Self {
        Self {
            mode: given.mode.unwrap_or_default(),
            sources: given.sources.unwrap_or_default(),
            draining: given.draining.flatten(),
            standby: given.standby.flatten(),
            adopt: given.adopt.flatten(),
        }
    }
}

/// The entries of a mapping without those for the host, which it keeps. What a field is wrong with is
/// said by the one that has the entry, so that it knows where it is.
struct Rest<'a, A> {
    map: A,
    host: &'a mut Given,
}

impl<'de, A: MapAccess<'de>> Rest<'_, A> {
    fn keep(&mut self, field: &'static str) -> Result<(), A::Error> {
        match field {
            "mode" => once(&mut self.map, &mut self.host.mode, field),
            "sources" => once(&mut self.map, &mut self.host.sources, field),
            "draining" => once(&mut self.map, &mut self.host.draining, field),
            "standby" => once(&mut self.map, &mut self.host.standby, field),
            _ => once(&mut self.map, &mut self.host.adopt, field),
        }
    }
}

fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    map: &mut A,
    place: &mut Option<T>,
    field: &'static str,
) -> Result<(), A::Error> {
    if place.is_some() {
        return Err(A::Error::duplicate_field(field));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key_seed(Known)? {
            match HOST_FIELDS.into_iter().find(|field| *field == key) {
                Some(field) => self.keep(field)?,
                None => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A key that some field has.
struct Known;

impl<'de> DeserializeSeed<'de> for Known {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<&'static str, D::Error> {
        let key = String::deserialize(key)?;
        let known = FIELDS.into_iter().find(|field| *field == key);
        known.ok_or_else(|| D::Error::unknown_field(&key, &FIELDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deserializer that only says which fields it is asked for.
    struct Asked;

    impl<'de> Deserializer<'de> for Asked {
        type Error = serde::de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("a policy is a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom(fields.join(" ")))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    #[test]
    fn the_fields_are_those_of_both() {
        let policy = PolicySpec::deserialize(Asked).unwrap_err().to_string();
        let host = HostSpec::deserialize(Asked).unwrap_err().to_string();
        assert_eq!(FIELDS.join(" "), format!("{policy} {host}"));
        assert_eq!(HOST_FIELDS.join(" "), host);
    }

    #[test]
    fn a_field_stands_once() {
        let twice = r#"{"mode": "shadow", "maxReplicas": 1, "mode": "active"}"#;
        let error = serde_json::from_str::<ScalingPolicySpec>(twice).unwrap_err();
        assert!(error.to_string().starts_with("duplicate field `mode`"), "{error}");
    }

    #[test]
    fn what_is_null_is_absent() {
        let null = r#"{"adopt": null, "draining": null, "standby": null, "minReplicas": null}"#;
        let read = serde_json::from_str::<ScalingPolicySpec>(null).unwrap();
        assert_eq!(read, ScalingPolicySpec::default());
    }
}
