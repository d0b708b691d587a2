//! How it travels: serde for quantities.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{ParseQuantityError, Quantity};

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(QuantityVisitor)
        } else {
            deserializer.deserialize_str(QuantityVisitor)
        }
    }
}

struct QuantityVisitor;

impl Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity such as `500m` or `2Gi`, or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        text.trim().parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_u128<E: de::Error>(self, number: u128) -> Result<Quantity, E> {
        number.to_string().parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
        float_text(number).and_then(|text| text.parse()).map_err(E::custom)
    }
}

/// The shortest decimal text that reads back as `number`, plain where JSON writers print it plain, with an exponent outside.
fn float_text(number: f64) -> Result<String, ParseQuantityError> {
    if !number.is_finite() {
        return Err(ParseQuantityError::NotFinite(number.to_string()));
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        Ok(format!("{number}"))
    } else {
        Ok(format!("{number:e}"))
    }
}
