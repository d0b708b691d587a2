//! A fingerprint of values: 64-bit FNV-1a over their fields, the same on every platform.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use alloc::string::{String, ToString};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A 64-bit fingerprint, written as 16 hexadecimal digits.
///
/// It tells states and policies apart in a decision log; it is not a cryptographic hash.
/// Algorithm: FNV-1a (Fowler, Noll, Vo), integers fed in little-endian order.
///
/// ```
/// use trimtab_engine::Digest;
///
/// let digest = Digest::of(&("a", 1_i32));
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// assert_ne!(digest, Digest::of(&("a", 2_i32)));
/// # Ok::<(), trimtab_engine::ParseDigestError>(())
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(u64);

/// A text that is not 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not a digest: 16 hexadecimal digits are")]
pub struct ParseDigestError {
    text: String,
}

impl Digest {
    /// The fingerprint of a value.
    pub fn of<T: Hash + ?Sized>(value: &T) -> Self {
        let mut hasher = Fnv1a::default();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| digits)
            .map(Self)
            .ok_or_else(|| ParseDigestError { text: text.chars().take(32).collect() })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

/// `Hasher` feeds integers in the platform's order and lengths in the platform's width; both are
/// fixed here, or the same state would have another digest on another machine.
impl Hasher for Fnv1a {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write(&(value as u64).to_le_bytes());
    }

    fn write_i32(&mut self, value: i32) {
        self.write(&value.to_le_bytes());
    }

    fn write_i64(&mut self, value: i64) {
        self.write(&value.to_le_bytes());
    }

    fn write_isize(&mut self, value: isize) {
        self.write(&(value as i64).to_le_bytes());
    }
}
