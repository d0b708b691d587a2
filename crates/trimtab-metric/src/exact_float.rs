//! How a float travels without losing a bit: as text, because not every reader of JSON numbers rounds correctly.

use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// A float that survives any round trip. Serializes as its shortest decimal text, infinities as `+Inf` and `-Inf` like Prometheus;
/// reads text and numbers. Formats that are not self-describing carry the float itself.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(crate) struct ExactFloat(pub(crate) f64);

/// For `#[serde(with = "exact_float")]` on a plain `f64`.
pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    ExactFloat(*value).serialize(serializer)
}

/// See [`serialize`].
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    ExactFloat::deserialize(deserializer).map(|exact| exact.0)
}

impl Serialize for ExactFloat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            serializer.serialize_f64(self.0)
        } else if self.0.is_infinite() {
            serializer.serialize_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" })
        } else {
            serializer.collect_str(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for ExactFloat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(ExactFloatVisitor)
        } else {
            f64::deserialize(deserializer).map(ExactFloat)
        }
    }
}

struct ExactFloatVisitor;

impl Visitor<'_> for ExactFloatVisitor {
    type Value = ExactFloat;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or its text such as `0.25` or `+Inf`")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<ExactFloat, E> {
        Ok(ExactFloat(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<ExactFloat, E> {
        Ok(ExactFloat(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<ExactFloat, E> {
        Ok(ExactFloat(value as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ExactFloat, E> {
        text.parse().map(ExactFloat).map_err(|_| {
            E::custom(format_args!("`{text}` is not a number: write one such as `0.25`, or `+Inf`"))
        })
    }
}
