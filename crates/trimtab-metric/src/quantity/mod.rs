//! Kubernetes quantities: what `500m`, `1.5Gi` and `3e2` mean, to the last digit and including the corners where Kubernetes overflows.

mod amount;
mod canonical;
mod error;
mod magnitude;
mod parse;
mod wire;

use alloc::string::String;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

use self::amount::Amount;
pub use self::error::ParseQuantityError;
pub use self::parse::{MAX_QUANTITY_BYTES, MAX_QUANTITY_EXPONENT};

/// How a quantity writes itself: the kind of suffix it was written with.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// `12e6`
    DecimalExponent,
    /// `12Mi`
    BinarySi,
    /// `12M`
    DecimalSi,
}

/// An exact Kubernetes quantity, such as a metric target or a resource request.
///
/// Behaves as `resource.Quantity` of Kubernetes 1.36 does for an HPA: the same texts are accepted, with the same value, the same
/// milli-units and the same canonical text. A value finer than `n` (10^-9) rounds away from zero; a binary one is capped at 2^63 - 1.
///
/// Two bounds are this crate's own, and Kubernetes has no such limit: a text has at most [`MAX_QUANTITY_BYTES`] bytes, and a decimal
/// exponent is within ±[`MAX_QUANTITY_EXPONENT`]. Without them, `1e2147483647` could ask for gigabytes.
///
/// # Comparison
///
/// By exact numeric value: `1`, `1000m` and `1e0` are equal and hash alike, though they print differently.
///
/// # Text and serde
///
/// Displays and serializes as the canonical text, which is the original text when that was canonical already. Deserializes from a
/// string (surrounding white space is dropped, as Kubernetes does) or a number; a float is taken by its shortest decimal text.
/// One defect of Kubernetes is kept: a DecimalSI value of 10^21 or more that is a multiple of 10^21 has no suffix and loses its zeros
/// in canonical text (`1000E` becomes `1`).
///
/// # Example
///
/// ```
/// use trimtab_metric::Quantity;
///
/// let target: Quantity = "1.5Gi".parse()?;
/// assert_eq!(target.milli(), 1_610_612_736_000);
/// assert_eq!(target.to_string(), "1536Mi");
/// assert_eq!("0.1n".parse::<Quantity>()?, "1n".parse()?);
/// # Ok::<(), trimtab_metric::ParseQuantityError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Quantity {
    amount: Amount,
    format: Format,
    /// The text it was parsed from, when that counts as canonical.
    text: Option<String>,
}

impl Quantity {
    /// `milli` thousandths, written in decimal (`1500m`).
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!(Quantity::from_milli(1500).to_string(), "1500m");
    /// assert_eq!(Quantity::from_milli(2000).to_string(), "2");
    /// ```
    pub const fn from_milli(milli: i64) -> Self {
        Quantity {
            amount: Amount::Small { value: milli, exponent: -3 },
            format: Format::DecimalSi,
            text: None,
        }
    }

    /// `milli` thousandths, written with binary suffixes where that is exact and at least 1024 (`2Ki`), else in decimal.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!(Quantity::from_milli_binary(2_048_000).to_string(), "2Ki");
    /// assert_eq!(Quantity::from_milli_binary(2_048_001).to_string(), "2048001m");
    /// ```
    pub const fn from_milli_binary(milli: i64) -> Self {
        Quantity {
            amount: Amount::Small { value: milli, exponent: -3 },
            format: Format::BinarySi,
            text: None,
        }
    }

    /// `units` whole units, written in decimal.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!(Quantity::from_units(12_000).to_string(), "12k");
    /// ```
    pub const fn from_units(units: i64) -> Self {
        Quantity {
            amount: Amount::Small { value: units, exponent: 0 },
            format: Format::DecimalSi,
            text: None,
        }
    }

    /// The quantity in thousandths, as the HPA computes with it: rounded away from zero, and silently wrong outside the range of `i64`.
    ///
    /// Kubernetes' behaviour is kept exactly, which means two things to know. Outside ±9.2e15 units the result wraps modulo 2^64 or
    /// is zero, depending on how the quantity was written. A quantity that was written with more than 18 digits or with a fraction
    /// and a binary suffix rounds a negative value toward zero and one further when not whole. Compare quantities, not their
    /// milli-units, where the range is not known.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// let milli = |text: &str| text.parse::<Quantity>().map(|quantity| quantity.milli());
    /// assert_eq!(milli("0.5")?, 500);
    /// assert_eq!(milli("1n")?, 1);
    /// assert_eq!(milli("1E")?, 0); // overflow
    /// # Ok::<(), trimtab_metric::ParseQuantityError>(())
    /// ```
    pub fn milli(&self) -> i64 {
        self.amount.milli()
    }

    /// The quantity in thousandths, rounded away from zero; `None` where no `i64` holds it.
    ///
    /// Unlike [`Quantity::milli`] it depends on the value alone and not on how that is written, so an amount in thousandths survives
    /// being written down.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!("1E".parse::<Quantity>()?.checked_milli(), None);
    /// let least = Quantity::from_milli(i64::MIN);
    /// assert_eq!(least.to_string().parse::<Quantity>()?.checked_milli(), Some(i64::MIN));
    /// # Ok::<(), trimtab_metric::ParseQuantityError>(())
    /// ```
    pub fn checked_milli(&self) -> Option<i64> {
        self.amount.checked_milli()
    }

    /// The quantity as Kubernetes approximates it: the written mantissa times a power of ten, one rounding each.
    ///
    /// Not the nearest `f64`: `0.35` written as `350m` gives 0.35000000000000003. Infinite beyond the range of `f64`, and NaN for a
    /// zero written with an exponent over 308. The HPA uses it for tolerances only.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!("350m".parse::<Quantity>()?.approx_f64(), 0.35000000000000003);
    /// # Ok::<(), trimtab_metric::ParseQuantityError>(())
    /// ```
    pub fn approx_f64(&self) -> f64 {
        self.amount.approx_f64()
    }

    /// -1, 0 or 1: the sign of the value.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// assert_eq!("-0.1n".parse::<Quantity>()?.signum(), -1);
    /// # Ok::<(), trimtab_metric::ParseQuantityError>(())
    /// ```
    pub fn signum(&self) -> i32 {
        self.amount.signum()
    }

    /// The quantity after a round trip through its canonical text: what a controller sees of what a user wrote.
    ///
    /// The value is the same (but see the type for one defect); [`Quantity::milli`] and [`Quantity::approx_f64`] may differ where they
    /// depend on how the number is written.
    ///
    /// ```
    /// use trimtab_metric::Quantity;
    /// let written: Quantity = "0.02e-3".parse()?;
    /// assert_eq!(written.canonical().to_string(), "20e-6");
    /// assert_ne!(written.canonical().approx_f64(), written.approx_f64());
    /// # Ok::<(), trimtab_metric::ParseQuantityError>(())
    /// ```
    pub fn canonical(&self) -> Quantity {
        // Canonical text stays within the bounds of the parser, but for the few digits a text at the bound may gain; such a quantity
        // is its own round trip.
        parse::parse(&alloc::format!("{self}")).unwrap_or_else(|_| self.clone())
    }
}

impl Default for Quantity {
    /// Zero.
    fn default() -> Self {
        Quantity::from_units(0)
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        parse::parse(text)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => canonical::write(&self.amount, self.format, f),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.amount.cmp(&other.amount)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.amount.normal_form().hash(state);
    }
}
