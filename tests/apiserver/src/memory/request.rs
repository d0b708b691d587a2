//! What a request asks for.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{Method, Request};

use super::access::User;
use super::faults::Logged;
use super::status::Status;

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) logged: Logged,
    pub(super) user: User,
    pub(super) query: BTreeMap<String, String>,
    pub(super) accept: String,
    pub(super) user_agent: String,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn new(request: &Request<Bytes>, user: User) -> Result<Self, Status> {
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let query_text = request.uri().query().unwrap_or_default();
        let query = query(query_text);
        let content_type = header("content-type");
        let mut logged = Logged {
            path: request.uri().path().into(),
            query: query_text.into(),
            content_type: content_type.split(';').next().unwrap_or_default().trim().into(),
            user: user.name.clone(),
            ..Logged::default()
        };
        place(&mut logged);
        logged.verb = verb(request.method(), &logged, &query)?.into();
        Ok(Self {
            logged,
            user,
            query,
            accept: header("accept"),
            user_agent: header("user-agent"),
            body: request.body().clone(),
        })
    }

    /// Whether it is about a resource, rather than about the server.
    pub(super) fn is_resource(&self) -> bool {
        !self.logged.resource.is_empty()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.query.get(name).map(String::as_str), Some("true" | "1" | "True" | "t"))
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Who writes, for the ownership of fields: what it calls itself, or its program.
    pub(super) fn field_manager(&self) -> String {
        let named = self.parameter("fieldManager");
        if !named.is_empty() {
            return named.into();
        }
        let program = self.user_agent.split('/').next().unwrap_or_default();
        if program.is_empty() { "unknown".into() } else { program.into() }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.parameter("dryRun") == "All"
    }
}

/// Takes the path apart: `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE/NAME/SUBRESOURCE`.
fn place(logged: &mut Logged) {
    let path = logged.path.clone();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let rest = match parts.as_slice() {
        ["api", version, rest @ ..] => {
            logged.version = (*version).into();
            rest
        }
        ["apis", group, version, rest @ ..] => {
            logged.group = (*group).into();
            logged.version = (*version).into();
            rest
        }
        _ => return,
    };
    let rest = match rest {
        // A namespace itself, or one of its own subresources.
        ["namespaces", name, "status" | "finalize"] if logged.group.is_empty() => {
            logged.namespace = (*name).into();
            rest
        }
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
            logged.namespace = (*namespace).into();
            rest
        }
        _ => rest,
    };
    let mut rest = rest.iter().map(|part| decode(part));
    logged.resource = rest.next().unwrap_or_default();
    logged.name = rest.next().unwrap_or_default();
    logged.subresource = rest.collect::<Vec<_>>().join("/");
    if logged.resource == "namespaces" && logged.group.is_empty() {
        logged.namespace = logged.name.clone();
    }
}

fn verb(
    method: &Method,
    logged: &Logged,
    query: &BTreeMap<String, String>,
) -> Result<&'static str, Status> {
    if logged.resource.is_empty() {
        return match *method {
            Method::GET => Ok("get"),
            Method::POST => Ok("post"),
            _ => Err(Status::method_not_allowed()),
        };
    }
    let named = !logged.name.is_empty();
    let watch = matches!(query.get("watch").map(String::as_str), Some("true" | "1" | ""));
    Ok(match *method {
        Method::GET if named => "get",
        Method::GET if watch => "watch",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => return Err(Status::method_not_allowed()),
    })
}

/// The parameters of a query. Where one is given again, the first counts.
pub(crate) fn query(text: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        parameters
            .entry(decode(&name.replace('+', " ")))
            .or_insert(decode(&value.replace('+', " ")));
    }
    parameters
}

/// Without percent signs.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
