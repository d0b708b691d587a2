//! What is wrong with a configuration.

use thiserror::Error;

/// Why a configuration can't be meant.
///
/// ```
/// use trimtab_prometheus::{PrometheusClient, ServerSpec};
///
/// let error = PrometheusClient::new(&ServerSpec::at("prometheus:9090")).err().unwrap();
/// assert!(error.to_string().contains("`http://prometheus:9090`"));
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

    pub(crate) fn tls(message: String) -> Self {
        Self { message: format!("`tls`: {message}") }
    }
}
