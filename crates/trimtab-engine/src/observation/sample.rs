//! Short and long forms: a pod's value with or without its time, readiness with or without.

use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trimtab_metric::{Quantity, Span, Timestamp};

use super::Readiness;

/// One pod's value of a metric: a quantity, or `{value, timestamp, windowSeconds}`.
///
/// ```
/// use trimtab_engine::PodSample;
///
/// let short: PodSample = serde_json::from_str("0.75")?;
/// let long: PodSample = serde_json::from_str(r#"{"value": "750m", "windowSeconds": 30}"#)?;
/// assert_eq!(short.value, long.value);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PodSample {
    /// The amount.
    pub value: Quantity,
    /// The end of the sample's window. Default: the observation's time.
    pub timestamp: Option<Timestamp>,
    /// The window's length. Default 60 s.
    pub window: Option<Span>,
}

/// A pod's `Ready` condition: `{status, lastTransitionTime}`, or `true` or `false`.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ReadyCondition {
    /// Whether it is ready.
    pub status: Readiness,
    /// Since when. Absent: since before anything else.
    pub last_transition_time: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LongSample {
    value: Quantity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(default, rename = "windowSeconds", skip_serializing_if = "Option::is_none")]
    window: Option<Span>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LongCondition {
    status: Readiness,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_transition_time: Option<Timestamp>,
}

impl Serialize for PodSample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.timestamp.is_none() && self.window.is_none() {
            return self.value.serialize(serializer);
        }
        let Self { value, timestamp, window } = self.clone();
        LongSample { value, timestamp, window }.serialize(serializer)
    }
}

impl Serialize for ReadyCondition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { status, last_transition_time } = *self;
        match (status, last_transition_time) {
            (Readiness::True, None) => serializer.serialize_bool(true),
            (Readiness::False, None) => serializer.serialize_bool(false),
            _ => LongCondition { status, last_transition_time }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PodSample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SampleVisitor;

        fn short<E: Error>(
            value: impl serde::de::IntoDeserializer<'static, E>,
        ) -> Result<PodSample, E> {
            let value = Quantity::deserialize(value.into_deserializer())?;
            Ok(PodSample { value, timestamp: None, window: None })
        }

        impl<'de> Visitor<'de> for SampleVisitor {
            type Value = PodSample;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `750m`, or a map with `value` and `timestamp`")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<PodSample, E> {
                short(value)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<PodSample, E> {
                short(value)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<PodSample, E> {
                short(value)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PodSample, E> {
                let value = text.parse().map_err(E::custom)?;
                Ok(PodSample { value, timestamp: None, window: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PodSample, A::Error> {
                let LongSample { value, timestamp, window } =
                    LongSample::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PodSample { value, timestamp, window })
            }
        }

        deserializer.deserialize_any(SampleVisitor)
    }
}

impl<'de> Deserialize<'de> for ReadyCondition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ConditionVisitor;

        impl<'de> Visitor<'de> for ConditionVisitor {
            type Value = ReadyCondition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, or a map with `status` and `lastTransitionTime`")
            }

            fn visit_bool<E: Error>(self, ready: bool) -> Result<ReadyCondition, E> {
                let status = if ready { Readiness::True } else { Readiness::False };
                Ok(ReadyCondition { status, last_transition_time: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ReadyCondition, A::Error> {
                let LongCondition { status, last_transition_time } =
                    LongCondition::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ReadyCondition { status, last_transition_time })
            }
        }

        deserializer.deserialize_any(ConditionVisitor)
    }
}
