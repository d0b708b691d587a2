//! One request to the API server, and what its answer means.

use std::time::Duration;

use http::Request;
use kube::Client;
use kube::core::Status;
use serde::de::DeserializeOwned;
use trimtab_runtime::TargetError;

use crate::connect::retry_after;

/// Why a request was not carried out.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The server said no.
    Answer(Box<Answer>),
    /// There was no answer.
    Unreachable(String),
    /// The answer can't be read.
    Malformed(String),
}

/// What the server said.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) message: String,
    /// It is the API's own; else no API stands behind that path.
    pub(crate) is_of_api: bool,
    /// Who else manages the field that was applied: the managers by name.
    pub(crate) managers: Vec<String>,
    pub(crate) retry_after: Option<Duration>,
}

/// Sends a request and reads the answer.
pub(crate) async fn call<T: DeserializeOwned>(
    client: &Client,
    request: Result<Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<T, Failure> {
    let request = request.map_err(|error| Failure::Malformed(error.to_string()))?;
    let unreachable = |error: kube::Error| Failure::Unreachable(words(&error));
    let response = client.send(request.map(Into::into)).await.map_err(unreachable)?;
    let status = response.status();
    let wait = retry_after(response.headers());
    let body = response.into_body().collect_bytes().await.map_err(unreachable)?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| Failure::Malformed(error.to_string()));
    }
    Err(Failure::Answer(Box::new(Answer::of(status.as_u16(), wait, &body))))
}

impl Answer {
    fn of(code: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let Ok(status) = serde_json::from_slice::<Status>(body) else {
            let text = String::from_utf8_lossy(body);
            let line = text.trim().lines().next().unwrap_or_default();
            let message = if line.is_empty() {
                format!("the server answered {code}")
            } else {
                format!(
                    "the server answered {code}: {}",
                    line.chars().take(200).collect::<String>()
                )
            };
            return Self { code, message, is_of_api: false, managers: Vec::new(), retry_after };
        };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        let managers = causes.filter(|cause| cause.reason == "FieldManagerConflict");
        let asked = status.details.as_ref().map(|details| details.retry_after_seconds);
        let asked = asked.filter(|seconds| *seconds > 0);
        Self {
            code,
            managers: managers.map(|cause| manager_in(&cause.message)).collect(),
            message: status.message,
            is_of_api: true,
            retry_after: retry_after.or(asked.map(|seconds| Duration::from_secs(seconds.into()))),
        }
    }
}

/// The manager's name in `conflict with "kubectl" with subresource "scale" using apps/v1`; all of a
/// text that is different.
fn manager_in(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

impl Failure {
    /// There is no API behind the path: its kind was removed, or its version.
    pub(crate) fn is_path_unknown(&self) -> bool {
        matches!(self, Self::Answer(answer) if answer.code == 404 && !answer.is_of_api)
    }

    pub(crate) fn has_code(&self, code: u16) -> bool {
        matches!(self, Self::Answer(answer) if answer.code == code)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => answer.retry_after,
            Self::Unreachable(_) | Self::Malformed(_) => None,
        }
    }
}

impl From<Failure> for TargetError {
    fn from(failure: Failure) -> Self {
        let answer = match failure {
            Failure::Unreachable(reason) => return Self::Unreachable(reason),
            Failure::Malformed(reason) => return Self::Malformed(reason),
            Failure::Answer(answer) => *answer,
        };
        match answer.code {
            409 => Self::Conflict,
            404 => Self::NotFound(answer.message),
            401 | 403 => Self::Denied(answer.message),
            408 | 429 | 500..=599 => Self::Unreachable(answer.message),
            _ => Self::Refused(answer.message),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(answer) => f.write_str(&answer.message),
            Self::Unreachable(reason) => write!(f, "can't be reached: {reason}"),
            Self::Malformed(reason) => write!(f, "its answer can't be read: {reason}"),
        }
    }
}

/// What went wrong, with what it comes from.
fn words(error: &kube::Error) -> String {
    crate::connect::words(error)
}
