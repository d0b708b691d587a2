//! How a server is reached over HTTP: who we are, whom we trust, and how long we wait.

mod auth;
mod body;
mod tls;
mod watched;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect;
use serde::{Deserialize, Serialize};
use trimtab_metric::Span;
use trimtab_runtime::SourceError;

pub use auth::{AuthSpec, BasicAuthSpec};
pub(crate) use body::{read_body, sending_failed};
pub use tls::TlsSpec;
use watched::{Stamp, Watched};

use crate::SpecError;

/// What we call ourselves.
const USER_AGENT: &str = concat!("trimtab/", env!("CARGO_PKG_VERSION"));

/// How a server is reached. The default is plain HTTP or HTTPS with the system's certificates, without credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectSpec {
    /// Who we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSpec>,
    /// Whom we trust, and the certificate that we show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// Headers that go with every request, such as `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether `HTTP_PROXY` and its like are heeded. Default: no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxy_from_environment: bool,
}

impl ConnectSpec {
    /// The same with the files that it names below `directory`, those but whose path is absolute: for who takes paths as relative to
    /// the document that they stand in.
    ///
    /// ```
    /// use trimtab_prometheus::ConnectSpec;
    ///
    /// let mut connect: ConnectSpec = serde_json::from_str(r#"{"tls": {"caFile": "ca.pem"}}"#)?;
    /// connect.make_relative_to("/etc/trimtab".as_ref());
    /// assert_eq!(connect.tls.unwrap().ca_file.unwrap().to_str(), Some("/etc/trimtab/ca.pem"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn make_relative_to(&mut self, directory: &Path) {
        let auth = self.auth.iter_mut().flat_map(|auth| {
            let password = auth.basic.iter_mut().map(|basic| &mut basic.password_file);
            auth.bearer_token_file.iter_mut().chain(password)
        });
        let tls = self.tls.iter_mut().flat_map(|tls| {
            [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file].into_iter().flatten()
        });
        auth.chain(tls).for_each(|file| *file = directory.join(&*file));
    }
}

/// Makes requests as a [`ConnectSpec`] says, and takes up files that changed: tokens at each request, certificates with a new
/// connection.
pub(crate) struct Transport {
    spec: ConnectSpec,
    headers: HeaderMap,
    credentials: auth::Credentials,
    connect_timeout: Duration,
    built: Mutex<Built>,
}

struct Built {
    client: reqwest::Client,
    files: Vec<Stamp>,
}

/// Those that are in use, for who reaches others in the same way: a thousand workloads need no thousand pools of connections.
static SHARED: Mutex<Vec<Weak<Transport>>> = Mutex::new(Vec::new());

impl Transport {
    /// One that reaches servers in this way, which others may use as well.
    pub(crate) fn shared(
        spec: &ConnectSpec,
        connect_timeout: Duration,
    ) -> Result<Arc<Self>, SpecError> {
        let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        let same = |one: &Arc<Self>| one.spec == *spec && one.connect_timeout == connect_timeout;
        if let Some(known) = all.iter().filter_map(Weak::upgrade).find(same) {
            return Ok(known);
        }
        let new = Arc::new(Self::new(spec, connect_timeout)?);
        all.push(Arc::downgrade(&new));
        Ok(new)
    }

    /// Checks the spec and reads the files that it names.
    pub(crate) fn new(spec: &ConnectSpec, connect_timeout: Duration) -> Result<Self, SpecError> {
        let headers = headers(&spec.headers)?;
        let credentials = auth::Credentials::new(spec.auth.as_ref())?;
        let built = build(spec, connect_timeout)?;
        let spec = spec.clone();
        Ok(Self { spec, headers, credentials, connect_timeout, built: Mutex::new(built) })
    }

    /// The client to ask with now.
    pub(crate) fn client(&self) -> Result<reqwest::Client, SourceError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if self.spec.tls.as_ref().is_some_and(|tls| tls.stamps() != built.files) {
            *built = build(&self.spec, self.connect_timeout)
                .map_err(|error| SourceError::Denied(error.to_string()))?;
        }
        Ok(built.client.clone())
    }

    /// The headers of a request now.
    pub(crate) fn headers(&self) -> Result<HeaderMap, SourceError> {
        let mut headers = self.headers.clone();
        if let Some(value) = self.credentials.header()? {
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

fn build(spec: &ConnectSpec, connect_timeout: Duration) -> Result<Built, SpecError> {
    trimtab_runtime::use_ring();
    // Before the files are read: one that changes meanwhile is read again.
    let files = spec.tls.as_ref().map(TlsSpec::stamps).unwrap_or_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(8)
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_nodelay(true)
        .redirect(redirect::Policy::custom(within_a_server));
    if !spec.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(tls) = &spec.tls {
        builder = tls.apply(builder)?;
    }
    let client = builder.build().map_err(|error| SpecError::tls(tls::words(&error)))?;
    Ok(Built { client, files })
}

/// Follows where a server moves a page within itself, as some do with `/metrics` and `/metrics/`. A metric that is elsewhere than we were
/// told is not ours, and credentials stay with whom they are for.
fn within_a_server(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= 3 { attempt.follow() } else { attempt.stop() }
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, SpecError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| {
            SpecError::new(format!("`{name}` can't name a header: use letters, digits and `-`"))
        })?;
        if name == reqwest::header::AUTHORIZATION {
            return Err(SpecError::new(
                "`Authorization` is no header to write down: use `auth`, which reads it from a file",
            ));
        }
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| {
            SpecError::new(format!("the header `{name}` has a value with control characters"))
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A length of time as the standard library has it; nothing below zero.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_servers_in_the_same_way_shares_connections() {
        let second = Duration::from_secs(1);
        let spec = ConnectSpec::default();
        let one = Transport::shared(&spec, second).unwrap();
        assert!(Arc::ptr_eq(&one, &Transport::shared(&spec, second).unwrap()));
        assert!(!Arc::ptr_eq(&one, &Transport::shared(&spec, second * 2).unwrap()));
        let other = ConnectSpec { proxy_from_environment: true, ..ConnectSpec::default() };
        assert!(!Arc::ptr_eq(&one, &Transport::shared(&other, second).unwrap()));
    }
}
