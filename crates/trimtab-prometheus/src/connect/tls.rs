//! Whom we trust, and the certificate that we show.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};
use serde::{Deserialize, Serialize};

use super::Stamp;
use super::watched::stamp;
use crate::SpecError;

/// Whom we trust, and the certificate that we show. All files are PEM, and are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSpec {
    /// Authorities that we trust besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Only those of `caFile` are trusted, and not the system's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_ca_file: bool,
    /// The certificate that we show, with those that it was signed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl TlsSpec {
    /// What tells whether a file changed.
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        let files = [&self.ca_file, &self.cert_file, &self.key_file];
        files.into_iter().map(|file| file.as_deref().and_then(stamp)).collect()
    }

    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, SpecError> {
        if self.only_ca_file && self.ca_file.is_none() {
            return Err(SpecError::tls(String::from(
                "`onlyCaFile` trusts nobody without a `caFile`",
            )));
        }
        if let Some(file) = &self.ca_file {
            let certificates = Certificate::from_pem_bundle(&read(file)?)
                .ok()
                .filter(|certificates| !certificates.is_empty())
                .ok_or_else(|| {
                    let file = file.display();
                    SpecError::tls(format!("`{file}` has no certificates: PEM is expected"))
                })?;
            builder = if self.only_ca_file {
                builder.tls_certs_only(certificates)
            } else {
                builder.tls_certs_merge(certificates)
            };
        }
        match (&self.cert_file, &self.key_file) {
            (None, None) => Ok(builder),
            (Some(cert), Some(key)) => {
                let mut pem = read(cert)?;
                pem.push(b'\n');
                pem.extend(read(key)?);
                let identity = Identity::from_pem(&pem).map_err(|error| {
                    let (cert, key, error) = (cert.display(), key.display(), words(&error));
                    SpecError::tls(format!(
                        "`{cert}` and `{key}` are not a certificate and its key as PEM: {error}"
                    ))
                })?;
                Ok(builder.identity(identity))
            }
            _ => Err(SpecError::tls(String::from(
                "`certFile` and `keyFile` go together: a certificate is shown with its key",
            ))),
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, SpecError> {
    fs::read(file)
        .map_err(|error| SpecError::tls(format!("`{}` can't be read: {error}", file.display())))
}

/// The innermost reason, which is the one that says something.
pub(super) fn words(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    let mut source = error.source();
    while let Some(next) = source {
        innermost = next;
        source = next.source();
    }
    innermost.to_string()
}
