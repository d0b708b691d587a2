//! A target that is read and written by signed HTTP requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use trimtab_engine::PodRecord;

use super::{Change, ScaleTarget, TargetError, TargetStatus};
use crate::{WorkloadId, use_ring};

/// No answer is longer.
const LONGEST: usize = 8 << 20;
/// The header with the signature.
const SIGNATURE: &str = "x-trimtab-signature";

/// Where a [`WebhookTarget`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookSpec {
    /// `http://` or `https://`.
    pub url: String,
    /// A file with the secret that requests are signed with. White space at its end does not count. It is read anew for
    /// each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Headers of each request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Scales whatever answers HTTP.
///
/// **Read**: `GET` of the URL with `?workload=NAME`. It is answered with 200 and JSON: `{"replicas": 3}`, and as far as it is known
/// `statusReplicas`, `version` and `pods` (as in observations).
///
/// **Write**: `POST` to the URL with JSON: `{"workload": …, "from": 3, "replicas": 5}`, and where there is one the
/// `version` that was read, and who is to `drain`, `retire` or `takeBack`. It is answered with
///
/// | status | means |
/// | --- | --- |
/// | 200 to 299 | it is done, or surely will be |
/// | 409, 412 | somebody else changed it since; it is read again |
/// | 404 / 401, 403 | there is no such target / it may not be changed |
/// | 408, 429, 502, 503, 504 | it may be tried again at once |
/// | anything else | it is refused, with the reason as text |
///
/// **Signature**: with a secret, each request has the header `X-Trimtab-Signature: t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 of
/// `SECONDS.METHOD.BODY` (of `SECONDS.GET.NAME`, the workload's name, for reading). Who receives it compares the two in constant time and refuses one whose time
/// is more than some minutes off, so that nobody can send it again.
#[derive(Debug)]
pub struct WebhookTarget {
    name: String,
    url: Url,
    secret_file: Option<PathBuf>,
    client: Client,
}

/// A webhook can't be used as it is written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The address is none.
    #[error("`{url}` is no address of HTTP: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header can't be sent.
    #[error("`{name}` can't be a header: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client can't be built.
    #[error("HTTP can't be spoken: {0}")]
    Client(String),
}

impl WebhookTarget {
    /// Takes the address.
    ///
    /// # Errors
    ///
    /// [`WebhookError`] for what can't be used as it is written.
    pub fn new(spec: WebhookSpec) -> Result<Self, WebhookError> {
        let WebhookSpec { url: text, secret_file, headers } = spec;
        let wrong = |reason: String| WebhookError::Url { url: text.clone(), reason };
        let url: Url = text.parse().map_err(|error| wrong(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(String::from("it has to begin with `http://` or `https://`")));
        }
        use_ring();
        let client = Client::builder()
            .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .default_headers(header_map(&headers)?)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| WebhookError::Client(error.to_string()))?;
        let name = format!("webhook {}", url.host_str().unwrap_or_default());
        Ok(Self { name, url, secret_file, client })
    }

    async fn send(
        &self,
        method: Method,
        workload: &WorkloadId,
        body: Option<Vec<u8>>,
    ) -> Result<Response, TargetError> {
        let mut request = self.client.request(method.clone(), self.url.clone());
        let signed = body.as_deref().unwrap_or(workload.as_str().as_bytes());
        if let Some(file) = &self.secret_file {
            request = request.header(SIGNATURE, signature(file, method.as_str(), signed).await?);
        }
        request = match body {
            Some(body) => request.header("content-type", "application/json").body(body),
            None => request.query(&[("workload", workload.as_str())]),
        };
        let failed = |error: reqwest::Error| TargetError::Unreachable(words(&error));
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = body_of(response, 1024).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().lines().next().unwrap_or("").to_owned();
        Err(refusal(status, &said))
    }
}

/// What an error says, with what it comes from: `error sending request: connection refused`.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn header_map(headers: &BTreeMap<String, String>) -> Result<HeaderMap, WebhookError> {
    let wrong = |name: &str, reason: String| WebhookError::Header { name: name.into(), reason };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let key: HeaderName = name.parse().map_err(|error| wrong(name, format!("{error}")))?;
        let value: HeaderValue = value.parse().map_err(|error| wrong(name, format!("{error}")))?;
        map.insert(key, value);
    }
    Ok(map)
}

