//! Why a text is not a quantity.

use alloc::string::String;

use thiserror::Error;

use super::parse::{MAX_QUANTITY_BYTES, MAX_QUANTITY_EXPONENT};

/// Why a text is not a [`Quantity`](crate::Quantity).
///
/// ```
/// use trimtab_metric::Quantity;
/// let error = "1K".parse::<Quantity>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "`1K` has the unknown suffix `K`: use n, u, m, k, M, G, T, P or E, Ki, Mi, Gi, Ti, Pi or Ei, or an exponent such as `e3`"
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ParseQuantityError {
    /// The text is empty.
    #[error("a quantity is empty: write a number such as `500m` or `2Gi`")]
    Empty,
    /// The text is not a number followed by a suffix.
    #[error(
        "`{0}` is not a quantity: write a number and a suffix without spaces, such as `500m` or `2Gi`"
    )]
    Malformed(String),
    /// What follows the number is not a suffix.
    #[error(
        "`{text}` has the unknown suffix `{suffix}`: use n, u, m, k, M, G, T, P or E, Ki, Mi, Gi, Ti, Pi or Ei, or an exponent such as `e3`"
    )]
    UnknownSuffix {
        /// What was written.
        text: String,
        /// The part after the number.
        suffix: String,
    },
    /// There is a suffix but no digit before it.
    #[error("`{0}` has no digits: write a number before the suffix, such as `500m` or `2Gi`")]
    NoDigits(String),
    /// The text is longer than this crate reads; a limit of its own, which Kubernetes does not have.
    #[error("a quantity of {bytes} bytes is too long: at most {MAX_QUANTITY_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The exponent is larger than this crate computes with; a limit of its own, which Kubernetes does not have.
    #[error("`{text}` has the exponent {exponent}: at most {MAX_QUANTITY_EXPONENT} either way")]
    ExponentTooLarge {
        /// What was written.
        text: String,
        /// Its exponent, after the truncation to 32 bits that Kubernetes applies.
        exponent: i32,
    },
    /// A number of a document is NaN or infinite.
    #[error("`{0}` is not a quantity: write a finite number")]
    NotFinite(String),
}
