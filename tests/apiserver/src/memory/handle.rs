//! From a request to its answer.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};

use super::access;
use super::faults::Logged;
use super::kinds::{self, Kind};
use super::request::Asked;
use super::status::{Answer, Status, bytes_response, json_response};
use super::store::{Inner, Key};
use super::{Shared, discovery, list, objects, patch, removal, scale, update, watch};
use crate::metrics::{MetricsApi, Pod};
use crate::serve::Body;

/// Answers, unless the connection is to be broken off.
pub(super) async fn handle(
    shared: &Shared,
    request: Request<Bytes>,
) -> Result<Response<Body>, io::Error> {
    let asked = match identify(shared, &request) {
        Ok(asked) => asked,
        Err(status) => return Ok(status.response()),
    };
    let fate = shared.faults.meet(&asked);
    if !fate.delay.is_zero() {
        tokio::time::sleep(fate.delay).await;
    }
    if fate.break_off {
        return Err(io::Error::other("broken off"));
    }
    if let Some(status) = fate.answer {
        return Ok(status.response());
    }
    let response = answer(shared, &asked).unwrap_or_else(|status| status.response());
    if fate.lose_answer {
        return Err(io::Error::other("the answer is lost"));
    }
    Ok(response)
}

/// Who asks for what, and whether they may speak for somebody else.
fn identify(shared: &Shared, request: &Request<Bytes>) -> Result<Asked, Status> {
    let (user, spoken_for) = access::authenticate(request.headers())?;
    if let Some(other) = spoken_for {
        let impersonation = Logged {
            verb: "impersonate".into(),
            resource: "users".into(),
            name: other.name.clone(),
            user: user.name.clone(),
            ..Logged::default()
        };
        shared.store.with(|inner| access::authorize(inner, &user, &impersonation))?;
        return Asked::new(request, other);
    }
    Asked::new(request, user)
}

fn answer(shared: &Shared, asked: &Asked) -> Result<Response<Body>, Status> {
    shared.store.with(|inner| access::authorize(inner, &asked.user, &asked.logged))?;
    if let Some(answered) = metrics(shared, asked) {
        return Ok(json_response(200, &answered?));
    }
    if !asked.is_resource() {
        return about_the_server(shared, asked);
    }
    let Logged { group, version, resource, verb, .. } = &asked.logged;
    let kind = shared.store.with(|inner| kinds::find(inner, group, version, resource));
    let kind = kind.ok_or_else(Status::no_such_resource)?;
    match (kind.namespaced, asked.logged.namespace.is_empty()) {
        (false, false) if resource != "namespaces" => return Err(Status::no_such_resource()),
        (true, true) if !matches!(verb.as_str(), "list" | "watch") => {
            return Err(Status::method_not_allowed());
        }
        _ => {}
    }
    match verb.as_str() {
        "watch" => watch::watch(shared, &kind, asked),
        "list" => {
            let answered = shared.store.with(|inner| list::list(inner, &kind, asked))?;
            Ok(json_response(200, &answered))
        }
        _ => {
            let (code, value) = shared.store.with(|inner| about_an_object(inner, &kind, asked))?;
            Ok(json_response(code, &list::in_form(value, &asked.accept)))
        }
    }
}

fn about_an_object(inner: &mut Inner, kind: &Kind, asked: &Asked) -> Result<(u16, Value), Status> {
    let ok = |answer: Answer| answer.map(|value| (200, value));
    let verb = asked.logged.verb.as_str();
    if kind.review {
        let object = objects::body(kind, asked)?;
        return Ok((201, access::review(inner, &kind.kind, &asked.user, object)));
    }
    match (asked.logged.subresource.as_str(), verb) {
        ("", "get") => ok(objects::get(inner, kind, asked)),
        ("", "create") => objects::create(inner, kind, asked).map(|value| (201, value)),
        ("" | "status", "update") => ok(update::replace(inner, kind, asked)),
        ("" | "status", "patch") => patch::patch(inner, kind, asked),
        ("", "delete") => ok(removal::delete(inner, kind, asked)),
        ("", "deletecollection") => ok(removal::delete_all(inner, kind, asked)),
        ("status", "get") if kind.has_status => ok(objects::get(inner, kind, asked)),
        ("scale", _) if kind.scale.is_some() => ok(scale::answer(inner, kind, asked)),
        ("eviction", "create") if kind.stored.as_ref() == "pods" => {
            removal::evict(inner, kind, asked).map(|value| (201, value))
        }
        ("binding", "create") if kind.stored.as_ref() == "pods" => {
            objects::bind(inner, kind, asked).map(|value| (201, value))
        }
        ("" | "status" | "scale", _) => Err(Status::method_not_allowed()),
        _ => Err(Status::no_such_resource()),
    }
}

fn about_the_server(shared: &Shared, asked: &Asked) -> Result<Response<Body>, Status> {
    let metrics = shared.metrics.lock().unwrap();
    let kinds = shared.store.with(|inner| kinds::all(inner));
    let aggregated = asked.accept.contains("APIGroupDiscoveryList");
    let path: Vec<&str> = asked.logged.path.trim_matches('/').split('/').collect();
    let found = match path.as_slice() {
        ["readyz" | "livez" | "healthz"] => {
            return Ok(bytes_response(200, "text/plain; charset=utf-8", "ok".into()));
        }
        ["version"] => Some(version()),
        ["api" | "apis"] if aggregated => {
            let value = discovery::aggregated(&kinds, &metrics, path == ["api"]);
            let mut response = json_response(200, &value);
            let form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            response.headers_mut().insert("content-type", form.parse().unwrap());
            return Ok(response);
        }
        ["api"] => Some(discovery::core_versions("127.0.0.1")),
        ["apis"] => Some(discovery::group_list(&kinds, &metrics)),
        ["apis", group] => discovery::group(&kinds, &metrics, group),
        ["api", version] => discovery::resource_list(&kinds, "", version),
        ["apis", group, version] => discovery::resource_list(&kinds, group, version),
        _ => None,
    };
    found.map(|value| json_response(200, &value)).ok_or_else(Status::no_such_resource)
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": "v1.36.0",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": "test",
    })
}

/// The answer of a metrics API, if that is asked and served.
fn metrics(shared: &Shared, asked: &Asked) -> Option<Answer> {
    let path = super::decode(&asked.logged.path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["apis", group, version, rest @ ..] = parts.as_slice() else { return None };
    let metrics = shared.metrics.lock().unwrap();
    let api = MetricsApi::ALL.into_iter().find(|api| {
        metrics.served.contains(api) && api.group() == *group && api.version() == *version
    })?;
    let pods = match (api, rest) {
        // About no pods: copying each for each request would take longer than all else.
        (MetricsApi::External, _) => Vec::new(),
        (_, ["namespaces", namespace, ..]) => pods(shared, namespace),
        _ => pods(shared, ""),
    };
    Some(crate::metrics::answer(api, rest, &asked.query, &metrics, &pods))
}

/// The pods of a namespace, or all.
fn pods(shared: &Shared, namespace: &str) -> Vec<Pod> {
    let pods = shared.store.with(|inner| inner.list(&"pods".into(), namespace));
    let pod = |(key, pod): (Key, Arc<Value>)| Pod {
        labels: super::selector::labels(&pod),
        namespace: key.namespace,
        name: key.name,
    };
    pods.into_iter().map(pod).collect()
}
