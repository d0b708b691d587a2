//! What is wrong with a configuration.

use thiserror::Error;

/// Why a configuration can't be meant.
///
/// ```
/// use trimtab_prometheus::{MetricQuery, QueriesSpec};
///
/// let empty = MetricQuery { metric: String::from("waiting"), ..MetricQuery::default() };
/// let error = QueriesSpec { metrics: vec![empty], ..QueriesSpec::default() }.resolve().unwrap_err();
/// assert_eq!(error.to_string(), "the `query` of `waiting` is empty");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct SpecError {
    message: String,
}

impl SpecError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    #[cfg(feature = "client")]
    pub(crate) fn tls(message: String) -> Self {
        Self { message: format!("`tls`: {message}") }
    }
}