/// What a status that is no success means.
fn refusal(status: StatusCode, said: &str) -> TargetError {
    let message = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
    match status.as_u16() {
        409 | 412 => TargetError::Conflict,
        404 => TargetError::NotFound(message),
        401 | 403 => TargetError::Denied(message),
        408 | 429 | 502 | 503 | 504 => TargetError::Unreachable(message),
        _ => TargetError::Refused(message),
    }
}

/// `t=SECONDS,v1=HEX`
async fn signature(file: &Path, method: &str, body: &[u8]) -> Result<String, TargetError> {
    let secret = tokio::fs::read(file).await.map_err(|error| {
        TargetError::Denied(format!("the secret `{}` can't be read: {error}", file.display()))
    })?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    sign(secret.trim_ascii_end(), seconds, method, body)
        .ok_or_else(|| TargetError::Denied(format!("the secret `{}` is empty", file.display())))
}

/// The signature, if there is a secret.
fn sign(secret: &[u8], seconds: u64, method: &str, body: &[u8]) -> Option<String> {
    let secret = Some(secret).filter(|secret| !secret.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{seconds}.{method}.").as_bytes());
    mac.update(body);
    let hex: Vec<String> =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("t={seconds},v1={}", hex.concat()))
}

/// A body of at most so many bytes.
async fn body_of(mut response: Response, limit: usize) -> Result<Vec<u8>, TargetError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) => {
                return Err(TargetError::Malformed(format!("it has more than {limit} bytes")));
            }
            Err(error) => return Err(TargetError::Unreachable(words(&error))),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    replicas: i32,
    #[serde(default)]
    status_replicas: Option<i32>,
    #[serde(default)]
    pods: Option<Vec<PodRecord>>,
    #[serde(default)]
    version: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    workload: &'a WorkloadId,
    #[serde(flatten)]
    change: &'a Change,
}

#[async_trait]
impl ScaleTarget for WebhookTarget {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, workload: &WorkloadId) -> Result<TargetStatus, TargetError> {
        let response = self.send(Method::GET, workload, None).await?;
        let body = body_of(response, LONGEST).await?;
        let Answer { replicas, status_replicas, pods, version } = serde_json::from_slice(&body)
            .map_err(|error| {
                TargetError::Malformed(format!("expected JSON with `replicas`: {error}"))
            })?;
        let status_replicas = status_replicas.unwrap_or(replicas);
        Ok(TargetStatus { replicas, status_replicas, pods, version, ..TargetStatus::default() })
    }

    async fn write(&self, workload: &WorkloadId, change: &Change) -> Result<(), TargetError> {
        let body = serde_json::to_vec(&Body { workload, change })
            .map_err(|error| TargetError::Refused(error.to_string()))?;
        self.send(Method::POST, workload, Some(body)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_2104() {
        // printf '1700000000.POST.{"replicas":5}' | openssl dgst -sha256 -hmac secret
        let hex = "b163dc63beed3b9ac7532143830b124ff65a580e69d6da062ded24b41003805e";
        let signed = sign(b"secret", 1_700_000_000, "POST", br#"{"replicas":5}"#);
        assert_eq!(signed, Some(format!("t=1700000000,v1={hex}")));
        assert_eq!(sign(b"", 1, "GET", b""), None);
    }

    #[test]
    fn what_can_t_be_is_refused() {
        let spec = |url: &str| WebhookSpec {
            url: String::from(url),
            secret_file: None,
            headers: BTreeMap::new(),
        };
        let error = WebhookTarget::new(spec("ftp://host/x")).unwrap_err().to_string();
        assert!(error.contains("has to begin with `http://`"), "{error}");
        assert!(WebhookTarget::new(spec("no address")).is_err());
        let headers = [(String::from("a b"), String::new())].into();
        let error = WebhookTarget::new(WebhookSpec { headers, ..spec("http://host") });
        assert!(matches!(error, Err(WebhookError::Header { .. })));
    }
}
