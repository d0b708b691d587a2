//! A float that is a number: what a policy may hold where Kubernetes has a `float64` flag.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A finite `f64`: never NaN, never infinite, so that it compares, hashes and round-trips.
///
/// Negative zero is kept as positive zero, so equal values have equal bits.
///
/// ```
/// use trimtab_engine::Finite;
///
/// assert_eq!(Finite::new(0.1).map(Finite::get), Some(0.1));
/// assert_eq!(Finite::new(f64::NAN), None);
/// ```
#[derive(Copy, Clone, Debug, Default)]
pub struct Finite(f64);

impl Finite {
    /// The value, unless it is NaN or infinite.
    pub const fn new(value: f64) -> Option<Self> {
        if value.is_finite() { Some(Self(if value == 0.0 { 0.0 } else { value })) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<i32> for Finite {
    fn from(value: i32) -> Self {
        Self(f64::from(value))
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Finite {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Finite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| {
            serde::de::Error::custom(format_args!("`{value}` is not a finite number"))
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Finite {
    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        alloc::borrow::Cow::Borrowed("Finite")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        f64::json_schema(generator)
    }
}
