//! What is wrong with a policy: which field, which kind of mistake, and what would be right.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One broken rule, at one field.
///
/// ```
/// use trimtab_engine::{FieldErrorKind, Policy, PolicySpec};
///
/// let mut spec: PolicySpec = serde_json::from_str(
///     r#"{"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
///         "minReplicas": 0, "maxReplicas": 10}"#,
/// )?;
/// spec.metrics = None;
/// let refused = Policy::new(spec).unwrap_err();
///
/// let error = &refused.errors()[0];
/// assert_eq!(error.field(), "spec.minReplicas");
/// assert_eq!(error.kind(), FieldErrorKind::Invalid);
/// assert_eq!(error.kind().api_type(), "FieldValueInvalid");
/// assert!(error.detail().contains("HPAScaleToZero"));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field} {detail}")]
pub struct FieldError {
    field: String,
    kind: FieldErrorKind,
    detail: String,
}

impl FieldError {
    /// An error at `field`, a path such as `spec.metrics[0].pods.target.averageValue`; for those who have
    /// rules for fields of their own beside the policy's.
    pub fn new(field: impl Into<String>, kind: FieldErrorKind, detail: impl Into<String>) -> Self {
        Self { field: field.into(), kind, detail: detail.into() }
    }

    /// Path of the field from the root of the document, as the Kubernetes API server writes it:
    /// `spec.metrics[0].pods.target.averageValue`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Which kind of mistake it is.
    pub fn kind(&self) -> FieldErrorKind {
        self.kind
    }

    /// What is wrong and what would be right, as a sentence whose subject is the field: `is 0 and
    /// has to be at least 1`. The wording is no part of the interface.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// The kinds of mistakes, as the Kubernetes API server tells them apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FieldErrorKind {
    /// The field has to be set and is absent or empty.
    Required,
    /// The value is outside what the field admits.
    Invalid,
    /// The value is none of those that the field knows.
    NotSupported,
    /// The field must not be set, because of something else in the policy.
    Forbidden,
}

impl FieldErrorKind {
    /// The name of this kind in the Kubernetes API, as in the `reason` of a status cause.
    ///
    /// ```
    /// use trimtab_engine::FieldErrorKind;
    ///
    /// assert_eq!(FieldErrorKind::Required.api_type(), "FieldValueRequired");
    /// ```
    pub fn api_type(&self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
        }
    }
}

/// A policy was refused: every broken rule, at least one.
///
/// ```
/// use trimtab_engine::{Policy, PolicySpec};
///
/// let refused = Policy::new(PolicySpec::default()).unwrap_err();
/// let text = refused.to_string();
/// assert!(text.starts_with("the policy breaks 5 rules\n"));
/// assert!(text.contains("\n  spec.scaleTargetRef.name is missing"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidPolicy {
    errors: Vec<FieldError>,
}

impl InvalidPolicy {
    /// Nothing if `errors` is empty: there is no such thing as a refusal without a reason.
    pub(super) fn from_errors(errors: Vec<FieldError>) -> Option<Self> {
        if errors.is_empty() { None } else { Some(Self { errors }) }
    }

    /// The broken rules in the order in which the API server lists them; never empty.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// The same by value.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("the policy breaks a rule")?,
            count => write!(f, "the policy breaks {count} rules")?,
        }
        self.errors.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_errors_are_no_refusal() {
        assert_eq!(InvalidPolicy::from_errors(Vec::new()), None);
    }

    #[test]
    fn errors_are_listed_one_a_line() {
        let errors = alloc::vec![
            FieldError::new("spec.a", FieldErrorKind::Required, "is missing"),
            FieldError::new("spec.b", FieldErrorKind::Invalid, "is 0 and has to be at least 1"),
        ];
        let refused = InvalidPolicy::from_errors(errors).unwrap();
        assert_eq!(
            alloc::format!("{refused}"),
            "the policy breaks 2 rules\n  spec.a is missing\n  \
             spec.b is 0 and has to be at least 1"
        );
    }

    #[test]
    fn kinds_have_the_names_of_the_api() {
        let names = [
            FieldErrorKind::Required,
            FieldErrorKind::Invalid,
            FieldErrorKind::NotSupported,
            FieldErrorKind::Forbidden,
        ]
        .map(|kind| kind.api_type());
        let expected = ["Required", "Invalid", "NotSupported", "Forbidden"];
        assert_eq!(names, expected.map(|name| alloc::format!("FieldValue{name}")));
    }
}
