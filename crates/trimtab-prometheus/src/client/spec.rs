//! Where the Prometheus is, and how much we ask of it.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use trimtab_metric::Span;

use crate::SpecError;
use crate::connect::ConnectSpec;

/// Where a Prometheus is, and how much is asked of it.
///
/// ```
/// use trimtab_prometheus::ServerSpec;
///
/// let server: ServerSpec = serde_json::from_str(
///     r#"{
///         "addresses": ["https://prometheus-0:9090", "https://prometheus-1:9090"],
///         "connect": {"auth": {"bearerTokenFile": "/var/run/secrets/token"}},
///         "timeoutSeconds": 5
///     }"#,
/// )?;
/// assert_eq!(server.max_concurrent.get(), 16);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerSpec {
    /// Its address, such as `http://prometheus.monitoring:9090`; with a path before `/api/v1` if it has one. Of several that know
    /// the same the first that answers counts.
    pub addresses: Vec<String>,
    /// How it is reached.
    #[serde(default)]
    pub connect: ConnectSpec,
    /// The longest that an answer may take, with all attempts. Default 8 s.
    #[serde(default = "timeout")]
    pub timeout_seconds: Span,
    /// The largest answer. Default 16 MiB.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
    /// Answers count of which a part is missing, as a server that asks several stores warns. Default: they are failures.
    #[serde(default)]
    pub allow_partial: bool,
    /// Requests at a time. Default 16.
    #[serde(default = "max_concurrent")]
    pub max_concurrent: NonZeroU16,
    /// Times that are asked about are rounded down to multiples of this, so that several workloads can share an answer.
    /// Default 5 s.
    #[serde(default = "share")]
    pub share_seconds: Span,
}

fn timeout() -> Span {
    Span::from_secs(8)
}

fn max_bytes() -> u64 {
    16 << 20
}

fn max_concurrent() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(15)
}

fn share() -> Span {
    Span::from_secs(5)
}

impl ServerSpec {
    /// One at this address, and all else by default.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            addresses: vec![address.into()],
            connect: ConnectSpec::default(),
            timeout_seconds: timeout(),
            max_bytes: max_bytes(),
            allow_partial: false,
            max_concurrent: max_concurrent(),
            share_seconds: share(),
        }
    }

    pub(super) fn check(&self) -> Result<(), SpecError> {
        if self.addresses.is_empty() {
            return Err(SpecError::new("`addresses` is empty: name at least one server"));
        }
        if self.timeout_seconds < Span::from_millis(100) {
            let given = self.timeout_seconds;
            return Err(SpecError::new(format!(
                "`timeoutSeconds` is {given}: give a server 0.1 or more, such as 8"
            )));
        }
        if self.max_bytes < 1024 {
            let given = self.max_bytes;
            return Err(SpecError::new(format!(
                "`maxBytes` is {given}: an answer has 1024 or more, such as 16777216"
            )));
        }
        if !(Span::ZERO..=Span::from_secs(300)).contains(&self.share_seconds) {
            let given = self.share_seconds;
            return Err(SpecError::new(format!(
                "`shareSeconds` is {given}: it is 0 to 300, and less than a period"
            )));
        }
        Ok(())
    }
}
